"""Train one of anomalib's methods on all training images; print seconds, steps and the last loss.

The networks, or raw scores and maps of the test images at 256 px, are written if a file is named for them.
"""

from __future__ import annotations

import json
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnxruntime
import torch
from anomalib.data.utils import read_image
from found import milliseconds, write_found
from lightning import seed_everything
from models import ONE_PASS, build, engine, folder, images
from safetensors.torch import save_file
from spent import spending
from told import of_fit

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    import numpy as np
    from anomalib.models import AnomalibModule
    from numpy.typing import NDArray

TIMED = 30
"""Images whose time is taken."""


def main() -> None:
    """Train, write, print."""
    options = of_fit(__doc__)
    seed_everything(options.seed, verbose=False)
    model = build(options.method, options.weights, options.size)
    with tempfile.TemporaryDirectory() as root:
        runner = engine(Path(root), **_length(options))
        with spending(options.at_most) as spent:
            runner.fit(model=model, datamodule=folder(options.data, options.seed))
        loss = runner.trainer.callback_metrics.get("train_loss", torch.tensor(float("nan")))
        steps = runner.trainer.global_step
    if options.model:
        state = model.model.state_dict()
        save_file({name: value.contiguous() for name, value in state.items()}, options.model)
    told = {**spent.record(), "steps": steps, "loss": float(loss)}
    if options.found:
        write_found(options.found, found(model, options.data))
        told |= pace(model, images(options.data)[:TIMED])
    print(json.dumps(told))


def _length(options: argparse.Namespace) -> dict[str, Any]:
    if options.method in ONE_PASS:
        return {"max_epochs": 1}
    if options.minutes:
        return {"max_time": timedelta(minutes=options.minutes), "max_epochs": -1}
    if options.epochs:
        return {"max_epochs": options.epochs}
    return {"max_steps": options.steps, "max_epochs": -1} if options.steps else {"max_epochs": 1}


@torch.inference_mode()
def found(model: AnomalibModule, data: Path) -> Iterator[tuple[str, float, NDArray[np.float32]]]:
    """Give name, raw score and map of the test images."""
    model.eval()
    for path in images(data):
        one = model.model(model.pre_processor.transform(pixels(path)))
        found = one.anomaly_map.float().reshape(one.anomaly_map.shape[-2:]).numpy()
        yield path.relative_to(data).as_posix(), float(one.pred_score), found


def pixels(path: Path) -> torch.Tensor:
    """Read an image as its data module does."""
    return read_image(path, as_tensor=True)[None]


def pace(model: AnomalibModule, files: list[Path]) -> dict[str, Any]:
    """Time images in ONNX Runtime, or in torch where there can be no export; ``ms`` and ``runtime``."""
    read = [pixels(path) for path in files]
    with tempfile.TemporaryDirectory() as root, torch.inference_mode():
        try:
            graph = model.to_onnx(root)
        except Exception:  # noqa: BLE001 - the exporter's own, of many kinds
            return {"ms": milliseconds(model, read), "runtime": "torch"}
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(graph, options)
        name = session.get_inputs()[0].name
        taken = milliseconds(lambda image: session.run(None, {name: image}), [each.numpy() for each in read])
        return {"ms": taken, "runtime": "onnx"}


if __name__ == "__main__":
    main()
