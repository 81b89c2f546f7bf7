"""`twinspect demo`: the newcomer's first minute, without a network."""

from __future__ import annotations

import sys
import time
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

from twinspect.bundle.folder import is_model
from twinspect.cli.console import Bar, warn
from twinspect.cli.evaluate import outcome, write_scores
from twinspect.cli.outcome import Outcome
from twinspect.data import open_data
from twinspect.data.demo import write_demo
from twinspect.detector import Detector
from twinspect.errors import ConfigError
from twinspect.evaluation.detectability import SHARE_OF_FIT, measure_detectability
from twinspect.report import write_evaluation

if TYPE_CHECKING:
    import argparse

PRODUCT = "brick"
MODEL = "demo.twin"
MARKER = ".twinspect-demo"
"""The file that says that a demo has written the images."""


def run(options: argparse.Namespace) -> Outcome:
    """Write images, fit a detector, evaluate it, and open the report."""
    out = Path(options.out)
    _refuse_foreign(out)
    started = time.monotonic()
    warn(f"writing photographs of brick, grass and gravel, some with defects, to {out / 'data'}")
    write_demo(out / "data", options.seed)
    (out / "data" / MARKER).touch()
    # One product, as on a production line: three would share one threshold, set by the roughest of them.
    data = open_data(out / "data" / PRODUCT)
    detector = Detector(teacher=options.teacher, weights=options.weights, seed=options.seed)
    with Bar() as bar:
        began = time.monotonic()
        detector.fit(data, progress=bar)
        budget = SHARE_OF_FIT * (time.monotonic() - began)
        detector.detectability_ = measure_detectability(detector, data, seconds=budget, progress=bar)
        detector.save(out / MODEL)
        bar.start("evaluate", total=len(data.split("test")))
        evaluation = write_evaluation(
            detector, data, out / "report", model=str(out / MODEL), tick=bar.advance
        )
    write_scores(evaluation, out / "report")
    seconds = time.monotonic() - started
    result = outcome(evaluation, out / "report")
    if sys.stdout.isatty() and not options.no_open:  # in a script or on a server nobody would see it
        webbrowser.open((out / "report" / "report.html").resolve().as_uri())
    found = "\n  ".join(detector.detectability_.lines(detector.calibration_))
    text = (
        f"{result.text}\n{detector.calibration_.promise()}\n{found}\ntook {seconds:.0f} s; "
        f"now try: twinspect fit YOUR_GOOD_IMAGES --out parts.twin"
    )
    return Outcome(text, {**result.record, "seconds": round(seconds, 1)}, result.code)


def _refuse_foreign(out: Path) -> None:
    """Refuse a folder of images or models that no demo has written; its own are replaced when it runs again."""
    data = out / "data"
    if data.is_dir() and any(data.iterdir()) and not (data / MARKER).exists():
        raise ConfigError(f"{data} holds images that no demo has written; choose another folder: --out DIR")
    if is_model(out):
        raise ConfigError(f"{out} is a model; choose another folder: --out DIR")
    if (out / MODEL).exists() and not data.is_dir():
        raise ConfigError(
            f"{out / MODEL} is a model without the demo's images; choose another folder: --out DIR"
        )
