"""Listing what is scored in shards: folders, tar and Parquet files and manifests, by path and by URI."""

from __future__ import annotations

import io
import tarfile
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from altered import flipped
from shard_data import png, rows_of, score, write_folder, write_parquet, write_tar
from twinspect.data.pixels import read_pixels
from twinspect.errors import ConfigError, DataError, ImageError, MissingExtraError
from twinspect.images.reading import read_rgb
from twinspect.scale.archive_listing import list_tar
from twinspect.scale.image_sources import KEPT, ParquetColumn
from twinspect.scale.listing import SkippedFiles, list_images
from twinspect.scale.work_items import WorkItem, decode_items, encode_items, open_samples


def listed(*sources: object, column: str | None = None) -> tuple[list[WorkItem], SkippedFiles]:
    skipped = SkippedFiles()
    return list(list_images([str(source) for source in sources], skipped, column=column)), skipped


def names(items: list[WorkItem], above: object) -> list[str]:
    return [item.path.removeprefix(f"{above}/") for item in items]


def test_a_folder_by_uri_is_walked_in_natural_order(tmp_path: Path) -> None:
    for name in (
        "b/10.png",
        "b/9.png",
        "a/x.JPG",
        "c.tif",
        ".hidden/h.png",
        "Thumbs.db",
        "notes.txt",
        "list.csv",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    write_parquet(tmp_path / "labels.parquet", {"label": [1]})
    items, skipped = listed(f"file://{tmp_path}/")
    assert names(items, f"file://{tmp_path}") == ["a/x.JPG", "b/9.png", "b/10.png", "c.tif"]
    assert skipped.count == 5
    assert skipped.first.startswith(f"file://{tmp_path}/.hidden: ")


def test_tar_members_are_read_by_their_offset(tmp_path: Path) -> None:
    files = {"b/1.png": png(1), "a.json": b"{}", "2.png": png(2), "._2.png": b"x", "deep/er/3.PNG": png(3)}
    shard = write_tar(tmp_path / "s.tar", files)
    for source in (str(shard), f"file://{shard}"):
        items, _ = listed(source)
        assert names(items, source) == ["b/1.png", "2.png", "deep/er/3.PNG"]
        with open_samples(items) as samples:
            for sample, number in zip(samples, (1, 2, 3), strict=True):
                assert sample.content is not None
                assert sample.content.read() == png(number)
                assert (read_pixels(sample) == read_rgb(sample.address, content=png(number))).all()


@pytest.mark.parametrize("lost", [600, 2000])
def test_an_incomplete_tar_file_gives_its_images_and_an_error(tmp_path: Path, lost: int) -> None:
    shard = write_tar(tmp_path / "s.tar", {f"{number}.png": png(number) for number in range(4)})
    content = shard.read_bytes()
    end = content.rstrip(b"\0")
    shard.write_bytes(end[:-lost])
    items, _ = listed(shard)
    assert items[-1].path == str(shard)
    assert "cannot be read to its end" in items[-1].error or "cut off" in items[-1].error
    assert names(items[:-1], shard)[:2] == ["0.png", "1.png"]
    shard.write_bytes(content[: 512 + (len(png(0)) + 511) // 512 * 512])  # cut off between two members
    items, _ = listed(shard)
    assert [bool(item.error) for item in items] == [False, True]


def test_a_member_beyond_the_end_is_an_error_of_its_row(tmp_path: Path) -> None:
    shard = write_tar(tmp_path / "s.tar", {"1.png": png(1)})
    item = listed(shard)[0][0]
    shard.write_bytes(shard.read_bytes()[:600])
    with open_samples([item]) as (sample,), pytest.raises(ImageError, match=r"1\.png: .*cut off"):
        read_pixels(sample)


@pytest.mark.parametrize("name", ["a.tar.gz", "a.TGZ", "a.tar.zst"])
def test_compressed_tar_files_are_refused_by_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    for source in (tmp_path / name, f"file://{tmp_path}"):
        with pytest.raises(DataError, match=f"{name}: is a compressed tar file"):
            listed(source)


def test_columns_of_bytes_and_of_structs_are_images(tmp_path: Path) -> None:
    plain = write_parquet(tmp_path / "plain.parquet", {"image": [png(1), png(2)], "category": ["nut", None]})
    structs = [{"bytes": png(3), "path": "x.png"}, {"bytes": None, "path": "y.png"}]
    hub = write_parquet(tmp_path / "hub.parquet", {"image": structs, "label": [0, 1]})
    items, _ = listed(plain, hub)
    assert [(item.path, item.category) for item in items] == [
        (f"{plain}/0", "nut"),
        (f"{plain}/1", ""),
        (f"{hub}/0", ""),
        (f"{hub}/1", ""),
    ]
    with open_samples(items) as samples:
        for sample, number in zip(samples[:3], (1, 2, 3), strict=True):
            assert (read_pixels(sample) == read_rgb("x", content=png(number))).all()
        with pytest.raises(ImageError, match=rf"{hub}/1: the row has no image in the column 'image'"):
            read_pixels(samples[3])


def test_a_column_of_paths_names_the_rows(tmp_path: Path) -> None:
    table = write_parquet(tmp_path / "s.parquet", {"path": ["a.png", None], "image": [png(1), png(2)]})
    assert names(listed(table)[0], table) == ["a.png", "1"]


def test_several_columns_of_bytes_need_a_name(tmp_path: Path) -> None:
    table = write_parquet(tmp_path / "s.parquet", {"left": [png(1)], "right": [png(2)], "n": [1]})
    with pytest.raises(ConfigError, match="--image-column left or right"):
        listed(table)
    with pytest.raises(ConfigError, match="--image-column n; allowed are"):
        listed(table, column="n")
    with open_samples(listed(table, column="right")[0]) as (sample,):
        assert sample.content is not None
        assert sample.content.read() == png(2)


def test_a_damaged_parquet_file_is_refused_if_named_and_a_row_if_found(tmp_path: Path) -> None:
    (tmp_path / "s.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        listed(tmp_path / "s.parquet")
    (item,), _ = listed(f"file://{tmp_path}")
    assert item.path == f"file://{tmp_path}/s.parquet"
    assert item.error.startswith("cannot be read as Parquet")


def test_manifests_take_paths_and_uris(tmp_path: Path) -> None:
    write_folder(tmp_path / "a", 2)
    away = f"file://{tmp_path}/a/001.png"
    (tmp_path / "list.csv").write_text(f"path;category\na\\000.png;nut\n{away};\n")
    items, _ = listed(tmp_path / "list.csv")
    assert items == [WorkItem(str(tmp_path / "a" / "000.png"), "nut"), WorkItem(away)]
    write_parquet(tmp_path / "list.parquet", {"path": ["a/000.png", away], "category": ["nut", None]})
    items, _ = listed(f"file://{tmp_path}/list.parquet")
    assert items == [WorkItem(f"file://{tmp_path}/a/000.png", "nut"), WorkItem(away)]
    (tmp_path / "bad.csv").write_text("path,category\n,nut\n")
    with pytest.raises(DataError, match="row 2: the path is empty"):
        listed(tmp_path / "bad.csv")


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ("nowhere", "no such file or folder"),
        ("file:///nowhere/at/all", "no such file or folder"),
        ("model.bin", "ends in '.bin'"),
        ("empty", "no images"),
    ],
)
def test_a_source_without_images_is_refused(tmp_path: Path, source: str, word: str) -> None:
    (tmp_path / "model.bin").write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=word):
        listed(source if "://" in source else tmp_path / source)


def test_a_protocol_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec.core

    def absent(*_: Any, **__: Any) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", absent)
    with pytest.raises(MissingExtraError, match="s3://bucket/a: Install s3fs"):
        listed("s3://bucket/a")


def test_a_container_listed_twice_is_read_once(tmp_path: Path) -> None:
    shard = write_tar(tmp_path / "s.tar", {"1.png": png(1)})
    items, skipped = listed(shard, shard)
    assert (len(items), skipped.count) == (1, 1)


def test_items_come_back_from_a_plan() -> None:
    items = [
        WorkItem("a"),
        WorkItem("s3://l/t.tar/b", "nut", "s3://l/t.tar", 512, 9),
        WorkItem("c", error="torn"),
    ]
    assert decode_items(encode_items(items)) == items
    assert encode_items(items) == encode_items(items)


def test_a_column_is_read_forward_whichever_thread_asks(tmp_path: Path) -> None:
    cells = [b"%04d" % number * 50 for number in range(1000)]
    table = write_parquet(
        tmp_path / "s.parquet", {"image": pa.array(cells, pa.large_binary())}, rows_a_group=300
    )
    found: dict[int, bytes | None] = {}
    with ParquetColumn(str(table), "image") as column:

        def read(first: int) -> None:
            for row in range(first, 1000, 4):
                found[row] = column.value(row)

        threads = [threading.Thread(target=read, args=(first,)) for first in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [found[row] for row in range(1000)] == cells
        assert column.value(5) == cells[5]  # no longer in memory
        assert len(column._kept) <= KEPT


def test_scores_are_the_same_from_every_container(bundle: Path, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "today", 20)
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    table = write_parquet(
        tmp_path / "s.parquet", {"path": list(files), "image": list(files.values())}, rows_a_group=6
    )
    tar = write_tar(tmp_path / "s.tar", files)
    scores = []
    for number, source in enumerate(
        (folder, f"file://{folder}", tar, f"file://{tar}", table, f"file://{table}")
    ):
        score(bundle, tmp_path / f"out{number}", source)
        rows = rows_of(tmp_path / f"out{number}")
        assert [row["path"].rpartition("/")[0] for row in rows] == [str(source)] * 20
        scores.append([(row["path"].rpartition("/")[2], row["score"], row["p_value"]) for row in rows])
    assert all(rows == scores[0] for rows in scores)


def test_a_tar_that_leads_back_to_itself_is_listed_to_there(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name in ("a.png", "b.png"):
            tar.addfile(tarfile.TarInfo(name))
    content = bytearray(buffer.getvalue())
    content[512 + 124 : 512 + 136] = b"\xff" + (-512 & (2**88 - 1)).to_bytes(11, "big")  # the size of b.png
    content[512 + 148 : 512 + 156] = b" " * 8
    content[512 + 148 : 512 + 156] = b"%06o\0 " % sum(content[512:1024])
    (tmp_path / "s.tar").write_bytes(content)
    items = list(list_tar(str(tmp_path / "s.tar")))
    assert [Path(item.path).name for item in items] == ["a.png", "s.tar"]
    assert "leads back" in items[-1].error


@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_tar_is_listed_as_far_as_it_goes(seed: int, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in ("a.png", "./b/c.png", "."):
            member = tarfile.TarInfo(name)
            member.size = 0 if name == "." else 700
            tar.addfile(member, io.BytesIO(bytes(member.size)))
    (tmp_path / "s.tar").write_bytes(flipped(buffer.getvalue()[:4096], seed))
    items = list(list_tar(str(tmp_path / "s.tar")))
    assert len(items) <= 6
    assert all("\n" not in item.error for item in items)
