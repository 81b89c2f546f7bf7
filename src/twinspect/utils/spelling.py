r"""One spelling of file names wherever they are written: tables, terminals, pages, answers of the server and logs.

A name may hold bytes that are no UTF-8, line ends, and control characters that move a cursor or forge a line. Such a
character is written as ``\uXXXX``, four hexadecimal digits of its code; of a byte that is no UTF-8, that of the
surrogate that Python has for it. A backslash that would begin such a group is written as ``\u005c``. Everything else
stays, so that usual names are spelled as they are, and :func:`unspell` gives back every name.
"""

from __future__ import annotations

import re
from typing import Final

_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]|\\\\(?=u[0-9a-f]{4})"
)
r"""Controls, separators of lines, marks of writing direction, surrogates; and a backslash before ``uXXXX``."""
_GROUP: Final = re.compile(r"\\u([0-9a-f]{4})")


def spell(name: str) -> str:
    r"""Write a name such that it is one line of valid text.

    >>> print(spell("new\nline"), spell("b\udcff.jpg"), spell("漢字 é.png"), spell(r"C:\parts\u0041"))
    new\u000aline b\udcff.jpg 漢字 é.png C:\parts\u005cu0041
    """
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", name)


def unspell(text: str) -> str:
    r"""Give back the name.

    >>> unspell(spell("new\nline \udcff")) == "new\nline \udcff"
    True
    """
    return _GROUP.sub(lambda found: chr(int(found[1], 16)), text)
