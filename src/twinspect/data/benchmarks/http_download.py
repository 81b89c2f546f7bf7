"""One file from the network: resumed where it was cut off, from whoever has it, and kept only if it is right."""

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
"""How often one place is asked to go on after a cut connection, as long as each time something more came."""
MEGABYTE: Final = 1_000_000
"""Bytes of one step of progress."""
_PIECE: Final = 1 << 16
_RANGE_REFUSED: Final = 416


class _PlaceError(Exception):
    """One place cannot give the file; the message says why, and the next place is asked."""


class _CutError(_PlaceError):
    """The connection ended before the file did."""


def fetch(file: RemoteFile, folder: Path, progress: Progress) -> Path:
    """Fetch a file into a folder, through ``<name>.part``, which a later call goes on with.

    Args:
        file: what to fetch.
        folder: where to; it exists. A file of that name there is kept if its checksum is right.
        progress: is told of megabytes (10^6 bytes).

    Returns:
        The file; its checksum is right.

    Raises:
        DownloadError: no place gives the file that was published; names each place and says why.
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
        except _PlaceError as error:
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
    # MD5 still shows that a file is the published one: nobody can make another one that fits a given sum.
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as stream:
        for piece in _pieces(stream):
            digest.update(piece)
    return f"{algorithm}:{digest.hexdigest()}"


def _algorithm(file: RemoteFile) -> str:
    return file.checksum.partition(":")[0]


def _fetch_from(url: str, file: RemoteFile, part: Path, progress: Progress) -> None:
    """Bring ``part`` to its whole length from one place, and check it; a wrong one is removed."""
    kept = _length(part)
    _complete(url, file, part, progress)
    if kept and not matches(file, part):  # what was kept may have come from elsewhere and be wrong
        part.unlink()
        _complete(url, file, part, progress)
    if (got := checksum(part, _algorithm(file))) != file.checksum:
        length = _length(part)
        part.unlink()
        raise _PlaceError(f"gave another file: {got} of {length} bytes; published is {file.checksum}")


def _complete(url: str, file: RemoteFile, part: Path, progress: Progress) -> None:
    for _ in range(TRIES):
        before = _length(part)
        try:
            return _go_on(url, file, part, progress)
        except _CutError:
            if _length(part) <= before:
                raise
    raise _PlaceError(f"the connection was cut {TRIES} times; {_length(part)} bytes are kept")


def _go_on(url: str, file: RemoteFile, part: Path, progress: Progress) -> None:
    """Append what is missing, or begin anew where that cannot be asked for."""
    have = _length(part)
    if file.size is not None and have > file.size:
        have = 0
    if have and have == file.size:
        return
    with _open(url, have) as response:
        start = _start(response, have)
        total = _total(response, start)
        if file.size is not None and total not in (None, file.size):
            raise _PlaceError(f"offers {total} bytes; published are {file.size}")
        with part.open("r+b" if part.exists() else "wb") as out:
            out.truncate(start)
            out.seek(start)
            _copy(
                response,
                out,
                file.size if total is None else total,
                _Meter(file.name, total, start, progress),
            )


def _copy(response: http.client.HTTPResponse, out: IO[bytes], total: int | None, meter: _Meter) -> None:
    for piece in _received(response):
        if total is not None and meter.bytes + len(piece) > total:
            raise _PlaceError(f"gives more than {total} bytes")
        out.write(piece)
        meter.add(len(piece))
    if total is not None and meter.bytes < total:
        raise _CutError(f"the connection was cut after {meter.bytes} of {total} bytes, which are kept")
    meter.finish()


def _received(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """Give what comes, as it comes: errors of the network are told apart from those of the disk here."""
    while True:
        try:
            piece = response.read1(_PIECE)
        except (OSError, http.client.HTTPException) as error:
            raise _CutError(_said(error)) from error
        if not piece:
            return
        yield piece


def _open(url: str, have: int) -> http.client.HTTPResponse:
    headers = {"User-Agent": f"twinspect/{__version__}", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        response: http.client.HTTPResponse = _opener().open(
            urllib.request.Request(url, headers=headers),  # noqa: S310 - the opener knows http and https only
            timeout=TIMEOUT,
        )
    except HTTPError as error:
        error.close()
        if have and error.code == _RANGE_REFUSED:
            return _open(url, 0)
        raise _PlaceError(f"HTTP {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _PlaceError(_said(error)) from error
    return response


def _opener() -> urllib.request.OpenerDirector:
    """Build what opens http and https, through the proxy of the environment, and nothing else, redirected or not."""
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


def _start(response: http.client.HTTPResponse, have: int) -> int:
    """Tell at which byte of the file an answer begins."""
    if response.status != http.client.PARTIAL_CONTENT:
        return 0
    text = response.headers.get("Content-Range", "")
    if not text.startswith(f"bytes {have}-"):
        raise _PlaceError(f"was asked for the bytes from {have} on and gives {text or 'others'}")
    return have


def _total(response: http.client.HTTPResponse, start: int) -> int | None:
    """Tell how long the whole file is said to be."""
    length = response.headers.get("Content-Length", "")
    return start + int(length) if length.isdecimal() else None


def _said(error: Exception) -> str:
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return " ".join(str(reason).split()) or type(error).__name__


def _length(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _pieces(stream: IO[bytes]) -> Iterator[bytes]:
    while piece := stream.read(_PIECE):
        yield piece


class _Meter:
    """Turns bytes into the steps of a progress bar.

    Args:
        name: of the file.
        total: its length in bytes, if that is known.
        start: the bytes that were there before.
        progress: is told.
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
