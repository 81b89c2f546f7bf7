"""Good images in, decisions with a stated false-alarm rate out.

python examples/quickstart.py parts/good parts/today
python examples/quickstart.py parts/good parts/today --weights resnet18.safetensors
"""

from __future__ import annotations

import argparse

import twinspect as ts


def main() -> None:
    """Fit, score, save, load."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("good")
    parser.add_argument("today")
    parser.add_argument("--teacher", default="auto")
    parser.add_argument("--weights")
    parser.add_argument("--steps", type=int)
    options = parser.parse_args()

    detector = ts.Detector(teacher=options.teacher, weights=options.weights, steps=options.steps)
    detector.fit(options.good)
    print(detector.calibration_.promise())

    scores = detector.score(options.today)
    for path, score, p_value, bad in zip(
        scores.paths, scores.image, scores.p_value, scores.is_anomalous, strict=True
    ):
        print(f"{path}: {score:.4f}, p = {p_value:.3f}{', anomalous' if bad else ''}")

    detector.save("parts.twin")
    print(ts.load("parts.twin"))


if __name__ == "__main__":
    main()
