"""Sharded scoring in this process: the plan, the rows, what is resumed, refused and left out."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import forked
import twinspect as ts
from altered import flipped
from drawn_parts import stripes, write_image
from shard_data import CRASHING, SITE, crashing_decoder, files_of, png, rows_of, score, write_folder
from twinspect.cli import main
from twinspect.errors import BundleError, ConfigError, DataError
from twinspect.inference.score_table import COLUMNS
from twinspect.scale import shard
from twinspect.scale.model_transfer import pack, unpack
from twinspect.scale.run_folder import LocalRunFolder, open_run_folder
from twinspect.scale.shard_attempts import MOST_ATTEMPTS, Attempt
from twinspect.utils.files import sha256_of_file
from twinspect.utils.spelling import unspell


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Thirty-eight parts, every fourth with a blemish, a broken image, and a file that is not named like an image."""
    folder = write_folder(tmp_path / "today", 38)
    (folder / "text.png").write_text("not an image")
    (folder / "notes.txt").write_text("left out")
    return folder


@pytest.fixture(scope="module")
def finished(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run; tests change copies."""
    root = tmp_path_factory.mktemp("run")
    write_folder(root / "today", 20)
    score(bundle, root / "out", root / "today")
    return root / "out"


def test_rows_are_those_of_plain_scoring(bundle: Path, images: Path, tmp_path: Path) -> None:
    manifest = score(bundle, tmp_path / "out", images)
    rows = rows_of(tmp_path / "out")
    plain = ts.load(bundle, device="cpu").score(images, maps=False)
    assert [row["path"] for row in rows] == list(plain.paths)
    assert tuple(rows[0]) == COLUMNS
    for row, raw, error in zip(rows, plain.image, plain.errors, strict=True):
        assert row["score"] == (None if error else pytest.approx(float(raw), rel=1e-4))
        assert row["error"] == error
    assert manifest["images"] == manifest["rows"] == 39
    assert (manifest["shards"], manifest["unreadable"], manifest["left_out"]) == (3, 1, 1)
    assert manifest["anomalous"] == sum(row["is_anomalous"] is True for row in rows)


def test_the_manifest_names_every_part_by_its_digest(bundle: Path, images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    score(bundle, out, images)
    manifest = json.loads((out / "manifest.json").read_bytes())
    assert [part["rows"] for part in manifest["parts"]] == [16, 16, 7]
    for part in manifest["parts"]:
        assert part["sha256"] == sha256_of_file(out / part["name"])
        assert part["bytes"] == (out / part["name"]).stat().st_size
    errors = pq.read_table(out / "errors" / "part-000002.parquet").to_pylist()
    assert [Path(row["path"]).name for row in errors] == ["text.png"]
    assert errors[0]["error"].startswith(errors[0]["path"])
    assert not (out / "attempts").exists()


def test_a_run_resumes_by_whole_shards_without_listing_again(
    bundle: Path, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    score(bundle, out, images)
    first = files_of(out)
    for lost in ("rows/part-000001.parquet", "manifest.json"):
        (out / lost).unlink()
    kept = (out / "rows" / "part-000000.parquet").stat().st_mtime_ns
    (images / "late.png").write_bytes(png(99))
    notes: list[str] = []
    score(bundle, out, images, note=notes.append)
    assert files_of(out) == first
    assert (out / "rows" / "part-000000.parquet").stat().st_mtime_ns == kept
    assert "2 of 3 shards are there already" in notes[0]


def test_a_shard_whose_rows_were_removed_is_scored_with_its_mended_files(
    bundle: Path, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    score(bundle, out, images)
    (images / "text.png").write_bytes(png(99))
    (out / "rows" / "part-000002.parquet").unlink()
    manifest = score(bundle, out, images)
    assert (manifest["rows"], manifest["unreadable"]) == (39, 0)
    assert not any(row["error"] for row in rows_of(out))
    assert not (out / "errors" / "part-000002.parquet").exists()
    assert json.loads((out / "manifest.json").read_bytes()) == manifest


def test_shards_of_an_earlier_version_are_counted(bundle: Path, images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    before = score(bundle, out, images)
    for part in (out / "rows").iterdir():
        pq.write_table(pq.read_table(part).drop_columns(["inspectable"]), part)
    (out / "manifest.json").unlink()
    after = score(bundle, out, images)
    assert [after[name] for name in ("images", "anomalous")] == [
        before[name] for name in ("images", "anomalous")
    ]
    assert after["not_inspectable"] == 0


def test_scores_do_not_depend_on_the_size_of_shards(bundle: Path, images: Path, tmp_path: Path) -> None:
    score(bundle, tmp_path / "a", images, shard_images=8)
    score(bundle, tmp_path / "b", images, shard_images=512)
    assert rows_of(tmp_path / "a") == rows_of(tmp_path / "b")


def test_a_folder_of_another_run_is_refused_and_overwrite_starts_over(
    bundle: Path, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    score(bundle, out, images)
    with pytest.raises(DataError, match=r"shard_images 16, not 8; .*--overwrite"):
        score(bundle, out, images, shard_images=8)
    with pytest.raises(DataError, match="inputs"):
        score(bundle, out, images / "001.png")
    assert score(bundle, out, images, shard_images=8, overwrite=True)["shards"] == 5
    assert len(rows_of(out)) == 39


def test_a_recalibrated_model_is_another(bundle: Path, images: Path, tmp_path: Path) -> None:
    out, other = tmp_path / "out", tmp_path / "other.twin"
    score(bundle, out, images)
    detector = ts.load(bundle, device="cpu").calibrate(write_folder(tmp_path / "good", 9, first=50))
    detector.save(other)
    with pytest.raises(DataError, match="another model or threshold"):
        score(other, out, images)


def test_an_unfinished_plan_is_replaced_but_rows_without_one_are_refused(
    bundle: Path, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (out / "plan").mkdir(parents=True)
    (out / "plan" / "part-000007.parquet").write_bytes(b"torn")
    score(bundle, out, images)
    assert len(list((out / "plan").iterdir())) == 3
    (out / "plan.json").unlink()
    with pytest.raises(DataError, match="rows without a plan"):
        score(bundle, out, images)


def test_one_image_of_several_sources_is_scored_once(bundle: Path, images: Path, tmp_path: Path) -> None:
    manifest = score(bundle, tmp_path / "out", images / "003.png", images)
    paths = [row["path"] for row in rows_of(tmp_path / "out")]
    assert len(paths) == len(set(paths)) == 39
    assert Path(paths[0]).name == "003.png"
    assert manifest["left_out"] == 2  # the text, and the image that is listed twice


@pytest.mark.parametrize("size", [0, 12, -8])
def test_shards_that_would_move_batches_are_refused(
    bundle: Path, images: Path, tmp_path: Path, size: int
) -> None:
    with pytest.raises(ConfigError, match="multiples of 8"):
        score(bundle, tmp_path / "out", images, shard_images=size)


def test_an_unknown_category_is_refused_before_anything_is_listed(
    bundle: Path, images: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="no category 'nut'"):
        score(bundle, tmp_path / "out", images, category="nut")
    assert not (tmp_path / "out").exists()


def test_a_shard_that_fails_leaves_no_rows_and_no_note(
    bundle: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"

    def full(*_: Any) -> bytes:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(shard, "to_parquet", full)
        with pytest.raises(OSError, match="No space left"):
            score(bundle, out, images)
    assert not (out / "rows").exists()
    assert not list((out / "attempts").iterdir())
    assert score(bundle, out, images)["rows"] == 39


# ---------------------------------------------------------------------------- images that crash the decoder


def test_an_image_that_crashes_the_decoder_is_a_row_from_the_third_run_on(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = write_folder(tmp_path / "today", 20), tmp_path / "out"
    (folder / "005x.png").write_bytes(CRASHING)
    (folder / "012x.png").write_bytes(CRASHING)
    command = ["score", bundle, folder, "--out", out, "--engine", "local", "--shard-images", "16", "--json"]
    assert [forked.end(forked.start(command, first=SITE)) for _ in range(2)] == [-signal.SIGKILL] * 2
    monkeypatch.syspath_prepend(crashing_decoder(tmp_path).partition(os.pathsep)[0])
    code, printed = main([str(each) for each in command]), capsys.readouterr()
    assert (code, json.loads(printed.out)["unreadable"]) == (3, 2), printed.err
    rows = {Path(row["path"]).name: row for row in rows_of(out)}
    assert len(rows) == 22
    assert [name for name, row in rows.items() if row["error"]] == ["005x.png", "012x.png"]
    assert "crashed the process that decoded it (SIGKILL)" in rows["005x.png"]["error"]
    assert not (out / "attempts").exists()


def test_a_shard_that_keeps_crashing_is_given_up(tmp_path: Path) -> None:
    folder = LocalRunFolder(tmp_path)
    for number in range(MOST_ATTEMPTS):
        attempt = Attempt(folder, "part-000000.parquet")
        assert attempt.number == number + 1
        attempt.__enter__()  # and the process dies
    with pytest.raises(DataError, match=f"{MOST_ATTEMPTS} processes died"):
        Attempt(folder, "part-000000.parquet")


# ------------------------------------------------------------------------------------------ other storages


def test_rows_in_an_object_store_are_the_same_bytes(
    bundle: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fsspec

    score(bundle, tmp_path / "out", images)
    score(bundle, "memory://bucket/out", images)
    memory = fsspec.filesystem("memory")
    found = {name.removeprefix("/bucket/out/"): memory.cat_file(name) for name in memory.find("/bucket/out")}
    assert found == files_of(tmp_path / "out")
    memory.rm("/bucket/out/rows/part-000001.parquet")
    score(bundle, "memory://bucket/out", images)
    assert memory.cat_file("/bucket/out/rows/part-000001.parquet") == found["rows/part-000001.parquet"]
    score(bundle, "memory://bucket/out", images, overwrite=True, shard_images=8)
    assert len(memory.ls("/bucket/out/rows")) == 5
    memory.rm("/bucket", recursive=True)


def test_a_folder_by_file_uri_is_a_plain_folder(tmp_path: Path) -> None:
    folder = open_run_folder(f"file://{tmp_path}")
    folder.write("a/b", b"1")
    assert (tmp_path / "a" / "b").read_bytes() == b"1"
    assert folder.names("a") == {"b"}
    assert folder.names("nowhere") == set()


def test_a_failed_request_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    from twinspect.scale import storage

    monkeypatch.setattr(storage, "PAUSES", (0, 0))
    calls: list[int] = []

    def flaky() -> str:
        calls.append(1)
        if len(calls) < 3:
            raise TimeoutError("too slow")
        return "there"

    assert storage.with_retries(flaky) == "there"
    with pytest.raises(FileNotFoundError):
        storage.with_retries(lambda: (_ for _ in ()).throw(FileNotFoundError("never")).__next__())


def test_what_cannot_be_fetched_is_a_row_that_begins_with_its_address(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path / "today", 2)
    table = tmp_path / "list.csv"
    table.write_text(f"path\nfile://{tmp_path}/today/000.png\nfile://{tmp_path}/today/gone.png\n")
    manifest = score(bundle, tmp_path / "out", table)
    read, missing = rows_of(tmp_path / "out")
    assert manifest["unreadable"] == 1
    assert read["path"] == f"file://{tmp_path}/today/000.png"
    assert missing["error"].startswith(f"file://{tmp_path}/today/gone.png: cannot be fetched: ")
    with pytest.raises(ConfigError, match="nosuch"):
        score(bundle, tmp_path / "other", "nosuch://bucket/today")


# --------------------------------------------------------------------------------------- the command line


@pytest.mark.parametrize(
    ("extra", "word"),
    [
        (["--engine", "local"], "--out DIR"),
        (["--engine", "local", "--out", "o", "--maps", "m"], "--maps cannot be combined with --engine"),
        (["--engine", "local", "--out", "o", "--actors", "2"], "--actors needs --engine ray"),
        (["--actors", "2"], "--actors needs --engine"),
        (["--image-column", "a"], "--image-column needs --engine"),
        (["--engine", "ray", "--out", "o", "--actors", "2,x"], "--actors 2,x; allowed are"),
        (["--engine", "ray", "--out", "o", "--actors", "3,2"], "MIN <= MAX"),
        (["--engine", "local", "--out", "o", "--cpus-per-actor", "0"], "--cpus-per-actor 0; allowed is 1"),
        (["--engine", "local", "--out", "o", "--runtime", "onnx"], "no export 'onnx'"),
    ],
)
def test_options_that_do_not_go_together_are_one_line(
    bundle: Path,
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    extra: list[str],
    word: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["score", str(bundle), str(images), *extra]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert word in lines[0]


def test_exit_codes_and_the_record_are_those_of_plain_scoring(
    bundle: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = [
        "score",
        str(bundle),
        str(images),
        "--engine",
        "local",
        "--out",
        str(out),
        "--device",
        "cpu",
        "--json",
    ]
    assert main(command) == 3
    shown = capsys.readouterr()
    record = json.loads(shown.out)
    assert (record["images"], record["unreadable"], record["out"]) == (39, 1, str(out))
    assert "1 files left out" in shown.err
    assert f"see errors/ in {out}" in shown.err
    assert main([*command, "--fail-on-anomaly"]) == (1 if record["anomalous"] else 3)


# --------------------------------------------------------------------------------------- the model as bytes


def test_a_model_is_packed_and_unpacked(bundle: Path, images: Path) -> None:
    unpacked = unpack(pack(bundle, ""), device="cpu", export="", threads=1)
    here = ts.load(bundle, device="cpu").score(images, maps=False)
    assert unpacked.score(images, maps=False).image.tolist()[:38] == here.image.tolist()[:38]
    damaged = {**pack(bundle, ""), "weights.safetensors": b"x"}
    with pytest.raises(BundleError, match=r"weights\.safetensors"):
        unpack(damaged, device="cpu", export="", threads=1)


@pytest.mark.parametrize("seed", range(24))
def test_a_damaged_run_is_refused_in_a_line_or_goes_on(
    seed: int, bundle: Path, tmp_path: Path, finished: Path
) -> None:
    today = finished.parent / "today"
    out = shutil.copytree(finished, tmp_path / "out")
    (out / "manifest.json").unlink()
    path = (out / "plan.json", out / "rows" / "part-000001.parquet", out / "plan" / "part-000000.parquet")[
        seed % 3
    ]
    if seed % 3 == 2:
        (out / "rows" / "part-000000.parquet").unlink()  # its part of the plan is read again
    path.write_bytes(flipped(path.read_bytes(), seed))
    said = ""
    try:
        score(bundle, out, today)
    except (DataError, ConfigError) as error:
        said = str(error)
    assert "\n" not in said


@pytest.mark.parametrize(
    "plan", [b"{", b"[" * 100_000, b"[]", b"{}", b'{"format": 1, "key": {}, "images": "many", "shards": 1}']
)
def test_a_plan_that_is_none_is_named(plan: bytes, bundle: Path, images: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "plan.json").write_bytes(plan)
    with pytest.raises(DataError, match=r"plan\.json in --out is damaged"):
        score(bundle, tmp_path / "out", images)


def test_names_that_are_no_text_pass_through_a_plan(bundle: Path, tmp_path: Path) -> None:
    for number, name in enumerate(["new\nline.png", "b\udcff.png", "plain.png"]):
        write_image(tmp_path / "today" / name, stripes(800 + number))
    manifest = score(bundle, tmp_path / "out", tmp_path / "today")
    assert (manifest["images"], manifest["unreadable"]) == (3, 0)
    names = {Path(unspell(row["path"])).name for row in rows_of(tmp_path / "out")}
    assert names == {"new\nline.png", "b\udcff.png", "plain.png"}
