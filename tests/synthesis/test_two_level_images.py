"""Anomalies on images of two grey levels: no shade gives them away."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from drawn_parts import stripes
from twinspect.synthesis import Synthesizer
from twinspect.synthesis.two_level_images import paste_levels, two_levels


def board(seed: int, low: int = 0, high: int = 255) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Traces on a board at 256 px, drawn at 640 and made smaller, so that their edges are grey."""
    random = np.random.default_rng(seed)
    image = np.full((640, 640), high, np.uint8)
    for _ in range(6):
        top, left = random.integers(0, 560, 2)
        image[top : top + 40] = low
        image[:, left : left + 30] = low
    small = np.asarray(Image.fromarray(image).resize((256, 256), Image.Resampling.BILINEAR))
    return np.repeat(small[..., None], 3, axis=-1)


@pytest.mark.parametrize(("low", "high"), [(0, 255), (20, 230)])
def test_the_two_levels_are_found_in_spite_of_grey_edges(low: int, high: int) -> None:
    assert two_levels(board(0, low, high)) == (low, high)


def test_other_images_have_no_two_levels() -> None:
    random = np.random.default_rng(0)
    noise = np.repeat(random.integers(0, 256, (64, 64, 1), dtype=np.uint8), 3, axis=-1)
    faint = board(0, 100, 180)  # two levels, but a photograph may look like that
    grey_stripes = np.repeat(stripes(0)[..., :1], 3, axis=-1)
    for image in (noise, faint, grey_stripes, np.zeros((64, 64, 3), np.uint8)):
        assert two_levels(image) is None


def test_what_is_pasted_has_the_images_own_levels_and_edges() -> None:
    image = board(1, 20, 230)
    ramp = np.broadcast_to(np.linspace(90, 140, 256).astype(np.uint8)[None, :, None], (256, 256, 3))
    mask = np.zeros((256, 256), bool)
    mask[60:120, 40:200] = True
    pasted = paste_levels(image, ramp, mask, (20, 230))
    assert np.array_equal(pasted[~mask], image[~mask])
    values = pasted[mask]
    assert values.min() >= 20
    assert values.max() <= 230
    assert (pasted[62:118, 42:120] == 20).all()  # cut at the median, in the middle of the ramp
    assert (pasted[62:118, 136:198] == 230).all()


def test_drawn_anomalies_on_boards_are_dark_or_light_but_for_their_edges() -> None:
    boards = np.stack([board(seed) for seed in range(8)])
    made = Synthesizer(normal_share=0)(boards, range(8))
    assert made.is_anomalous.sum() >= 6
    changed = (made.images != boards).any(axis=-1)
    assert not (changed & ~made.masks).any()
    smooth = ~np.isin(made.images[changed], (0, 255)).all(axis=-1)
    assert smooth.mean() < 0.5  # patterns are fine; in photographs nearly all of it would be grey
    assert (np.abs(made.images[changed].astype(int) - boards[changed]) > 100).mean() > 0.5
