"""Fit a detector as a user does: good images held out, calibrated, within minutes; print what it took.

Raw scores and maps of the test images are written; they and the time of an image are those of an ONNX export where
there can be one, and otherwise torch's.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from found import milliseconds, write_found
from spent import spending
from told import of_fit

import twinspect as ts
from twinspect.data import open_data
from twinspect.data.pixels import read_pixels
from twinspect.errors import TwinspectError
from twinspect.export import export
from twinspect.methods import method_class
from twinspect.methods.default import AUTO

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from twinspect.data.samples import DataSet
    from twinspect.inference.base_detector import BaseDetector

TIMED = 30
"""Images whose time is taken."""


def main() -> None:
    """Fit, export, write, print."""
    options = of_fit(__doc__)
    detector = ts.Detector(**_parameters(options))
    with spending(options.at_most) as spent:
        detector.fit(options.data)
    data = open_data(options.data)
    tested = data.with_samples(data.split("test"))
    with tempfile.TemporaryDirectory() as aside:
        scorer, runtime = _exported(detector, Path(aside) / "model")
        pictures = [read_pixels(sample)[None] for sample in tested.samples[:TIMED]]
        pace = milliseconds(scorer.score, pictures)
        if options.found:
            write_found(options.found, _found(scorer, tested, options.data.resolve()))
    stages = list(detector.losses_.values())
    steps = sum(map(len, stages))
    loss = stages[-1][-1] if stages and stages[-1] else float("nan")
    print(json.dumps({**spent.record(), "steps": steps, "loss": loss, "ms": pace, "runtime": runtime}))


def _parameters(options: argparse.Namespace) -> dict[str, Any]:
    given = {
        "method": options.method,
        "teacher": options.teacher,
        "weights": options.weights,
        "size": options.size or None,
        "tile": options.tile,
        "steps": options.steps,
        "minutes": options.minutes,
        "textures": str(options.textures) if options.textures and _draws(options.method) else None,
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    return {**chosen, "seed": options.seed, "device": "cpu"}


def _draws(method: str) -> bool:
    """Say whether a method draws anomalies from textures."""
    return method != AUTO and "textures" in {field.name for field in fields(method_class(method).Config)}


def _exported(detector: ts.Detector, path: Path) -> tuple[BaseDetector, str]:
    """Export, and give what scores from now on with the name of its runtime."""
    detector.save(path)
    try:
        export(path, "onnx")
    except TwinspectError:
        return detector, "torch"
    threads = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1))
    return ts.load(path, runtime="onnx", threads=threads), "onnx"


def _found(scorer: BaseDetector, tested: DataSet, root: Path) -> Iterator[tuple[str, float, NDArray[Any]]]:
    for row in scorer.stream(tested, maps=True):
        if row.map is None:
            raise SystemExit(f"{row.sample.name}: {row.error}")
        yield row.sample.path.resolve().relative_to(root).as_posix(), row.score, row.map


if __name__ == "__main__":
    main()
