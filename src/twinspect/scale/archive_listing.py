"""Listing the images inside tar and Parquet files without reading them."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING, Any, Final

from twinspect.data.system_files import system_reason
from twinspect.errors import ConfigError, DataError
from twinspect.images.formats import IMAGE_SUFFIXES
from twinspect.scale.storage import error_text, open_binary, suffix
from twinspect.scale.work_items import WorkItem
from twinspect.utils.tar_headers import BoundedTarInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

TAR, PARQUET = ".tar", ".parquet"
_COMPRESSED: Final = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst")
_END: Final = bytes(tarfile.BLOCKSIZE)
"""The block that a tar file ends with, at least once."""


def refuse_compressed(address: str) -> None:
    """Refuse a compressed tar file, whose members cannot be read one by one.

    Raises:
        DataError: its name is that of a compressed tar file.
    """
    if address.lower().endswith(_COMPRESSED):
        raise DataError(
            f"{address}: is a compressed tar file, in which an image can be read only after all those before it; "
            "images are compressed already: make it a plain .tar"
        )


def list_tar(address: str) -> Iterator[WorkItem]:
    """List the images of a tar file, such as a WebDataset shard, each with its position.

    If the rest cannot be listed, the last item carries the error.
    """
    try:
        with (
            open_binary(address) as stream,
            tarfile.open(fileobj=stream, mode="r:", tarinfo=BoundedTarInfo) as tar,
        ):
            reached = -1
            while (member := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined] # or it would remember them all
                if member.size < 0 or tar.offset <= reached:
                    raise tarfile.ReadError(f"{member.name!r} leads back to what was listed before")
                reached = tar.offset
                if _is_image(member):
                    path = f"{address}/{member.name}"
                    yield WorkItem(path, container=address, offset=member.offset_data, size=member.size)
            stream.seek(tar.offset)
            # tarfile takes an incomplete header for the end.
            is_complete = stream.read(len(_END)) == _END
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError) as error:  # of damaged headers
        yield WorkItem(address, error=f"cannot be read to its end as tar: {error_text(error)}")
    else:
        if not is_complete:
            yield WorkItem(
                address, error="ends without the end-of-archive mark of a tar file: it may have been cut off"
            )


def _is_image(member: tarfile.TarInfo) -> bool:
    # tar writes what it was given: ./parts/1.png
    names = [name for name in member.name.split("/") if name not in ("", ".", "..")]
    # The parts of a sparse file are not contiguous.
    return (
        bool(names)
        and member.isreg()
        and not member.issparse()
        and suffix(names[-1]) in IMAGE_SUFFIXES
        and not any(system_reason(name) for name in names)
    )


def image_column(address: str, name: str | None) -> str | None:
    """Find the column of a Parquet file that holds images: binary values, or structs with binary ``bytes``.

    Args:
        address: the file.
        name: the column's name, if the user gave it.

    Returns:
        Its name; ``None`` if there is none, as in a table of paths.

    Raises:
        DataError: the file cannot be read.
        ConfigError: several columns could hold images, or the named one does not.
    """
    schema = _schema(address)
    candidates: list[str] = [field.name for field in schema if _holds_images(field.type)]
    if name is not None and name in candidates:
        return name
    if not candidates:
        return None
    if name is not None or len(candidates) > 1:
        problem = f"--image-column {name}" if name else "several columns could hold the images"
        raise ConfigError(f"{address}: {problem}; allowed are --image-column {' or '.join(candidates)}")
    return candidates[0]


def list_parquet(address: str, column: str) -> Iterator[WorkItem]:
    """List the images of a Parquet file by their row numbers, or by its column ``path``."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - slow to import
    from pyarrow import ArrowException  # noqa: PLC0415

    number = -1
    try:
        with open_binary(address) as stream:
            file = pq.ParquetFile(stream)
            for row in _labels(file):
                number += 1
                path = f"{address}/{row.get('path') or number}"
                yield WorkItem(path, row.get("category") or "", address, offset=number, column=column)
    except (OSError, ArrowException) as error:
        raise DataError(f"{address}: cannot be read as Parquet: {error_text(error)}") from error


def _labels(file: Any) -> Iterator[dict[str, str | None]]:
    """Give ``path`` and ``category`` of each row, as text, where there are such columns."""
    import pyarrow as pa  # noqa: PLC0415 - slow to import

    names = [field.name for field in file.schema_arrow if field.name in ("path", "category")]
    if not names:
        yield from ({} for _ in range(file.metadata.num_rows))
        return
    for batch in file.iter_batches(columns=names):
        columns = [column.cast(pa.string()).to_pylist() for column in batch.columns]
        yield from (dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True))


def _schema(address: str) -> Any:
    import pyarrow.parquet as pq  # noqa: PLC0415 - slow to import
    from pyarrow import ArrowException  # noqa: PLC0415

    try:
        with open_binary(address) as stream:
            return pq.read_schema(stream)
    except (OSError, ArrowException) as error:
        raise DataError(f"{address}: cannot be read as Parquet: {error_text(error)}") from error


def _holds_images(kind: Any) -> bool:
    from pyarrow import types  # noqa: PLC0415 - slow to import

    if types.is_struct(kind):
        return any(field.name == "bytes" and _holds_images(field.type) for field in kind)
    return bool(types.is_binary(kind) or types.is_large_binary(kind))
