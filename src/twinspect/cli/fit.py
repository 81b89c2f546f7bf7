"""`twinspect fit`: learn from good images and write a model."""

from __future__ import annotations

import shlex
import time
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from twinspect.bundle.description import EXCLUDED_SUSPECTS
from twinspect.calibration.detectability import findings_record
from twinspect.calibration.hold_out import count_folds
from twinspect.calibration.parts import count_parts
from twinspect.cli.checkpoints import COMPARED, checkpoints_of, clear, naming_resume, only_training
from twinspect.cli.class_selection import as_typed, select_classes
from twinspect.cli.console import counted, table, warn, warn_of_suspects
from twinspect.cli.method_settings import chosen_settings
from twinspect.cli.model_loading import make_export
from twinspect.cli.model_place import check_model_place
from twinspect.cli.outcome import DONE, SOME_UNREADABLE, Outcome
from twinspect.cli.suspects import exclude_suspects, mention_suspects
from twinspect.cli.training_time import TrainingTime
from twinspect.cli.usability import warning
from twinspect.data import open_data
from twinspect.data.summary import summarize
from twinspect.detector import Detector
from twinspect.errors import ConfigError
from twinspect.evaluation.detectability import SHARE_OF_FIT, measure_detectability
from twinspect.loading import scores_on_cpu, use_threads
from twinspect.methods.default import AUTO, FEW, OF_FEW, USUAL
from twinspect.methods.shortfall import shortfall
from twinspect.training.loggers import logged
from twinspect.utils.launch_environment import check_torchrun, is_secondary_process
from twinspect.utils.progress_bar import Bar

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from twinspect.data.samples import DataSet
    from twinspect.methods.base import Stage
    from twinspect.utils.progress import Progress

LONG_FIT: Final = 300.0
"""Seconds of a fit from which on the model is also exported, which takes a twentieth of them."""


def run(options: argparse.Namespace) -> Outcome:
    """Fit and save."""
    out = Path(options.out)
    check_model_place(out, overwrite=options.overwrite)
    check_torchrun(options.devices, options.nodes)
    use_threads(options.threads)
    checkpoints = checkpoints_of(out, resume=options.resume, restart=options.restart)
    if is_secondary_process():
        return _fit(options, out, checkpoints)
    with only_training(out, checkpoints, restart=options.restart):
        fit = _fit_best if options.method == AUTO else _fit
        return fit(options, out, checkpoints)


def _fit(options: argparse.Namespace, out: Path, checkpoints: Path) -> Outcome:
    detector = build(options)
    is_first = options.devices * options.nodes == 1 or not is_secondary_process()
    data, excluded = _open(options, is_first=is_first)
    began = time.monotonic()
    with (
        naming_resume(checkpoints),
        Bar() if is_first else nullcontext() as bar,
        logged(options.log, out.stem, checkpoints, resume=options.resume, say=warn) as log,
    ):
        detector.fit(
            data,
            progress=_progress(bar, detector, data),
            checkpoint=checkpoints,
            resume=options.resume,
            strict=options.strict,
            say=warn,
            log=log,
        )
        seconds = time.monotonic() - began
        detector.data_ |= excluded
        detector.fitted_at_ = datetime.now(timezone.utc).isoformat(timespec="seconds")
        if options.detectability and detector.is_first:
            budget = SHARE_OF_FIT * seconds
            detector.detectability_ = measure_detectability(detector, data, seconds=budget, progress=bar)
        if log:
            log.finds(detector)
    detector.save(out)
    if not detector.is_first:
        return Outcome("", printed=False)
    clear(checkpoints)
    export_after(seconds, out, options.device)
    steps = {stage: len(losses) for stage, losses in detector.losses_.items()}
    outcome = _report(detector, options.arguments, out, seconds, steps)
    if not options.exclude_suspects:
        outcome.record.update(mention_suspects(data, as_typed(options), seconds))
    return outcome


def export_after(seconds: float, out: Path, device: str) -> None:
    """Export a model whose training took long."""
    if seconds >= LONG_FIT and scores_on_cpu(device):
        make_export(str(out))


def _open(options: argparse.Namespace, *, is_first: bool) -> tuple[DataSet, dict[str, Any]]:
    """Open the images, say what they are, and leave suspects out where that is asked for.

    Returns:
        The images, and what is to be kept about them with the model.
    """
    data = open_data(select_classes(options, options.data), split="train")
    if is_first:
        warn(summarize(data))
    if not options.exclude_suspects:
        return data, {}
    data, names = exclude_suspects(data, is_first=is_first)
    return data, {EXCLUDED_SUSPECTS: names} if names else {}


