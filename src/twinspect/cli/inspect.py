"""`twinspect inspect`: all that is known about a model, in plain words. Nothing is scored; no torch is needed."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twinspect.bundle.calibration_history import ROI
from twinspect.bundle.description import describe_model, images_in_words
from twinspect.bundle.export_cache import find_exports
from twinspect.bundle.folder import WEIGHTS, read_model_record
from twinspect.bundle.lineage import lineage_lines
from twinspect.calibration.conformal import Calibration
from twinspect.calibration.detectability import Detectability, findings_record
from twinspect.cli.outcome import Outcome
from twinspect.cli.usability import NOT_USABLE
from twinspect.inference.found_regions import levels_of
from twinspect.regions.scope import Scope

if TYPE_CHECKING:
    import argparse

    from twinspect.bundle.exports import Export

NOT_MEASURED = "which defects it would find was not measured (twinspect fit does, without --no-detectability)"


def run(options: argparse.Namespace) -> Outcome:
    """Read the model's record and say what it holds."""
    folder = Path(options.model)
    record = read_model_record(folder)
    about = describe_model(record)
    calibration = Calibration.from_record(record["calibration"])
    tried = record.get("detectability")
    found = Detectability.from_record(tried) if tried else None
    exports, scope = find_exports(folder, record), Scope.from_record(record.get(ROI))
    lines = [
        f"{folder}: {record['method']} on teacher {about['teacher']['name']}",
        f"fitted: {_fitted(folder, record)}",
        *lineage_lines(record.get("lineage")),
        f"images: {images_in_words(record['data'])}",
        f"settings: {_settings(about)}",
        f"threshold: {calibration.threshold:.6g}: {calibration.promise()}",
        *([f"looks at: {scope.describe()}"] if scope else []),
        f"regions: {_regions(calibration)}",
        "\n  ".join(found.lines(calibration)) if found else NOT_MEASURED,
        *([NOT_USABLE] if found and found.is_useless(calibration) else []),
        *([_export(export) for export in exports] or ["exports: none (twinspect export writes one)"]),
    ]
    facts: dict[str, Any] = {
        "model": str(folder),
        "method": record["method"],
        **about,
        "twinspect": record["twinspect"],
        "fitted_at": record.get("fitted_at"),
        "lineage": record.get("lineage"),
        "data": record["data"],
        "calibration": {
            "kind": calibration.kind,
            "false_alarm_rate": calibration.false_alarm_rate,
            "threshold": calibration.threshold,
            "images": len(calibration.scores),
            "promise": calibration.promise(),
        },
        "roi": scope.describe() if scope else None,
        "region_levels": levels._asdict() if (levels := levels_of(calibration, "")) else None,
        "would_find": findings_record(found, calibration) if found else None,
        "exports": {export.name: export.record for export in exports},
    }
    return Outcome("\n".join(lines), facts)


def _regions(calibration: Calibration) -> str:
    """Say from which value on a pixel belongs to a region."""
    levels, of_maps = levels_of(calibration, ""), calibration.of_maps
    if levels is None or of_maps is None:
        return "none are found, since the maps of good images are not known (twinspect calibrate M.twin GOOD)"
    rate = f"; in at most {100 * of_maps.false_alarm_rate:.3g} % of good images"
    promise = "" if calibration.kind == "copies" else rate
    return f"pixels above {levels.high:.6g}, and around them above {levels.low:.6g}{promise}"


def _fitted(folder: Path, record: dict[str, Any]) -> str:
    """Say when; of a model that was saved by a script, when its weights were written here."""
    date = record.get("fitted_at") or _written(folder / WEIGHTS)
    return f"{date.replace('T', ' ').replace('+00:00', ' UTC')}, by twinspect {record['twinspect']}"


def _written(weights: Path) -> str:
    try:
        seconds = weights.stat().st_mtime
    except OSError:
        return "on a date that is not known"
    return f"weights written {datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec='seconds')}"


def _settings(about: dict[str, Any]) -> str:
    settings = ", ".join(f"{name} {value}" for name, value in about["config"].items())
    return settings if about["seed"] is None else f"seed {about['seed']}, {settings}"


def _export(export: Export) -> str:
    parity, speed = export.record.get("parity", {}), export.record["speed"]
    differs = (
        f"differs from the model by at most {parity['score_relative']:.1e} in scores and "
        f"{parity['map_relative']:.1e} in maps (relative, {parity['images']} images)"
        if {"score_relative", "map_relative", "images"} <= parity.keys()
        else "its record does not say how far it differs from the model"
    )
    times = f"{speed['milliseconds']:.1f} ms an image, torch {speed['torch_milliseconds']:.1f} ms"
    return f"export {export.name}: {differs}; {times}"
