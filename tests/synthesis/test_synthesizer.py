"""Batches of synthetic anomalies: what they promise about seeds, batches, masks and input."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from drawn_parts import stripes, write_image
from twinspect.data.prefetching import prefetch
from twinspect.errors import ConfigError, DataError
from twinspect.synthesis import Synthesizer, Synthetic, synthesizer

if TYPE_CHECKING:
    from pathlib import Path

KINDS = ("draem", "cutpaste", "poisson", "mixed")


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """Six images of 64 px; three show a disc on black."""
    batch = np.stack([stripes(number, 64) for number in range(6)])
    rows, columns = np.ogrid[-1:1:64j, -1:1:64j]
    batch[:3] *= (np.hypot(rows, columns) < 0.6)[..., None].astype(np.uint8)
    batch.flags.writeable = False
    return batch


@pytest.fixture
def folder(tmp_path: Path) -> str:
    for number in range(3):
        write_image(tmp_path / "textures" / f"{number}.png", stripes(50 + number, 80)[::-1])
    return str(tmp_path / "textures")


def same(a: Synthetic, b: Synthetic) -> bool:
    return bool((a.images == b.images).all() and (a.masks == b.masks).all())


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_the_mask_marks_is_changed(kind: str, images: np.ndarray) -> None:
    made = Synthesizer(kind, normal_share=0)(images, range(6))
    assert made.images.shape == images.shape
    assert made.images.dtype == np.uint8
    assert made.masks.shape == images.shape[:3]
    assert made.masks.dtype == np.bool_
    assert made.is_anomalous.all()
    np.testing.assert_array_equal(made.images[~made.masks], images[~made.masks])
    for before, after, mask in zip(images, made.images, made.masks, strict=True):
        assert np.abs(after[mask].astype(int) - before[mask]).max(axis=-1).mean() >= 6


@pytest.mark.parametrize("kind", KINDS)
def test_anomalies_lie_in_the_foreground(kind: str, images: np.ndarray) -> None:
    given = np.zeros(images.shape[:3], bool)
    given[:, 20:50, 10:30] = True
    made = Synthesizer(kind, normal_share=0)(images, range(6), given)
    assert made.is_anomalous.all()
    assert not (made.masks & ~given).any()
    rows, columns = np.ogrid[-1:1:64j, -1:1:64j]
    found = Synthesizer(kind, normal_share=0)(images, range(6))
    assert not found.masks[:3][:, np.hypot(rows, columns) > 0.75].any()
    unbound = Synthesizer(kind, normal_share=0, in_foreground=False)
    drawn = np.concatenate([unbound(images[:1], [number]).masks for number in range(40)])
    assert drawn.any(axis=0)[np.hypot(rows, columns) > 0.75].any()


@pytest.mark.parametrize("kind", KINDS)
def test_seed_and_number_decide(kind: str, images: np.ndarray) -> None:
    first = Synthesizer(kind, seed=3)(images, range(10, 16))
    assert same(first, Synthesizer(kind, seed=3)(images, range(10, 16)))
    assert not same(first, Synthesizer(kind, seed=4)(images, range(10, 16)))
    assert not same(first, Synthesizer(kind, seed=3)(images, range(11, 17)))
    used = Synthesizer(kind, seed=3)
    for step in range(3):
        used(images, range(step * 6, step * 6 + 6))
    assert same(first, used(images, range(10, 16)))  # nothing is remembered


def test_with_a_folder_or_its_own_pieces_an_image_does_not_see_its_batch(
    images: np.ndarray, folder: str
) -> None:
    order = [4, 0, 5, 2, 1, 3]
    numbers = np.arange(20, 26)
    for drawer in (Synthesizer(textures=folder), Synthesizer("cutpaste")):
        together = drawer(images, numbers)
        shuffled = drawer(images[order], numbers[order])
        np.testing.assert_array_equal(shuffled.images, together.images[order])
        np.testing.assert_array_equal(shuffled.masks, together.masks[order])
        for index in range(6):
            alone = drawer(images[index : index + 1], numbers[index : index + 1])
            np.testing.assert_array_equal(alone.images[0], together.images[index])


@pytest.mark.parametrize("kind", KINDS)
def test_a_single_image_is_enough(kind: str, images: np.ndarray) -> None:
    made = Synthesizer(kind, normal_share=0)(images[3:4], [0])
    assert made.is_anomalous.all()


def test_so_many_stay_normal(images: np.ndarray) -> None:
    batch = np.repeat(images[3:4], 300, axis=0)
    everywhere = np.ones(batch.shape[:3], bool)
    share = 1 - Synthesizer("cutpaste")(batch, range(300), everywhere).is_anomalous.mean()
    assert 0.13 < share < 0.27
    none = Synthesizer(normal_share=1)(images, range(6))
    assert not none.masks.any()
    np.testing.assert_array_equal(none.images, images)


def test_what_cannot_be_seen_is_no_anomaly(images: np.ndarray) -> None:
    hidden = Synthesizer(normal_share=0, beta=(1.0, 1.0))(images, range(6))
    assert not hidden.is_anomalous.any()
    np.testing.assert_array_equal(hidden.images, images)
    nowhere = np.zeros(images.shape[:3], bool)
    nowhere[1:] = True
    for kind in KINDS:
        made = Synthesizer(kind, normal_share=0)(images, range(6), nowhere)
        assert not made.is_anomalous[0]
        assert made.is_anomalous[1:].all()


def test_blobs_that_miss_the_object_are_drawn_again_as_coarse_as_before(
    images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On small objects, anomalies would otherwise be small: coarse blobs miss, and finer ones take their place."""
    drawn: list[tuple[int, int]] = []
    fresh = synthesizer.perlin_mask

    def recorded(shape: tuple[int, int], cells: tuple[int, int], random: np.random.Generator) -> np.ndarray:
        drawn.append(cells)
        return fresh(shape, cells, random)

    monkeypatch.setattr(synthesizer, "perlin_mask", recorded)
    small = np.zeros(images.shape[:3], np.bool_)
    small[:, 20:28, 20:28] = True
    tried = 0
    for number in range(20):
        drawn.clear()
        Synthesizer(normal_share=0.0)(images[:1], [number], small[:1])
        assert len(set(drawn)) == 1
        tried += len(drawn)
    assert tried > 40


