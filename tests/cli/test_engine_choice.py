"""What scores where nobody names a runtime: the fastest fp32 export that can run, or torch; never two in one table.

The exports here are a graph that scores the mean of the pixels, so that it shows in the scores who made them.
"""

from __future__ import annotations

import csv
import json
import pickle
import shutil
import warnings
from copy import copy, deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import twinspect as ts
from drawn_parts import stripes, write_image
from mean_export import EXPORT, add_export, mean_of_pixels
from twinspect.bundle import export_cache
from twinspect.bundle.export_cache import cache_folder, find_exports, keep_export
from twinspect.bundle.exports import Export, write_export
from twinspect.bundle.folder import read_record
from twinspect.cli import model_loading
from twinspect.errors import BundleError, ConfigError, ExportError
from twinspect.loading import MOST_THREADS

onnx = pytest.importorskip("onnx", reason="pip install 'twinspect[onnx]'")
pytest.importorskip("onnxruntime", reason="pip install 'twinspect[onnx]'")

from twinspect.export import exporter  # noqa: E402 - needs both

USERS_CACHE = export_cache.user_cache


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the user that is empty."""
    monkeypatch.setattr(export_cache, "user_cache", lambda: tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture
def bare(model: Path, tmp_path: Path) -> Path:
    """The model of all tests, without an export."""
    return Path(shutil.copytree(model, tmp_path / "m.twin"))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for number in range(10):
        write_image(tmp_path / "today" / f"{number}.png", stripes(600 + number))
    return tmp_path / "today"


def means(images: Path) -> list[float]:
    from PIL import Image

    return [float(np.asarray(Image.open(path)).mean()) for path in sorted(images.iterdir())]


def scores(table: Path) -> list[float]:
    with table.open(newline="") as file:
        return [float(row["score"]) for row in csv.DictReader(file)]


def test_score_takes_the_export_and_says_so(run: Any, bare: Path, images: Path, tmp_path: Path) -> None:
    out = tmp_path / "o.csv"
    code, said, _ = run("score", bare, images, "--out", out, "--json")
    assert (code, json.loads(said)["runtime"]) == (0, "torch")
    by_torch = scores(out)
    add_export(bare)
    code, said, notes = run("score", bare, images, "--out", tmp_path / "b.csv", "--json", "--threads", 1)
    assert (code, json.loads(said)["runtime"]) == (0, EXPORT)
    assert f"scored by {EXPORT}" in notes
    np.testing.assert_allclose(scores(tmp_path / "b.csv"), means(images), rtol=1e-5)
    _, said, _ = run("score", bare, images, "--out", tmp_path / "c.csv", "--json", "--runtime", "torch")
    assert json.loads(said)["runtime"] == "torch"
    assert scores(tmp_path / "c.csv") == by_torch


@pytest.mark.parametrize(
    "export",
    [
        {"milliseconds": 3.0},
        {"name": "onnx-int8"},
        {"notes": ["the map is of another scale"]},
        {"weights_sha256": "0" * 64},
        {"name": "onnx-fp32-48x48", "fixed_size": [48, 48]},
    ],
    ids=["slower", "int8", "not the same", "other weights", "one size"],
)
def test_an_export_that_is_not_faster_and_the_same_is_left_alone(
    export: dict[str, Any], run: Any, bare: Path, images: Path
) -> None:
    add_export(bare, **export)
    assert json.loads(run("score", bare, images, "--json")[1])["runtime"] == "torch"
    assert ts.load(bare).export_name == ""


def test_a_faster_export_that_is_not_exact_is_mentioned(run: Any, bare: Path, images: Path) -> None:
    add_export(bare, name="onnx-int8")
    hint = "onnx-int8 is faster than torch, but not exact; to take it: --runtime onnx-int8"
    assert hint in run("score", bare, images)[2]
    for runtime, scorer in [("onnx-int8", "onnx-int8"), ("auto", "onnx-int8"), ("torch", "torch")]:
        _, said, notes = run("score", bare, images, "--json", "--runtime", runtime)
        assert json.loads(said)["runtime"] == scorer
        assert "is faster than" not in notes


@pytest.mark.parametrize("file", ["export.json", "model.onnx"])
def test_a_damaged_export_that_nobody_named_stops_nothing(
    file: str, run: Any, bare: Path, images: Path
) -> None:
    path = add_export(bare) / file
    path.write_bytes(path.read_bytes()[:-9])
    code, said, notes = run("score", bare, images, "--json")
    assert (code, json.loads(said)["runtime"]) == (0, "torch")
    assert sum(file in line for line in notes.splitlines()) == 1
    with pytest.warns(UserWarning, match=file):
        assert ts.load(bare).export_name == ""


def test_a_table_keeps_the_runtime_that_it_was_begun_with(
    run: Any, bare: Path, images: Path, tmp_path: Path
) -> None:
    whole, out = tmp_path / "whole.csv", tmp_path / "o.csv"
    run("score", bare, images, "--out", whole)
    run("score", bare, images, "--out", out)
    out.write_bytes(b"".join(out.read_bytes().splitlines(keepends=True)[:4]))
    export = add_export(bare)
    code, said, _ = run("score", bare, images, "--out", out, "--json")
    assert (code, json.loads(said)["runtime"]) == (0, "torch")
    assert out.read_bytes() == whole.read_bytes()
    assert run("score", bare, images, "--out", out, "--runtime", EXPORT)[0] == 2
    _, said, _ = run("score", bare, images, "--out", out, "--overwrite", "--json")
    assert json.loads(said)["runtime"] == EXPORT
    shutil.rmtree(export)
    code, _, notes = run("score", bare, images, "--out", out)
    assert (code, "another model, calibration or runtime" in notes) == (2, True)


def test_shards_keep_the_runtime_that_they_were_begun_with(
    run: Any, bare: Path, images: Path, tmp_path: Path
) -> None:
    command = ("score", bare, images, "--engine", "local", "--out", tmp_path / "shards")
    assert run(*command)[0] == 0
    add_export(bare)
    assert json.loads(run(*command, "--json")[1])["runtime"] == "torch"
    assert json.loads(run(*command, "--overwrite", "--json")[1])["runtime"] == EXPORT


def test_evaluate_and_calibrate_take_it_too(
    run: Any, bare: Path, parts: Path, images: Path, tmp_path: Path
) -> None:
    add_export(bare)
    code, said, _ = run("evaluate", bare, parts, "--out", tmp_path / "e", "--json")
    assert (code, json.loads(said)["runtime"]) == (0, EXPORT)
    code, _, notes = run("calibrate", bare, images, "--json")
    assert (code, f"scored by {EXPORT}" in notes) == (0, True)
    np.testing.assert_allclose(sorted(ts.load(bare).calibration_.scores), sorted(means(images)), rtol=1e-5)


def test_a_loaded_detector_can_do_all_until_its_weights_change(bare: Path, images: Path) -> None:
    add_export(bare)
    detector = ts.load(bare, threads=1)
    assert isinstance(detector, ts.Detector)
    assert detector.export_name == EXPORT
    scores = detector.score(images)
    np.testing.assert_allclose(scores.image, means(images), rtol=1e-5)
    by_torch = ts.load(bare, runtime="torch").score(images)
    assert (scores.runtime, by_torch.runtime) == (EXPORT, "torch")
    with torch.no_grad():
        next(iter(detector.model_.parameters())).mul_(1.0)
    assert detector.export_name == ""
    np.testing.assert_array_equal(detector.score(images).image, by_torch.image)


def test_another_device_is_torchs(bare: Path) -> None:
    add_export(bare)
    detector = ts.load(bare)
    detector.device = "cuda"
    assert detector.export_name == ""


@pytest.mark.parametrize("threads", [0, -1, MOST_THREADS + 1, 10**20])
def test_a_number_of_threads_that_is_none_is_refused(
    threads: int, run: Any, bare: Path, images: Path
) -> None:
    code, _, notes = run("score", bare, images, "--threads", threads)
    assert code == 2
    assert notes == f"twinspect: error: --threads {threads}; allowed is 1 to {MOST_THREADS} on this machine\n"
    for runtime in (None, "torch", EXPORT):
        with pytest.raises(ConfigError, match=r"allowed is 1 to \d+"):
            ts.load(bare, runtime=runtime, threads=threads)


@pytest.mark.parametrize("threads", ["2", 2.0, True])
def test_threads_are_a_whole_number(threads: Any, bare: Path) -> None:
    with pytest.raises(ConfigError, match="allowed is 1 to"):
        ts.load(bare, threads=threads)


@pytest.mark.parametrize("runtime", [None, EXPORT])
def test_copies_score_by_the_same_export(runtime: str | None, bare: Path, images: Path) -> None:
    add_export(bare)
    detector = ts.load(bare, runtime=runtime, threads=1)
    expected = detector.score(images).image
    for other in (copy(detector), deepcopy(detector), pickle.loads(pickle.dumps(detector))):
        assert other.export_name == EXPORT
        np.testing.assert_array_equal(other.score(images).image, expected)


def test_a_copy_scores_by_torch_where_the_export_is_gone_or_of_other_weights(bare: Path) -> None:
    export = add_export(bare)
    detector = ts.load(bare)
    kept = pickle.dumps(detector)
    shutil.rmtree(export)
    with pytest.warns(UserWarning, match="scored by torch"):
        assert pickle.loads(kept).export_name == ""
    with torch.no_grad():
        next(detector.model_.parameters()).add_(1)
    assert deepcopy(detector).export_name == ""


# Exports that are made unasked ------------------------------------------------------------------------------------


def test_a_long_run_exports_first(
    run: Any, bare: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(
        exporter, "export_fastest", lambda model, say: asked.append(model) or add_export(bare)
    )
    assert json.loads(run("score", bare, images, "--json")[1])["runtime"] == "torch"
    monkeypatch.setattr(model_loading, "LONG_RUN", 10)
    _, said, _ = run("score", bare, images, "--out", tmp_path / "o.csv", "--json", "--runtime", "torch")
    assert (json.loads(said)["runtime"], asked) == ("torch", [])
    _, said, _ = run("score", bare, images, "--json")
    assert (json.loads(said)["runtime"], asked) == (EXPORT, [str(bare)])
    run("score", bare, images)
    assert len(asked) == 1


def test_a_run_goes_on_where_no_export_can_be_made(
    run: Any, bare: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ExportError("its results differ")

    monkeypatch.setattr(exporter, "to_onnx", refuse)
    monkeypatch.setattr(model_loading, "LONG_RUN", 10)
    code, said, notes = run("score", bare, images, "--json")
    assert (code, json.loads(said)["runtime"]) == (0, "torch")
    assert "no export was made, so torch scores (its results differ)" in notes


def test_an_export_that_is_not_the_model_is_not_kept(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporter, "to_onnx", lambda *_: onnx.load_from_string(mean_of_pixels()))
    with pytest.raises(ExportError, match="results differ from the model's"):
        exporter.export_fastest(bare)
    assert find_exports(bare, read_record(bare)) == []


def test_an_export_that_cannot_be_written_is_refused_before_the_work(
    run: Any, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bare / "exports").touch()
    monkeypatch.setattr(exporter, "to_onnx", lambda *_: pytest.fail("traced"))
    code, _, notes = run("export", bare, "--to", "onnx")
    assert (code, f"the export goes to {bare / 'exports'}" in notes) == (2, True), notes


def test_the_users_cache_serves_where_the_model_cannot_be_written_to(
    bare: Path, images: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = add_export(bare)
    (found,) = find_exports(bare, read_record(bare))
    contents = {path.name: path.read_bytes() for path in folder.glob("model*")}
    shutil.rmtree(folder.parent)
    written: list[Path] = []

    def write(model: Path, name: str, record: dict[str, Any], files: dict[str, bytes]) -> Export:
        written.append(model)
        if model == bare:
            raise BundleError("read-only")
        return write_export(model, name, record, files)

    monkeypatch.setattr(export_cache, "write_export", write)
    keep_export(bare, read_record(bare), EXPORT, found.record, contents)
    assert written == [bare, cache_folder(read_record(bare))]
    assert written[1].is_relative_to(cache)
    np.testing.assert_allclose(ts.load(bare).score(images).image, means(images), rtol=1e-5)
    detector = ts.load(bare)
    detector.set_rate(0.5)
    detector.save_calibration(bare)
    assert ts.load(bare).export_name == EXPORT  # thresholds are no part of it
    (content,) = (written[1] / "exports" / EXPORT).glob("model*")
    content.write_bytes(content.read_bytes()[:-1])  # left out in silence, and made again by the next long run
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ts.load(bare).export_name == ""
    keep_export(bare, read_record(bare), EXPORT, found.record, contents)
    assert ts.load(bare).export_name == EXPORT
    for change in ({"preprocessing": {"size": 32}}, {"roi": {"sha256": "0" * 64}}):
        assert find_exports(bare, {**read_record(bare), **change}) == []


def test_nothing_needs_a_home(
    run: Any, bare: Path, images: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def unknown_user() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, "not/absolute")
    monkeypatch.setattr(export_cache, "user_cache", USERS_CACHE)
    monkeypatch.setattr(Path, "home", unknown_user)
    assert cache_folder(read_record(bare)) is None
    add_export(bare)
    assert json.loads(run("score", bare, images, "--json")[1])["runtime"] == EXPORT
    (tmp_path / "no folder").touch()
    with pytest.raises(BundleError, match="could not be written"):
        keep_export(tmp_path / "no folder", read_record(bare), EXPORT, {}, {})


@pytest.mark.parametrize(
    "command",
    [
        ("fit", "PARTS", "--out", "new.twin"),
        ("update", "MODEL", "--good", "PARTS", "--out", "new.twin"),
        ("compare", "PARTS", "--out", "compared"),
        ("benchmark", "folder", "--data", "PARTS", "--out", "runs"),
        ("demo", "--out", "shown"),
    ],
    ids=lambda command: command[0],
)
def test_verbs_that_train_compute_in_as_many_threads_as_asked(
    command: tuple[str, ...],
    run: Any,
    bare: Path,
    parts: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [{"PARTS": parts, "MODEL": bare}.get(word, word) for word in command]
    code, _, notes = run(*given, "--threads", 0)
    assert (code, "--threads 0; allowed is 1 to" in notes) == (2, True)
    asked: list[int] = []

    def stop(number: int) -> None:
        asked.append(number)
        raise ConfigError("far enough")

    monkeypatch.setattr(torch, "set_num_threads", stop)
    code, _, notes = run(*given, "--threads", 3)
    assert (code, asked) == (2, [3])
    assert "far enough" in notes


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_cuda_that_cannot_be_loaded_is_not_the_cpu_in_silence(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime as ort

    add_export(bare)
    monkeypatch.setattr(
        ort, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    with pytest.raises(ConfigError, match=r"cannot load CUDA's libraries for 'cuda'.*--device cpu"):
        ts.load(bare, runtime=EXPORT, device="cuda")
    assert ts.load(bare, runtime=EXPORT).score(np.zeros((2, 64, 64, 3), np.uint8)).runtime == EXPORT
