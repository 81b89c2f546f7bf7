"""`twinspect join`: several models become one; nothing is trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from twinspect.cli.class_selection import select_classes
from twinspect.cli.console import warn_of_suspects
from twinspect.cli.model_place import check_model_place
from twinspect.cli.outcome import Outcome
from twinspect.ensemble.detector import noisy_or
from twinspect.errors import ConfigError
from twinspect.loading import TORCH, load

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> Outcome:
    """Join the models, calibrate and save."""
    out = Path(options.out)
    if out.resolve() in [Path(model).resolve() for model in options.models]:
        raise ConfigError(f"{out} is one of the models to join; name another folder with --out")
    check_model_place(out, overwrite=options.overwrite)
    good = select_classes(options, options.good)
    members = [
        load(m, device=options.device, runtime=TORCH).set_params(workers=options.workers)
        for m in options.models
    ]
    joined = noisy_or(members, good=good, false_alarm_rate=options.false_alarm_rate)
    joined.save(out)
    calibration = joined.calibration_
    about = joined.about()["members"]
    record = {
        "model": str(out),
        "method": joined.method,
        "members": [
            {"model": model, "method": member["method"], "teacher": member["teacher"]["name"]}
            for model, member in zip(options.models, about, strict=True)
        ],
        "images": len(calibration.scores),
        "calibration": calibration.kind,
        "false_alarm_rate": calibration.false_alarm_rate,
        "threshold": calibration.threshold,
    }
    warn_of_suspects(calibration)
    names = " and ".join(f"{member['method']} on {member['teacher']['name']}" for member in about)
    text = f"{out}: {names}, joined\nthreshold {calibration.threshold:.6g}: {calibration.promise()}"
    return Outcome(text, record)
