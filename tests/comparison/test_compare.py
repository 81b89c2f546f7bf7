"""A comparison from images to the page: what is kept, resumed, ranked, shown and taken."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import pytest

import twinspect as ts
from drawn_parts import AS_ARGUMENTS, TEACHER, blemish, stripes, write_image
from twinspect.comparison.images import DRAWN_ON, SIZES
from twinspect.errors import ConfigError
from twinspect.synthesis.defects import DEFECTS

if TYPE_CHECKING:
    from pathlib import Path

    from twinspect.comparison.comparison import Comparison

CANDIDATES = "rd:steps=40:batch_size=8,rd:weights=nowhere.pth:steps=1,mkd:steps=1"
SHARED: dict[str, Any] = {**TEACHER, "size": 64, "device": "cpu", "workers": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compared") / "comparison"


@pytest.fixture(scope="module")
def said() -> list[str]:
    return []


@pytest.fixture(scope="module")
def comparison(parts: Path, folder: Path, said: list[str]) -> Comparison:
    return ts.compare(parts, CANDIDATES, out=folder, exports=False, say=said.append, **SHARED)


def test_candidates_are_ranked_by_labelled_images(comparison: Comparison) -> None:
    assert [compared.candidate.text for compared in comparison.ranked] == [
        "rd:steps=40:batch_size=8",
        "mkd:steps=1",
    ]
    assert comparison.basis == "labelled"
    assert comparison.chosen_elsewhere is not None
    for compared in comparison.ranked:
        result = compared.result
        assert len(result.labelled) == 12
        assert len(result.drawn) == len(DEFECTS) * len(SIZES) * DRAWN_ON
        assert (result.runtime, result.milliseconds > 0, result.mebibytes > 0) == ("torch", True, True)
    one, other = (compared.result for compared in comparison.ranked)
    assert [image.name for image in one.good] == [image.name for image in other.good]  # all hold out the same
    assert one.steps == {"distil": 40}


def test_a_candidate_that_cannot_be_fitted_does_not_stop_the_others(
    comparison: Comparison, said: list[str]
) -> None:
    assert list(comparison.failed) == ["rd:weights=nowhere.pth:steps=1"]
    assert any("nowhere.pth" in sentence for sentence in said)


def test_scores_are_those_of_the_models(comparison: Comparison, parts: Path) -> None:
    winner = comparison.winner
    scores = ts.load(winner.model).score(parts / "test" / "square", maps=False)
    labelled = [image.score for image in winner.result.labelled if image.label == "square"]
    assert sorted(labelled) == pytest.approx(sorted(scores.image.tolist()), rel=1e-5)
    record = json.loads((comparison.folder / "comparison.json").read_text())
    assert record["winner"] == winner.candidate.text
    assert record["command"].startswith(f"twinspect fit {parts} --out best.twin --method rd")


def test_labels_have_no_part_in_the_threshold(comparison: Comparison, parts: Path) -> None:
    alone = ts.Detector("rd", **{**SHARED, "steps": 40, "batch_size": 8}).fit(parts)
    assert ts.load(comparison.winner.model).calibration_.threshold == pytest.approx(
        alone.calibration_.threshold, rel=1e-6
    )


def test_the_page_shows_the_same_images_side_by_side(comparison: Comparison) -> None:
    page = (comparison.folder / "comparison.html").read_text()
    assert page.count("<img") == 4 * (2 + 2) + 2 * (1 + 2)  # defects have a ground truth
    assert "rd:steps=40" in page
    assert "images that did not choose it" in page


def test_what_is_there_is_not_done_again(
    comparison: Comparison, parts: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("fitted again")

    monkeypatch.setattr(ts.Detector, "fit", refuse)
    (folder / ".comparison.json.0a1b2c3d.tmp").touch()  # as a killed process leaves it
    texts = [compared.candidate.text for compared in comparison.ranked]
    again = ts.compare(parts, texts, out=folder, exports=False, **SHARED)
    assert again.ranked == comparison.ranked


def test_without_labels_synthetic_defects_rank(tmp_path: Path) -> None:
    for number in range(20):
        write_image(tmp_path / "good" / f"{number}.png", stripes(number))
    found = ts.compare(
        tmp_path / "good", "rd:steps=30,rd:steps=1", out=tmp_path / "c", exports=False, **SHARED
    )
    assert found.basis == "drawn"
    assert found.winner.candidate.text == "rd:steps=30"
    assert found.winner.labelled is found.chosen_elsewhere is None
    assert (tmp_path / "c" / "comparison.html").read_text().count("<img") == 5 * 3


def test_an_export_is_timed_where_a_runtime_is_installed(parts: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    found = ts.compare(parts, "rd:steps=1:tile=32:overlap=8", out=tmp_path / "c", **SHARED)
    result = found.winner.result
    assert result.runtime in ("onnx", "openvino")
    assert result.milliseconds > 0
    (export,) = (found.winner.model / "exports").iterdir()
    assert export.name.endswith("48x48")  # tiles: for images of one size


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"candidates": "rd:size=64:tile=1"}, "candidate 'rd:size=64:tile=1'"),
        ({"method": "rd"}, "method is what candidates differ in"),
        ({"calibration": "cv"}, "calibration must be 'split'"),
        ({"minutes": -1.0}, "minutes must be above 0"),
        ({"candidates": "rd,auto"}, "auto compares methods itself"),
        ({"candidates": "rd,rd@no_such_teacher"}, "no teacher 'no_such_teacher'"),
        ({"candidates": "rd,rd:layers=9"}, "candidate 'rd:layers=9': layers 9 are not levels"),
        ({"candidates": "rd,rd:precision=fp8"}, "candidate 'rd:precision=fp8': precision must be one of"),
    ],
)
def test_mistakes_are_found_before_anything_is_fitted(
    arguments: dict[str, Any], message: str, parts: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        ts.compare(parts, **{"candidates": "rd", "out": tmp_path / "c", **SHARED, **arguments})


def test_a_folder_of_something_else_is_refused(parts: Path) -> None:
    with pytest.raises(ConfigError, match="no comparison has left"):
        ts.compare(parts, "rd", out=parts)


def test_of_few_images_all_hold_the_same_out(tmp_path: Path) -> None:
    for number in range(5):
        write_image(tmp_path / "good" / f"{number}.png", stripes(number))
    quick = "steps=1:members=20:patches=64"
    found = ts.compare(
        tmp_path / "good", [f"default:{quick}", "rd:steps=1"], out=tmp_path / "c", exports=False, **SHARED
    )
    one, other = ([image.name for image in compared.result.good] for compared in found.ranked)
    assert one == other
    assert len(one) == 2
    assert "--calibration split" in found.winner.command


# The command line ---------------------------------------------------------------------------------------------------


def test_compare_prints_a_table_and_the_command(run: Any, parts: Path, tmp_path: Path) -> None:
    out = tmp_path / "c"
    common = (
        parts,
        "--candidates",
        "rd:steps=2:layers=0+1,mkd:steps=1:layers=0+1",
        "--out",
        out,
        "--no-export",
    )
    code, text, _ = run(
        "compare",
        *common,
        "--teacher",
        "test_byobnet",
        "--weights",
        "random",
        "--size",
        64,
        "--device",
        "cpu",
    )
    assert code == 0
    assert "heat maps side by side" in text
    command = next(line for line in text.splitlines() if line.startswith("take the best: "))
    words = shlex.split(command.removeprefix("take the best: twinspect "))
    assert words[:2] == ["fit", str(parts)]
    assert {"--steps", "--layers", "--size"} <= set(words)


def test_fit_with_method_auto_keeps_the_best(
    run: Any, parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twinspect.comparison.candidates.USUAL", ("mkd", "patchcore"))
    out = tmp_path / "m.twin"
    code, text, err = run(
        *(
            "fit",
            parts,
            "--out",
            out,
            "--method",
            "auto",
            "--size",
            64,
            "--steps",
            2,
            "--device",
            "cpu",
            "--json",
        ),
        *(*AS_ARGUMENTS, "--no-detectability"),
    )
    assert code == 0, err
    record = json.loads(text)
    assert record["method"] == record["comparison"]["winner"]
    assert ts.load(out).method == record["method"]
    assert [path.name for path in tmp_path.iterdir()] == ["m.twin"]


def test_a_setting_of_one_method_is_no_option_of_auto(run: Any, parts: Path, tmp_path: Path) -> None:
    code, _, err = run("fit", parts, "--out", tmp_path / "m.twin", "--method", "auto", "--batch-size", 4)
    assert (code, "batch_size is a setting of one method" in err) == (2, True)


def test_the_command_says_of_the_data_what_was_typed(run: Any, tmp_path: Path) -> None:
    for number in range(8):
        write_image(tmp_path / "data" / "pill" / f"{number}.png", stripes(number))
        write_image(tmp_path / "data" / "round pill" / f"{number}.png", stripes(50 + number))
        write_image(tmp_path / "data" / "broken" / f"{number}.png", blemish(stripes(80 + number)))
    code, text, _ = run(
        *("compare", tmp_path / "data", "--normal", "pill", "--normal", "round pill", "--no-export"),
        *("--candidates", "rd:steps=1:layers=0+1", "--out", tmp_path / "c", "--json"),
        *("--teacher", "test_byobnet", "--weights", "random", "--size", 64, "--device", "cpu"),
    )
    assert code == 0
    record = json.loads(text)
    assert record["data"] == str(tmp_path / "data")
    words = shlex.split(record["command"])
    assert words[2:5] == [str(tmp_path / "data"), "--normal", "pill,round pill"]


def test_another_method_throws_an_interrupted_comparison_away(run: Any, parts: Path, tmp_path: Path) -> None:
    command = ("fit", parts, "--out", tmp_path / "m.twin", "--method", "rd", "--steps", 1, "--size", 64)
    (tmp_path / "m.twin.checkpoint" / "comparison" / "results").mkdir(parents=True)
    code, _, err = run(*command, *AS_ARGUMENTS, "--no-detectability")
    assert (code, "add --resume to go on, or --restart" in err) == (2, True)
    code, _, err = run(*command, *AS_ARGUMENTS, "--no-detectability", "--restart")
    assert code == 0, err
    assert [path.name for path in tmp_path.iterdir()] == ["m.twin"]
