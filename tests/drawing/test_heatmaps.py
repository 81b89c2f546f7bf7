"""Heat maps: known values have known colours, good pixels keep theirs, files are whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from twinspect.data import Sample
from twinspect.drawing.heatmaps import (
    ABOVE_COLOUR,
    BEGIN,
    GROWTH,
    RIM_COLOUR,
    STRONGEST,
    TRUTH_COLOUR,
    colourise,
    draw_boxes,
    draw_outline,
    overlay,
)
from twinspect.errors import ConfigError, DataError
from twinspect.inference.results import ImageScore
from twinspect.report.map_folder import write_map

RANGE = (2.0, 4.0)


def grid(*values: float) -> np.ndarray:
    return np.array([values], dtype=np.float32)


def scored(pixels: np.ndarray, values: np.ndarray | None, path: str = "a.png") -> ImageScore:
    return ImageScore(Sample(Path(path), path, pixels=pixels), 1.0, 0.5, False, values)


@pytest.mark.parametrize(
    ("value", "place"),
    [(-1e30, 0), (2.0, 0), (3.0, 0.25), (4.0, 0.5), (5.0, 0.75), (6.0, 1), (1e30, 1)],
)
def test_a_value_has_the_colour_of_its_place_on_the_scale(value: float, place: float) -> None:
    expected = np.rint(np.array(mpl.colormaps["plasma"](round(place * 255))[:3]) * 255)
    assert np.abs(colourise(grid(value), RANGE)[0, 0].astype(int) - expected).max() <= 1


def test_colours_do_not_depend_on_the_other_pixels_of_the_map() -> None:
    alone = colourise(grid(3.3), RANGE)[0, 0]
    among = colourise(grid(3.3, -50.0, 900.0), RANGE)[0, 0]
    assert alone.tolist() == among.tolist()


def test_lightness_only_rises_along_the_scale() -> None:
    rgb = colourise(np.linspace(2, 6, 256, dtype=np.float32)[None], RANGE)[0] / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    luminance = linear @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(luminance) > -1e-3).all()
    assert luminance[0] < 0.05
    assert luminance[-1] > 0.8


def test_held_out_maps_without_any_span_still_give_a_scale() -> None:
    assert colourise(grid(4.0, 12.0), (4.0, 4.0))[0, 0].tolist() == colourise(grid(2.0), RANGE)[0, 0].tolist()
    assert colourise(grid(12.0), (4.0, 4.0)).tolist() == colourise(grid(6.0), RANGE).tolist()
    assert colourise(grid(0.0, 2.0), (0.0, 0.0)).tolist() == colourise(grid(2.0, 6.0), RANGE).tolist()


def test_what_is_not_a_map_is_refused() -> None:
    with pytest.raises(DataError, match=r"shape \(1, 2\).*finite"):
        colourise(grid(1.0, np.nan), RANGE)
    with pytest.raises(DataError, match=r"shape \(2,\)"):
        colourise(np.zeros(2, np.float32), RANGE)
    with pytest.raises(ConfigError, match="low not above high"):
        colourise(grid(1.0), (2.0, 1.0))
    with pytest.raises(DataError, match=r"\(2, 2, 3\) came with a map of \(1, 1\)"):
        overlay(np.zeros((2, 2, 3), np.uint8), grid(1.0), RANGE)


def test_pixels_below_the_neighbourhood_of_a_good_peak_are_untouched() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    values = np.random.default_rng(1).uniform(-9, 3.6, (8, 8)).astype(np.float32)
    assert (overlay(rgb, values, RANGE) == rgb).all()


def test_the_share_of_colour_grows_with_the_anomaly() -> None:
    values = np.linspace(2, 4, 40, dtype=np.float32)[None]  # up to a good peak, so that nothing is outlined
    shown = overlay(np.zeros((1, 40, 3), np.uint8), values, RANGE).astype(float)
    place = np.rint((values[0] - 2) / 4 * 255) / 255
    expected = (
        colourise(values, RANGE)[0]
        * (STRONGEST * (np.clip(place - BEGIN, 0, None) / (1 - BEGIN)) ** GROWTH)[:, None]
    )
    assert np.abs(shown[0] - expected).max() <= 1


def test_what_is_above_every_good_pixel_is_surrounded_and_not_covered() -> None:
    values = np.full((9, 9), 2.0, dtype=np.float32)
    values[4, 4] = 4.0
    rgb = np.full((9, 9, 3), 100, dtype=np.uint8)
    assert not (overlay(rgb, values, RANGE) == ABOVE_COLOUR).all(axis=-1).any()
    values[4, 4] = 4.001
    line = (overlay(rgb, values, RANGE) == ABOVE_COLOUR).all(axis=-1)
    expected = np.zeros((9, 9), dtype=bool)
    expected[3:6, 3:6] = True
    expected[4, 4] = False
    assert (line == expected).all()


def test_no_line_runs_along_the_frame() -> None:
    values = np.full((9, 9), 2.0, dtype=np.float32)
    values[:, :4] = 5.0
    line = (overlay(np.full((9, 9, 3), 100, np.uint8), values, RANGE) == ABOVE_COLOUR).all(axis=-1)
    expected = np.zeros((9, 9), dtype=bool)
    expected[:, 4] = True
    assert (line == expected).all()


def test_ground_truth_is_outlined_in_white_with_a_black_rim() -> None:
    mask = np.zeros((9, 9), dtype=bool)
    mask[4, 4] = True
    shown = overlay(np.full((9, 9, 3), 100, np.uint8), np.zeros((9, 9), np.float32), RANGE, mask)
    assert shown[3, 3].tolist() == list(TRUTH_COLOUR)
    assert shown[2, 2].tolist() == list(RIM_COLOUR)
    assert shown[4, 4].tolist() == shown[1, 1].tolist() == [100] * 3


def test_a_region_that_fills_the_image_is_outlined_inside_and_large_images_get_wider_lines() -> None:
    small = draw_outline(np.zeros((8, 8, 3), np.uint8), np.ones((8, 8), bool), (255, 0, 0))[..., 0] == 255
    assert small.sum() == 28
    large = draw_outline(np.zeros((8, 600, 3), np.uint8), np.ones((8, 600), bool), (255, 0, 0))[..., 0] == 255
    assert large.sum() == 8 * 600 - 4 * 596


def test_inputs_are_left_as_they_were() -> None:
    rgb, values = np.full((4, 4, 3), 9, np.uint8), np.full((4, 4), 7, np.float32)
    overlay(rgb, values, RANGE, np.eye(4, dtype=bool))
    assert (rgb == 9).all()
    assert (values == 7).all()


def test_written_files_hold_the_overlay_or_the_raw_values(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    values = np.random.default_rng(1).normal(3, 2, (5, 7)).astype(np.float32)
    write_map(tmp_path / "new" / "a.png", scored(pixels, values), RANGE)
    write_map(tmp_path / "new" / "a.npy", scored(pixels, values), RANGE)
    with Image.open(tmp_path / "new" / "a.png") as shown:
        assert (np.asarray(shown) == overlay(pixels, values, RANGE)).all()
    raw = np.load(tmp_path / "new" / "a.npy", allow_pickle=False)
    assert raw.dtype == np.float32
    assert (raw == values).all()
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a.npy", "a.png"]


def test_an_image_on_disk_is_read_again_with_its_bits(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    Image.fromarray(np.full((3, 3), 4095, dtype=np.uint16)).save(path)
    result = ImageScore(Sample(path, "deep.png"), 1.0, 0.5, False, np.zeros((3, 3), np.float32))
    write_map(tmp_path / "out.png", result, RANGE, bits=12)
    with Image.open(tmp_path / "out.png") as shown:
        assert (np.asarray(shown) == 255).all()


def test_mistakes_are_named(tmp_path: Path) -> None:
    pixels, values = np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2), np.float32)
    with pytest.raises(ConfigError, match=r"\.png .* or \.npy .* got '\.gif'"):
        write_map(tmp_path / "a.gif", scored(pixels, values), RANGE)
    with pytest.raises(ConfigError, match=r"a\.png has no anomaly map; score it with maps=True"):
        write_map(tmp_path / "a.png", scored(pixels, None), RANGE)
    with pytest.raises(DataError, match=r"\(2, 2, 3\) came with a map of \(3, 3\)"):
        write_map(tmp_path / "a.png", scored(pixels, np.zeros((3, 3), np.float32)), RANGE)
    assert list(tmp_path.iterdir()) == []


def test_raw_maps_need_neither_matplotlib_nor_scipy_nor_torch() -> None:
    code = (
        "import sys, twinspect.report.map_folder; print({'torch', 'matplotlib', 'scipy'} & set(sys.modules))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "set()\n"


def test_a_box_is_framed_where_it_lies_in_a_smaller_picture() -> None:
    grey = np.full((40, 60, 3), 90, np.uint8)
    drawn = draw_boxes(grey, [(40, 20, 24, 16)], 0.5)
    assert drawn[9, 20:32].tolist() == [list(TRUTH_COLOUR)] * 12
    assert drawn[18, 20:32].tolist() == [list(TRUTH_COLOUR)] * 12
    assert (drawn[10:18, 20:32] == 90).all()
    assert (grey == 90).all()
