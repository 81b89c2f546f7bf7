"""Updates from end to end: what they learn from, promise, compare, record and leave as it was."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import twinspect as ts
from drawn_parts import QUICK, write_image
from twinspect.bundle.learnt_images import LearntImages, shorten
from twinspect.calibration.conformal import Calibration
from twinspect.cli import main
from twinspect.errors import CalibrationError, DataError
from twinspect.testing.drawing import blemish, good, stripes
from twinspect.training.update import aimed_at

if TYPE_CHECKING:
    from collections.abc import Callable

BRIEF: dict[str, Any] = {**QUICK, "steps": 6, "calibration": "split"}
BUNDLES = Path(__file__).parents[1] / "bundles"


def write_good(folder: Path, first: int, count: int) -> Path:
    """Write good parts, named by their numbers."""
    for number in range(first, first + count):
        write_image(folder / f"{number:03}.png", stripes(number))
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`old`: 20 good images; `all`: the same and 12 new ones under other names; `defects`; `m.twin`."""
    place = tmp_path_factory.mktemp("update")
    write_good(place / "old", 0, 20)
    shutil.copytree(place / "old", place / "all" / "earlier")
    write_good(place / "all" / "later", 100, 12)
    for number in range(5):
        write_image(place / "defects" / f"{number}.png", blemish(stripes(200 + number)))
    ts.Detector("mkd", **BRIEF).fit(place / "old").save(place / "m.twin")
    return place


@pytest.fixture(scope="module")
def updated(place: Path) -> Path:
    """`m2.twin`, by the command line."""
    arguments = ["update", place / "m.twin", "--good", place / "all", "--defects", place / "defects"]
    arguments += ["--out", place / "m2.twin", "--no-detectability", "--device", "cpu"]
    assert main([str(argument) for argument in arguments]) == 0
    return place / "m2.twin"


