"""Score test images with our trained RD, from file to map; print images a second."""

from __future__ import annotations

import itertools
import json
import time
from typing import TYPE_CHECKING

from models import build
from safetensors.torch import load_file
from told import of_score

from twinspect.data import open_data
from twinspect.inference.pipeline import SCORE_BATCH, ScoringPipeline
from twinspect.inference.torch_engine import TorchEngine

if TYPE_CHECKING:
    from twinspect.data import Sample
    from twinspect.model.whole_image import Model


def main() -> None:
    """Score some images untimed, then all of them."""
    options = of_score(__doc__)
    model = build("rd", options.weights)
    model.load_state_dict(load_file(options.model))
    test = open_data(options.data).split("test")
    samples = list(itertools.islice(itertools.cycle(test), options.images))
    score(model, samples[: 2 * SCORE_BATCH], options.batch)
    began = time.perf_counter()
    score(model, samples, options.batch)
    print(json.dumps({"rate": len(samples) / (time.perf_counter() - began)}))


def score(model: Model, samples: list[Sample], batch: int) -> None:
    """Score in batches of 8, as the library does, or one image after the other, each handed over alone."""
    scorer = ScoringPipeline(workers=2)
    if batch not in (1, SCORE_BATCH):
        raise SystemExit(f"batches of 1 or {SCORE_BATCH}, got {batch}")
    for group in [samples] if batch == SCORE_BATCH else [[sample] for sample in samples]:
        for raw in scorer.stream(TorchEngine(model, "cpu"), group, maps=True):
            if raw.map is None:
                raise SystemExit(raw.error)


if __name__ == "__main__":
    main()
