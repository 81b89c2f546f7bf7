"""The gallery: the images kept while streaming are those that sorting everything would choose."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from twinspect.data import Sample
from twinspect.drawing.heatmaps import draw_ground_truth, overlay
from twinspect.drawing.panels import LARGEST_PICTURE, SHOWN_SIDE, Panel
from twinspect.inference.results import ImageScore
from twinspect.report.gallery import Gallery, KeptImage

THRESHOLD = 0.6


def result(number: int, score: float, label: str, side: int = 4) -> ImageScore:
    name = f"{number:03}.png"
    pixels = np.full((side, side, 3), number % 256, dtype=np.uint8)
    values = np.full((side, side), score, dtype=np.float32)
    sample = Sample(Path(name), name, label=label, pixels=pixels)
    return ImageScore(sample, score, 0.5, score > THRESHOLD, values)


def names(exhibits: list[KeptImage]) -> list[str]:
    return [exhibit.row.sample.name for exhibit in exhibits]


@pytest.mark.parametrize("seed", range(5))
def test_kept_images_are_those_that_sorting_all_would_choose(seed: int) -> None:
    chance = np.random.default_rng(seed)
    # One decimal: many ties, of which the first to come must win.
    rows = [
        result(i, round(float(chance.random()), 1), str(chance.choice(["good", "cut"]))) for i in range(200)
    ]
    gallery = Gallery(size=8, hits=4)
    for row in rows:
        gallery.add(row, None)
    bad = [row for row in rows if row.sample.label == "cut"]
    good = [row for row in rows if row.sample.label == "good"]
    sure = [row for row in bad if row.score > THRESHOLD]
    assert names(gallery.anomalous) == [r.sample.name for r in sorted(bad, key=lambda r: r.score)[:8]]
    assert names(gallery.good) == [r.sample.name for r in sorted(good, key=lambda r: -r.score)[:8]]
    assert names(gallery.hits) == [r.sample.name for r in sorted(sure, key=lambda r: -r.score)[:4]]


def test_an_image_is_shown_once_and_a_miss_is_no_find() -> None:
    gallery = Gallery()
    gallery.add(result(0, 0.9, "cut"), None)
    gallery.add(result(1, 0.1, "cut"), None)
    assert names(gallery.anomalous) == ["001.png", "000.png"]
    assert gallery.hits == []


def test_an_image_without_a_map_is_passed_over() -> None:
    gallery = Gallery()
    sample = Sample(Path("broken.png"), "broken.png", label="cut")
    gallery.add(ImageScore(sample, float("nan"), float("nan"), False, None, "cannot be read"), None)
    assert gallery.anomalous == gallery.good == gallery.hits == []


def test_only_small_copies_are_kept_and_a_one_pixel_spot_survives() -> None:
    row = result(0, 0.0, "cut", side=1000)
    mask = np.zeros((1000, 1000), dtype=bool)
    row.map[501, 777], mask[501, 777] = 5.0, True
    gallery = Gallery()
    gallery.add(row, mask)
    kept = gallery.anomalous[0]
    assert kept.row.map is None
    assert kept.map.shape == kept.mask.shape == (250, 250)
    assert max(kept.map.shape) <= SHOWN_SIDE
    assert np.argwhere(kept.mask).tolist() == np.argwhere(kept.map == 5.0).tolist() == [[125, 194]]


def test_sides_that_do_not_divide_are_brought_to_one_size_for_image_map_and_mask() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (701, 330, 3), dtype=np.uint8)
    sample = Sample(Path("a.png"), "a.png", label="cut", pixels=pixels)
    row = ImageScore(sample, 1.0, 0.1, True, np.zeros((701, 330), np.float32))
    gallery = Gallery()
    gallery.add(row, np.eye(701, 330, dtype=bool))
    shapes = [panel.rgb.shape for panel in gallery.anomalous[0].panels((0.0, 1.0))]
    assert shapes == [(234, 110, 3)] * 3


def test_tiny_images_are_enlarged_by_whole_pixels() -> None:
    row = result(7, 0.4, "cut", side=28)
    gallery = Gallery()
    gallery.add(row, None)
    image, heat = gallery.anomalous[0].panels((0.0, 1.0))
    assert image.rgb.shape == heat.rgb.shape == (308, 308, 3)
    assert (image.rgb == 7).all()


def test_panels_show_image_heat_map_and_what_is_marked() -> None:
    row = result(9, 0.9, "cut", side=200)
    mask = np.zeros((200, 200), dtype=bool)
    mask[20:30, 20:30] = True
    gallery = Gallery()
    gallery.add(row, mask)
    panels = gallery.anomalous[0].panels((0.2, 0.7))
    rgb = row.sample.pixels
    assert [panel.title for panel in panels] == ["image", "heat map", "ground truth"]
    assert (panels[0].rgb == rgb).all()
    assert (panels[1].rgb == overlay(rgb, row.map, (0.2, 0.7))).all()
    assert (panels[2].rgb == draw_ground_truth(rgb, mask)).all()
    unmarked = Gallery()
    unmarked.add(row, np.zeros_like(mask))
    assert len(unmarked.anomalous[0].panels((0.2, 0.7))) == 2


def test_even_noise_becomes_a_small_picture_of_the_same_size() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (SHOWN_SIDE, SHOWN_SIDE, 3), dtype=np.uint8)
    kind, _, content = Panel("image", noise).data_url().partition(",")
    picture = base64.b64decode(content)
    assert kind == "data:image/jpeg;base64"
    assert len(picture) <= 2 * LARGEST_PICTURE
    with Image.open(io.BytesIO(picture)) as shown:
        assert shown.size == (SHOWN_SIDE, SHOWN_SIDE)
