"""Which images an update learns from, learns again and holds out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from twinspect.data.samples import Sample
from twinspect.training.update_images import UpdateImages, more_needed, share_update, without_copies


def images(*names: str) -> list[Sample]:
    return [Sample(Path(name), name, "train") for name in names]


def numbered(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{number:03}" for number in range(count)]


def share(samples: list[Sample], learnt: list[str], held: list[str], **more: object) -> UpdateImages:
    """Share images whose content is told by their names."""
    digests = {sample.name: sample.name.rpartition("/")[2] for sample in samples}
    settings: dict[str, object] = {"rate": None, "seed": 0, "rehearses": True, **more}
    return share_update(samples, digests, set(learnt), set(held), **settings)  # type: ignore[arg-type]


def names(samples: tuple[Sample, ...]) -> set[str]:
    return {sample.name.rpartition("/")[2] for sample in samples}


def test_what_was_held_out_stays_held_out_and_two_of_five_new_ones_are() -> None:
    learnt, held, new = numbered("l", 12), numbered("h", 5), numbered("n", 10)
    found = share(images(*learnt, *held, *new), learnt, held)
    assert names(found.kept) == set(held)
    assert names(found.again) == set(learnt)
    assert (len(found.new), len(found.held)) == (6, 4)
    assert names(found.new) | names(found.held) == set(new)
    assert found.known == 12
    assert not names(found.train) & names(found.calibration)


def test_an_image_that_was_learnt_and_calibrated_on_is_not_kept() -> None:
    """As after a cross-conformal fit, in which every image serves both ways."""
    both = numbered("b", 8)
    found = share(images(*both, *numbered("n", 3)), both, both)
    assert found.kept == ()
    assert (len(found.again), len(found.new), len(found.held)) == (8, 2, 1)


def test_contents_decide_and_not_names_or_order() -> None:
    new = numbered("n", 30)
    one = share(images(*new), [], [])
    other = share(images(*(f"other/{name}" for name in reversed(new))), [], [])
    assert names(one.held) == names(other.held)
    assert names(share(images(*new), [], [], seed=1).held) != names(one.held)


def test_of_one_or_two_new_images_none_is_held_out() -> None:
    found = share(images("h0", "n0", "n1"), [], ["h0"])
    assert (len(found.new), len(found.held), len(found.kept)) == (2, 0, 1)


def test_images_of_one_part_are_on_one_side() -> None:
    parts = ["a", "b", "a", "b", *"cccc", *"dddd"]
    listed = zip(images("l0", "h0", "n0", "n1", *numbered("m", 8)), parts, strict=True)
    samples = [replace(sample, group=part) for sample, part in listed]
    found = share(samples, ["l0"], ["h0"])
    assert "n0" in names(found.new)
    assert "n1" in names(found.held)
    for part in ("c", "d"):
        mates = {sample.name for sample in samples if sample.group == part}
        assert mates <= names(found.new) or mates <= names(found.held)


def test_a_rate_holds_out_as_many_as_it_takes_at_most_two_of_five() -> None:
    new = numbered("n", 100)
    assert len(share(images(*new), [], []).held) == 20  # a fifth
    assert len(share(images(*new), [], [], rate=0.03).held) == 33  # 1 / 0.03 rounded up, less one
    assert len(share(images(*new), [], [], rate=0.001).held) == 40
    held = numbered("h", 30)
    assert len(share(images(*new, *held), [], held, rate=0.03).held) == 20


@pytest.mark.parametrize(
    ("known", "new", "again"), [(20, 1, 20), (200, 5, 50), (200, 40, 72), (200, 100, 200)]
)
def test_three_known_images_are_learnt_again_for_each_new_one(known: int, new: int, again: int) -> None:
    learnt = numbered("l", known)
    found = share(images(*learnt, *numbered("n", new)), learnt, [])
    assert len(found.again) == again  # of 5 and 40, 2 and 16 are held out
    assert share(images(*learnt, *numbered("n", new)), learnt, [], rehearses=False).again == ()


def test_false_alarms_are_learnt_from_unless_they_were_held_out() -> None:
    given = numbered("a", 40)
    alarms = given[::2]
    found = share(images(*given), [], [given[0]], false_alarms=alarms)
    assert names(found.kept) == {given[0]}
    assert not names(found.held) & {*alarms}
    assert names(found.new) > {*alarms} - {given[0]}
    assert len(found.held) == 2 * 20 // 5  # of the others, two of five


def test_of_copies_the_first_is_kept() -> None:
    samples = images("a", "b", "c")
    assert [s.name for s in without_copies(samples, {"a": "1", "b": "2", "c": "1"})] == ["a", "b"]


def test_more_images_than_a_promise_lacks_are_needed_since_most_are_learnt_from() -> None:
    found = share(images("h0", *numbered("n", 10)), [], ["h0"])  # 5 held out; 5 % takes 19
    assert more_needed(found, 0.05) == 35  # 14 / 0.4
    assert more_needed(found, 0.5) == 0


def test_images_set_apart_for_the_calibration_are_held_out() -> None:
    samples = [
        *images(*numbered("n", 10)),
        *(replace(s, split="calibration") for s in images(*numbered("c", 3))),
    ]
    found = share(samples, [], [])
    assert set(numbered("c", 3)) <= names(found.held)
    assert (len(found.new), len(found.held)) == (6, 7)
