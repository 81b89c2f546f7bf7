"""`twinspect update`: a new version that learns from more good images, compared with the old one."""

from __future__ import annotations

import shlex
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from twinspect.bundle.folder import JOINED, read_model_record
from twinspect.calibration.detectability import findings_record
from twinspect.cli.checkpoints import checkpoints_of, clear, naming_resume, only_training
from twinspect.cli.console import counted, table, warn, warn_of_suspects
from twinspect.cli.fit import export_after
from twinspect.cli.model_place import check_model_place
from twinspect.cli.outcome import DONE, SOME_UNREADABLE, Outcome
from twinspect.data.opening import open_called_good
from twinspect.detector import Detector
from twinspect.errors import ConfigError
from twinspect.evaluation.detectability import SHARE_OF_FIT, measure_detectability
from twinspect.loading import use_threads
from twinspect.utils.progress_bar import Bar

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

ROWS: Final = (
    ("missed defects", "misses", "defects", "miss_interval"),
    ("false alarms of kept good images", "false_alarms", "good", "false_alarm_interval"),
)


def run(options: argparse.Namespace) -> Outcome:
    """Update, compare and save."""
    use_threads(options.threads)
    out = Path(options.out)
    if out.resolve().is_relative_to(Path(options.model).resolve()):
        raise ConfigError(
            f"--out {out} is, or is in, the old version, which stays as it is; choose another --out"
        )
    check_model_place(out, overwrite=options.overwrite)
    old = _load(options)
    checkpoints = checkpoints_of(out, resume=options.resume, restart=options.restart)
    with only_training(out, checkpoints, restart=options.restart):
        return _update(options, old, out, checkpoints)


def _load(options: argparse.Namespace) -> Detector:
    """Load the old version.

    Raises:
        ConfigError: it joins several models.
        BundleError: it cannot be loaded.
    """
    folder = Path(options.model)
    if read_model_record(folder)["method"] == JOINED:
        raise ConfigError(
            f"{folder} joins several models, which are updated one by one: twinspect update MEMBER.twin …, then: "
            "twinspect join"
        )
    old = Detector.from_bundle(folder, device=options.device)
    return old.set_params(workers=options.workers, cache_mb=options.cache_mb)


def _update(options: argparse.Namespace, old: Detector, out: Path, checkpoints: Path) -> Outcome:
    began = time.monotonic()
    with naming_resume(checkpoints), Bar() as bar:
        new = old.update(
            options.good,
            options.defects,
            false_alarms=options.false_alarms,
            steps=options.steps,
            minutes=options.minutes,
            false_alarm_rate=options.false_alarm_rate,
            progress=bar,
            checkpoint=checkpoints,
            resume=options.resume,
            strict=options.strict,
            say=warn,
        )
        seconds = time.monotonic() - began
        new.fitted_at_ = datetime.now(timezone.utc).isoformat(timespec="seconds")
        new.lineage_ = {**new.lineage_, "updated_at": new.fitted_at_}
        if options.detectability:
            data, budget = open_called_good(options.good), SHARE_OF_FIT * seconds
            new.detectability_ = measure_detectability(new, data, seconds=budget, progress=bar)
    new.save(out)
    clear(checkpoints)
    export_after(seconds, out, options.device)
    warn_of_suspects(new.calibration_)
    return _report(new, options.model, out, seconds)


def _report(new: Detector, model: str, out: Path, seconds: float) -> Outcome:
    lineage, calibration = new.lineage_, new.calibration_
    compared, steps = lineage["comparison"], {stage: len(losses) for stage, losses in new.losses_.items()}
    unreadable = len(new.unreadable_) + compared["unreadable_defects"]
    record: dict[str, Any] = {
        "worse": compared["worse"],
        "reasons": compared["reasons"],
        "model": str(out),
        "old": model,
        "method": new.method_name,
        "lineage": dict(lineage),
        "calibration": calibration.kind,
        "false_alarm_rate": calibration.false_alarm_rate,
        "threshold": calibration.threshold,
        "promise": calibration.promise(),
        "steps": steps,
        "seconds": round(seconds, 2),
        "unreadable": unreadable,
    }
    if new.detectability_:
        record["would_find"] = findings_record(new.detectability_, calibration)
    lines = [
        *([f"worse than {model}: {'; '.join(compared['reasons'])}"] if compared["worse"] else []),
        f"{out}: {_version(new)} in {seconds:.0f} s ({counted(sum(steps.values()), 'step')})",
        f"threshold {calibration.threshold:.6g}: {calibration.promise()}",
        *comparison_lines(compared),
        *(["\n  ".join(new.detectability_.lines(calibration))] if new.detectability_ else []),
        *([f"{counted(unreadable, 'image')} cannot be read: left out"] if unreadable else []),
        f"{model} is unchanged; to use the new version: twinspect score {shlex.quote(str(out))} IMAGES",
    ]
    return Outcome("\n".join(lines), record, SOME_UNREADABLE if unreadable else DONE)


def _version(new: Detector) -> str:
    images = new.lineage_["images"]
    again = f" and again from {images['learnt_again']}" if images["learnt_again"] else ""
    learnt = f"learnt from {counted(images['learnt'], 'new image')}{again}"
    held_out = f"{images['held_out']} new and {images['kept']} kept ones held out"
    return f"version {new.lineage_['generation']} of {new.method_name}, {learnt}, {held_out},"


def comparison_lines(compared: Mapping[str, Any]) -> list[str]:
    """Show what both versions get wrong on the same images, side by side."""
    old, new = compared["kept"]["old"], compared["kept"]["new"]
    rows = [(what, *(_rate(each, *keys) for each in (old, new))) for what, *keys in ROWS]
    added = compared["added"]
    for what, found in (("image AUROC", compared["kept"]), ("image AUROC, new good images", added)):
        if found["old"]["image_auroc"] is not None:
            rows.append((what, *(f"{found[each]['image_auroc']:.3f}" for each in ("old", "new"))))
    if added["old"]["good"]:
        alarms = (_rate(added[each], *ROWS[1][1:]) for each in ("old", "new"))
        rows.append(("false alarms of new good images held out", *alarms))
    for what, of in (("defects", "defects"), ("kept good images", "good")):
        counts = [each[f"{of}_not_inspectable"] for each in (old, new)]
        if any(counts):
            rows.append((f"{what} that cannot be inspected", *map(str, counts)))
    return [table(("", "old", "new"), rows), *_unknown(old)]


def _rate(found: Mapping[str, Any], count: str, of: str, interval: str) -> str:
    if found[interval] is None:
        return "not known"
    low, high = (100 * end for end in found[interval])
    decided = found[of] - found[f"{of}_not_inspectable"]
    return f"{found[count]} of {decided} ({low:.3g} to {high:.3g} %)"


def _unknown(kept: Mapping[str, Any]) -> Sequence[str]:
    """Say what the comparison lacks."""
    lacking = []
    if not kept["defects"]:
        lacking.append("misses are not known without images of defects: --defects DIR")
    if not kept["good"]:
        lacking.append(
            "none of the good images given was held out by the old version: give them all, old and new"
        )
    return lacking
