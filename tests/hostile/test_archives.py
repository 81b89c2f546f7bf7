"""Archives and arrays that were damaged or made to harm: nothing lies outside, nothing grows without end."""

from __future__ import annotations

import io
import shutil
import tarfile
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest

from altered import flipped, tar_header
from shard_data import png, write_tar
from trials import seeds, trying
from twinspect.data.benchmarks.archive_extraction import unpack
from twinspect.data.class_arrays import read_class_arrays
from twinspect.errors import DataError, DownloadError
from twinspect.scale.archive_listing import list_tar
from twinspect.utils.progress import NoProgress

if TYPE_CHECKING:
    from pathlib import Path

LARGEST = 4 << 20
"""Bytes that an archive of a few kB may become: 20 times its size and a MiB."""


def tar(compression: str = "") -> bytes:
    """A tar file of files, folders, links, a long name, and what else tar has."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{compression}", format=tarfile.PAX_FORMAT) as archive:
        for number in range(4):
            content = png(number)
            member = tarfile.TarInfo(f"parts/{number}.png" if number else "n" * 200 + ".png")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        folder = tarfile.TarInfo("parts/more")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
    return buffer.getvalue()


def zipped(compression: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for number in range(4):
            archive.writestr(f"parts/{number}.png", png(number))
    return buffer.getvalue()


def arrays(*, compressed: bool) -> bytes:
    buffer, rng = io.BytesIO(), np.random.default_rng(0)
    values = {f"x_{part}": rng.integers(0, 256, (6, 8, 8, 3), dtype=np.uint8) for part in ("train", "test")}
    labels = {f"y_{part}": np.arange(6) % 2 for part in ("train", "test")}
    (np.savez_compressed if compressed else np.savez)(
        buffer, **values, **labels, classes=np.array(["a", "b"])
    )
    return buffer.getvalue()


ARCHIVES = {
    "tar": ("a.tar", tar()),
    "tar.gz": ("a.tar.gz", tar("gz")),
    "tar.xz": ("a.tar", tar("xz")),
    "tar.bz2": ("a.tar", tar("bz2")),
    "zip": ("a.zip", zipped(zipfile.ZIP_STORED)),
    "zip, deflated": ("a.zip", zipped(zipfile.ZIP_DEFLATED)),
    "zip, lzma": ("a.zip", zipped(zipfile.ZIP_LZMA)),
}


def altered(kind: str, content: bytes, seed: int) -> bytes:
    return tar_header(content, seed) if kind == "tar" and seed % 3 else flipped(content, seed)


@pytest.mark.usefixtures("limited_memory")
@pytest.mark.parametrize("kind", ARCHIVES)
@seeds(40, 600)
def test_archives_are_unpacked_into_their_folder_or_refused(kind: str, seeds: range, tmp_path: Path) -> None:
    name, content = ARCHIVES[kind]
    place = tmp_path / "place"
    with trying(f"{kind.partition(',')[0].partition('.')[0]} archives, unpacked") as trial:
        for seed in seeds:
            place.mkdir()
            archive = place / name
            archive.write_bytes(altered(kind, content, seed))
            trial.refusal(seed, lambda a=archive: unpack(a, place / "out", NoProgress()), DownloadError)  # type: ignore[misc]
            assert {path.name for path in place.iterdir()} <= {name, "out"}
            assert [path.name for path in tmp_path.iterdir()] == ["place"]
            unpacked = list((place / "out").rglob("*"))
            assert not any(path.is_symlink() for path in unpacked)
            assert sum(path.stat().st_size for path in unpacked if path.is_file()) < LARGEST
            shutil.rmtree(place)


@pytest.mark.usefixtures("limited_memory")
@seeds(150, 3000)
def test_tar_files_are_listed_to_an_end(seeds: range, tmp_path: Path) -> None:
    content = write_tar(tmp_path / "b.tar", {f"{n}.png": png(n) for n in range(5)}).read_bytes()
    path = tmp_path / "a.tar"
    with trying("tar archives, listed") as trial:
        for seed in seeds:
            path.write_bytes(altered("tar", tar() if seed % 2 else content, seed))

            def read() -> None:
                items = list(list_tar(str(path)))
                assert len(items) <= 12
                assert all(item.error or (item.size or 0) >= 0 for item in items)
                assert not any("\n" in (item.error or "") for item in items)

            trial.refusal(seed, read, DataError)


@pytest.mark.usefixtures("limited_memory")
@pytest.mark.parametrize("compressed", [True, False])
@seeds(100, 1500)
def test_arrays(compressed: bool, seeds: range, tmp_path: Path) -> None:
    content, path = arrays(compressed=compressed), tmp_path / "a.npz"
    with trying(".npz files") as trial:
        for seed in seeds:
            path.write_bytes(flipped(content, seed))

            def read() -> None:
                for sample in read_class_arrays(path).samples:
                    assert sample.pixels is not None

            trial.refusal(seed, read, DataError)