def test_grey_images_get_grey_textures(images: np.ndarray) -> None:
    grey = np.repeat(images[..., :1], 3, axis=-1)
    made = Synthesizer(normal_share=0)(grey, range(6))
    assert (made.images == made.images[..., :1]).all()
    coloured = Synthesizer(normal_share=0)(images, range(6)).images
    assert (coloured != coloured[..., :1]).any()


def test_textures_come_from_the_folder(images: np.ndarray, tmp_path: Path) -> None:
    write_image(tmp_path / "one" / "black.png", np.zeros((70, 70, 3), np.uint8))
    made = Synthesizer(textures=str(tmp_path / "one"), normal_share=0, beta=(0.0, 0.0))(images, range(6))
    # Whatever three augmentations make of black, it is one colour.
    for after, mask in zip(made.images, made.masks, strict=True):
        assert len(np.unique(after[mask], axis=0)) == 1


def test_threads_may_share_it(images: np.ndarray, folder: str) -> None:
    synthesizer = Synthesizer("mixed", folder)

    def draw(step: int) -> Synthetic:
        return synthesizer(images, range(step * 6, step * 6 + 6))

    alone = [draw(step) for step in range(7)]
    together = list(prefetch(range(7), draw, workers=3, ahead=4))
    assert len(together) == 7
    assert all(same(one, other) for one, other in zip(alone, together, strict=True))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "dream"}, "no kind of synthetic anomaly 'dream'; did you mean 'draem'"),
        ({"seed": -1}, "seed is -1; allowed are whole numbers from 0"),
        ({"normal_share": 1.2}, "normal_share is 1.2; allowed is 0 to 1"),
        ({"beta": (0.8, 0.1)}, r"beta is \(0.8, 0.1\); allowed are two numbers from 0 to 1"),
    ],
)
def test_settings_are_checked(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Synthesizer(**settings)  # type: ignore[arg-type]


def test_batches_are_checked(images: np.ndarray) -> None:
    synthesizer = Synthesizer()
    with pytest.raises(DataError, match=r"\(64, 64, 3\) uint8; allowed is \(B, H, W, 3\) uint8"):
        synthesizer(images[0], [0])
    with pytest.raises(DataError, match="float32; allowed"):
        synthesizer(images.astype(np.float32), range(6))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="64 x 4 pixels; both sides must be 8 or more"):
        synthesizer(images[:, :4], range(6))
    with pytest.raises(DataError, match=r"numbers are \[0, 1\] for 6 images"):
        synthesizer(images, [0, 1])
    with pytest.raises(DataError, match="allowed is one for each, 0 or above"):
        synthesizer(images[:1], [-1])
    with pytest.raises(DataError, match=r"foregrounds are \(1, 64, 64\) bool; allowed is \(6, 64, 64\) bool"):
        synthesizer(images, range(6), np.ones((1, 64, 64), bool))
    with pytest.raises(DataError, match="nowhere: no such folder"):
        Synthesizer(textures="nowhere", normal_share=0)(images, range(6))


def test_the_import_is_light() -> None:
    heavy = ("torch", "torchvision", "scipy", "skimage", "matplotlib", "timm")
    code = f"import sys, twinspect.synthesis; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
