"""Holding out, folds and fingerprints: the same everywhere, whatever the order."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from twinspect.data import Sample
from twinspect.data.fingerprint import fingerprint
from twinspect.data.splits import fold_of, hold_out
from twinspect.errors import DataError, ImageError


def samples(count: int, category: str = "") -> list[Sample]:
    names = [f"{category}/train/good/{number:03}.png" for number in range(count)]
    return [Sample(Path(name), name, "train", category=category) for name in names]


def shuffled(items: list[Sample], seed: int = 1) -> list[Sample]:
    return random.Random(seed).sample(items, len(items))


def test_the_lowest_hashes_are_held_out():
    items = samples(50)

    def rank(sample: Sample) -> str:
        return hashlib.sha256(f"3:{sample.name}".encode()).hexdigest()

    kept, held = hold_out(items, {"": 12}, 3)
    assert {sample.name for sample in held} == {sample.name for sample in sorted(items, key=rank)[:12]}
    assert held == [sample for sample in items if sample in held]
    assert kept == [sample for sample in items if sample not in held]


def test_a_known_answer():
    # From sha256sum on "0:/train/good/000.png" and so on. A change would move images between the training
    # and the calibration of models that people have.
    _, held = hold_out(samples(10), {"": 3}, 0)
    assert [sample.name[-5] for sample in held] == ["2", "4", "6"]


def test_the_order_of_the_list_does_not_matter():
    items = [*samples(31, "bottle"), *samples(17, "screw")]
    counts = {"bottle": 9, "screw": 4}
    expected = {sample.name for sample in hold_out(items, counts, 0)[1]}
    folds = dict(zip((sample.name for sample in items), fold_of(items, 5, 0), strict=True))
    for seed in range(5):
        other = shuffled(items, seed)
        assert {sample.name for sample in hold_out(other, counts, 0)[1]} == expected
        assert dict(zip((sample.name for sample in other), fold_of(other, 5, 0), strict=True)) == folds


def test_another_seed_holds_others_out():
    items = samples(40)
    held = [frozenset(sample.name for sample in hold_out(items, {"": 10}, seed)[1]) for seed in range(20)]
    assert len(set(held)) == 20
    assert len({fold_of(items, 5, seed) for seed in range(20)}) == 20


def test_each_image_is_held_out_about_as_often():
    items = samples(20)
    times = Counter(sample.name for seed in range(400) for sample in hold_out(items, {"": 5}, seed)[1])
    # 400 draws at a quarter: 100 on average, standard deviation 8.7.
    assert len(times) == 20
    assert all(60 < count < 140 for count in times.values())


def test_each_category_gives_what_is_asked_of_it():
    counts = {"a": 7, "b": 0, "c": 10}
    items = [
        sample for category, size in (("a", 30), ("b", 20), ("c", 10)) for sample in samples(size, category)
    ]
    kept, held = hold_out(shuffled(items), counts, 0)
    assert Counter(sample.category for sample in held) == Counter(counts)
    assert Counter(sample.category for sample in kept) == {"a": 23, "b": 20}
    alone = hold_out([sample for sample in items if sample.category == "a"], counts, 0)[1]
    assert {sample.name for sample in alone} == {sample.name for sample in held if sample.category == "a"}


def test_holding_out_too_many():
    with pytest.raises(DataError, match="cannot hold out 4 of 3 images; allowed are 0 to 3"):
        hold_out(samples(3), {"": 4}, 0)
    with pytest.raises(DataError, match="cannot hold out -1"):
        hold_out(samples(3), {"": -1}, 0)


@pytest.mark.parametrize("folds", [2, 3, 5, 48])
def test_folds_are_even_in_each_category_and_overall(folds):
    items = shuffled([*samples(31, "bottle"), *samples(17, "screw")])
    dealt = fold_of(items, folds, 0)
    assert set(dealt) == set(range(folds))
    groups = {"bottle", "screw"}
    for group in [groups, *({name} for name in groups)]:
        counts = Counter(fold for fold, sample in zip(dealt, items, strict=True) if sample.category in group)
        sizes = [counts[fold] for fold in range(folds)]
        assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("folds", [0, 1, 4])
def test_fold_counts_out_of_range(folds):
    with pytest.raises(DataError, match=f"cannot split 3 images into {folds} folds; allowed are 2 to 3"):
        fold_of(samples(3), folds, 0)


def test_names_must_differ():
    for split in (lambda twice: hold_out(twice, {"": 1}, 0), lambda twice: fold_of(twice, 2, 0)):
        with pytest.raises(DataError, match=r"two images are called '/train/good/000.png'"):
            split([*samples(2), *samples(1)])


# ---------------------------------------------------------------------------------------------- fingerprint


def files(folder: Path) -> list[Sample]:
    found = []
    for number in range(5):
        path = folder / f"{number}.png"
        path.write_bytes(bytes([number]) * 1000)
        found.append(Sample(path, path.name))
    return found


def test_fingerprint_is_the_hash_of_what_sha256sum_prints(tmp_path):
    items = files(tmp_path)
    lines = "".join(f"{hashlib.sha256(s.path.read_bytes()).hexdigest()}  {s.name}\n" for s in items)
    assert fingerprint(items) == hashlib.sha256(lines.encode()).hexdigest()
    assert fingerprint(shuffled(items)) == fingerprint(items)


def test_fingerprint_notices_changes(tmp_path):
    items = files(tmp_path)
    before = fingerprint(items)
    assert fingerprint(items[1:]) != before
    assert fingerprint([replace(items[0], name="other.png"), *items[1:]]) != before
    items[3].path.write_bytes(b"changed")
    assert fingerprint(items) != before


def test_fingerprint_of_pixels():
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    one = Sample(Path("array[0]"), "array[0]", pixels=pixels)
    digest = hashlib.sha256(b"2x4x3:" + bytes(range(24))).hexdigest()
    assert fingerprint([one]) == hashlib.sha256(f"{digest}  array[0]\n".encode()).hexdigest()
    assert fingerprint([replace(one, pixels=pixels.reshape(4, 2, 3))]) != fingerprint([one])


def test_fingerprint_of_a_missing_file(tmp_path):
    with pytest.raises(ImageError, match=r"gone.png: cannot be read: No such file"):
        fingerprint([Sample(tmp_path / "gone.png", "gone.png")])


def test_fingerprint_of_nothing():
    assert fingerprint([]) == hashlib.sha256(b"").hexdigest()
