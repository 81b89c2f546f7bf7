"""Tables and figures of the papers: what their records hold, which data they find, and what one command writes."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from benchmark_data import ask, write_category
from drawn_parts import stripes, write_image
from messages import error_lines
from small_benchmarks import WRITERS, write_idx
from twinspect.benchmark import run_plan
from twinspect.benchmark.papers import table_plan
from twinspect.benchmark.papers.all_tables import PAPER_TABLES
from twinspect.benchmark.papers.arms import Changes
from twinspect.benchmark.papers.data_sets import Source, find_set, find_textures, parse_sources, set_name
from twinspect.benchmark.papers.drawings import lines
from twinspect.benchmark.plan import make_plan
from twinspect.benchmark.protocols import PROTOCOLS, ClassSelection
from twinspect.benchmark.published import all_published
from twinspect.benchmark.summary import REPORTED_METRICS
from twinspect.cli import main
from twinspect.detector import Detector
from twinspect.errors import ConfigError, DataError, PartialCopyWarning, TeacherError
from twinspect.evaluation import patch_features
from twinspect.metrics import COSTS
from twinspect.report.svg_file import to_svg_file

pytestmark = pytest.mark.filterwarnings("ignore::twinspect.errors.PartialCopyWarning")

QUICKLY = (
    *("--teacher", "pocket", "--steps", "4", "--size", "32", "--seeds", "0", "--precision", "fp32"),
    *("--device", "cpu", "--workers", "1"),
)
BRIEFLY = (*QUICKLY, "--set", "amplify_steps=2")
"""For tables with rows whose teacher is amplified first."""
TINY_VIT = (*QUICKLY[2:], "--teacher", "test_vit", "--weights", "random", "--set", "local_levels=2")


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A folder for every set that a table may want, named for it: two categories, or three classes."""
    root = tmp_path_factory.mktemp("drawn")
    write_category(root / "parts" / "brick", 0)
    write_category(root / "parts" / "tile", 300)
    for place, name in enumerate(("cat", "dog", "owl")):
        for number in range(8):
            part = "train" if number < 5 else "test"
            write_image(root / "classes" / part / name / f"{number}.png", stripes(100 * place + number, 32))
    sets: dict[str, Path] = {}
    for table in PAPER_TABLES.values():
        for protocol in table.protocols:
            by_class = protocol.endswith(("-ovr", "-all-but-one"))
            sets[set_name(protocol)] = root / ("classes" if by_class else "parts")
    return [f"{name}={folder}" for name, folder in sets.items()]


def one_category(stand_ins: list[str], name: str) -> list[str]:
    """The option that names a single category in the place of a set."""
    return ["--data", *[f"{text}/brick" for text in stand_ins if text.startswith(f"{name}=")]]


