"""Time anomalib's ReverseDistillation in eager fp32, a call for each line ``<backbone> <images>`` that is read.

Answers with a line of JSON. It stays, so that others can have their turns between two calls. Weights are random.
Pixels are given in floats, as its own reader gives them; from there to score and map it is timed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from anomalib.models import ReverseDistillation
from pictures import SIDE, pictures

if TYPE_CHECKING:
    from collections.abc import Callable

    from anomalib.models import AnomalibModule


def main() -> None:
    """Answer until there is nothing more to read."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--processor-time", action="store_true")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clock = time.process_time if options.processor_time else time.perf_counter
    for line in sys.stdin:
        backbone, count = line.split()
        print(
            json.dumps({"seconds": seconds(build(backbone), int(count), clock, options.device)}), flush=True
        )


@lru_cache(maxsize=1)
def build(backbone: str) -> AnomalibModule:
    """Make the networks with nothing behind them; those built before are dropped."""
    return ReverseDistillation(
        backbone=backbone,
        pre_trained=False,
        pre_processor=ReverseDistillation.configure_pre_processor((SIDE, SIDE)),
        post_processor=False,
        evaluator=False,
        visualizer=False,
    ).eval()


@torch.inference_mode()
def seconds(model: AnomalibModule, count: int, clock: Callable[[], float], device: str) -> float:
    """Time one call; scores and maps come back to the CPU."""
    model.to(device)
    images = torch.from_numpy(pictures(count)).permute(0, 3, 1, 2).contiguous().float() / 255
    began = clock()
    found = model(images.to(device))
    anomaly_map, _ = found.anomaly_map.cpu(), found.pred_score.cpu()
    taken = clock() - began
    if anomaly_map.shape[-2:] != (SIDE, SIDE):
        raise SystemExit(f"a map of {tuple(anomaly_map.shape)} for images of {SIDE} px")
    return taken


if __name__ == "__main__":
    main()
