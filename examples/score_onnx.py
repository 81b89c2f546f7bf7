"""Score images by an exported model with ONNX Runtime alone: no torch, no twinspect.

pip install onnxruntime pillow
python score_onnx.py parts.twin/exports/onnx-fp32/model.onnx IMAGE…
"""

from __future__ import annotations

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps


def main(graph: str, paths: list[str]) -> None:
    """Print score and decision of every image, and where its map is highest."""
    session = onnxruntime.InferenceSession(graph)
    # As it was when the graph was made; a later `twinspect calibrate` changes the model's own record alone.
    about = json.loads(session.get_modelmeta().custom_metadata_map["twinspect"])
    for path in paths:
        with Image.open(path) as image:
            rgb = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        score, found = session.run(["score", "map"], {"images": rgb[None]})
        row, column = np.unravel_index(found[0].argmax(), found[0].shape)
        verdict = "anomalous" if score[0] > about["threshold"] else "good"
        print(f"{path}: {score[0]:.6f} {verdict}, highest at row {row}, column {column}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
