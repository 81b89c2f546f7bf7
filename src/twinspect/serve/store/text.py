"""Text that a database takes, of any client or file system."""

from __future__ import annotations


def spelt(text: str) -> str:
    r"""Spell out what cannot be kept, so that different names stay different.

    PostgreSQL has no NUL in text, and no database takes the half characters that stand for odd bytes in file names.

    >>> print(spelt("part\udcff.png"), spelt("a\0b"))
    part\udcff.png a\x00b
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")