def call(capsys: pytest.CaptureFixture[str], table: str, out: Path, *more: object) -> tuple[int, str, str]:
    code = main(["benchmark", table, "--out", str(out), *map(str, more)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


# ------------------------------------------------------------------------------------------------- the records


def test_every_table_of_the_three_papers_is_there() -> None:
    assert set(PAPER_TABLES) == {
        *(f"aand-table-{number}" for number in range(1, 9)),
        *("aand-figure-6", "aand-figure-7", "aand-figure-8"),
        *("mkd-mnist", "mkd-fmnist", "mkd-cifar10", "mkd-mvtec", "mkd-localisation"),
        *("dual-singleclass", "dual-multiclass"),
    }
    assert not set(PAPER_TABLES) & set(PROTOCOLS)


def test_the_page_on_reproducing_has_every_command() -> None:
    page = (Path(__file__).parents[2] / "docs" / "guides" / "reproduce_a_table.md").read_text(
        encoding="utf-8"
    )
    assert not [name for name in PAPER_TABLES if f"`{name}`" not in page]


@pytest.mark.parametrize("table", PAPER_TABLES.values(), ids=list(PAPER_TABLES))
def test_a_record_names_only_what_there_is(table: Any) -> None:
    assert set(table.protocols) <= set(PROTOCOLS)
    assert set(table.metrics) <= set(REPORTED_METRICS)
    assert set(table.categories) <= set(table.protocols)
    assert {key for costs in table.costs.values() for key in costs} <= set(COSTS)
    printed = {number.method for number in all_published()}
    assert set(table.published_methods) <= printed
    assert len({arm.label for arm in table.arms}) == len(table.arms)
    for arm in table.arms:
        detector = Changes().detector(arm, 0)
        detector.config()
        assert detector.teacher == arm.teacher


def test_every_printed_number_of_the_papers_tables_is_in_one_of_them() -> None:
    shown = {name for table in PAPER_TABLES.values() for name in table.published_methods}
    assert {number.method for number in all_published()} - shown == {"EfficientAD-S", "EfficientAD-M"}


def test_rows_differ_as_the_paper_says() -> None:
    def config(table: str, label: str) -> Any:
        (arm,) = (arm for arm in PAPER_TABLES[table].arms if arm.label == label)
        return Changes().detector(arm, 0).config()

    whole, ablated = config("aand-table-5", "e: all"), config("aand-table-5", "d: HKD only")
    assert (whole.epochs, whole.amplify_epochs, whole.size) == (120, 100, 256)
    assert (ablated.epochs, ablated.amplify, ablated.hard_patches) == (120, "none", 10)
    assert config("aand-table-7", "b: sigmoid").residual == "sigmoid"
    assert config("aand-figure-7", "K_h = 0").hard_patches == 0
    assert config("mkd-localisation", "SmoothGrad").localization == "smoothgrad"
    assert config("mkd-cifar10", "MKD").epochs == 200


# ---------------------------------------------------------------------------------------------------- the data


def test_public_sets_are_found_below_the_folders_that_were_named(tmp_path: Path) -> None:
    WRITERS["MVTecAD"](tmp_path / "one" / "mvtec_anomaly_detection")
    WRITERS["VisA"](tmp_path / "two")
    WRITERS["MVTecLOCO"](tmp_path / "one" / "deep" / "loco")
    sources = parse_sources([str(tmp_path / "one"), str(tmp_path / "two")])
    mvtec, visa = (find_set(name, sources) for name in ("mvtec", "visa"))
    assert mvtec.root == tmp_path / "one" / "mvtec_anomaly_detection"
    assert (len(mvtec.tasks), mvtec.stands_in, mvtec.title) == (15, False, "mvtec")
    assert (visa.root, len(visa.tasks)) == (tmp_path / "two", 12)
    assert len(find_set("loco-multiclass", sources).tasks) == 1
    assert [task.name for task in find_set("visa", sources, categories=("candle",)).tasks] == ["candle"]
    with pytest.raises(DataError, match="MVTec 3D-AD is not in"):
        find_set("mvtec3d-rgb", sources)


def test_of_a_copy_that_is_not_whole_what_is_whole_is_used_and_a_whole_copy_is_preferred(
    tmp_path: Path,
) -> None:
    write_category(tmp_path / "half" / "bottle", 0)
    (tmp_path / "half" / "cable" / "train").mkdir(parents=True)
    sources = parse_sources([str(tmp_path)])
    found = find_set("mvtec", sources)
    assert ([task.name for task in found.tasks], len(found.missing), found.stands_in) == (
        ["bottle"],
        14,
        False,
    )
    assert "cable" in found.missing
    with pytest.raises(DataError, match=r"partial copy of MVTec AD, without cable"):
        find_set("mvtec-multiclass", sources)
    with pytest.raises(DataError, match="VisA is not in"):
        find_set("visa", sources)
    WRITERS["MVTecAD"](tmp_path / "whole")
    assert find_set("mvtec", sources).root == tmp_path / "whole"
    assert find_set("mvtec", sources).missing == ()


def test_a_copy_with_too_few_images_is_told_with_its_numbers_and_warns_of_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    write_category(tmp_path / "half" / "bottle", 0)
    data = ("--data", tmp_path / "half", *QUICKLY)
    code, text, err = call(capsys, "mkd-mvtec", tmp_path / "out", *data)
    said = "not as many images as MVTec AD has: bottle train 5 (expected 209), bottle test 6 (expected 83)"
    assert (code, said in text, said in err) == (0, True, True)
    assert "\nmvtec, 1 of 15 categories: results in percent\n" in text
    page = (tmp_path / "out" / "mkd-mvtec.md").read_text(encoding="utf-8")
    assert said in page
    assert "mvtec, 1 of 15 categories" in page
    assert not recwarn.list


def test_a_protocol_says_in_one_line_that_a_copy_has_too_few_images(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    WRITERS["MPDD"](tmp_path)
    said: list[str] = []
    unfitted = [Detector("rd", teacher="pocket", size=32, steps=1, device="cpu")]
    plan = [PROTOCOLS["mpdd"], str(tmp_path), ClassSelection(), unfitted]
    make_plan(*plan, said.append)
    assert len(said) == 1
    assert "not as many images as MPDD has: train 12 (expected 888)" in said[0]
    assert not recwarn.list
    with pytest.warns(PartialCopyWarning, match="MPDD has"):
        make_plan(*plan)


def test_the_two_sets_whose_files_are_called_alike_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    write_idx(tmp_path / "fashion")
    write_idx(tmp_path / "numbers")
    sources = parse_sources([str(tmp_path)])
    assert find_set("fmnist-ovr", sources).root.name == "fashion"
    assert find_set("mnist-ovr", sources).root.name == "numbers"
    named = parse_sources([f"fmnist={tmp_path / 'numbers'}"])
    assert (find_set("fmnist-ovr", named).root.name, find_set("fmnist-ovr", named).stands_in) == (
        "numbers",
        False,
    )


def test_any_folder_may_stand_in_for_a_set(stand_ins: list[str], tmp_path: Path) -> None:
    sources = parse_sources(stand_ins)
    found = find_set("mvtec", sources)
    assert (found.run_protocol, [task.name for task in found.tasks]) == ("folder", ["brick", "tile"])
    assert found.title == "mvtec, in its place parts"
    assert find_set("cifar10-all-but-one", sources).run_protocol == "classes-all-but-one"
    assert len(find_set("mvtec-multiclass", sources).tasks) == 1
    odd = tmp_path / "a=b"
    odd.mkdir()
    assert parse_sources([str(odd)]) == [Source(odd)]
    with pytest.raises(ConfigError, match="did you mean 'mvtec'"):
        parse_sources([f"mvtek={tmp_path}"])
    with pytest.raises(DataError, match="nowhere"):
        parse_sources([f"mvtec={tmp_path / 'nowhere'}"])


def test_textures_are_found_or_named(tmp_path: Path) -> None:
    assert find_textures(parse_sources([str(tmp_path)])) is None
    for kind in ("banded", "braided", "zigzagged"):
        write_image(tmp_path / "dtd" / "images" / kind / "1.jpg", stripes(0, 16))
    assert find_textures(parse_sources([str(tmp_path)])) == tmp_path / "dtd" / "images"
    mine = tmp_path / "dtd" / "images" / "banded"
    assert find_textures(parse_sources([f"dtd={mine}"])) == mine


def test_weights_go_to_the_teachers_they_are_of() -> None:
    arms = {arm.label: arm for arm in PAPER_TABLES["aand-table-2"].arms}
    changes = Changes(weights="wide_resnet50_2=w.safetensors,vgg16=v.pth")
    given = {label: changes.detector(arm, 0).weights for label, arm in arms.items()}
    assert given == {"RD": "w.safetensors", "AAND": "w.safetensors", "MKD": "v.pth", "dual students": None}
    random, pretrained, _ = PAPER_TABLES["aand-table-1"].arms
    assert changes.detector(random, 0).weights == "random"
    assert changes.detector(pretrained, 0).weights == "w.safetensors"
    with pytest.raises(ConfigError, match="TEACHER=FILE"):
        Changes(weights="vgg16=v.pth,w.pth").detector(pretrained, 0)


def test_weights_of_a_teacher_that_there_is_not_are_refused() -> None:
    teachers = {arm.teacher for arm in PAPER_TABLES["aand-table-2"].arms}
    Changes(weights="vgg16=v.pth,resnet18=r.pth", teacher="resnet18").check_weights(teachers)
    Changes(weights="random").check_weights(teachers)
    with pytest.raises(ConfigError, match=r"'wide_resnet50'.*did you mean 'wide_resnet50_2'"):
        Changes(weights="vgg16=v.pth,wide_resnet50=/nope").check_weights(teachers)


def test_every_choice_of_images_and_tiles_is_noted(stand_ins: list[str]) -> None:
    sources = [source for source in parse_sources(stand_ins) if source.stands_for in ("cifar10", "mvtec")]
    parameters = {"tile": 32, "overlap": 8, "size": 28, "steps": 1, "device": "cpu"}
    changes = Changes(parameters, "test_vit", "random", ("local_levels=2",))
    selection = ClassSelection(("cat", "owl"), 4, 2)
    plan = table_plan.plan_table(PAPER_TABLES["dual-singleclass"], sources, changes, [0], selection=selection)
    assert {
        "every row learns and scores by tiles of 32 px that share 8 px, not by whole images",
        (
            "cifar10-ovr, in its place classes: classes cat, owl alone; at most 4 training images of each class; "
            "at most 2 test images of each class"
        ),
    } <= set(plan.notes)
    assert not [note for note in plan.notes if note.startswith("mvtec, in its place parts: ")]
    chosen = {run.identity["task"]: run.identity["most_train"] for run in plan.runs}
    assert chosen == {"brick": None, "tile": None, "cat": 4, "owl": 4}
    with pytest.raises(ConfigError, match="aand-table-3 has none"):
        table_plan.plan_table(PAPER_TABLES["aand-table-3"], sources, changes, [0], selection=selection)


# ------------------------------------------------------------------------------------------------- the command


def test_one_command_makes_a_table_beside_the_printed_numbers(
    stand_ins: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = one_category(stand_ins, "visa")
    code, text, err = call(capsys, "aand-table-1", tmp_path / "out", *data, *BRIEFLY)
    assert code == 0
    assert text.startswith("Table I of Tang et al.")
    table = [line.split() for line in text.splitlines() if line.startswith("mean")]
    assert [line[-1] for line in table[3:]] == ["81.3", "96.2", "97.8"]
    assert "teacher pocket in place of the papers': wide_resnet50_2 (" in text
    assert "(RD): 4 steps (120 on 5 images), size 32 (256)" in text
    assert "brick stands in for visa" in err
    assert {name.name for name in (tmp_path / "out").glob("aand-table-1.*")} == {
        f"aand-table-1.{ending}" for ending in ("md", "csv", "tex", "html")
    }
    rows = list(csv.DictReader((tmp_path / "out" / "aand-table-1.csv").read_text().splitlines()))
    assert {row["method"] for row in rows if row["kind"] == "published"} == {
        "AAND (random teacher)",
        "RD",
        "AAND (MRG and ARG)",
    }
    before = ask(tmp_path / "out", "select key, started from runs")
    assert len(before) == 3
    code, text, err = call(capsys, "aand-table-1", tmp_path / "out", *data, *BRIEFLY, "--json")
    assert ask(tmp_path / "out", "select key, started from runs") == before
    record = json.loads(text)
    assert (record["table"], record["done"], record["failed"]) == ("aand-table-1", 3, [])
    assert len(record["numbers"]) == len(rows)


def test_the_students_of_table_i_are_trained_alike() -> None:
    random, pretrained, advanced = (
        Changes().detector(arm, 0).config() for arm in PAPER_TABLES["aand-table-1"].arms
    )
    assert random == pretrained
    assert vars(advanced) | {"amplify": "none"} == vars(pretrained) | {
        "amplify_epochs": advanced.amplify_epochs
    }
    base = PAPER_TABLES["aand-table-5"].arms[0]
    assert Changes().detector(base, 0).config() == pretrained


def test_a_figure_keeps_its_patches_and_is_drawn_from_them(
    stand_ins: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sklearn")
    monkeypatch.setattr(patch_features, "PATCHES_PER_IMAGE", 8)
    data = one_category(stand_ins, "visa")
    more = (*data, *BRIEFLY, "--size", "64")
    code, text, _ = call(capsys, "aand-figure-6", tmp_path / "out", *more)
    assert code == 0
    assert "left out: mvtec3d-rgb: MVTec 3D-AD is not named" in text
    svg = ET.fromstring((tmp_path / "out" / "aand-figure-6.svg").read_text(encoding="utf-8"))
    words = [node.text for node in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert {"stage1, vanilla", "stage1, advanced", "stage2, advanced", "normal", "abnormal"} <= set(words)
    kept = sorted((tmp_path / "out" / "patches").glob("*.npz"))
    assert len(kept) == 1
    before = dict(ask(tmp_path / "out", "select key, started from runs"))
    kept[0].unlink()
    assert call(capsys, "aand-figure-6", tmp_path / "out", *more)[0] == 0
    assert sorted((tmp_path / "out" / "patches").glob("*.npz")) == kept
    assert set(before) == set(dict(ask(tmp_path / "out", "select key, started from runs")))


def test_a_figure_that_is_interrupted_leaves_a_tables_results_as_they_are(
    stand_ins: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    more = (*one_category(stand_ins, "mvtec3d-rgb"), *BRIEFLY, "--methods", "aand")
    assert call(capsys, "aand-table-8", tmp_path / "out", *more)[0] == 0
    before = [ask(tmp_path / "out", f"select * from {name}") for name in ("runs", "metrics")]

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run_plan, "run_trial", interrupted)
    assert call(capsys, "aand-figure-6", tmp_path / "out", *more)[0] == 130
    assert [ask(tmp_path / "out", f"select * from {name}") for name in ("runs", "metrics")] == before


def test_data_without_masks_cost_a_figure_its_chart_and_no_numbers(
    stand_ins: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (parts,) = (text.partition("=")[2] for text in stand_ins if text.startswith("visa="))
    for place in ("train/good", "test/good", "test/square"):
        shutil.copytree(f"{parts}/brick/{place}", tmp_path / "bare" / place)
    more = ("--data", f"visa={tmp_path / 'bare'}", *BRIEFLY)
    code, text, _ = call(capsys, "aand-figure-6", tmp_path / "out", *more)
    assert code == 0
    assert "left out: visa, in its place bare: bare: patches can be compared only where masks mark" in text
    assert ask(tmp_path / "out", "select state from runs") == [("done",)]
    assert not list((tmp_path / "out").glob("*.svg"))


def test_a_row_whose_teacher_cannot_be_had_is_left_out_and_the_others_are_made(
    stand_ins: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = table_plan.detector_identity

    def offline(detector: Any) -> Any:
        if detector.method == "aand":
            raise TeacherError("its weights are elsewhere")
        return real(detector)

    monkeypatch.setattr(table_plan, "detector_identity", offline)
    data = one_category(stand_ins, "mvtec3d-rgb")
    code, text, _ = call(capsys, "aand-table-8", tmp_path / "out", *data, *QUICKLY)
    assert code == 0
    assert "left out: AAND: its weights are elsewhere" in text
    assert ask(tmp_path / "out", "select distinct method from runs") == [("rd",)]
    costs = text[text.index("Size, and time of one image") :].splitlines()
    assert next(line.split()[-2:] for line in costs if "published" in line) == ["24.00", "161.08"]
    assert not next(line for line in costs if " RD  " in line).endswith("–")


def test_a_task_without_data_is_left_out_and_the_others_are_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_category(tmp_path / "brick", 0)
    write_image(tmp_path / "tile" / "train" / "good" / "1.png", stripes(1, 16))
    monkeypatch.setattr(table_plan, "detector_identity", lambda detector: {"method": detector.method})
    sources, changes = parse_sources([f"mvtec={tmp_path}"]), Changes({"device": "cpu"})
    plan = table_plan.plan_table(PAPER_TABLES["aand-table-7"], sources, changes, [0, 1])
    assert {run.identity["task"] for run in plan.runs} == {"brick"}
    assert [len(row.runs) for row in plan.rows] == [2, 2, 2]
    (left_out,) = (what for what in plan.skipped if what.endswith(": tile"))
    assert "no test images" in plan.skipped[left_out]
    assert plan.skipped.keys() - {left_out} == {"visa", "mvtec3d-rgb"}
    only = parse_sources([f"mvtec={tmp_path / 'tile'}"])
    with pytest.raises(DataError, match="no data of aand-table-7 can be used"):
        table_plan.plan_table(PAPER_TABLES["aand-table-7"], only, changes, [0])


MISTAKES = [
    (("aand-tabel-2", "--data", "D"), "did you mean 'aand-table-2'"),
    (("aand-table-2",), "add --data with folders that hold any of mvtec, visa, mvtec3d-rgb"),
    (("aand-table-2", "--data", "D"), "--data mvtec=DIR"),
    (("aand-table-2", "--data", "N"), "there is no N"),
    (("aand-table-2", "--data", "D", "--preset", "paper"), "leave --preset and --beside out"),
    (("aand-table-2", "--data", "mvtec=D", "--methods", "dula"), "did you mean 'dual'"),
    (("aand-table-2", "--data", "mvtec=D", "--set", "memmory=3"), "did you mean 'memory'"),
    (("aand-figure-6", "--data", "visa=D", "--tile", "64"), "leave --tile out"),
    (("aand-table-2", "--data", "mvtec=D", "--weights", "vgg=w.pth"), "did you mean 'vgg16'"),
    (("aand-table-2", "--data", "mvtec=D", "--classes", "cat"), "aand-table-2 has none, leave them out"),
    (("folder", "--data", "D", "D"), "takes one"),
    (("folder", "--data", "D", "--methods", "rd,aand", "--preset", "mrg"), "rd: no preset 'mrg'"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES, ids=[mistake[1] for mistake in MISTAKES])
def test_a_mistake_is_one_clear_line(
    arguments: tuple[str, ...],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_image(tmp_path / "D" / "train" / "good" / "1.png", stripes(1, 16))
    table, *more = arguments
    code, out, err = call(capsys, table, tmp_path / "O", *more)
    assert (code, error_lines(err), out) == (2, 1, "")
    assert message in err
    assert not (tmp_path / "O").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", list(PAPER_TABLES))
def test_every_table_is_made_by_its_command(
    name: str,
    stand_ins: list[str],
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path_factory.getbasetemp() / "all-tables"  # one store: what tables share is made once
    quickly = TINY_VIT if name.startswith("dual") else QUICKLY
    code, text, err = call(capsys, name, out, "--data", *stand_ins, *quickly, "--size", "64", "--json")
    assert code == 0, err
    record = json.loads(text)
    assert record["done"] == record["runs"] > 0
    assert record["skipped"] == {}
    assert {
        row["method"] for row in record["numbers"] if row["kind"] == "ours" and row["mean"] is not None
    } == {arm.label for arm in PAPER_TABLES[name].arms}
    assert (out / f"{name}.html").is_file()
    assert bool(list(out.glob(f"{name}*.svg"))) == ("figure" in name)


def test_a_chart_is_a_file_of_its_own() -> None:
    chart = lines([("one", [10, 50], [90.0, 95.0]), ("two", [10, 50], [80.0, 85.5])], "items", "percent")
    svg = ET.fromstring(to_svg_file(chart))
    assert svg.tag == "{http://www.w3.org/2000/svg}svg"
    assert svg.get("width") == "520"
    assert "var(" not in to_svg_file(chart)
    single = lines([("one", [10], [90.0])], "items", "percent")
    assert "one" in single