def _fit_best(options: argparse.Namespace, out: Path, checkpoints: Path) -> Outcome:
    """Compare the usual candidates, and keep the best one's model."""
    from twinspect.comparison.compare import compare
    from twinspect.comparison.comparison import COLUMNS, rows_of, sentences

    if options.log:
        raise ConfigError(
            "--log tells of one fit, and --method auto makes several; name a method: --method NAME"
        )
    if options.devices * options.nodes > 1:
        raise ConfigError("--method auto compares methods in one process; leave out --devices and --nodes")
    if settings := chosen_settings(options):
        raise ConfigError(f"{next(iter(settings))} is a setting of one method; name it: --method NAME")
    data, excluded = _open(options, is_first=True)
    defaults = Detector().get_params()
    given = {name: getattr(options, name) for name in defaults if getattr(options, name) != defaults[name]}
    del given["method"]
    began = time.monotonic()
    try:
        with Bar() as bar:
            found = compare(
                data,
                out=checkpoints / COMPARED,
                exports=False,
                progress=bar,
                say=warn,
                strict=options.strict,
                shown_as=as_typed(options),
                **given,
            )
            detector, result = (
                Detector.from_bundle(found.winner.model, device=options.device),
                found.winner.result,
            )
            seconds = time.monotonic() - began
            detector.data_ |= excluded
            detector.fitted_at_ = datetime.now(timezone.utc).isoformat(timespec="seconds")
            if options.detectability:
                budget = SHARE_OF_FIT * (result.fit_seconds or 0)
                detector.detectability_ = measure_detectability(detector, data, seconds=budget, progress=bar)
    except KeyboardInterrupt as interruption:
        raise KeyboardInterrupt("go on with the same command and --resume") from interruption
    detector.save(out)
    clear(checkpoints)
    outcome = _report(detector, options.arguments, out, seconds, result.steps)
    text = "\n".join([table(COLUMNS, rows_of(found)), *sentences(found), outcome.text])
    return replace(outcome, text=text, record={**outcome.record, "comparison": found.to_record()})


def _progress(bar: Bar | None, detector: Detector, data: DataSet) -> Progress | None:
    """Also say how long the training will take, unless that was asked for."""
    if bar is None or detector.minutes is not None:
        return bar
    train, held_out = detector.split(data)
    folds = count_folds(count_parts(train))
    return TrainingTime(bar, detector.config(), fits=1 if held_out else 1 + folds)


def build(options: argparse.Namespace) -> Detector:
    """Turn parsed options into a detector."""
    own = {name: getattr(options, name) for name in Detector.parameter_names()}
    return Detector(**own, **chosen_settings(options))


def _report(
    detector: Detector, arguments: Sequence[str], out: Path, seconds: float, made: dict[str, int]
) -> Outcome:
    calibration, data = detector.calibration_, detector.data_
    unreadable = data.get("unreadable", {}).get("count", 0)
    steps = sum(made.values())
    curve = next(reversed(detector.losses_.values()), [])  # empty where nothing is learnt in steps
    record = {
        "model": str(out),
        "method": detector.method_name,
        "teacher": detector.model_.method.teacher.source,
        "images": data,
        "calibration": calibration.kind,
        "false_alarm_rate": calibration.false_alarm_rate,
        "threshold": calibration.threshold,
        **({"first_loss": curve[0], "last_loss": curve[-1]} if curve else {}),
        "steps": made,
        "seconds": round(seconds, 2),
        "unreadable": unreadable,
    }
    of, count = ("tiles", data["tiles"]) if "tiles" in data else ("images", data["train"])
    method = detector.model_.method
    # Of images of equal size, each has as many tiles.
    held_out = {stage: held * count // data["train"] for stage, held in data.get("held_out", {}).items()}
    is_other = detector.default_ == OF_FEW
    lacking = "" if is_other else shortfall(method.config, method.teacher.name, [count], of, [held_out])
    few = f"{OF_FEW.method}, for fewer than {FEW} good images; else {USUAL.method}" if is_other else ""
    note = "\n".join(filter(None, (few, lacking, method.note())))
    if note:
        record["note"] = note
    if "bits_note" in data:
        warn(data["bits_note"])
    warn_of_suspects(calibration)
    text = (
        f"{out}: {detector.method_name} fitted on {_training_size(data)} in {seconds:.0f} s"
        + (f" ({counted(steps, 'step')}), loss {curve[0]:.4f} -> {curve[-1]:.4f}\n" if curve else "\n")
        + f"threshold {calibration.threshold:.6g}: {calibration.promise()}"
    )
    if detector.scope_:
        record["roi"] = detector.scope_.describe()
        text += f"\nlooks at {detector.scope_.describe()}"
    text += "".join(f"\n{line}" for line in _held_out(data, detector.model_.method.stages()))
    if note:
        text += f"\n{note}"
    if unreadable:
        text += f"\n{counted(unreadable, 'image')} cannot be read: left out"
    if detector.detectability_:
        record["would_find"] = findings_record(detector.detectability_, calibration)
        text += "\n" + "\n  ".join(detector.detectability_.lines(calibration))
    advice = warning(detector, arguments, seconds)
    text += f"\n{advice}" if advice else f"\nnow: twinspect score {shlex.quote(str(out))} IMAGES"
    return Outcome(text, record, SOME_UNREADABLE if unreadable else DONE)


def _held_out(data: dict[str, Any], stages: Sequence[Stage]) -> list[str]:
    """Say what the stages of the training held out for themselves."""
    drawing = {stage.name for stage in stages if stage.synthesizer}
    lines = []
    for stage, count in data.get("held_out", {}).items():
        others = " on new drawn anomalies" if stage in drawing else " on the same, since there are no others"
        where = f" on the other {count}" if count else others
        lines.append(f"stage {stage} learnt from {data['train'] - count} of them and measured itself{where}")
    return lines


def _training_size(data: dict[str, Any]) -> str:
    whole = counted(data["train"], "image")
    return f"{counted(data['tiles'], 'tile')} of {whole}" if "tiles" in data else whole
