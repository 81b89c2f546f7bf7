"""`twinspect calibrate`: a new threshold without training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.cli.class_selection import select_classes
from twinspect.cli.console import warn_of_suspects
from twinspect.cli.outcome import Outcome
from twinspect.errors import ConfigError
from twinspect.loading import load

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> Outcome:
    """Calibrate on good images, or choose another rate for the scores of the last calibration."""
    detector = load(options.model, device=options.device).set_params(workers=options.workers)
    old = detector.calibration_.threshold
    good = select_classes(options, options.good)
    if good is not None:
        detector.calibrate(good, false_alarm_rate=options.false_alarm_rate)
    elif options.false_alarm_rate is not None:
        detector.set_rate(options.false_alarm_rate)
    else:
        raise ConfigError(
            "nothing to do: give good images, or --false-alarm-rate to reuse the last calibration's scores"
        )
    detector.save_calibration(options.model)
    calibration = detector.calibration_
    record = {
        "model": options.model,
        "threshold": calibration.threshold,
        "previous_threshold": old,
        "false_alarm_rate": calibration.false_alarm_rate,
        "images": len(calibration.scores),
        "calibration": calibration.kind,
    }
    warn_of_suspects(calibration)
    text = f"{options.model}: threshold {old:.6g} -> {calibration.threshold:.6g}: {calibration.promise()}"
    return Outcome(text, record)
