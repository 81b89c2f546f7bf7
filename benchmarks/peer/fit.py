"""Train one of anomalib's methods on all training images; print seconds, steps and the last loss.

The networks, or raw scores and maps of the test images at 256 px, are written if a file is named for them.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from anomalib.data.utils import read_image
from lightning import seed_everything
from models import build, engine, folder, images
from safetensors.torch import save_file
from told import of_fit

if TYPE_CHECKING:
    import argparse

    from anomalib.models import AnomalibModule


def main() -> None:
    """Train, write, print."""
    options = of_fit(__doc__)
    seed_everything(options.seed, verbose=False)
    model = build(options.method, options.weights)
    with tempfile.TemporaryDirectory() as root:
        runner = engine(Path(root), **_length(options))
        began = time.perf_counter()
        runner.fit(model=model, datamodule=folder(options.data, options.seed))
        seconds = time.perf_counter() - began
        loss = runner.trainer.callback_metrics.get("train_loss", torch.tensor(float("nan")))
        steps = runner.trainer.global_step
    if options.model:
        state = model.model.state_dict()
        save_file({name: value.contiguous() for name, value in state.items()}, options.model)
    if options.found:
        write_maps(model, options.data, options.found)
    print(json.dumps({"seconds": seconds, "steps": steps, "loss": float(loss)}))


def _length(options: argparse.Namespace) -> dict[str, Any]:
    if options.epochs:
        return {"max_epochs": options.epochs}
    return {"max_steps": options.steps, "max_epochs": -1} if options.steps else {"max_epochs": 1}


def write_maps(model: AnomalibModule, data: Path, out: Path) -> None:
    """Write names, scores (N,) and maps (N, 256, 256) of the test images."""
    names, scores, maps = [], [], []
    model.eval()
    with torch.inference_mode():
        for path in images(data):
            found = model.model(model.pre_processor.transform(read_image(path, as_tensor=True)[None]))
            names.append(path.relative_to(data).as_posix())
            scores.append(float(found.pred_score))
            maps.append(found.anomaly_map.float().reshape(found.anomaly_map.shape[-2:]).numpy())
    np.savez(out, names=np.array(names), scores=np.array(scores), maps=np.stack(maps))


if __name__ == "__main__":
    main()