def record(model: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((model / "model.json").read_text())
    return loaded


def digests(*folders: Path) -> set[str]:
    files = [path for folder in folders for path in folder.rglob("*.png")]
    return {shorten(hashlib.sha256(path.read_bytes()).hexdigest()) for path in files}


def learnt(model: Path) -> LearntImages:
    found = LearntImages.read(model, record(model))
    assert found is not None
    return found


def test_nobody_learns_from_what_is_held_out(place: Path, updated: Path) -> None:
    first, second = learnt(updated).generations
    old = record(place / "m.twin")
    assert first.held_out == set(old["calibrated_on"])
    assert first.learnt == learnt(place / "m.twin").digests
    assert first.learnt | first.held_out == digests(place / "old")
    assert second.learnt | second.held_out == digests(place / "all" / "later")
    assert learnt(updated).digests == first.learnt | second.learnt
    assert set(record(updated)["calibrated_on"]) == first.held_out | second.held_out
    assert not (first.held_out | second.held_out) & learnt(updated).digests
    assert len(second.held_out) == 4  # floor(12 * 2 / 5)


def test_the_record_says_where_the_version_comes_from(place: Path, updated: Path) -> None:
    lineage, weights = record(updated)["lineage"], (place / "m.twin" / "weights.safetensors").read_bytes()
    assert lineage["generation"] == 2
    assert lineage["parent"]["weights"] == hashlib.sha256(weights).hexdigest()
    model = (place / "m.twin" / "model.json").read_bytes()
    assert lineage["parent"]["record"] == hashlib.sha256(model).hexdigest()
    assert lineage["updated_at"] == record(updated)["fitted_at"] != ""
    assert lineage["images"] == {
        "learnt": 8,
        "held_out": 4,
        "kept": 8,
        "learnt_again": 12,
        "learnt_before": 12,
        "copies": 0,
        "defects": 5,
        "false_alarms": 0,
    }
    assert record(updated)["data"]["train"] == 20


def test_both_versions_are_compared_at_their_own_thresholds(place: Path, updated: Path) -> None:
    compared = record(updated)["lineage"]["comparison"]
    held = learnt(updated).generations[0].held_out
    kept = [path for path in (place / "old").iterdir() if digests_of(path) in held]
    for name, folder in (("old", place / "m.twin"), ("new", updated)):
        detector, found = ts.load(folder, runtime="torch"), compared["kept"][name]
        on_good, on_bad = detector.score(kept), detector.score(place / "defects")
        assert found["threshold"] == detector.calibration_.threshold
        assert (found["good"], found["defects"]) == (8, 5)
        assert found["false_alarms"] == int(on_good.is_anomalous.sum())
        assert found["misses"] == int((~on_bad.is_anomalous).sum())
        pairs = [(one, other) for one in on_bad.image for other in on_good.image]
        wins = np.mean([(one > other) + (one == other) / 2 for one, other in pairs])
        assert found["image_auroc"] == pytest.approx(wins)
    assert compared["worse"] == bool(compared["reasons"])
    assert compared["added"]["new"]["good"] == 4


def digests_of(path: Path) -> str:
    return shorten(hashlib.sha256(path.read_bytes()).hexdigest())


def test_the_old_version_stays_as_it_is(place: Path) -> None:
    old = ts.Detector.from_bundle(place / "m.twin", device="cpu")
    before, known = old.score(good(300, 3)).image, old.to_record()
    new = old.update(place / "all", say=lambda _: None, steps=2)
    assert new is not old
    assert np.array_equal(old.score(good(300, 3)).image, before)
    assert old.to_record() == known
    assert not np.array_equal(new.score(good(300, 3)).image, before)


def test_a_third_version_holds_out_what_both_before_did(place: Path, updated: Path, tmp_path: Path) -> None:
    new = ts.load(updated, device="cpu", runtime="torch")
    assert isinstance(new, ts.Detector)
    more = write_good(shutil.copytree(place / "all", tmp_path / "more") / "third", 400, 5)
    third = new.update(more.parent, steps=2, say=lambda _: None)
    third.save(tmp_path / "m3.twin")
    lineage = record(tmp_path / "m3.twin")["lineage"]
    assert lineage["generation"] == 3
    assert [each["generation"] for each in lineage["earlier"]] == [2]
    assert "earlier" not in lineage["earlier"][0]
    first, second, latest = learnt(tmp_path / "m3.twin").generations
    assert (first, second) == learnt(updated).generations
    assert (len(latest.learnt), len(latest.held_out)) == (3, 2)
    assert lineage["images"]["kept"] == 12


def test_new_images_alone_are_calibrated_on_what_is_held_out_of_them(place: Path) -> None:
    said: list[str] = []
    old = ts.Detector.from_bundle(place / "m.twin", device="cpu")
    new = old.update(place / "all" / "later", steps=2, say=said.append)
    assert len(new.calibration_.scores) == 4
    assert new.calibration_.false_alarm_rate == 1 / 5
    assert any("promise at most 20 % false alarms; at most 5 % takes about 38 more" in text for text in said)
    compared = new.lineage_["comparison"]
    assert compared["worse"]
    assert "the promise is weaker: at most 11.1 % -> 20 % false alarms" in compared["reasons"]
    assert compared["kept"]["old"]["good"] == 0


def test_too_few_new_images_and_none_kept_are_refused(place: Path) -> None:
    old = ts.Detector.from_bundle(place / "m.twin", device="cpu")
    with pytest.raises(CalibrationError, match=r"no good images are left .*give 3 new ones or more, 48 for"):
        old.update(good(100, 2))


@pytest.mark.parametrize(
    ("images", "rate", "kind", "categories", "aimed"),
    [
        (25, 1 / 26, "split", (), 1 / 26),  # the smallest of so many
        (8, 1 / 9, "split", (), 0.05),
        (8, 0.3, "split", (), 0.3),  # asked for
        (12, 1 / 13, "cv", (), 0.05),
        (1, 1 / 2, "copies", (), 0.05),
        (40, 1 / 21, "split", ("a", "b") * 20, None),
    ],
)
def test_versions_promise_the_same_if_they_can(
    images: int, rate: float, kind: Any, categories: tuple[str, ...], aimed: float | None
) -> None:
    calibration = Calibration(tuple(map(float, range(images))), rate, kind, categories=categories)
    assert aimed_at(calibration) == aimed


def test_a_high_rate_of_few_images_gives_way_to_five_percent(place: Path) -> None:
    old = ts.Detector.from_bundle(place / "m.twin", device="cpu")
    assert old.calibration_.false_alarm_rate == 1 / 9
    more = good(500, 40)
    assert old.update(more, steps=1, say=lambda _: None).calibration_.false_alarm_rate == 1 / 17
    more = good(500, 60)
    assert old.update(more, steps=1, say=lambda _: None).calibration_.false_alarm_rate == 0.05


def test_a_rate_that_was_asked_for_is_kept_as_far_as_it_can_be(place: Path) -> None:
    old = ts.Detector.from_bundle(place / "m.twin", device="cpu").set_rate(0.2)
    assert old.update(place / "all", steps=1, say=lambda _: None).calibration_.false_alarm_rate == 0.2
    with pytest.raises(CalibrationError, match=r"0\.01: .*at most 1 % takes about 218 more good images"):
        old.update(place / "all", steps=1, false_alarm_rate=0.01)


def test_nothing_new_and_contradictions_are_refused(place: Path, tmp_path: Path) -> None:
    old = ts.Detector.from_bundle(place / "m.twin", device="cpu")
    with pytest.raises(DataError, match="none of the 20 good images is new: the model has learnt from 12"):
        old.update(place / "old")
    both = shutil.copytree(place / "defects", tmp_path / "bad")
    shutil.copy(place / "all" / "later" / "100.png", both / "x.png")
    with pytest.raises(DataError, match=r"x\.png is among the good images too"):
        old.update(place / "all", both)


def test_copies_and_unreadable_images_are_left_out(place: Path, tmp_path: Path) -> None:
    folder, said = shutil.copytree(place / "all", tmp_path / "all"), list[str]()
    shutil.copy(folder / "later" / "100.png", folder / "copy.png")
    (folder / "damaged.png").write_bytes(b"no image")
    old = ts.Detector.from_bundle(place / "m.twin", device="cpu")
    new = old.update(folder, steps=1, say=said.append)
    assert new.lineage_["images"]["copies"] == 1
    assert list(new.unreadable_) == ["damaged.png"]
    assert any("1 of the 33 images cannot be read: left out" in text for text in said)


def test_an_image_that_was_learnt_and_is_damaged_now_is_not_learnt_again(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its content differs, so that it is a new one that cannot be read; of the others fewer are learnt again."""
    folder = shutil.copytree(place / "all", tmp_path / "all")
    known = learnt(place / "m.twin").digests
    first = next(path for path in sorted((folder / "earlier").iterdir()) if digests_of(path) in known)
    first.write_bytes(first.read_bytes()[:200])
    monkeypatch.setattr("twinspect.training.update_images.LEAST_REHEARSED", 3)
    monkeypatch.setattr("twinspect.training.update_images.REHEARSED", 0)
    old = ts.Detector.from_bundle(place / "m.twin", device="cpu")
    images = old.update(folder, steps=1, say=lambda _: None).lineage_["images"]
    assert (images["learnt_before"], images["learnt_again"]) == (11, 3)
    assert (images["learnt"], images["held_out"]) == (8, 4)


class Stopping:
    """Progress that presses Ctrl-C in the third step."""

    def __init__(self) -> None:
        self.left = 3

    def start(self, stage: str, total: int, done: int = 0) -> None: ...

    def advance(self, loss: float | None = None, *, steps: int = 1) -> None:
        self.left -= loss is not None
        if loss is not None and self.left == 0:
            signal.raise_signal(signal.SIGINT)

    def finish(self) -> None: ...


def test_interrupted_and_resumed_it_is_the_same_version(place: Path, tmp_path: Path) -> None:
    update: Callable[..., ts.Detector] = ts.Detector.from_bundle(place / "m.twin", device="cpu").update
    how: dict[str, Any] = {"steps": 6, "say": lambda _: None}
    with pytest.raises(KeyboardInterrupt):
        update(place / "all", progress=Stopping(), checkpoint=tmp_path, **how)
    resumed = update(place / "all", checkpoint=tmp_path, resume=True, **how)
    straight = update(place / "all", **how)
    assert np.array_equal(resumed.score(good(300, 3)).image, straight.score(good(300, 3)).image)
    with pytest.raises(ts.errors.TwinspectError, match="other images, settings or seed"):
        update(place / "all", checkpoint=tmp_path, resume=True, steps=7, say=lambda _: None)


def test_a_model_of_an_earlier_version_is_updated_and_says_what_is_not_known() -> None:
    old, said = ts.Detector.from_bundle(BUNDLES / "mkd_tiles", device="cpu"), list[str]()
    category = old.data_["categories"][0]
    samples = [
        ts.data.Sample(Path(f"{n}.png"), f"{n}.png", "train", category=category, pixels=stripes(n, 96))
        for n in range(6)
    ]
    data = ts.data.DataSet("six", Path(), tuple(samples), "six")
    new = old.update(data, steps=2, say=said.append)
    assert any("does not know what it learnt from" in text for text in said)
    assert new.lineage_["knows_what_was_learnt"] is False
    assert new.lineage_["images"]["held_out"] == 2
    assert np.isfinite(new.score(good(0, 1)).image).all()


def two_products(first: int, *categories: str) -> ts.data.DataSet:
    samples = [
        ts.data.Sample(
            Path("x"), f"{category}{n}", "train", category=category, pixels=stripes(first + 10 * number + n)
        )
        for number, category in enumerate(categories)
        for n in range(10)
    ]
    return ts.data.DataSet("two", Path(), tuple(samples), "two")


def test_each_of_several_products_holds_images_out_and_another_is_refused() -> None:
    old = ts.Detector("mkd", **BRIEF).fit(two_products(0, "a", "b"))
    new = old.update(two_products(100, "a", "b"), steps=2, say=lambda _: None)
    assert sorted(new.calibration_.categories) == ["a"] * 4 + ["b"] * 4
    with pytest.raises(DataError, match="shows 'c', which the model has not learnt; it knows a, b"):
        old.update(two_products(100, "a", "c"))


def test_a_region_and_an_alignment_stay(place: Path, tmp_path: Path) -> None:
    region = tmp_path / "roi.json"
    region.write_text(json.dumps({"look": [[[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]]}))
    settings = {**BRIEF, "roi": region, "align": "shift", "steps": 2}
    old = ts.Detector("mkd", **settings).fit(place / "old", say=lambda _: None)
    new = old.update(place / "all", steps=2, say=lambda _: None)
    assert old.scope_ is not None
    assert new.scope_ is not None
    assert new.scope_.digest == old.scope_.digest


def test_inspect_shows_the_lineage(updated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(updated)]) == 0
    assert "version: 2, updated from weights" in capsys.readouterr().out
    assert main(["inspect", str(updated), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["lineage"]["generation"] == 2


def test_a_drop_is_said_first(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["update", str(place / "m.twin"), "--good", str(place / "all" / "later"), "--steps", "1"]
    arguments += ["--out", str(tmp_path / "m2.twin"), "--no-detectability", "--device", "cpu"]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"worse than {place / 'm.twin'}: ")
    assert "misses are not known without images of defects: --defects DIR" in out
    assert main([*arguments, "--overwrite", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert next(iter(found)) == "worse"
    assert found["worse"] is True
    assert found["reasons"]


def test_mistakes_are_one_line(
    place: Path, updated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, images = str(place / "m.twin"), str(place / "all")
    for more, said in (
        (["--out", model], "is, or is in, the old version, which stays as it is"),
        (["--out", f"{model}/new.twin"], "is, or is in, the old version, which stays as it is"),
        (["--out", str(updated)], "is a finished model"),
        (["--out", str(tmp_path / "n.twin"), "--steps", "0"], "steps must be 1 or more"),
        (["--out", str(tmp_path / "n.twin"), "--minutes", "0"], "minutes must be above 0"),
    ):
        assert main(["update", model, "--good", images, *more]) == 2
        error = capsys.readouterr().err.splitlines()[-1]
        assert said in error
    joined = ["update", str(BUNDLES / "rd_or_dual"), "--good", images, "--out", str(tmp_path / "n.twin")]
    assert main(joined) == 2
    assert "joins several models, which are updated one by one" in capsys.readouterr().err
