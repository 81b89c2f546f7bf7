"""The command line, run as a user runs it: what it prints, writes and returns."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import forked
import twinspect as ts
from drawn_parts import blemish, stripes, write_image
from twinspect.cli.score_files import open_table
from twinspect.inference.score_table import COLUMNS

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerProcess

FIT = [
    "--teacher",
    "test_resnet",
    "--weights",
    "random",
    "--size",
    "64",
    "--device",
    "cpu",
    "--batch-size",
    "8",
]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Seventeen good images, one damaged, and two files that are no images."""
    folder = tmp_path / "today"
    for number in range(17):
        write_image(folder / f"{number:02d}.png", stripes(600 + number))
    write_image(folder / "05.png", blemish(stripes(605)))
    (folder / "text.png").write_text("not an image")
    (folder / "empty.jpg").write_bytes(b"")
    return folder


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_fit_score_evaluate_calibrate(run: Any, parts: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.twin"
    code, text, _ = run("fit", parts, "--out", out, *FIT, "--steps", 30)
    assert code == 0
    assert "loss" in text
    assert "at most" in text
    assert not (tmp_path / "m.twin.checkpoint").exists()

    code, text, _ = run(
        "score", out, parts / "test", "--out", tmp_path / "r.csv", "--maps", tmp_path / "maps", "--json"
    )
    assert (code, json.loads(text)["images"]) == (0, 12)
    assert len(list((tmp_path / "maps").rglob("*.png"))) == 12

    code, text, _ = run("evaluate", out, parts, "--out", tmp_path / "report", "--json")
    assert code == 0
    metrics = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert metrics["mean"]["image_auroc"] == json.loads(text)["mean"]["image_auroc"]
    assert set(metrics["mean"]) == {
        *("image_auroc", "image_ap", "image_f1_max", "pixel_auroc", "pixel_ap", "pixel_f1_max"),
        *("aupro_30", "aupro_05", "false_alarm_rate", "miss_rate", "threshold"),
    }
    assert (tmp_path / "report" / "report.html").stat().st_size > 10_000

    code, text, _ = run("calibrate", out, parts / "test" / "good", "--json")
    assert json.loads(text)["false_alarm_rate"] == pytest.approx(1 / 7)
    assert ts.load(out).calibration_.threshold == json.loads(text)["threshold"]


def test_evaluate_agrees_with_scikit_learn_on_the_raw_scores(
    run: Any, model: Path, parts: Path, tmp_path: Path
) -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score

    run("evaluate", model, parts, "--out", tmp_path)
    metrics = json.loads((tmp_path / "metrics.json").read_text())["pooled"]
    scores = ts.load(model).score(parts / "test")
    labels = ["square" in path for path in scores.paths]
    assert metrics["image_auroc"] == pytest.approx(roc_auc_score(labels, scores.image))
    assert metrics["image_ap"] == pytest.approx(average_precision_score(labels, scores.image))
    masks = np.zeros((12, 48, 48), dtype=bool)
    masks[[label for label in range(12) if labels[label]], 8:20, 28:40] = True
    assert metrics["pixel_auroc"] == pytest.approx(roc_auc_score(masks.ravel(), np.ravel(scores.map)))
    flagged = scores.is_anomalous
    assert metrics["false_alarm_rate"] == pytest.approx(np.mean(flagged[~np.array(labels)]))


def test_score_writes_one_row_an_image_and_says_what_cannot_be_read(
    run: Any, model: Path, images: Path, tmp_path: Path
) -> None:
    code, _, err = run("score", model, images, "--out", tmp_path / "r.csv")
    rows = table(tmp_path / "r.csv")
    assert code == 3
    assert "2 of 19 images could not be read" in err
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 19
    bad = {Path(row["path"]).name: row for row in rows if row["error"]}
    assert set(bad) == {"text.png", "empty.jpg"}
    assert all(row["score"] == row["p_value"] == row["is_anomalous"] == "" for row in bad.values())
    direct = ts.load(model).score(sorted(images.glob("[0-9]*.png")))
    written = [float(row["score"]) for row in rows if not row["error"]]
    np.testing.assert_allclose(written, direct.image, rtol=1e-5)


def test_csv_jsonl_and_parquet_hold_the_same_rows(
    run: Any, model: Path, images: Path, tmp_path: Path
) -> None:
    for suffix in ("csv", "jsonl", "parquet"):
        run("score", model, images, "--out", tmp_path / f"r.{suffix}")
    lines = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert lines == pq.read_table(tmp_path / "r.parquet").to_pylist()
    for row, line in zip(table(tmp_path / "r.csv"), lines, strict=True):
        assert row["path"] == line["path"]
        assert (float(row["score"]) if row["score"] else None) == line["score"]
        assert {"true": True, "false": False, "": None}[row["is_anomalous"]] == line["is_anomalous"]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_torn_table_is_continued_to_the_same_bytes(
    run: Any, model: Path, images: Path, tmp_path: Path, suffix: str
) -> None:
    whole, torn = tmp_path / f"whole.{suffix}", tmp_path / f"torn.{suffix}"
    run("score", model, images, "--out", whole)
    run("score", model, images, "--out", torn)
    for kept in (0, 3, 8, 13):
        tear(torn, kept)
        _, _, err = run("score", model, images, "--out", torn)
        assert kept == 0 or f"{kept} rows are there already" in err
        if suffix == "parquet":
            assert pq.read_table(torn).equals(pq.read_table(whole))
        else:
            assert torn.read_bytes() == whole.read_bytes()


def tear(path: Path, kept: int) -> None:
    """Leave so many rows of a complete table, and the beginning of one more, as a kill would have."""
    journal = path
    if path.suffix == ".parquet":
        rows = pq.read_table(path).to_pylist()
        journal = path.with_name(f".{path.name}.rows.jsonl")
        journal.write_text("".join(json.dumps(row) + "\n" for row in rows))
        path.unlink()
    lines = journal.read_bytes().splitlines(keepends=True)
    begun = kept + (path.suffix == ".csv")
    journal.write_bytes(b"".join(lines[:begun]) + lines[begun][:9])


def test_a_finished_table_is_left_alone_and_new_images_are_added(
    run: Any, model: Path, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "r.csv"
    run("score", model, images, "--out", out)
    before = out.read_bytes()
    run("score", model, images, "--out", out)
    assert out.read_bytes() == before
    write_image(images / "00-new.png", stripes(700))
    run("score", model, images, "--out", out)
    assert out.read_bytes().startswith(before)
    assert [Path(row["path"]).name for row in table(out)][-1] == "00-new.png"


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_images_that_were_mended_are_scored_when_the_command_is_run_again(
    run: Any, model: Path, images: Path, tmp_path: Path, suffix: str
) -> None:
    out, whole = tmp_path / f"r.{suffix}", tmp_path / f"whole.{suffix}"
    run("score", model, images, "--out", out)
    write_image(images / "text.png", stripes(700))
    code, _, err = run("score", model, images, "--out", out, "--json")
    assert (
        "19 rows are there already, 0 images to go, and 2 with an error or without a picture once more" in err
    )
    assert code == 3
    run("score", model, images, "--out", whole)
    rows, fresh = (open_table(path).rows() for path in (out, whole))
    assert [row["path"] for row in rows] == [row["path"] for row in fresh]
    assert [row["error"] for row in rows] == [row["error"] for row in fresh]
    scores, expected = ([row["score"] for row in kind if not row["error"]] for kind in (rows, fresh))
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
    assert len(scores) == 18
    if suffix != "parquet":
        assert len(out.read_bytes().splitlines()) == len(whole.read_bytes().splitlines())


def test_a_table_of_another_model_or_another_program_is_not_touched(
    run: Any, model: Path, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "r.csv"
    out.write_text("my,own,table\n1,2,3\n")
    code, _, err = run("score", model, images, "--out", out)
    assert (code, "--overwrite" in err) == (2, True)
    assert out.read_text() == "my,own,table\n1,2,3\n"
    assert run("score", model, images, "--out", out, "--overwrite")[0] == 3
    other = shutil.copytree(model, tmp_path / "other.twin")
    run("calibrate", other, "--false-alarm-rate", 0.5)
    code, _, err = run("score", other, images, "--out", out)
    assert (code, "another model, calibration or runtime" in err) == (2, True)


def test_exit_code_one_only_on_request(run: Any, model: Path, images: Path) -> None:
    damaged = images / "05.png"
    code, text, _ = run("score", model, damaged)
    assert code == 0
    assert text.splitlines()[1].split(",")[4] == "true"
    assert run("score", model, damaged, "--fail-on-anomaly")[0] == 1
    assert run("score", model, images / "06.png", "--fail-on-anomaly")[0] == 0


def test_raw_maps(run: Any, model: Path, images: Path, tmp_path: Path) -> None:
    run("score", model, images / "05.png", "--maps", tmp_path / "maps", "--map-format", "npy")
    written = np.load(tmp_path / "maps" / "05.npy")
    np.testing.assert_array_equal(written, ts.load(model).score([images / "05.png"]).map[0])  # type: ignore[index]


def test_doctor_says_what_fit_would_do(run: Any, parts: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(parts, tmp_path / "parts")
    (copy / "train" / "good" / "notes.txt").write_text("x")
    (copy / "train" / "good" / "99.png").write_text("not an image")
    (copy / "ground_truth" / "square" / "9_mask.png").write_bytes(
        (copy / "ground_truth/square/0_mask.png").read_bytes()
    )
    code, text, _ = run("doctor", copy)
    assert code == 3
    assert "fit would train on 15 images, calibrate on 10" in text
    assert "notes.txt" in text
    assert "99.png" in text
    assert "9_mask.png: a mask without an image of that name" in text
    detector = ts.Detector()
    listed = run("doctor", parts, "--list", "--quick")[1].splitlines()
    assert sum(line.startswith("calibration  ") for line in listed if line.endswith(".png")) == 9
    code, text, _ = run("doctor", parts, "--json", "--quick")
    record = json.loads(text)
    held = {image["path"] for image in record["data"]["images"] if image["read_as"] == "calibration"}
    assert held == {str(sample.path) for sample in detector.split(parts)[1]}
    assert run("doctor")[0] == 0


def test_lists(run: Any) -> None:
    assert "mkd" in run("methods")[1]
    assert "guided" in run("methods", "mkd")[1]
    assert json.loads(run("methods", "--json")[1])["methods"]["mkd"]
    assert "resnet18" in run("teachers")[1]


def test_help_of_fit_shows_the_methods_settings(run: Any) -> None:
    code, text, _ = run("fit", "--help")
    assert code == 0
    assert "settings of hybrid" in text
    code, text, _ = run("fit", "--method", "mkd", "--help")
    assert "settings of mkd" in text
    assert "--value-weight" in text


def test_settings_come_from_the_command_line_over_a_file(parts: Path, tmp_path: Path) -> None:
    from twinspect.cli.fit import build
    from twinspect.cli.method_settings import add_settings
    from twinspect.cli.parser import build_parser, verb_parser

    (tmp_path / "c.toml").write_text('steps = 7\nsigma = 2.0\nvalue-weight = 0.25\nteacher = "resnet34"\n')
    arguments = [
        "fit",
        str(parts),
        "--out",
        "m",
        "--config",
        str(tmp_path / "c.toml"),
        "--value_weight",
        "0.75",
        "--method",
        "mkd",
    ]
    parser = build_parser()
    add_settings(verb_parser(parser, "fit"), arguments)
    detector = build(parser.parse_args(arguments))
    assert detector.get_params()["value_weight"] == 0.75
    assert (detector.steps, detector.teacher, detector.settings["sigma"]) == (7, "resnet34", 2.0)


BAD_FITS = [
    (["--method", "mdk"], "did you mean 'mkd'"),
    (["--sigma", "wide"], "must be a number"),
    (["--sigmaa", "3"], "did you mean --sigma?"),
    (["--method", "mkd", "--preset", "mvtek"], "did you mean 'mvtec'"),
    (["--false-alarm-rate", "0.05"], "needs 19 held-out good images"),
    (["--false-alarm-rate", "5"], "between 0 and 1"),
    (["--calibration", "none"], "split, cv"),
    (["--device", "tpu"], "no device 'tpu'"),
    (["--precision", "fp8"], "auto, fp32, bf16"),
    (["--steps", "3", "--epochs", "3"], "not allowed with"),
    (["--method", "rd", "--size", "60"], "--size 64"),
    (["--config", "none.toml"], "none.toml"),
    (["--teacher", "resnet1888"], "resnet18"),
    (["--weights", "none.safetensors"], "none.safetensors"),
    (["--bits", "7"], "bits"),
]


@pytest.mark.parametrize(
    ("arguments", "message"), BAD_FITS, ids=lambda value: value[0] if isinstance(value, list) else ""
)
def test_a_mistake_in_fit_is_one_clear_line(
    run: Any, parts: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    code, out, err = run(
        "fit", parts / "train" / "good", "--out", tmp_path / "m.twin", *FIT, "--steps", 1, *arguments
    )
    assert code == 2
    assert message in err
    assert "Traceback" not in err
    assert len([line for line in err.splitlines() if "error:" in line]) == 1
    assert out == ""
    assert not (tmp_path / "m.twin").exists()


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="watches the process through /proc")
def test_resume_on_the_command_line(run: Any, parts: Path, tmp_path: Path) -> None:
    """Kill a running fit with SIGTERM, go on, and get the weights of an uninterrupted one."""
    options = ["--method", "rd", "--workers", "1", "--steps", "20", "--no-detectability"]
    base = ["fit", str(parts), *FIT, *options]
    assert run(*base, "--out", tmp_path / "whole.twin")[0] == 0
    cut = [*base, "--out", str(tmp_path / "cut.twin"), "--resume"]
    process = forked.start(cut, errors=tmp_path / "said.txt")
    _wait_for_training(process)
    code, err = forked.end(process), (tmp_path / "said.txt").read_text()
    assert code == 130, err
    assert "--resume" in err
    assert not (tmp_path / "cut.twin").exists()
    code, _, err = run(*cut[:-1])
    assert (code, "--restart" in err) == (2, True)
    assert run(*cut)[0] == 0
    whole, resumed = (tmp_path / name / "weights.safetensors" for name in ("whole.twin", "cut.twin"))
    assert whole.read_bytes() == resumed.read_bytes()
    assert not (tmp_path / "cut.twin.checkpoint").exists()


def _wait_for_training(process: ForkServerProcess) -> None:
    """Send SIGTERM until the loop has seen one: before it starts, the signal would only end the process."""

    deadline = time.monotonic() + 300
    while process.is_alive() and time.monotonic() < deadline:
        status = Path(f"/proc/{process.pid}/status")
        caught = int(
            next(line for line in status.read_text().splitlines() if line.startswith("SigCgt")).split()[1], 16
        )
        if caught >> (signal.SIGTERM - 1) & 1:  # the loop has put its handler in place
            process.terminate()
            return
        time.sleep(0.01)


def test_maps_of_images_with_one_stem_do_not_overwrite_each_other(
    run: Any, model: Path, tmp_path: Path
) -> None:
    for name in ("a/1.png", "b/1.png", "a/2.png", "a/2.bmp"):
        write_image(tmp_path / name, stripes(1))
    run("score", model, tmp_path / "a", tmp_path / "b", "--maps", tmp_path / "maps")
    assert len(list((tmp_path / "maps").rglob("*.png"))) == 4


def test_class_folders_are_tested_whole_from_python_and_from_the_command_line(
    run: Any, model: Path, parts: Path, tmp_path: Path
) -> None:
    from twinspect.report import write_evaluation

    shutil.copytree(parts / "test", tmp_path / "folders")
    run("evaluate", model, tmp_path / "folders", "--out", tmp_path / "one")
    write_evaluation(ts.load(model), tmp_path / "folders", tmp_path / "two", model=str(model))
    one, two = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("one", "two"))
    assert one == two
    assert one["images"] == {"good": 6, "anomalous": 6, "unreadable": 0}


def test_calibrating_on_images_that_look_defective_is_doubted(run: Any, model: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(model, tmp_path / "m.twin")
    for number in range(20):
        write_image(tmp_path / "bad" / f"{number}.png", blemish(stripes(900 + number)))
        write_image(tmp_path / "fine" / f"{number}.png", stripes(930 + number))
    _, _, err = run("calibrate", copy, tmp_path / "bad")
    assert "20 of 20 images lie above the old threshold" in err
    assert f"twinspect calibrate {copy} --undo" in err
    run("calibrate", copy, "--undo")
    assert "above the old threshold" not in run("calibrate", copy, tmp_path / "fine")[2]
