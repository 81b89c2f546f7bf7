"""Records that notice when they were altered: JSON with a format number and a digest of itself."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from twinspect._version import __version__
from twinspect.errors import BundleError

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 1
_ALTERED = "is damaged or was edited: its digest does not fit; copy the model again"


def dump_checksummed(record: dict[str, Any]) -> bytes:
    """Give the content of a file that holds a record of plain JSON values."""
    complete = {"format": FORMAT, "twinspect": __version__, **record}
    complete["digest"] = _digest(complete)
    return _text(complete)


def load_checksummed(content: bytes, path: Path) -> dict[str, Any]:
    """Give the record back, after checking it.

    Args:
        content: what the file holds.
        path: its name, for the error.

    Raises:
        BundleError: damaged, altered, or of an unknown format.
    """
    try:
        record = json.loads(content)
    except ValueError as error:
        raise BundleError(f"{path} is damaged: it is no JSON ({error}); copy the model again") from error
    _check(path, record)
    # A last digit too many can be flipped without changing the number, and hence the digest, that is read.
    if _text(record) != content:
        raise BundleError(f"{path} {_ALTERED}")
    del record["digest"]
    loaded: dict[str, Any] = record
    return loaded


def sha256(content: bytes) -> str:
    """Give the digest by which a file is known."""
    return hashlib.sha256(content).hexdigest()


def check_content(content: bytes, expected: str, path: Path, record: str) -> None:
    """Refuse a file that is not the one a record names.

    Args:
        content: what the file holds.
        expected: the sha256 that the record says.
        path: the file's name, for the error.
        record: the record's name, likewise.

    Raises:
        BundleError: it is another file.
    """
    check_digest(sha256(content), expected, path, record)


def check_digest(found: str, expected: str, path: Path, record: str) -> None:
    """Refuse a file by its digest.

    Args:
        found: the sha256 of what the file holds.
        expected: the sha256 that the record says.
        path: the file's name, for the error.
        record: the record's name, likewise.

    Raises:
        BundleError: it is another file.
    """
    if found != expected:
        raise BundleError(
            f"{path} is damaged or altered: its sha256 is {found[:12]}…, {record} expects {expected[:12]}…; "
            "copy the model again"
        )


def _check(path: Path, record: Any) -> None:
    found = record.get("format") if isinstance(record, dict) else None
    if found != FORMAT:
        raise BundleError(
            f"{path} has format number {found!r}; this twinspect ({__version__}) reads format {FORMAT}: "
            "update with: pip install --upgrade twinspect"
        )
    if record.get("digest") != _digest(record):
        raise BundleError(f"{path} {_ALTERED}")


def _text(record: dict[str, Any]) -> bytes:
    return (json.dumps(record, indent=1) + "\n").encode()


def _digest(record: dict[str, Any]) -> str:
    rest = {key: value for key, value in record.items() if key != "digest"}
    return sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode())
