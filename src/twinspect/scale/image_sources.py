"""Images that are not local files of their own: by URI, inside a tar file, in a Parquet column."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from twinspect.errors import ImageError, TwinspectError
from twinspect.scale.storage import error_text, fetch, is_uri, open_binary, with_retries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

T = TypeVar("T")

ROWS: Final = 32
"""Rows of a Parquet column that are read at a time."""
KEPT: Final = 4 * ROWS
"""Rows kept in memory: threads that read ahead ask slightly out of order."""
_BUFFER: Final = 2**20
"""Bytes of a Parquet column that are read at a time; by default a whole row group would be."""


@dataclass(frozen=True)
class MissingImage:
    """An image that is known to be unreadable.

    Attributes:
        address: its path in the results.
        error: the reason; it does not begin with the address.
    """

    address: str
    error: str

    def read(self) -> bytes:
        """Fail.

        Raises:
            ImageError: always.
        """
        raise ImageError(f"{self.address}: {self.error}")


@dataclass(frozen=True)
class UriFile:
    """A file by URI.

    Attributes:
        address: the URI.
    """

    address: str

    def read(self) -> bytes:
        """Fetch it; a failed request is retried.

        Raises:
            ImageError: it cannot be fetched.
        """
        return _read_content(self.address, self.address, lambda: fetch(self.address))


@dataclass(frozen=True)
class TarMember:
    """A member of an uncompressed tar file, on a disk or by URI.

    Attributes:
        address: its path in the results.
        container: the tar file.
        offset: position of its first byte.
        size: its number of bytes.
    """

    address: str
    container: str
    offset: int
    size: int

    def read(self) -> bytes:
        """Read its bytes and no others.

        Raises:
            ImageError: they cannot be fetched.
        """
        stop = self.offset + self.size
        content = _read_content(
            self.address, self.container, lambda: fetch(self.container, self.offset, stop)
        )
        if len(content) < self.size:
            raise ImageError(
                f"{self.address}: {self.container} is cut off, or was changed after it was listed"
            )
        return content


@dataclass(frozen=True)
class ParquetCell:
    """An image in a row of a Parquet file.

    Attributes:
        address: its path in the results.
        column: the column that reads it.
        row: number of the row, from 0.
    """

    address: str
    column: ParquetColumn
    row: int

    def read(self) -> bytes:
        """Read its bytes.

        Raises:
            ImageError: the row is empty, or the file cannot be read.
        """
        content = _read_content(self.address, self.column.address, lambda: self.column.value(self.row))
        if content is None:
            raise ImageError(f"{self.address}: the row has no image in the column {self.column.name!r}")
        return content


class ParquetColumn:
    """A column of images in a Parquet file, read forward a few rows at a time, whichever thread asks.

    Args:
        address: path or URI of the file.
        name: name of the column: binary values, or structs with a field ``bytes``.
    """

    def __init__(self, address: str, name: str) -> None:
        self.address = address
        self.name = name
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, bytes | None] = OrderedDict()
        self._stream: Any = None
        self._batches: Iterator[Any] = iter(())
        self._next = 0

    def __enter__(self) -> ParquetColumn:  # noqa: PYI034 - nobody derives from a column
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def cell(self, address: str, row: int) -> ParquetCell:
        """Give the image of a row, unread."""
        return ParquetCell(address, self, row)

    def value(self, row: int) -> bytes | None:
        """Read the image of a row; ``None`` where there is none."""
        with self._lock:
            if row not in self._kept:
                try:
                    self._read_up_to(row)
                except BaseException:  # the next read starts from scratch
                    self._close()
                    raise
            return self._kept[row]

    def _read_up_to(self, row: int) -> None:
        if self._stream is None or row < self._next:
            self._begin_at(row)
        while self._next <= row:
            for value in next(self._batches).column(0).to_pylist():
                self._kept[self._next] = value["bytes"] if isinstance(value, dict) else value
                self._next += 1
                if len(self._kept) > KEPT:
                    self._kept.popitem(last=False)

    def _begin_at(self, row: int) -> None:
        """Open the file at the row group that contains a row."""
        import pyarrow.parquet as pq  # noqa: PLC0415 - slow to import

        self._close()
        self._stream = open_binary(self.address)
        file = pq.ParquetFile(self._stream, buffer_size=_BUFFER, pre_buffer=False)
        group, first = 0, 0
        while first + file.metadata.row_group(group).num_rows <= row:
            first += file.metadata.row_group(group).num_rows
            group += 1
        remaining = list(range(group, file.num_row_groups))
        self._next = first
        self._batches = file.iter_batches(ROWS, row_groups=remaining, columns=[self.name])

    def _close(self) -> None:
        self._kept.clear()
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def _read_content(address: str, file: str, read: Callable[[], T]) -> T:
    """Read from a file, and turn any storage error into the error of one image."""
    try:
        return with_retries(read) if is_uri(file) else read()
    except TwinspectError:
        raise
    except Exception as error:
        raise ImageError(f"{address}: cannot be fetched: {error_text(error)}") from error
