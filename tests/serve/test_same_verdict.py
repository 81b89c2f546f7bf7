"""The same bytes have the same verdict in score, evaluate, watch and serve, and by every runtime."""

from __future__ import annotations

import csv
import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import twinspect as ts
from drawn_parts import TEACHER, blemish, stripes, write_image
from twinspect.cli import main
from twinspect.inference.torch_engine import TorchEngine

pytest.importorskip("sqlalchemy")
pytest.importorskip("fastapi")
pytest.importorskip("onnxscript")

from serving import site
from twinspect.export import export

if TYPE_CHECKING:
    from pathlib import Path

RUNTIMES = ("torch", "onnx")
NAMES = ("good", "defective", "black", "white", "blurred")


@pytest.fixture(scope="module")
def model(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "parts.twin"
    ts.Detector("rd", **TEACHER, size=64, steps=30, batch_size=8, device="cpu", workers=0).fit(parts).save(
        path
    )
    export(path, "onnx")
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A test set whose frames are, besides a good and a defective one, none that can be inspected."""
    root = tmp_path_factory.mktemp("frames")
    part = stripes(501)
    even = np.full_like(part, int(part.mean()))
    images = (part, blemish(stripes(502)), part * 0, part * 0 + 255, even + np.uint8(1) * (part > 120))
    for name, image in zip(NAMES, images, strict=True):
        write_image(root / "test" / ("good" if name == "good" else "defect") / f"{name}.png", image)
    return root


def by_name(rows: list[dict[str, Any]], key: str) -> dict[str, Any]:
    return {row[key].rpartition("/")[2].removesuffix(".png"): row for row in rows}


def verdicts(rows: list[dict[str, Any]], key: str, inspectable: str) -> dict[str, tuple[bool, bool]]:
    """Whether each image is anomalous, and inspectable."""
    told = by_name(rows, key)
    flags = {"true": True, "false": False, True: True, False: False}
    return {name: (flags[told[name]["is_anomalous"]], flags[told[name][inspectable]]) for name in NAMES}


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_verb_gives_the_same_verdict(
    runtime: str, model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    by = ["--runtime", runtime]
    scores = ts.load(model, runtime=runtime).score(data, maps=False)
    names = [path.rpartition("/")[2].removesuffix(".png") for path in scores.paths]
    flags = zip(scores.is_anomalous.tolist(), scores.is_inspectable.tolist(), strict=True)
    expected = dict(zip(names, flags, strict=True))
    unfit = {"black": (False, False), "white": (False, False), "blurred": (False, False)}
    assert expected == {"good": (False, True), "defective": (True, True), **unfit}

    assert main(["score", str(model), str(data), "--json", *by]) == 0
    told = json.loads(capsys.readouterr().out)
    assert verdicts(told["rows"], "path", "inspectable") == expected
    assert (told["anomalous"], told["not_inspectable"]) == (1, 3)

    assert main(["evaluate", str(model), str(data), "--out", str(tmp_path / "eval"), *by]) == 0
    with (tmp_path / "eval" / "scores.csv").open() as file:
        assert verdicts(list(csv.DictReader(file)), "path", "inspectable") == expected

    watched = ["watch", str(data), "--model", str(model), "--data", str(tmp_path / "watched"), *by]
    capsys.readouterr()
    assert main([*watched, "--once", "--every", "0.1", "--json"]) == 0
    tally = json.loads(capsys.readouterr().out)
    assert (tally["scored"], tally["anomalous"], tally["not_inspectable"]) == (5, 1, 3)

    with site(model, tmp_path / "served", runtime=runtime) as server:
        files = sorted(data.rglob("*.png"))
        sent = server.scored(*(path.read_bytes() for path in files))
        answers = [{**answer, "name": path.name} for path, answer in zip(files, sent, strict=True)]
        assert verdicts(answers, "name", "is_inspectable") == expected
        reasons = {name: row["not_inspectable"] for name, row in by_name(answers, "name").items()}
        assert reasons["black"] == "far darker than any good image"
        assert reasons["good"] is None
        check_server(server)


def check_server(server: Any) -> None:
    """The frames that could not be inspected have their own place in search, CSV, metrics and drift."""
    for decision, total in (("anomalous", 1), ("good", 1), ("not_inspectable", 3)):
        found = server.client.get("/v1/inspections", params={"decision": decision}).json()
        assert found["total"] == total
    table = server.client.get("/v1/inspections", params={"format": "csv"}).text
    assert sum(row["inspectable"] == "False" for row in csv.DictReader(table.splitlines())) == 3
    name = server.worker.name
    metrics = server.client.get("/metrics").text
    assert f'twinspect_inspections_total{{decision="not_inspectable",model="{name}"}} 3.0' in metrics
    assert server.client.get(f"/v1/models/{name}/drift").json()["not_inspectable"] == 3
    assert len(server.client.get(f"/v1/models/{name}/scores").json()["recent"]) == 2


def test_evaluation_counts_them_apart(model: Path, data: Path, tmp_path: Path) -> None:
    assert main(["evaluate", str(model), str(data), "--out", str(tmp_path)]) == 0
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    counts = metrics["images"]
    assert (counts["good"], counts["anomalous"]) == (1, 4)
    assert metrics["not_inspectable"] == {"good": 0, "anomalous": 3}
    assert metrics["pooled"]["miss_rate"] == 0  # of the one defect that was decided on
    (defects,) = (row for row in metrics["defects"] if row["label"] == "defect")
    assert (defects["images"], defects["flagged"], defects["not_inspectable"]) == (1, 1, 3)
    report = (tmp_path / "report.html").read_text()
    assert "3 more images could not be inspected" in report
    assert "far brighter than any good image" in report


def test_exit_codes(model: Path, data: Path, tmp_path: Path) -> None:
    good, black = data / "test" / "good" / "good.png", data / "test" / "defect" / "black.png"
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    run = ["score", str(model), "--fail-on-anomaly"]
    assert main([*run, str(good)]) == 0
    assert main([*run, str(good), str(black)]) == 4
    assert main([*run, str(good), str(black), str(data / "test" / "defect" / "defective.png")]) == 1
    assert main(["score", str(model), str(black)]) == 0


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_every_kind_of_table_has_the_column_after_the_old_ones(
    suffix: str, model: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / f"scores.{suffix}"
    assert main(["score", str(model), str(data), "--out", str(out)]) == 0
    if suffix == "parquet":
        import pyarrow.parquet as pq

        rows = pq.read_table(out).to_pylist()
    elif suffix == "csv":
        rows = list(csv.DictReader(out.read_text().splitlines()))
    else:
        rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert list(rows[0]) == [
        "path",
        "category",
        "score",
        "p_value",
        "is_anomalous",
        "error",
        "inspectable",
        "notice",
        "regions",
        "part",
    ]
    assert sum(str(row["inspectable"]).lower() == "false" for row in rows) == 3


def test_shards_count_them(model: Path, data: Path, tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    run = ["score", str(model), str(data), "--engine", "local", "--out", str(tmp_path / "out")]
    assert main([*run, "--fail-on-anomaly"]) == 1
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["not_inspectable"] == 3


def test_the_range_survives_every_other_calibration(model: Path, data: Path, tmp_path: Path) -> None:
    detector = ts.load(model)
    kept = detector.calibration_.good_ranges
    assert detector.set_rate(0.2).calibration_.good_ranges == kept
    new_images = np.stack([stripes(900 + number) for number in range(24)])
    assert detector.calibrate(new_images).calibration_.good_ranges[""].images == 24
    copy = tmp_path / "copy.twin"
    shutil.copytree(model, copy)
    assert main(["calibrate", str(copy), "--false-alarm-rate", "0.2"]) == 0
    assert ts.load(copy).calibration_.good_ranges == kept
    with site(model, tmp_path / "store") as server:
        good = (data / "test" / "good" / "good.png").read_bytes()
        (inspection,) = server.scored(good)
        server.client.post("/v1/feedback", json={"inspection_id": inspection["id"], "verdict": "good"})
        for use, rate in (("calibration", 0.2), ("confirmed", 0.5)):
            proposal = server.context.store.propose(server.worker.id, use=use, false_alarm_rate=rate)
            assert proposal.calibration.good_ranges == kept


def test_tiles_and_joined_models_refuse_the_same_frames(parts: Path, data: Path, model: Path) -> None:
    quick = {**TEACHER, "size": 32, "steps": 1, "batch_size": 2, "device": "cpu", "workers": 0}
    whole = ts.load(model)
    tiles = ts.Detector("rd", **quick, tile=32, overlap=8, keep_images=0).fit(parts)
    other = ts.Detector("rd", **quick, keep_images=0).fit(parts)
    expected = whole.score(data, maps=False).is_inspectable
    for detector in (tiles, ts.noisy_or([whole, other])):
        np.testing.assert_array_equal(detector.score(data, maps=False).is_inspectable, expected)


def test_a_score_that_is_no_number_is_never_a_verdict(
    model: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TorchEngine, "score", lambda *_, **__: ([float("nan")], [None]))
    good = data / "test" / "good" / "good.png"
    (row,) = ts.load(model).stream(good, maps=False)
    assert not row.is_anomalous
    with site(model, tmp_path) as server:
        (answer,) = server.scored(good.read_bytes())
        assert (answer["state"], answer["is_anomalous"], answer["is_inspectable"]) == ("failed", None, None)
