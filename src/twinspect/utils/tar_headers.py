"""Headers of tar files that cannot fill the memory."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing_extensions import Self

LONGEST: Final = 1 << 20
"""Bytes that a long name, or the attributes of a file, may have; :mod:`tarfile` reads them whole."""
_READ_WHOLE: Final = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


class BoundedTarInfo(tarfile.TarInfo):
    """A member whose header may not state more than :data:`LONGEST` of what is read whole."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Read a header.

        Raises:
            tarfile.ReadError: it states too much.
        """
        member = super().frombuf(buf, encoding, errors)
        if member.type in _READ_WHOLE and not 0 <= member.size <= LONGEST:
            raise tarfile.ReadError(f"a header states {member.size} bytes of attributes")
        return member
