"""Several images of one part: one decision a part, by a rate that counts parts."""

from __future__ import annotations

import csv
import json
import shutil
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.stats import betabinom

import twinspect as ts
from drawn_parts import blemish, quick, stripes, write_image
from serving import bad, code, good, site
from twinspect.calibration.conformal import Calibration
from twinspect.cli import main
from twinspect.data import open_data
from twinspect.data.samples import Sample
from twinspect.errors import CalibrationError, DataError
from twinspect.evaluation.by_object import object_errors
from twinspect.evaluation.evaluation import evaluate
from twinspect.inference.part_scores import parts_of_rows
from twinspect.inference.results import ImageScore
from twinspect.report.false_alarm_section import false_alarm_section
from twinspect.report.formatting import Rate, percent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PARTS, VIEWS = 20, 2


def write_manifest(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("path", "split", "label", "part"), *rows])
    return path


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good parts in two views; to test, three good ones, three with a defect in one view, one with a torn view."""
    root = tmp_path_factory.mktemp("views")
    rows = []
    for part in range(PARTS):
        for view in range(VIEWS):
            write_image(root / f"good{part}_{view}.png", stripes(VIEWS * part + view))
            rows.append((f"good{part}_{view}.png", "train", "good", f"p{part}"))
    for part in range(6):
        for view in range(VIEWS):
            shows = part % 2 == 1 and view == 0
            image = stripes(300 + VIEWS * part + view)
            write_image(root / f"t{part}_{view}.png", blemish(image) if shows else image)
            rows.append((f"t{part}_{view}.png", "test", "spot" if shows else "good", f"t{part}"))
    (root / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    rows.append(("torn.png", "test", "good", "t0"))
    return write_manifest(root / "views.csv", rows)


@pytest.fixture(scope="module")
def detector(manifest: Path) -> ts.Detector:
    return ts.Detector("hybrid", **quick("hybrid", 20)).fit(manifest)


def highest(calibration: Calibration) -> list[float]:
    pairs = sorted(zip(calibration.parts, calibration.scores, strict=True))
    return sorted(max(score for _, score in of) for _, of in groupby(pairs, key=lambda pair: pair[0]))


def test_parts_are_held_out_whole_and_rank_by_their_highest_image(
    detector: ts.Detector, manifest: Path
) -> None:
    train, held = detector.split(manifest)
    assert not {sample.group for sample in train} & {sample.group for sample in held}
    calibration = detector.calibration_
    assert sorted(calibration.parts) == sorted(sample.group for sample in held)
    assert list(calibration.part_scores) == highest(calibration)
    assert len(held) == VIEWS * 8  # two fifths of twenty parts
    assert calibration.false_alarm_rate == 1 / 9
    assert calibration.threshold == max(calibration.scores)
    assert "11.1 % of good parts are false alarms" in calibration.promise()
    assert "8 held-out good parts in 16 images" in calibration.promise()
    maps = calibration.of_maps
    assert maps is not None
    assert len(maps.scores) == 8


def test_a_part_is_anomalous_where_any_of_its_images_is(detector: ts.Detector, manifest: Path) -> None:
    data = open_data(manifest)
    scores = detector.score(data.with_samples(data.split("test")))
    groups = np.array([sample.group for sample in data.split("test")])
    for part in scores.parts:
        views = scores.image[groups == part.part]
        views = views[np.isfinite(views)]
        good_parts = np.array(highest(detector.calibration_))
        assert part.score == views.max()
        assert part.p_value == (1 + (good_parts >= part.score).sum()) / 9
        assert part.is_anomalous == (part.score > good_parts.max()) == (part.part in ("t1", "t3", "t5"))
        assert part.images == (groups == part.part).sum()
    undecided = {part.part: part.error for part in scores.parts if not part.is_inspectable}
    assert list(undecided) == ["t0"]
    assert "torn.png" in undecided["t0"]


def test_models_keep_what_they_know_of_parts(detector: ts.Detector, tmp_path: Path) -> None:
    detector.save(tmp_path / "m.twin")
    loaded = ts.load(tmp_path / "m.twin").calibration_
    assert (loaded.parts, loaded.threshold) == (detector.calibration_.parts, detector.calibration_.threshold)


def test_the_rate_is_one_of_parts() -> None:
    """Of good parts in four views of their own scale, as many are flagged as promised, not four times as many."""
    rng = np.random.default_rng(0)
    alarms, by_images = 0, 0
    for _ in range(2000):
        scores = rng.normal(size=(20, 4)) + rng.normal(size=(20, 1))
        known, new = scores[:19], scores[19]
        parts = tuple(str(part) for part in range(19) for _ in range(4))
        alarms += bool(Calibration(tuple(known.ravel()), 0.05, parts=parts).is_anomalous(new).any())
        by_images += bool(Calibration(tuple(known.ravel()), 0.05).is_anomalous(new).any())
    assert alarms <= 2000 * 0.05 + 3 * np.sqrt(2000 * 0.05 * 0.95)
    assert by_images > 2 * alarms


def test_folds_keep_parts_together(manifest: Path) -> None:
    found = ts.Detector("patchcore", **{**quick("patchcore"), "calibration": "cv"}).fit(manifest)
    assert found.calibration_.kind == "cv"
    assert len(found.calibration_.part_scores) == PARTS
    assert found.calibration_.false_alarm_rate == 1 / (PARTS + 1)


def test_evaluate_counts_wrong_decisions_on_parts(detector: ts.Detector, manifest: Path) -> None:
    record = evaluate(detector, manifest).to_record()["objects"]
    assert record["decisions"] == {
        "": {"false_alarms": 0, "good": 2, "misses": 0, "anomalous": 3, "not_inspectable": 1}
    }


def test_verbs_count_parts(
    detector: ts.Detector, manifest: Path, tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    detector.save(tmp_path / "m.twin")
    assert "10 good to test, 3 defective to test, of 26 parts" in run("doctor", manifest)[1]
    assert "and promise at most 11.1 % of good parts are false alarms" in run("doctor", manifest)[1]
    _, out, _ = run("evaluate", tmp_path / "m.twin", manifest, "--out", tmp_path / "e")
    assert "parts: 0 of 2 good ones called anomalous, 0 of 3 anomalous ones missed, 1 not inspectable" in out
    assert "of the good test parts</strong>" in (tmp_path / "e" / "report.html").read_text()


def test_a_report_compares_parts_with_a_promise_of_parts(detector: ts.Detector) -> None:
    """Nine parts in ten images each, one image too high of two of them: 2 % of images, 22 % of parts."""
    calibration = detector.calibration_  # of 8 parts, which promise 1 in 9
    rows = [
        ImageScore(
            Sample(Path(f"{part}_{view}.png"), f"{part}_{view}", group=f"p{part}"), score, 0.1, flagged
        )
        for part in range(9)
        for view in range(10)
        for flagged in (part < 2 and view == 0,)
        for score in (99.0 if flagged else 0.0,)
    ]
    evaluation = SimpleNamespace(rows=rows, object_errors=object_errors({"": rows}))
    section = false_alarm_section(calibration, evaluation)  # type: ignore[arg-type]
    assert (section["rate"], section["what"]) == (Rate(2, 9), "part")
    chance = betabinom.sf(1, 9, 1, 8)  # of so many among new parts, by eight known ones
    assert f"good parts like the held-out ones give as many in {percent(chance)} of" in section["verdict"][1]


def test_calibrating_counts_parts(detector: ts.Detector, manifest: Path, tmp_path: Path) -> None:
    rows = []
    for number in range(12):
        write_image(tmp_path / f"{number}.png", stripes(500 + number))
        rows.append((f"{number}.png", "train", "good", f"n{number // 3}"))
    more = write_manifest(tmp_path / "more.csv", rows)
    detector.save(tmp_path / "m.twin")
    again = ts.load(tmp_path / "m.twin").calibrate(more)
    assert again.calibration_.false_alarm_rate == 1 / 5
    with pytest.raises(CalibrationError, match=r"needs 9; .*the 12 images show 4"):
        again.calibrate(more, false_alarm_rate=0.1)


def test_a_part_that_is_not_whole_is_left_out(detector: ts.Detector, manifest: Path, tmp_path: Path) -> None:
    """By fewer images it would rank lower than the good parts to come, which are decided by all."""
    rows = []
    for number in range(12):
        write_image(tmp_path / f"{number}.png", stripes(500 + number))
        rows.append((f"{number}.png", "train", "good", f"n{number // 3}"))
    (tmp_path / "7.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    more = write_manifest(tmp_path / "more.csv", rows)
    detector.save(tmp_path / "m.twin")
    again, said = ts.load(tmp_path / "m.twin"), list[str]()
    learnt = {sample.name for sample in detector.split(manifest)[0]}
    shutil.copy(manifest.parent / min(learnt), tmp_path / "3.png")
    again.calibrate(more, say=said.append)
    assert set(again.calibration_.parts) == {"n0", "n3"}
    assert len(again.calibration_.names) == 6
    mates = "2 of the 12 images show a part of which another image is left out: left out too"
    assert said[0] == f"the model was fitted on 1 of the 12 images: left out; {mates}"
    assert mates in said[1:]
    assert len(again.calibrated_on_) == 6


def test_a_fit_leaves_out_parts_that_are_not_whole(tmp_path: Path) -> None:
    rows = [(f"{number}.png", "train", "good", f"n{number // 2}") for number in range(12)]
    for number, (name, *_) in enumerate(rows):
        write_image(tmp_path / name, stripes(number))
    (tmp_path / "4.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    said: list[str] = []
    views = write_manifest(tmp_path / "views.csv", rows)
    found = ts.Detector("patchcore", **quick("patchcore")).fit(views, say=said.append)
    assert found.data_["train"] + found.data_["calibration"] == 10
    assert "n2" not in found.calibration_.parts
    assert said[-1] == "1 of the 12 images show a part of which another image is left out: left out too"
    for part in range(6):
        (tmp_path / f"{2 * part}.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    with pytest.raises(DataError, match=r"of every good part, an image cannot be read; .*0\.png"):
        ts.Detector("patchcore", **quick("patchcore")).fit(views, say=said.append)


def test_an_image_that_cannot_be_inspected_decides_no_part() -> None:
    def row(path: str, score: float | None, anomalous: bool, inspectable: bool | None) -> dict[str, Any]:
        found = {"path": path, "score": score, "p_value": 0.1, "is_anomalous": anomalous}
        return {**found, "inspectable": inspectable, "part": "A", "category": "", "error": ""}

    dark, spot, fine = (
        row("dark", 9.0, False, False),
        row("spot", 5.0, True, True),
        row("fine", 1.0, False, True),
    )
    (part,) = parts_of_rows([dark, spot, fine])
    assert (part.worst_image, part.score, part.images, part.error) == ("spot", 5.0, 3, "")
    assert (part.is_anomalous, part.is_inspectable) == (True, True)
    (part,) = parts_of_rows([fine, dark])
    assert (part.is_anomalous, part.is_inspectable, part.error) == (False, False, "dark cannot be inspected")


def test_a_join_ranks_parts(detector: ts.Detector, manifest: Path) -> None:
    """Each image by the scores of the other parts, against the logistic distribution written out."""
    other = ts.Detector("patchcore", **quick("patchcore")).fit(manifest)
    joined = ts.noisy_or([detector, other]).calibration_
    assert joined.false_alarm_rate == 1 / 9
    assert "8 held-out good parts in 16 images" in joined.promise()
    for name, score, part in zip(joined.names, joined.scores, joined.parts, strict=True):
        expected = 0.0
        for member in (detector.calibration_, other.calibration_):
            of_others = [each for each, of in zip(member.scores, member.parts, strict=True) if of != part]
            low, middle, high = np.quantile(of_others, [0.25, 0.5, 0.75])
            own = member.scores[member.names.index(name)]
            expected += np.logaddexp(0, (own - middle) * 2 * np.log(3) / (high - low))
        assert score == pytest.approx(expected, rel=1e-4)
    with pytest.raises(CalibrationError, match=r"which show 8 parts; .* needs 9"):
        ts.noisy_or([detector, other], false_alarm_rate=0.1)


def test_one_part_alone_is_refused(manifest: Path) -> None:
    data = open_data(manifest)
    one = data.with_samples([sample for sample in data if sample.group == "p0"])
    with pytest.raises(CalibrationError, match="all 2 good images show one part"):
        ts.Detector("hybrid").fit(one)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [("a.png", "train", "good", "x"), ("b.png", "test", "good", "x")],
            "row 3: part 'x' has the split 'test'",
        ),
        ([("a.png", "test", "good", "x"), ("b.png", "calibration", "good", "x")], "in row 2 'test'"),
    ],
)
def test_a_part_in_two_splits_is_refused(tmp_path: Path, rows: list[Any], message: str) -> None:
    for name in ("a.png", "b.png"):
        write_image(tmp_path / name, stripes(1))
    with pytest.raises(DataError, match=message):
        open_data(write_manifest(tmp_path / "m.csv", rows))


def read_parts(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        return rows
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_score_writes_a_table_of_parts(
    detector: ts.Detector, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    detector.save(tmp_path / "m.twin")
    model, out = str(tmp_path / "m.twin"), str(tmp_path / "r.jsonl")
    tables = []
    for suffix in (".csv", ".jsonl", ".parquet"):
        file = tmp_path / f"parts{suffix}"
        # The second and third time, no image is scored again.
        assert main(["score", model, str(manifest), "--out", out, "--parts", str(file)]) == 3
        assert "3 of 26 parts anomalous, 1 not inspectable" in capsys.readouterr().out
        tables.append(read_parts(file))
    assert tables[1] == tables[2]
    texts = [{name: "" if value is None else str(value) for name, value in row.items()} for row in tables[1]]
    numbers = ("score", "p_value")
    for text, row in zip(texts, tables[0], strict=True):
        assert {**text, **dict.fromkeys(numbers)} == {
            **row,
            "is_anomalous": row["is_anomalous"].capitalize(),
            "is_inspectable": row["is_inspectable"].capitalize(),
            **dict.fromkeys(numbers),
        }
        assert [float(text[name]) for name in numbers] == [float(row[name]) for name in numbers]


def test_parts_that_no_image_names_are_refused_before_scoring(
    detector: ts.Detector, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    detector.save(tmp_path / "m.twin")
    write_image(tmp_path / "a.png", stripes(1))
    arguments = ["score", str(tmp_path / "m.twin"), str(tmp_path / "a.png"), "--parts"]
    assert main([*arguments, str(tmp_path / "parts.csv")]) == 2
    assert "no image says which part it shows" in capsys.readouterr().err
    assert main([*arguments, str(tmp_path / "parts.xlsx")]) == 2
    assert "ends in .csv, .jsonl, .parquet; got '.xlsx'" in capsys.readouterr().err


def test_the_server_decides_on_the_part_that_a_request_shows(detector: ts.Detector, tmp_path: Path) -> None:
    detector.save(tmp_path / "m.twin")
    with site(tmp_path / "m.twin", tmp_path / "data") as server:
        answer = server.score(good(1), bad(7), part="A17").json()
        part = answer["part"]
        scores = [image["score"] for image in answer["inspections"]]
        assert (part["part"], part["images"], part["score"]) == ("A17", 2, max(scores))
        assert (part["is_anomalous"], part["is_inspectable"]) == (True, True)
        assert part["false_alarm_rate"] == detector.calibration_.false_alarm_rate
        torn = server.score(good(1), b"\x89PNG\r\n\x1a\n torn", part="A18").json()["part"]
        assert (torn["is_anomalous"], torn["is_inspectable"]) == (False, False)
        assert torn["error"].startswith("1.png: the PNG cannot be read")
        assert server.score(good(1), part=" A19\t").json()["part"]["part"] == "A19"
        assert code(server.score(good(1), part="A20", wait=False)) == (422, "invalid_request")
        assert server.score(good(2)).json()["part"] is None


def test_shards_tell_parts(
    detector: ts.Detector, manifest: Path, tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    detector.save(tmp_path / "m.twin")
    files = [tmp_path / name for name in ("plain.jsonl", "shards.jsonl")]
    plain = ("score", tmp_path / "m.twin", manifest, "--out", tmp_path / "r.csv", "--parts", files[0])
    shards = ("score", tmp_path / "m.twin", manifest, "--engine", "local", "--out", tmp_path / "o")
    cut = ("--shard-images", "8", "--parts", files[1])  # of parts in two shards
    assert run(*plain)[0] == 3
    code, out, _ = run(*shards, *cut)
    assert (code, out.splitlines()[-1]) == (3, "3 of 26 parts anomalous, 1 not inspectable")
    by_name = [sorted(read_parts(file), key=lambda part: part["part"]) for file in files]
    # Batches of other sizes round otherwise, and the parts calibrated on tie with themselves: the ranks are left out.
    scores = [[(part.pop("score"), part.pop("p_value"))[0] for part in parts] for parts in by_name]
    assert scores[0] == pytest.approx(scores[1], rel=1e-6)
    assert by_name[0] == by_name[1]
    images = ("score", tmp_path / "m.twin", manifest.parent / "good0_0.png", "--engine", "local")
    code, _, said = run(*images, "--out", tmp_path / "o2", "--parts", files[1])
    assert (code, (tmp_path / "o2").exists()) == (2, False)
    assert "no image says which part it shows" in said


def test_a_table_of_parts_replaces_only_another(
    detector: ts.Detector, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    detector.save(tmp_path / "m.twin")
    model, out = str(tmp_path / "m.twin"), tmp_path / "r.csv"
    by_hand = tmp_path / "mine.csv"
    by_hand.write_text("part,mine\n1,2\n")
    before = manifest.read_bytes()
    for file, said in (
        (manifest, "is in use already"),
        (out, "is in use already"),
        (tmp_path / "m.twin" / "x.csv", "is in use already"),
        (by_hand, "exists and is no table of parts"),
    ):
        assert main(["score", model, str(manifest), "--out", str(out), "--parts", str(file)]) == 2
        assert said in capsys.readouterr().err.splitlines()[-1]
    assert main(["score", model, str(manifest), "--parts", "same.csv", "--coco", "same.csv"]) == 2
    assert (manifest.read_bytes(), by_hand.read_text()) == (before, "part,mine\n1,2\n")
    assert not out.exists()


def test_a_finished_table_takes_the_parts_that_are_named_now(
    detector: ts.Detector, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    detector.save(tmp_path / "m.twin")
    names = ("a.png", "b.png")
    for number, name in enumerate(names):
        write_image(tmp_path / name, stripes(number))
    out, parts, listed = (tmp_path / name for name in ("r.parquet", "p.jsonl", "m.csv"))
    command = ["score", str(tmp_path / "m.twin"), str(listed), "--out", str(out)]
    write_manifest(listed, [(name, "", "", "") for name in names])
    assert main(command) == 0
    scores = [row["score"] for row in pq.read_table(out).to_pylist()]
    for part in ("A1", "A2"):
        write_manifest(listed, [(name, "", "", part) for name in names])
        assert main([*command, "--parts", str(parts)]) == 0
        assert [(row["part"], row["images"]) for row in read_parts(parts)] == [(part, 2)]
        rows = pq.read_table(out).to_pylist()
        assert [(row["part"], row["score"]) for row in rows] == [(part, score) for score in scores]
    listed.write_text("path,category\na.png,other\n")
    assert main(command) == 2
    assert "is a row of category '' there, and 'other' now" in capsys.readouterr().err.splitlines()[-1]
