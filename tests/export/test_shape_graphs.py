"""Graphs resize as their model does: images that keep their shape, and inputs that are no squares."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import twinspect as ts
from drawn_parts import blemish, quick, stripes
from traced_once import export_for_both

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("onnxruntime", reason="pip install 'twinspect[onnx]'")
pytest.importorskip("openvino", reason="pip install 'twinspect[openvino]'")

PARTS = np.stack([stripes(n, 144)[:48] for n in range(12)])
IMAGES = (
    blemish(stripes(300, 144)[:48], 20, 100),  # an odd number of rows is left over
    stripes(301, 120)[:, :50],
    stripes(302, 64),
    stripes(303, 40)[:33],
)


def check_parity(model: Path) -> None:
    expected = [ts.load(model, runtime="torch").score(image[None]) for image in IMAGES]
    for runtime in ("onnx", "openvino"):
        exported = ts.load(model, runtime=runtime)
        for image, right in zip(IMAGES, expected, strict=True):
            found = exported.score(image[None])
            np.testing.assert_allclose(found.image, right.image, rtol=1e-4)
            np.testing.assert_allclose(found.map, right.map, atol=1e-4 * float(np.max(right.map)))
            np.testing.assert_array_equal(np.equal(found.map, 0), np.equal(right.map, 0))


@pytest.mark.parametrize(
    "settings",
    [
        {"size": 64, "resize": "letterbox"},
        {"size": "64x96", "resize": "letterbox", "crop": 56, "interpolation": "bicubic"},
        {"size": "48x96"},
    ],
)
def test_exports_resize_as_their_model(settings: dict[str, Any], tmp_path: Path) -> None:
    ts.Detector("stfpm", **{**quick("stfpm", 4), **settings}).fit(PARTS).save(tmp_path / "m.twin")
    export_for_both(tmp_path / "m.twin")
    check_parity(tmp_path / "m.twin")


@pytest.mark.slow
def test_a_region_and_padding_together(tmp_path: Path) -> None:
    roi = tmp_path / "roi.json"
    roi.write_text(json.dumps({"look": [[[0.4, 0], [1, 0], [1, 0.6], [0.4, 0.6]]]}))
    settings = {**quick("stfpm", 4), "resize": "letterbox"}
    ts.Detector("stfpm", **settings, roi=roi).fit(PARTS).save(tmp_path / "m.twin")
    export_for_both(tmp_path / "m.twin")
    check_parity(tmp_path / "m.twin")
