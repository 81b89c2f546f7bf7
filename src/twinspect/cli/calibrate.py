"""`twinspect calibrate`: a new threshold without training, or an earlier one again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from twinspect.bundle.calibration_history import restore_earlier
from twinspect.calibration.conformal import Calibration
from twinspect.cli.class_selection import select_classes
from twinspect.cli.console import warn, warn_of_suspects
from twinspect.cli.outcome import DONE, SOME_UNREADABLE, Outcome
from twinspect.data import open_data
from twinspect.data.summary import summarize
from twinspect.errors import ConfigError
from twinspect.loading import load

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> Outcome:
    """Calibrate on good images, choose another rate for the last calibration's scores, or undo either."""
    if options.undo:
        return _undo(options)
    detector = load(options.model, device=options.device).set_params(workers=options.workers)
    old = detector.calibration_.threshold
    good = select_classes(options, options.good)
    if good is not None:
        good = open_data(good, split="train")
        warn(summarize(good, use="calibrate"))
        detector.calibrate(good, false_alarm_rate=options.false_alarm_rate, strict=options.strict, say=warn)
    elif options.false_alarm_rate is not None:
        detector.set_rate(options.false_alarm_rate)
    else:
        raise ConfigError(
            "nothing to do: give good images, --false-alarm-rate to reuse the last calibration's scores, or --undo"
        )
    detector.save_calibration(options.model)
    warn_of_suspects(detector.calibration_)
    report = _report(options.model, old, detector.calibration_)
    report.record["unreadable"] = len(detector.unreadable_)
    return replace(report, code=SOME_UNREADABLE if detector.unreadable_ else DONE)


def _undo(options: argparse.Namespace) -> Outcome:
    if options.good is not None or options.false_alarm_rate is not None:
        raise ConfigError(
            "--undo brings the earlier calibration back; leave out the images and --false-alarm-rate"
        )
    undone, entry = restore_earlier(Path(options.model))
    report = _report(options.model, undone["threshold"], Calibration.from_record(entry["calibration"]))
    report.record["restored"] = entry["replaced"]
    return Outcome(f"{report.text}\nas before {entry['replaced']}", report.record)


def _report(model: str, old: float, calibration: Calibration) -> Outcome:
    record = {
        "model": model,
        "threshold": calibration.threshold,
        "previous_threshold": old,
        "false_alarm_rate": calibration.false_alarm_rate,
        "images": len(calibration.scores),
        "calibration": calibration.kind,
    }
    text = f"{model}: threshold {old:.6g} -> {calibration.threshold:.6g}: {calibration.promise()}"
    return Outcome(text, record)
