"""The table of parts that `score --parts` writes: a row each, with its decision."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from twinspect.cli.console import warn
from twinspect.cli.score_files import TABLES
from twinspect.cli.score_pictures import refuse_in_use
from twinspect.errors import ConfigError, DataError
from twinspect.inference.part_scores import count_parts_in_words, parts_of_rows
from twinspect.inference.results import PartScore
from twinspect.utils.files import atomic_replacement, refuse_unwritable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Sequence

    from twinspect.calibration.conformal import Calibration
    from twinspect.inference.score_table import Row

COLUMNS: Final = tuple(each.name for each in fields(PartScore))
_LONGEST_LINE: Final = 2**20
"""Characters of a file's first line that are read to tell what it is."""


def check_part_table(options: argparse.Namespace) -> None:
    """Refuse a file whose suffix says no format, that cannot be written, or in place of anything but its like.

    Raises:
        ConfigError: what is allowed.
    """
    if options.parts is None:
        return
    path = Path(options.parts)
    refuse_unwritable(path, "--parts")
    if path.suffix.lower() not in TABLES:
        raise ConfigError(
            f"--parts {path}: a table of parts ends in {', '.join(TABLES)}; got {path.suffix or 'no suffix'!r}"
        )
    refuse_in_use(path, "--parts", options)
    if os.path.lexists(path) and not (options.overwrite or _is_part_table(path)):
        raise ConfigError(
            f"--parts {path} exists and is no table of parts; choose another file, or --overwrite"
        )


def _is_part_table(path: Path) -> bool:
    """Tell by its columns whether a file was written by :func:`write_part_table`."""
    try:
        if path.suffix.lower() == ".parquet":
            from pyarrow import parquet

            return tuple(parquet.read_schema(path).names) == COLUMNS
        with path.open(encoding="utf-8") as file:
            line = file.readline(_LONGEST_LINE)
        if path.suffix.lower() == ".jsonl":
            return tuple(json.loads(line)) == COLUMNS
        return tuple(next(csv.reader([line]), ())) == COLUMNS
    except (OSError, ValueError, TypeError, RecursionError, csv.Error):  # pyarrow's are of the first two
        return False


def check_parts_known(file: str | None, known: Callable[[], bool]) -> None:
    """Refuse to tabulate parts where no image says which it shows.

    Args:
        file: the table, if one is asked for.
        known: tells whether an image does.

    Raises:
        ConfigError: what to do.
    """
    if file is not None and not known():
        raise ConfigError(
            f"--parts {file}: no image says which part it shows; score a manifest that has the column 'part'"
        )


def decide_parts(
    rows: Iterable[Row], calibration: Calibration, options: argparse.Namespace
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
    """Write all parts anew.

    Raises:
        DataError: the file cannot be written.
    """
    rows = [part.to_record() for part in parts]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_replacement(file) as temporary:
            if file.suffix.lower() == ".jsonl":
                temporary.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
            else:
                _write_arrow(temporary, rows, is_csv=file.suffix.lower() == ".csv")
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else f"{error}"
        raise DataError(f"--parts {file}: cannot be written: {reason}") from error


def _write_arrow(file: Path, rows: Sequence[dict[str, Any]], *, is_csv: bool) -> None:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv
    from pyarrow import parquet

    types = {"images": pa.int64(), "score": pa.float64(), "p_value": pa.float64()}
    types |= {"is_anomalous": pa.bool_(), "is_inspectable": pa.bool_()}
    schema = pa.schema([(name, types.get(name, pa.string())) for name in COLUMNS])
    table = pa.Table.from_pylist(rows, schema=schema)
    if is_csv:
        arrow_csv.write_csv(table, file, arrow_csv.WriteOptions(quoting_style="needed"))
    else:
        parquet.write_table(table, file)
