"""Wording shared by error messages and notes on teachers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SHOWN = 3
"""Maximum of names listed in a message; the rest is counted."""


def summarize_error(error: BaseException) -> str:
    r"""Summarize an error in one line.

    >>> summarize_error(ValueError("bad header\nsee the manual"))
    'ValueError: bad header'
    >>> summarize_error(AssertionError())
    'AssertionError'
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def list_first(names: Iterable[str]) -> str:
    """List the first names and count the rest.

    >>> list_first(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    listed = list(names)
    rest = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return ", ".join(listed[:SHOWN]) + rest
