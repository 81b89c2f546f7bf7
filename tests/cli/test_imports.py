"""What `score` imports before it opens an image: by an export no torch, and by torch nothing that only fits need."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from drawn_parts import SHIPPED, quick, stripes, write_image
from mean_export import add_export

FIRST_PIXEL: Final = Path(__file__).resolve().parents[2] / "benchmarks" / "running" / "first_pixel.py"
NEVER: Final = {
    "lightning_fabric",
    "matplotlib",
    "pyarrow",
    "ray",
    "scipy",
    "skimage",
    "sklearn",
    "timm",
    "torchvision",
}
"""Large packages that other verbs need; timm builds other teachers than the one here."""
MOST_OWN: Final = {"torch": 250, "onnx": 161}
"""Modules of twinspect, by the runtime: a new one that scoring needs may raise them by one."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the teacher that comes with twinspect, and an export of it."""
    pytest.importorskip("onnxruntime", reason="pip install 'twinspect[onnx]'")
    from twinspect.detector import Detector

    path = tmp_path_factory.mktemp("imports") / "m.twin"
    images = np.stack([stripes(seed) for seed in range(8)])
    Detector("hybrid", **{**quick("hybrid", 1), **SHIPPED}).fit(images).save(path)
    add_export(path)
    return path


def imported(model: Path, image: Path, *options: str) -> dict[str, int]:
    command = [sys.executable, str(FIRST_PIXEL), str(image), "score", str(model), str(image), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("runtime", ["torch", "onnx"])
def test_nothing_heavy_is_imported_before_the_first_pixel(runtime: str, model: Path, tmp_path: Path) -> None:
    image = write_image(tmp_path / "a.png", stripes(1))
    found = imported(model, image, "--runtime", runtime)
    assert not NEVER & found.keys()
    assert ("torch" in found) == (runtime == "torch")
    assert ("onnxruntime" in found) == (runtime == "onnx")
    assert found["twinspect"] <= MOST_OWN[runtime]
