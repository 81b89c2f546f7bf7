"""Records that cannot be altered unnoticed: JSON with a format number and a digest of itself."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from twinspect._version import __version__
from twinspect.errors import BundleError

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 1
_ALTERED = "is damaged or was edited: its digest does not match; "
_COPY = "copy the model again"


def dump_checksummed(record: dict[str, Any]) -> bytes:
    """Serialize a record of plain JSON values."""
    complete = {"format": FORMAT, "twinspect": __version__, **record}
    complete["digest"] = _digest(complete)
    return _text(complete)


def load_checksummed(content: bytes, path: Path, remedy: str = _COPY) -> dict[str, Any]:
    """Parse and check a record.

    Args:
        content: of the file.
        path: of the file, for the error message.
        remedy: what to do if it was edited, for the error message.

    Raises:
        BundleError: damaged, altered, or of an unknown format.
    """
    try:
        record = json.loads(content)
        _check(path, record, remedy)
        # A superfluous last digit can be flipped without changing the number that is read, and hence the digest.
        if _text(record) != content:
            raise BundleError(f"{path} {_ALTERED}{remedy}")
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path} is damaged: it is not valid JSON ({error}); {_COPY}") from error
    del record["digest"]
    loaded: dict[str, Any] = record
    return loaded


def sha256(content: bytes) -> str:
    """Return the hexadecimal sha256 of a file's content."""
    return hashlib.sha256(content).hexdigest()


def check_content(content: bytes, expected: str, path: Path, record: str) -> None:
    """Refuse a file whose content is not the one in a record.

    Args:
        content: of the file.
        expected: the sha256 in the record.
        path: of the file, for the error message.
        record: name of the record, for the error message.

    Raises:
        BundleError: the digests differ.
    """
    check_digest(sha256(content), expected, path, record)


def check_digest(actual: str, expected: str, path: Path, record: str) -> None:
    """Refuse a file whose digest is not the one in a record.

    Args:
        actual: the sha256 of the file.
        expected: the sha256 in the record.
        path: of the file, for the error message.
        record: name of the record, for the error message.

    Raises:
        BundleError: the digests differ.
    """
    if actual != expected:
        raise BundleError(
            f"{path} is damaged or altered: its sha256 is {actual[:12]}…, {record} expects {expected[:12]}…; "
            + _COPY
        )


def _check(path: Path, record: Any, remedy: str) -> None:
    number = record.get("format") if isinstance(record, dict) else None
    if number != FORMAT:
        raise BundleError(
            f"{path} has format number {number!r}; this twinspect ({__version__}) reads format {FORMAT}: "
            "update with: pip install --upgrade twinspect"
        )
    if record.get("digest") != _digest(record):
        raise BundleError(f"{path} {_ALTERED}{remedy}")


def _text(record: dict[str, Any]) -> bytes:
    return (json.dumps(record, indent=1) + "\n").encode()


def _digest(record: dict[str, Any]) -> str:
    rest = {key: value for key, value in record.items() if key != "digest"}
    return sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode())
