r"""Seconds to fit and images a second to score, on a folder in MVTec layout, with every metric.

    python benchmarks/fit_and_score.py ../shared/data/cookies \
        --weights ../shared/weights/resnet18_layers1-3.safetensors

Scoring is timed from file to map at the image's own size, decoding included, and once more on the network
alone, so that the share of decoding shows.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch

import twinspect as ts


def main() -> None:
    """Fit, score, evaluate and print one JSON object."""
    options = _options()
    began = time.perf_counter()
    detector = ts.Detector(
        options.method,
        teacher=options.teacher,
        weights=options.weights,
        steps=options.steps,
        calibration=options.calibration,
        false_alarm_rate=options.false_alarm_rate,
        seed=options.seed,
    ).fit(options.data)
    fit_seconds = time.perf_counter() - began
    if options.out:
        detector.save(options.out)
    record = {
        "data": Path(options.data).name,
        "detector": repr(detector),
        "fit_seconds": round(fit_seconds, 1),
        "promise": detector.calibration_.promise(),
        **speed(detector, options.data),
        "metrics": ts.evaluate(detector, options.data).pooled,
    }
    print(json.dumps(record, indent=1))


def speed(detector: ts.Detector, data: str) -> dict[str, float]:
    """Images a second: files to maps, files to scores, and the network on prepared images."""
    images = [sample.path for sample in ts.data.open_data(data).split("test")]
    detector.score(images[:8])  # warm up
    rates = {}
    for name, maps in (("score_and_map", True), ("score", False)):
        began = time.perf_counter()
        count = len(detector.score(images, maps=maps))
        rates[f"{name}_images_per_second"] = round(count / (time.perf_counter() - began), 1)
    side = detector.model_.preprocessing.side
    batch = torch.rand(8, 3, side, side).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        detector.model_.infer(batch)
        began = time.perf_counter()
        for _ in range(10):
            detector.model_.infer(batch)
    rates["network_images_per_second"] = round(80 / (time.perf_counter() - began), 1)
    return rates


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data")
    parser.add_argument("--method", default="mkd")
    parser.add_argument("--teacher", default="resnet18")
    parser.add_argument("--weights")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--calibration", default="split")
    parser.add_argument("--false-alarm-rate", type=float)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", help="save the model here")
    return parser.parse_args()


if __name__ == "__main__":
    main()
