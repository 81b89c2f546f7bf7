r"""MKD one-vs-rest on Fashion-MNIST, beside the published 94.5.

Each class in turn is normal: MKD is fitted on some of its training images with the paper's settings (32 px, no
mean and deviation, 50 epochs) and scores all 10 000 test images; the figure is the mean image AUROC over the
classes. The teacher is ResNet-18 where the paper takes VGG-16, because its weights are at hand.

    python benchmarks/fashion_mnist.py ../shared/data/fashion_mnist.npz --images 1000 \
        --weights ../shared/weights/resnet18_layers1-3.safetensors
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

import twinspect as ts
from twinspect.metrics import auroc

PUBLISHED = 94.5


def main() -> None:
    """Run every class and print a table; results are kept, so that an interrupted run goes on."""
    options = _options()
    data = np.load(options.data)
    kept = Path(options.out)
    done = json.loads(kept.read_text()) if kept.is_file() else {}
    for label, name in enumerate(data["classes"]):
        if str(name) not in done:
            done[str(name)] = one_class(data, label, options)
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(json.dumps(done, indent=1))
        print(f"{name:12s} {100 * done[str(name)]['image_auroc']:6.2f}  {done[str(name)]['seconds']:6.1f} s")
    mean = 100 * np.mean([row["image_auroc"] for row in done.values()])
    print(f"{'mean':12s} {mean:6.2f}  (published, VGG-16 and 6 000 images a class: {PUBLISHED})")


def one_class(data: np.lib.npyio.NpzFile, label: int, options: argparse.Namespace) -> dict[str, float]:
    """Fit on one class and tell it from the others."""
    began = time.perf_counter()
    normal = data["x_train"][data["y_train"] == label][: options.images]
    detector = ts.Detector("mkd", preset="mnist", teacher=options.teacher, weights=options.weights)
    if options.epochs:
        detector.set_params(epochs=options.epochs)
    detector.fit(normal)
    scores = detector.score(data["x_test"], maps=False).image
    value = auroc(data["y_test"] != label, scores)
    return {"image_auroc": value, "seconds": time.perf_counter() - began}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", help="fashion_mnist.npz with x_train, y_train, x_test, y_test, classes")
    parser.add_argument("--images", type=int, default=6000, help="training images of the normal class (6000)")
    parser.add_argument("--epochs", type=int, help="instead of the paper's 50")
    parser.add_argument("--teacher", default="resnet18")
    parser.add_argument("--weights", help="the teacher's weights file")
    parser.add_argument("--out", default="runs/fashion_mnist.json", help="where results are kept")
    return parser.parse_args()


if __name__ == "__main__":
    main()
