"""The files of the web page, for tests that read them."""

from __future__ import annotations

import re
from pathlib import Path

import twinspect

WEB = Path(twinspect.__file__).parent / "serve" / "web"


STRING_OR_COMMENT = re.compile(r'("(?:[^"\\\n]|\\.)*"|`[^`]*`)|/\*.*?\*/|//[^\n]*', re.DOTALL)


def without_comments(code: str) -> str:
    """JavaScript without its comments; what looks like one within a string is none."""
    return STRING_OR_COMMENT.sub(lambda found: found[1] or "", code)
