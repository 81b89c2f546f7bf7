"""Reading uploads from the network in memory only, with limits that hold while the bytes arrive."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from twinspect.images.formats import DICOM
from twinspect.serve.api_errors import ApiError
from twinspect.serve.uploads.checks import Upload, display_name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from twinspect.serve.uploads.checks import Limits

FIELD = "images"
_MULTIPART = b"multipart/form-data"
_OTHER_TYPES = (b"application/octet-stream", DICOM.media_type.encode())
"""What an image may be sent as besides ``image/…``."""
_HEADER_BYTES = 8192
"""Upper limit of the bytes of a header of one part."""


async def read_uploads(request: Request, limits: Limits, chunks: AsyncIterator[bytes]) -> list[Upload]:
    """Read the files of a request: a form with fields ``images``, or one image as the whole body.

    The bytes of a file that is too large are dropped, and the other files are still read.

    Args:
        request: its headers say what the body is.
        limits: of uploads.
        chunks: the body.

    Raises:
        ApiError: the body is neither, is too large, or holds too many files or none.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind == _MULTIPART:
        return await _read_form(chunks, options.get(b"boundary", b""), limits)
    if kind.startswith(b"image/") or kind in _OTHER_TYPES:
        return [await _read_body(request, limits, chunks)]
    raise ApiError(
        "unsupported_media_type",
        f"Content-Type is {kind.decode('latin-1')!r}; allowed are multipart/form-data with fields "
        f"{FIELD!r}, or one image as the body with its own type, such as image/png",
    )


async def _read_body(request: Request, limits: Limits, chunks: AsyncIterator[bytes]) -> Upload:
    part = _FilePart(limits.image_bytes)
    async for chunk in chunks:
        part.append(chunk)
    return part.to_upload(_stated_name(request.scope["query_string"]))


def _stated_name(query: bytes) -> str | None:
    """Read the name from a query; bytes that are no UTF-8 stay distinct, as they do in the names of files."""
    return dict(parse_qsl(query.decode("latin-1"), errors="surrogateescape")).get("name")


async def _read_form(chunks: AsyncIterator[bytes], boundary: bytes, limits: Limits) -> list[Upload]:
    if not boundary or len(boundary) > 200:
        raise ApiError("bad_multipart", "the form's Content-Type has no boundary; let your client set it")
    files = _FormFiles(limits)
    try:
        parser = MultipartParser(boundary, files.callbacks())
        async for chunk in chunks:
            parser.write(chunk)
        parser.finalize()
    except MultipartParseError as error:
        raise ApiError(
            "bad_multipart", f"the form cannot be read: {error}; let your client build it"
        ) from None
    return files.uploads()


@dataclass
class _FilePart:
    """One file as far as it has arrived."""

    max_bytes: int
    size: int = 0
    chunks: list[bytes] = field(default_factory=list)

    def append(self, data: bytes) -> None:
        self.size += len(data)
        if self.size > self.max_bytes:
            self.chunks.clear()
        else:
            self.chunks.append(bytes(data))

    def to_upload(self, name: str | None) -> Upload:
        return Upload(display_name(name), b"".join(self.chunks), self.size)


class _FormFiles:
    """Handles the parser's events, and collects the files among the parts."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._files: list[Upload] = []
        self._part = _FilePart(limits.image_bytes)
        self._headers: dict[bytes, bytes] = {}
        self._name = self._value = b""
        self._ended = False

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin_part,
            "on_header_field": self._add_header_name,
            "on_header_value": self._add_header_value,
            "on_header_end": self._end_header,
            "on_part_data": self._add_data,
            "on_part_end": self._end_part,
            "on_end": self._end_form,
        }

    def uploads(self) -> list[Upload]:
        if not self._ended:
            raise ApiError("bad_multipart", "the form ends before its last boundary; send the whole form")
        if not self._files:
            raise ApiError("no_images", f"the form contains no image; put files into fields named {FIELD!r}")
        return self._files

    def _begin_part(self) -> None:
        self._part, self._headers = _FilePart(self._limits.image_bytes), {}

    def _add_header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]
        self._check_headers()

    def _add_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]
        self._check_headers()

    def _end_header(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        self._part.append(data[start:end])

    def _end_part(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        if options.get(b"name") != FIELD.encode():
            return
        if len(self._files) == self._limits.images:
            raise ApiError(
                "too_many_images",
                f"the form contains more than {self._limits.images} images; send them in several requests",
            )
        name = options.get(b"filename", b"").decode("utf-8", "surrogateescape")
        self._files.append(self._part.to_upload(name))

    def _end_form(self) -> None:
        self._ended = True

    def _check_headers(self) -> None:
        if len(self._name) + len(self._value) > _HEADER_BYTES:
            raise ApiError("bad_multipart", f"the header of a part is longer than {_HEADER_BYTES} bytes")
