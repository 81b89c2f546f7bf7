"""`twinspect` and `pip` as pages of the documentation run them: short fits, and nothing is installed.

`python page_command.py twinspect ARGUMENTS…`.
"""

from __future__ import annotations

import functools
import re
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

FITTING = ("fit", "fit-many", "compare")
DEFECTS = 3
"""How many synthetic defects of each kind and size are tried."""


def shorten_fits(patch: Callable[[object, str, object], None] = setattr) -> None:
    """Let every fit of this process take some steps, unless its length is said, and try few synthetic defects."""
    from page_folder import shorten
    from twinspect.detector import Detector
    from twinspect.evaluation import detectability

    fit = Detector.fit

    @functools.wraps(fit)
    def short_fit(detector: Detector, *arguments: Any, **options: Any) -> Detector:
        shorten(detector)
        return fit(detector, *arguments, **options)

    patch(Detector, "fit", short_fit)
    patch(detectability, "TRIED", DEFECTS)


def twinspect(arguments: list[str]) -> int:
    """Run a command line."""
    from twinspect.cli import main

    if arguments[:1] and arguments[0] in FITTING:
        shorten_fits()
    return main(arguments)


def pip(arguments: list[str]) -> int:
    """Look whether the extras that would be installed exist."""
    from importlib.metadata import metadata

    known = set(metadata("twinspect").get_all("Provides-Extra") or ())
    asked = {
        extra for word in arguments for extra in re.findall(r"[\w-]+", "".join(re.findall(r"\[(.*)\]", word)))
    }
    return 0 if arguments[:1] == ["install"] and asked <= known else 2


if __name__ == "__main__":
    sys.exit({"twinspect": twinspect, "pip": pip}[sys.argv[1]](sys.argv[2:]))
