"""``benchmarks/family.py``: what it plans, keeps and prints, and what both sides' scripts share."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benchmark_data import write_category

if TYPE_CHECKING:
    from collections.abc import Callable

SCRIPTS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    monkeypatch.syspath_prepend(SCRIPTS / "both")
    monkeypatch.syspath_prepend(SCRIPTS)
    return importlib.import_module


def result(auroc: float, **more: float) -> dict[str, Any]:
    times = {"seconds": 50.0, "to_model": 60.0, "cpu_seconds": 90.0, "ms": 40.0}
    return {"image_auroc": auroc, **times, "load": 1.0, "threads": 2, **more}


@pytest.fixture
def chosen(script: Callable[[str], Any]) -> Any:
    sets = script("budgets.sets")
    return script("budgets.plan").Chosen(
        methods=["auto", "rd", "mkd", "stfpm", "dual"],
        peers=["padim"],
        teachers=["resnet18", "pocket"],
        sets=[*sets.FOLDERS, *sets.CLASSES],
        minutes=[1.0, 5.0, 30.0],
        seeds=[0, 1, 2],
        steps=None,
    )


def test_the_plan_goes_on_with_what_won(script: Callable[[str], Any], chosen: Any, tmp_path: Path) -> None:
    store = script("budgets.store").Store(tmp_path / "results.jsonl")
    counts, order = [], {"auto": 80.0, "rd": 70.0, "mkd": 60.0, "stfpm": 50.0, "dual": 40.0, "padim": 83.0}
    for phase in script("budgets.plan").phases(chosen, store):
        counts.append(len(phase))
        for case in phase:
            better = 5.0 if (case.method, case.teacher) == ("rd", "pocket") else 0.0
            store.add(case, result(order[case.method] + better))
    # One seed of (5 methods x 2 teachers + the peer) x 5 sets, two of the first teacher and auto's second, ...
    assert counts == [11 * 5, 7 * 5, 7 * 5, 7 * 6, 7 * 5, 4 * 3, 2]
    last = [case for case in store.results if case.minutes == 30 and case.data == "deeppcb"]
    assert [(case.side, case.method, case.teacher) for case in last] == [
        ("twinspect", "rd", "resnet18"),
        ("twinspect", "mkd", "resnet18"),
        ("twinspect", "stfpm", "resnet18"),
        ("anomalib", "padim", "resnet18"),
    ]
    assert [case.method for case in store.results if case.tile] == ["rd", "mkd"]
    assert len(store.results) == sum(counts)  # no case twice


def test_methods_that_miss_a_set_are_not_the_best(script: Callable[[str], Any]) -> None:
    case, best = script("budgets.cases").Case, script("budgets.tables").best_rows
    whole = {case("twinspect", "rd", "pocket", data, 1): result(60.0) for data in ("cookies", "aliens")}
    some = {case("twinspect", "mkd", "pocket", "aliens", 1): result(99.0)}
    assert best({**whole, **some}, "twinspect", 1, 3) == [("twinspect", "rd", "pocket", None)]


def test_an_interrupted_line_is_measured_again_and_the_rest_kept(
    script: Callable[[str], Any], tmp_path: Path
) -> None:
    make, case = script("budgets.store").Store, script("budgets.cases").Case
    file = tmp_path / "results.jsonl"
    one = case("twinspect", "rd", "pocket", "cookies", 1.0)
    other = case("anomalib", "rd", "pocket", "cookies", 1.0)
    make(file).add(one, {"failed": "no memory"})
    make(file).add(other, result(50.0))
    with file.open("a") as out:
        out.write('\n{"case": {"si')
    again = make(file)
    assert set(again.results) == {one, other}
    assert set(again.good) == {other}
    again.add(one, result(70.0))
    assert make(file).good[one]["image_auroc"] == 70.0


def test_tables_average_seeds_and_sets_and_no_mean_lacks_one(script: Callable[[str], Any]) -> None:
    case = script("budgets.cases").Case
    pixels = {"pixel_auroc": 90.0, "aupro": 70.0}
    results = {
        case("twinspect", "rd", "resnet18", "cookies", 1, seed=0): result(90.0, **pixels),
        case("twinspect", "rd", "resnet18", "cookies", 1, seed=1): result(96.0, **pixels),
        case("twinspect", "rd", "resnet18", "aliens", 1): result(50.0),
        case("anomalib", "padim", "resnet18", "aliens", 1): result(40.0),
        case("twinspect", "rd", "resnet18", "fashion_0", 1): result(77.0),
        case("twinspect", "rd", "resnet18", "aliens", None, 60): result(10.0),
    }
    minute, classes, steps = script("budgets.tables").tables(results)
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in minute.splitlines()[2:]]
    assert lines[0][:5] == ["method", "teacher", "cookies", "aliens", "mean"]
    assert lines[2][:6] == ["anomalib padim", "resnet18", "–", "40.0", "–", "1"]
    assert lines[3][:6] == [
        "twinspect rd",
        "resnet18",
        "93.0 / 90.0 / 70.0",
        "50.0",
        "71.5 / 90.0 / 70.0",
        "2",
    ]
    assert classes.startswith("1 min, classes")
    assert steps.startswith("60 steps, parts")


def test_a_fit_that_takes_too_long_is_given_up(script: Callable[[str], Any]) -> None:
    spending = script("spent").spending
    with spending(float("inf")) as spent:
        sum(range(4_000_000))
    assert 0 < spent.cpu_seconds <= spent.seconds + 0.05
    with pytest.raises(SystemExit, match="given up after"), spending(0.001):
        time.sleep(10)
    time.sleep(0.1)  # nothing rings any more


def test_classes_become_folders(script: Callable[[str], Any], tmp_path: Path) -> None:
    from twinspect.data import open_data

    labels = np.repeat(np.arange(4), 3)
    images = np.arange(12, dtype=np.uint8)[:, None, None] * np.ones((1, 8, 8), np.uint8)
    arrays = {
        f"{kind}_{part}": values
        for part in ("train", "test")
        for kind, values in (("x", images), ("y", labels))
    }
    np.savez(tmp_path / "fashion_mnist.npz", classes=["a/b", "c", "d", "e f"], **arrays)
    data = open_data(script("budgets.sets").folder_of("fashion_3", tmp_path, tmp_path / "aside"))
    assert len(data.split("train")) == 3
    assert sorted((sample.label, sample.is_good) for sample in data.split("test"))[::3] == [
        ("a_b", False), ("c", False), ("d", False), ("good", True)
    ]  # fmt: skip


def test_maps_are_brought_to_one_size(script: Callable[[str], Any], tmp_path: Path) -> None:
    side = script("found").SIDE
    own = np.random.default_rng(0).random((side, side), np.float32)
    flat = np.full((3, 500), 0.25, np.float32)
    script("found").write_found(tmp_path / "found.npz", [("a", 1.0, own), ("b", 2.0, flat)])
    with np.load(tmp_path / "found.npz") as found:
        assert found["names"].tolist() == ["a", "b"]
        assert np.array_equal(found["maps"][0], own)
        assert np.allclose(found["maps"][1], 0.25)


def test_copies_of_training_images_are_left_out_and_the_rest_is_judged_by_name(tmp_path: Path) -> None:
    data = write_category(tmp_path / "parts", first=0)
    copied = data / "test" / "good" / "1.png"
    shutil.copy(data / "train" / "good" / "0.png", copied)
    shutil.copy(data / "train" / "good" / "0.png", data / "test" / "square" / "copy.png")  # defective: stays
    truth, paths = tmp_path / "truth.npz", ("both", "../src")
    told = {"PYTHONPATH": ":".join(str(SCRIPTS / path) for path in paths)}

    def run(script: str, *options: object) -> str:
        command = [sys.executable, str(SCRIPTS / "ours" / script), *map(str, options)]
        return subprocess.run(command, env=told, check=True, capture_output=True, text=True).stdout

    run("truth.py", "--data", data, "--out", truth)
    with np.load(truth) as written:
        names, anomalous, masks = written["names"].tolist(), written["anomalous"], written["masks"]
    assert "test/good/1.png" not in names
    assert sorted(names) == [
        "test/good/0.png",
        "test/good/2.png",
        *(f"test/square/{n}.png" for n in ("0", "1", "2", "copy")),
    ]
    # Of a score that is right everywhere, in another order and with the copy among them.
    order = np.argsort(names)[::-1]
    found = tmp_path / "found.npz"
    np.savez(
        found,
        names=[*np.array(names)[order], "test/good/1.png"],
        scores=[*anomalous[order].astype(float), 9.0],
        maps=np.concatenate([masks[order], masks[:1]]).astype(np.float32),
    )
    assert json.loads(run("judge.py", truth, found)) == {
        "image_auroc": 100.0,
        "pixel_auroc": 100.0,
        "aupro": 100.0,
    }
