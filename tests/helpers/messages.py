"""What the command line writes to standard error."""

from __future__ import annotations

import re


def error_lines(text: str) -> int:
    """Count the lines of the error, which stages may precede; anything that follows it counts too."""
    before, error, after = text.strip().partition("twinspect: error: ")
    assert all(re.match(r"twinspect: \w", line) for line in before.splitlines()), text
    return len((error + after).splitlines())
