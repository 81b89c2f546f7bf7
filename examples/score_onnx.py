"""Score images by an exported model with ONNX Runtime alone: no torch, no twinspect.

pip install onnxruntime pillow scipy
python score_onnx.py parts.twin/exports/onnx-fp32/model.onnx IMAGE…
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image, ImageOps
from scipy import ndimage


def main(graph: str, paths: list[str]) -> None:
    """Print score and decision of every image, where its map is highest, and the regions found in it."""
    session = onnxruntime.InferenceSession(graph)
    # As it was when the graph was made; a later `twinspect calibrate` changes the model's own record alone.
    about = json.loads(session.get_modelmeta().custom_metadata_map["twinspect"])
    for path in paths:
        with Image.open(path) as image:
            rgb = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        score, found = session.run(["score", "map"], {"images": rgb[None]})
        row, column = np.unravel_index(found[0].argmax(), found[0].shape)
        can_be = is_inspectable(rgb, **about["inspectable"]) if "inspectable" in about else True
        verdict = "anomalous" if score[0] > about["threshold"] else "good"
        verdict = verdict if can_be else "not inspectable"
        print(f"{path}: {score[0]:.6f} {verdict}, highest at row {row}, column {column}")
        for x, y, width, height in boxes(found[0], **about.get("region_levels", {})) if can_be else []:
            print(f"  region at x {x}, y {y}: {width} x {height} pixels")


def is_inspectable(
    rgb: Any, darkest: float, brightest: float, least_contrast: float, least_sharpness: float
) -> bool:
    """Tell whether a frame has the light, contrast and focus of good images; (H, W, 3) uint8."""
    step = max(1, min(rgb.shape[:2]) // 512)
    grey = Image.fromarray(np.ascontiguousarray(rgb[::step, ::step])).convert("F")
    block = min(grey.size) // 128
    small = np.asarray(grey.reduce(block) if block > 1 else grey)
    edges = ndimage.laplace(small)[1:-1, 1:-1]
    sharpness = np.sqrt(np.mean(edges**2)) if edges.size else 0
    light = small.mean(dtype=float)
    return bool(
        darkest <= light <= brightest and small.std() >= least_contrast and sharpness >= least_sharpness
    )


def boxes(values: Any, high: float = np.inf, low: float = np.inf) -> list[tuple[int, int, int, int]]:
    """Find connected pixels above ``low`` of which one is above ``high``: x, y, width and height of each."""
    labels, count = ndimage.label(values > low, np.ones((3, 3)))
    peaks = ndimage.maximum(values, labels, range(1, count + 1))
    places = zip(ndimage.find_objects(labels), peaks, strict=True)
    return [
        (columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
        for (rows, columns), peak in places
        if peak > high
    ]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
