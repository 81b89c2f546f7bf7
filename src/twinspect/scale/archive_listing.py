"""What is inside tar files and Parquet files of images, listed without reading an image."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING, Any, Final

from twinspect.data.listing import system_reason
from twinspect.errors import ConfigError, DataError
from twinspect.images.formats import IMAGE_SUFFIXES
from twinspect.scale.storage import open_binary, suffix, told
from twinspect.scale.work_items import WorkItem

if TYPE_CHECKING:
    from collections.abc import Iterator

TAR, PARQUET = ".tar", ".parquet"
_COMPRESSED: Final = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst")
_END: Final = bytes(tarfile.BLOCKSIZE)
"""What a tar file ends with, at least once."""


def refuse_compressed(address: str) -> None:
    """Refuse a tar file of which no member can be read by itself.

    Raises:
        DataError: it is compressed, by its name.
    """
    if address.lower().endswith(_COMPRESSED):
        raise DataError(
            f"{address}: is a compressed tar file, in which no image can be read without all before it; images are "
            "compressed already: make a plain .tar of it"
        )


def tar_entries(address: str) -> Iterator[WorkItem]:
    """List the images of a tar file, such as a WebDataset shard, each with its place in it.

    What cannot be listed is one entry with an error, after all that could be.
    """
    try:
        with open_binary(address) as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            while (member := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined] # it would remember them all
                if _is_image(member):
                    path = f"{address}/{member.name}"
                    yield WorkItem(path, container=address, offset=member.offset_data, size=member.size)
            stream.seek(tar.offset)
            # Where the next header is torn, tarfile takes it for the end.
            whole = stream.read(len(_END)) == _END
    except (tarfile.TarError, OSError, EOFError) as error:
        yield WorkItem(address, error=f"cannot be read to its end as tar: {told(error)}")
    else:
        if not whole:
            yield WorkItem(
                address, error="ends without the mark of a tar file's end: it may have been cut off"
            )


def _is_image(member: tarfile.TarInfo) -> bool:
    name = member.name.rpartition("/")[2]
    # The pieces of a sparse file do not lie together.
    return (
        member.isreg()
        and not member.issparse()
        and suffix(name) in IMAGE_SUFFIXES
        and not system_reason(name)
    )


def image_column(address: str, asked: str | None) -> str | None:
    """Find the column of a Parquet file that holds images: binary values, or structs with binary ``bytes``.

    Args:
        address: the file.
        asked: the column's name, where the user says it.

    Returns:
        Its name; ``None`` if there is none, as in a table of mere paths.

    Raises:
        DataError: the file cannot be read.
        ConfigError: several columns could be meant, or not the one asked for.
    """
    schema = _schema(address)
    able: list[str] = [field.name for field in schema if _holds_images(field.type)]
    if asked is not None and asked in able:
        return asked
    if not able:
        return None
    if asked is not None or len(able) > 1:
        came = f"--image-column {asked}" if asked else "several columns could hold the images"
        raise ConfigError(f"{address}: {came}; allowed are --image-column {' or '.join(able)}")
    return able[0]


def parquet_entries(address: str, column: str) -> Iterator[WorkItem]:
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
        raise DataError(f"{address}: cannot be read as Parquet: {told(error)}") from error


def _labels(file: Any) -> Iterator[dict[str, str | None]]:
    """Give what each row says beside its image, as text."""
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
        raise DataError(f"{address}: cannot be read as Parquet: {told(error)}") from error


def _holds_images(kind: Any) -> bool:
    from pyarrow import types  # noqa: PLC0415 - slow to import

    if types.is_struct(kind):
        return any(field.name == "bytes" and _holds_images(field.type) for field in kind)
    return bool(types.is_binary(kind) or types.is_large_binary(kind))
