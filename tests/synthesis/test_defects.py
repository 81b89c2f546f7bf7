"""Single defects: of the size that is stated, on the object, as strong as the image's own contrast, reproducible."""

from __future__ import annotations

import numpy as np
import pytest

from twinspect.synthesis.defects import DEFECTS, Canvas, draw_defect


def surface(side: int = 200) -> np.ndarray:
    """A grey surface with soft stripes."""
    rows, columns = np.mgrid[:side, :side]
    values = 128 + 40 * np.sin((rows + columns) / 9)
    return np.repeat(values[..., None], 3, axis=-1).astype(np.uint8)


def whole(image: np.ndarray) -> Canvas:
    return Canvas.of(image, np.ones(image.shape[:2], np.bool_))


def changed(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return np.abs(after.astype(int) - before).max(axis=-1) > 3


@pytest.mark.parametrize("kind", DEFECTS)
@pytest.mark.parametrize("size", [0.05, 0.25])
def test_a_defect_extends_as_far_as_its_size_says(kind: str, size: float) -> None:
    image = surface()
    extents = []
    for seed in range(12):
        mask = changed(image, draw_defect(whole(image), kind, size, np.random.default_rng(seed)))
        points = np.argwhere(mask)
        spans = points[:, None] - points[None]
        extents.append(np.sqrt((spans**2).sum(-1)).max() / 200)
    # The soft rim of a stain cannot be seen, and texture changes are not seen in all their pixels.
    assert 0.6 * size <= np.median(extents) <= 1.15 * size + 0.01
    assert max(extents) <= 1.15 * size + 0.02


@pytest.mark.parametrize("kind", DEFECTS)
def test_a_defect_stays_on_the_object_and_depends_on_the_seed_alone(kind: str) -> None:
    image = np.full((96, 128, 3), 240, np.uint8)
    disc = np.hypot(*(axis - middle for axis, middle in zip(np.mgrid[:96, :128], (48, 64), strict=True))) < 30
    image[disc] = (90, 140, 60)
    canvas = Canvas.of(image, disc)
    one, same, other = (draw_defect(canvas, kind, 0.2, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert changed(image, one)[disc].any()
    assert np.array_equal(one[~disc], image[~disc])


def test_where_a_piece_is_missing_the_background_is_seen() -> None:
    image = np.full((96, 128, 3), 240, np.uint8)
    disc = np.hypot(*(axis - middle for axis, middle in zip(np.mgrid[:96, :128], (48, 64), strict=True))) < 30
    image[disc] = (90, 140, 60)
    drawn = draw_defect(Canvas.of(image, disc), "missing_piece", 0.3, np.random.default_rng(0))
    gone = changed(image, drawn)
    assert gone.sum() > 100
    assert (drawn[gone] > 200).mean() > 0.8


def test_a_defect_is_as_strong_as_the_light_and_dark_parts_differ() -> None:
    image = surface()
    low, high = np.percentile(image[..., 0], (5, 95))
    assert whole(image).contrast == pytest.approx(high - low)
    assert whole(np.full((64, 64, 3), 100, np.uint8)).contrast == 32
    drawn = draw_defect(whole(image), "scratch", 0.25, np.random.default_rng(3))
    strongest = np.abs(drawn.astype(float) - image).max()
    assert strongest == pytest.approx(high - low, abs=1)
