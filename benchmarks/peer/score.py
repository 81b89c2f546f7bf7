"""Score test images with anomalib's trained ReverseDistillation, from file to map; print images a second.

``--way engine`` is Engine.predict, as its manual has it; ``--way bare`` calls the same parts in a plain loop.
"""

from __future__ import annotations

import itertools
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from anomalib.data import PredictDataset
from anomalib.data.utils import read_image
from models import build, engine, images
from safetensors.torch import load_file
from told import of_score
from torch.utils.data import DataLoader

if TYPE_CHECKING:
    import argparse

    from anomalib.engine import Engine
    from anomalib.models import AnomalibModule

WARM = 16


def main() -> None:
    """Score some images untimed, then all of them."""
    options = of_score(__doc__)
    model = build("rd", options.weights).eval()
    model.model.load_state_dict(load_file(options.model))
    files = list(itertools.islice(itertools.cycle(images(options.data)), options.images))
    with tempfile.TemporaryDirectory() as root:
        runner = engine(Path(root))
        score(runner, model, files[:WARM], options)
        began = time.perf_counter()
        count = score(runner, model, files, options)
        seconds = time.perf_counter() - began
    if count != len(files):
        raise SystemExit(f"{count} maps of {len(files)} images")
    print(json.dumps({"rate": count / seconds}))


def score(runner: Engine, model: AnomalibModule, files: list[Path], options: argparse.Namespace) -> int:
    """Count the maps that came out."""
    if options.way == "bare":
        return bare(model, files, options.batch)
    dataset = PredictDataset(files[0].parent)
    dataset.image_filenames = files
    # One at a time nothing is read ahead, as where Engine.predict is given a path.
    workers = 2 if options.batch > 1 else 0
    loader = DataLoader(dataset, options.batch, collate_fn=dataset.collate_fn, num_workers=workers)
    found = runner.predict(model=model, dataloaders=loader)
    return sum(len(batch.anomaly_map) for batch in found)


@torch.inference_mode()
def bare(model: AnomalibModule, files: list[Path], batch: int) -> int:
    """Read, prepare and score without a framework around."""
    count = 0
    for start in range(0, len(files), batch):
        read = [read_image(path, as_tensor=True)[None] for path in files[start : start + batch]]
        prepared = torch.cat([model.pre_processor.transform(image) for image in read])
        count += len(model.model(prepared).anomaly_map)
    return count


if __name__ == "__main__":
    main()
