"""Make the bundles, images and scores of this folder; the README says with which commit this was run, and how."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

import twinspect as ts
from drawn_parts import blemish, stripes, write_image

HERE = Path(__file__).parent
SETTINGS: dict[str, Any] = {
    "teacher": "test_byobnet",
    "weights": "random",
    "layers": (0, 1),
    "size": 64,
    "steps": 60,
    "batch_size": 8,
    "device": "cpu",
    "precision": "fp32",
    "workers": 1,
    "keep_images": 1,
}


def draw_training_images(folder: Path) -> Path:
    """Draw 24 good parts of each of two categories."""
    for number in range(24):
        write_image(folder / "tinted" / "train" / "good" / f"{number}.png", stripes(number))
        write_image(folder / "grey" / "train" / "good" / f"{number}.png", stripes(50 + number, 72)[..., 0])
    return folder


def draw_test_images(folder: Path) -> None:
    """Draw two good parts and two damaged ones: none of the models' size, one of them grey in 16 bits."""
    write_image(folder / "good.png", stripes(100)[:44])
    grey = stripes(101, 72)[..., 0].astype(np.uint16) * 257
    Image.fromarray(grey).save(folder / "good_16_bit.png")
    write_image(folder / "defective.png", blemish(stripes(200, 72)[:, :60], top=30, left=20))
    write_image(folder / "defective_small.png", blemish(stripes(201, 40), left=20))


def save_models(data: Path) -> None:
    """Fit a model of every method on the same images, one of them on tiles, and join two."""
    tiles = {**SETTINGS, "teacher": "test_efficientnet", "layers": None, "tile": 48, "overlap": 8}
    ts.Detector("mkd", **tiles, calibration="cv").fit(data).save(HERE / "mkd_tiles")
    ts.Detector("aand", **{**SETTINGS, "steps": 80}, amplify_steps=20).fit(data).save(HERE / "aand")
    members = [ts.Detector(method, **SETTINGS).fit(data) for method in ("rd", "dual")]
    ts.noisy_or(members).save(HERE / "rd_or_dual")


def score_images(model: Path) -> dict[str, dict[str, Any]]:
    """Score the test images with a saved model: what is said of each, by its name."""
    images = sorted((HERE / "images").glob("*.png"))
    scores = ts.load(model, device="cpu").score(images)
    return {
        path.name: {
            "score": float(scores.image[index]),
            "p_value": float(scores.p_value[index]),
            "is_anomalous": bool(scores.is_anomalous[index]),
            "map_shape": list(scores.map[index].shape),
            "map_mean": float(scores.map[index].mean(dtype=np.float64)),
            "map_max": float(scores.map[index].max()),
        }
        for index, path in enumerate(images)
    }


def main() -> None:
    """Draw, fit, score and write."""
    draw_test_images(HERE / "images")
    with TemporaryDirectory() as folder:
        save_models(draw_training_images(Path(folder)))
    scores = {model: score_images(HERE / model) for model in ("aand", "mkd_tiles", "rd_or_dual")}
    (HERE / "scores.json").write_text(json.dumps(scores, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
