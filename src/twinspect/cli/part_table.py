"""The table of parts that `score --parts` writes: a row each, with its decision."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twinspect.cli.console import warn
from twinspect.cli.score_files import TABLES
from twinspect.errors import ConfigError
from twinspect.inference.part_scores import count_parts_in_words, parts_of_rows
from twinspect.utils.files import atomic_replacement, refuse_unwritable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from twinspect.calibration.conformal import Calibration
    from twinspect.data.samples import DataSet
    from twinspect.inference.results import PartScore
    from twinspect.inference.score_table import Row


def check_part_table(file: str | None) -> None:
    """Refuse a file whose suffix says no format, or that cannot be written.

    Raises:
        ConfigError: what is allowed.
    """
    if file is None:
        return
    refuse_unwritable(Path(file), "--parts")
    if Path(file).suffix.lower() not in TABLES:
        raise ConfigError(
            f"--parts {file}: a table of parts ends in {', '.join(TABLES)}; got "
            f"{Path(file).suffix or 'no suffix'!r}"
        )


def check_parts_known(file: str | None, images: DataSet) -> None:
    """Refuse to tabulate parts where no image says which it shows.

    Raises:
        ConfigError: what to do.
    """
    if file is not None and not any(sample.group for sample in images):
        raise ConfigError(
            f"--parts {file}: no image says which part it shows; score a manifest that has the column 'part'"
        )


def decide_parts(
    rows: Sequence[Row], calibration: Calibration, options: argparse.Namespace
) -> tuple[str, dict[str, Any]]:
    """Decide on the parts of a score table, and write their table if it is asked for.

    Returns:
        The counts in words and as plain values; nothing where no image says which part it shows.
    """
    parts = parts_of_rows(rows)
    if options.parts is not None:
        write_part_table(Path(options.parts), parts)
    if not parts:
        return "", {}
    if not any(calibration.parts):
        warn(
            "the promised rate is one of single images, and a part is a false alarm if any of its images is; for a "
            f"rate of parts: twinspect calibrate {options.model} MANIFEST, with the column 'part'"
        )
    counts = {
        "parts": len(parts),
        "anomalous": sum(part.is_anomalous for part in parts),
        "not_inspectable": sum(not part.is_inspectable for part in parts),
    }
    return count_parts_in_words(parts), {"parts": counts}


def write_part_table(file: Path, parts: Sequence[PartScore]) -> None:
    """Write all parts anew."""
    rows = [part.to_record() for part in parts]
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_replacement(file) as temporary:
        if file.suffix.lower() == ".jsonl":
            temporary.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        else:
            _write_arrow(temporary, rows, is_csv=file.suffix.lower() == ".csv")


def _write_arrow(file: Path, rows: Sequence[dict[str, Any]], *, is_csv: bool) -> None:
    import pyarrow as pa
    from pyarrow import csv, parquet

    number, truth = pa.float64(), pa.bool_()
    types = {
        "part": pa.string(),
        "category": pa.string(),
        "images": pa.int64(),
        "score": number,
        "p_value": number,
        "is_anomalous": truth,
        "is_inspectable": truth,
        "worst_image": pa.string(),
        "error": pa.string(),
    }
    table = pa.Table.from_pylist(rows, schema=pa.schema(list(types.items())))
    if is_csv:
        csv.write_csv(table, file, csv.WriteOptions(quoting_style="needed"))
    else:
        parquet.write_table(table, file)
