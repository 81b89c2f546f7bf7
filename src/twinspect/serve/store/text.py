"""Text of any client or file system, made storable."""

from __future__ import annotations


def storable_text(text: str) -> str:
    r"""Escape what a database cannot store, such that different names stay different.

    PostgreSQL allows no NUL in text, and no database lone surrogates, as stand for undecodable bytes in file names.

    >>> print(storable_text("part\udcff.png"), storable_text("a\0b"))
    part\udcff.png a\x00b
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")
