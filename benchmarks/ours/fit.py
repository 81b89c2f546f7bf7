"""Train one of our methods on all training images; print seconds, steps and the last loss.

The networks, or raw scores and maps of the test images at 256 px, are written if a file is named for them.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import numpy as np
import torch
from found import SIDE
from models import build
from safetensors.torch import save_file
from told import of_fit

from twinspect.data import open_data
from twinspect.data.pixels import read_pixels
from twinspect.model.preprocessing import as_batch
from twinspect.training.trainer import Trainer

if TYPE_CHECKING:
    from pathlib import Path

    from twinspect.model.whole_image import Model


def main() -> None:
    """Train, write, print."""
    options = of_fit(__doc__)
    model = build(
        options.method,
        options.weights,
        seed=options.seed,
        steps=options.steps,
        textures=options.textures,
    )
    trainer = Trainer(seed=options.seed, device="cpu", precision=options.precision)
    began = time.perf_counter()
    history = trainer.fit(model, trainer.read(model, open_data(options.data).split("train")))
    seconds = time.perf_counter() - began
    if options.model:
        save_file({name: value.contiguous() for name, value in model.state_dict().items()}, options.model)
    if options.found:
        write_maps(model, options.data, options.found)
    stages = list(history.losses.values())
    print(json.dumps({"seconds": seconds, "steps": sum(map(len, stages)), "loss": stages[-1][-1]}))


def write_maps(model: Model, data: Path, out: Path) -> None:
    """Write names, scores (N,) and maps (N, 256, 256) of the test images."""
    names, scores, maps = [], [], []
    with torch.inference_mode():
        for sample in open_data(data).split("test"):
            found = model.infer(model.preprocessing.apply(as_batch(read_pixels(sample))))
            names.append(sample.path.resolve().relative_to(data.resolve()).as_posix())
            scores.append(float(found.score))
            maps.append(model.preprocessing.to_image(found.map.float(), (SIDE, SIDE))[0].numpy())
    np.savez(out, names=np.array(names), scores=np.array(scores), maps=np.stack(maps))


if __name__ == "__main__":
    main()
