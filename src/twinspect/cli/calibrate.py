"""`twinspect calibrate`: a new threshold without training, or an earlier one again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from twinspect.bundle.calibration_history import restore_earlier
from twinspect.calibration.conformal import Calibration
from twinspect.calibration.detectability import Detectability, findings_record
from twinspect.cli.class_selection import select_classes
from twinspect.cli.console import warn, warn_of_suspects
from twinspect.cli.model_loading import load_chosen
from twinspect.cli.outcome import DONE, SOME_UNREADABLE, Outcome
from twinspect.cli.usability import NOT_USABLE
from twinspect.data import open_data
from twinspect.data.summary import summarize
from twinspect.errors import ConfigError, is_installed
from twinspect.loading import TORCH
from twinspect.metrics import binomial_interval

if TYPE_CHECKING:
    import argparse

    from twinspect.data.samples import DataSet
    from twinspect.inference.base_detector import BaseDetector


def run(options: argparse.Namespace) -> Outcome:
    """Calibrate on good images, choose another rate for the last calibration's scores, or undo either."""
    if options.undo:
        return _undo(options)
    good = select_classes(options, options.good)
    if good is not None:
        good = open_data(good, split="train")
    detector = load_chosen(options, _runtime(options, good)).set_params(workers=options.workers)
    old, looked_at = detector.calibration_, _region(detector)
    if good is not None:
        warn(summarize(good, use="calibrate"))
        detector.calibrate(
            good,
            roi=options.roi,
            roi_blank=options.roi_blank,
            false_alarm_rate=options.false_alarm_rate,
            strict=options.strict,
            say=warn,
        )
    elif options.roi is not None or options.roi_blank is not None:
        raise ConfigError(
            "another region of interest needs good images, which are scored anew: give them too"
        )
    elif options.false_alarm_rate is not None:
        detector.set_rate(options.false_alarm_rate)
    else:
        raise ConfigError(
            "nothing to do: give good images, --false-alarm-rate to reuse the last calibration's scores, or --undo"
        )
    detector.save_calibration(options.model)
    warn_of_suspects(detector.calibration_)
    if good is not None and _region(detector) == looked_at:  # scores within another one are not comparable
        _doubt(old, detector.calibration_, options.model)
    report = _report(options.model, old.threshold, detector.calibration_, detector.detectability_)
    report.record["unreadable"] = len(detector.unreadable_)
    if detector.scope_:
        report.record["roi"] = detector.scope_.describe()
        report = replace(report, text=f"{report.text}\nlooks at {detector.scope_.describe()}")
    return replace(report, code=SOME_UNREADABLE if detector.unreadable_ else DONE)


def _runtime(options: argparse.Namespace, good: DataSet | None) -> str | None:
    """Let torch score where another region may be given, which no export looks at, unless a runtime is named."""
    changes = options.roi is not None or options.roi_blank is not None
    moved = changes or any(sample.roi for sample in good or ())
    return TORCH if moved and options.runtime is None and is_installed(TORCH) else None


def _undo(options: argparse.Namespace) -> Outcome:
    others = (options.good, options.false_alarm_rate, options.roi, options.roi_blank)
    if any(option is not None for option in others):
        raise ConfigError(
            "--undo brings the earlier calibration back; leave out the images and other options"
        )
    undone, entry = restore_earlier(Path(options.model))
    report = _report(options.model, undone["threshold"], Calibration.from_record(entry["calibration"]))
    report.record["restored"] = entry["replaced"]
    return Outcome(f"{report.text}\nas before {entry['replaced']}", report.record)


def _region(detector: BaseDetector) -> str:
    return detector.scope_.digest if detector.scope_ else ""


def _doubt(old: Calibration, new: Calibration, model: str) -> None:
    """Warn that too many of the images lie above the old threshold to be good ones."""
    categories = new.categories or ("",) * len(new.scores)
    pairs = list(zip(new.scores, categories, strict=True))
    above = sum(score > old.of(category).threshold for score, category in pairs)
    if binomial_interval(above, len(pairs))[0] > old.false_alarm_rate:
        warn(
            f"{above} of {len(pairs)} images lie above the old threshold, which promised at most "
            f"{100 * old.false_alarm_rate:.3g} %: if they are not all good, type twinspect calibrate {model} --undo"
        )


def _report(model: str, old: float, calibration: Calibration, tried: Detectability | None = None) -> Outcome:
    record = {
        "model": model,
        "threshold": calibration.threshold,
        "previous_threshold": old,
        "false_alarm_rate": calibration.false_alarm_rate,
        "images": len(calibration.scores),
        "calibration": calibration.kind,
    }
    text = f"{model}: threshold {old:.6g} -> {calibration.threshold:.6g}: {calibration.promise()}"
    if tried:
        record["would_find"] = findings_record(tried, calibration)
        text += "\n" + "\n  ".join(tried.lines(calibration))
        text += f"\n{NOT_USABLE}" if tried.is_useless(calibration) else ""
    return Outcome(text, record)
