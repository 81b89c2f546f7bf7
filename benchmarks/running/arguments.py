"""What the command lines of benchmarks share: numbers above 0, and mistakes in one line."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from twinspect.errors import TwinspectError

if TYPE_CHECKING:
    from collections.abc import Callable


def positive(text: str) -> int:
    """Read a whole number above 0."""
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return number


def in_one_line(main: Callable[[], object]) -> None:
    """Run a script; what its user can mend ends it with one line and exit code 2."""
    try:
        main()
    except (TwinspectError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
