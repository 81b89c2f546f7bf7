"""Downloading one file: resumed where it was cut off, from any of its sources, kept only if its checksum is right."""

from __future__ import annotations

import hashlib
import http.client
import urllib.request
from typing import IO, TYPE_CHECKING, Final
from urllib.error import HTTPError, URLError

from twinspect._version import __version__
from twinspect.errors import DownloadError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from twinspect.data.benchmarks.download_urls import RemoteFile
    from twinspect.utils.progress import Progress

TIMEOUT: Final = 30.0
"""Seconds without a byte after which a connection counts as cut."""
TRIES: Final = 5
"""How often one source is asked to resume after a cut connection, as long as each try brought more bytes."""
MEGABYTE: Final = 1_000_000
"""Bytes per step of progress."""
_CHUNK: Final = 1 << 16
_RANGE_REFUSED: Final = 416


class _SourceError(Exception):
    """A source cannot give the file; the message says why, and the next source is asked."""


class _ConnectionCutError(_SourceError):
    """The connection ended before the file did."""


def fetch(file: RemoteFile, folder: Path, progress: Progress) -> Path:
    """Fetch a file into a folder, through ``<name>.part``, which a later call resumes.

    Args:
        file: what to fetch.
        folder: where to; it exists. A file of that name there is kept if its checksum is right.
        progress: is told of megabytes (10^6 bytes).

    Returns:
        The file; its checksum is right.

    Raises:
        DownloadError: no source gives the file that was published; names each and says why.
        OSError: the disk is full or not writable.
    """
    path, part = folder / file.name, folder / f"{file.name}.part"
    if path.is_file():
        if matches(file, path):
            return path
        path.unlink()
    reasons = []
    for url in file.urls:
        try:
            _fetch_from(url, file, part, progress)
        except _SourceError as error:
            reasons.append(f"{url} ({error})")
            continue
        part.replace(path)
        return path
    raise DownloadError(f"{file.name} cannot be fetched from {' nor from '.join(reasons)}")


def matches(file: RemoteFile, path: Path) -> bool:
    """Tell whether a file on the disk has the checksum that was published."""
    return checksum(path, _algorithm(file)) == file.checksum


def checksum(path: Path, algorithm: str) -> str:
    """Compute a file's checksum, as ``algorithm:hexadecimal digits``."""
    # MD5 still shows that a file is the published one: nobody can make another file that fits a given sum.
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as stream:
        for chunk in _chunks(stream):
            digest.update(chunk)
    return f"{algorithm}:{digest.hexdigest()}"


def _algorithm(file: RemoteFile) -> str:
    return file.checksum.partition(":")[0]


def _fetch_from(url: str, file: RemoteFile, part: Path, progress: Progress) -> None:
    """Complete ``part`` from one source, and check it; a wrong one is removed."""
    earlier = _length(part)
    _fetch_with_retries(url, file, part, progress)
    if earlier and not matches(file, part):  # what was kept may have come from elsewhere and be wrong
        part.unlink()
        _fetch_with_retries(url, file, part, progress)
    if (actual := checksum(part, _algorithm(file))) != file.checksum:
        length = _length(part)
        part.unlink()
        raise _SourceError(f"gave another file: {actual} of {length} bytes; published is {file.checksum}")


def _fetch_with_retries(url: str, file: RemoteFile, part: Path, progress: Progress) -> None:
    for _ in range(TRIES):
        before = _length(part)
        try:
            return _resume(url, file, part, progress)
        except _ConnectionCutError:
            if _length(part) <= before:
                raise
    raise _SourceError(f"the connection was cut {TRIES} times; {_length(part)} bytes are kept")


def _resume(url: str, file: RemoteFile, part: Path, progress: Progress) -> None:
    """Append what is missing, or start over where the source cannot resume."""
    kept = _length(part)
    if file.size is not None and kept > file.size:
        kept = 0
    if kept and kept == file.size:
        return
    with _open(url, kept) as response:
        start = _first_byte(response, kept)
        total = _total_size(response, start)
        if file.size is not None and total not in (None, file.size):
            raise _SourceError(f"offers {total} bytes; published are {file.size}")
        with part.open("r+b" if part.exists() else "wb") as out:
            out.truncate(start)
            out.seek(start)
            _copy(
                response,
                out,
                file.size if total is None else total,
                _MegabyteProgress(file.name, total, start, progress),
            )


def _copy(
    response: http.client.HTTPResponse, out: IO[bytes], total: int | None, meter: _MegabyteProgress
) -> None:
    for chunk in _received_chunks(response):
        if total is not None and meter.bytes + len(chunk) > total:
            raise _SourceError(f"gives more than {total} bytes")
        out.write(chunk)
        meter.add(len(chunk))
    if total is not None and meter.bytes < total:
        raise _ConnectionCutError(
            f"the connection was cut after {meter.bytes} of {total} bytes, which are kept"
        )
    meter.finish()


def _received_chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """Yield what arrives; errors of the network are told apart from those of the disk here."""
    while True:
        try:
            chunk = response.read1(_CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise _ConnectionCutError(_reason(error)) from error
        if not chunk:
            return
        yield chunk


def _open(url: str, kept: int) -> http.client.HTTPResponse:
    headers = {"User-Agent": f"twinspect/{__version__}", "Accept-Encoding": "identity"}
    if kept:
        headers["Range"] = f"bytes={kept}-"
    try:
        response: http.client.HTTPResponse = _opener().open(
            urllib.request.Request(url, headers=headers),  # noqa: S310 - the opener knows http and https only
            timeout=TIMEOUT,
        )
    except HTTPError as error:
        error.close()
        if kept and error.code == _RANGE_REFUSED:
            return _open(url, 0)
        raise _SourceError(f"HTTP {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _SourceError(_reason(error)) from error
    return response


def _opener() -> urllib.request.OpenerDirector:
    """Build an opener for http and https alone, redirected or not, through the environment's proxy."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.UnknownHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
    ):
        opener.add_handler(handler())
    return opener


def _first_byte(response: http.client.HTTPResponse, kept: int) -> int:
    """Return the byte of the file at which a response begins."""
    if response.status != http.client.PARTIAL_CONTENT:
        return 0
    text = response.headers.get("Content-Range", "")
    if not text.startswith(f"bytes {kept}-"):
        raise _SourceError(f"was asked for the bytes from {kept} on and gives {text or 'others'}")
    return kept


def _total_size(response: http.client.HTTPResponse, start: int) -> int | None:
    """Return the length of the whole file, as far as the response says it."""
    length = response.headers.get("Content-Length", "")
    return start + int(length) if length.isdecimal() else None


def _reason(error: Exception) -> str:
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return " ".join(str(reason).split()) or type(error).__name__


def _length(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk


class _MegabyteProgress:
    """Turns bytes into the steps of a progress bar.

    Args:
        name: of the file.
        total: its length in bytes, if that is known.
        start: bytes that were there before.
        progress: the progress bar.
    """

    def __init__(self, name: str, total: int | None, start: int, progress: Progress) -> None:
        self.bytes = start
        self._progress = progress
        progress.start(f"{name}, MB", -(-(total or 0) // MEGABYTE), start // MEGABYTE)

    def add(self, count: int) -> None:
        """Count bytes."""
        before = self.bytes // MEGABYTE
        self.bytes += count
        for _ in range(self.bytes // MEGABYTE - before):
            self._progress.advance()

    def finish(self) -> None:
        """The file is whole; the last megabyte is rarely full."""
        if self.bytes % MEGABYTE:
            self._progress.advance()
        self._progress.finish()
