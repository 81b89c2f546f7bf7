"""The earlier calibrations of a model: kept in its record, complete, so that each can be brought back exactly."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

from twinspect.bundle.folder import read_record, rewrite_record
from twinspect.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CALIBRATION: Final = "calibration"
CALIBRATED_ON: Final = "calibrated_on"
"""The content hashes of the images of a calibration."""
ROI: Final = "roi"
"""Where the images of a calibration are looked at."""
HISTORY: Final = "earlier_calibrations"
"""Entries of a record, the oldest first: the calibration as it was in the record, and when it was replaced (UTC)."""
_PARTS: Final = (CALIBRATION, CALIBRATED_ON, ROI)
"""What makes up one calibration."""
MOST: Final = 10
"""Earlier calibrations that are kept at most."""
MOST_BYTES: Final = 2**20
"""Room for them in the record; the last one is kept whatever its size."""

Record = dict[str, Any]


def add_earlier(history: Sequence[Record], current: Record) -> list[Record]:
    """Add the calibration of a record to its history, dropping the oldest ones that exceed the limits.

    Args:
        history: entries, the oldest first.
        current: what is replaced: ``calibration`` and perhaps ``calibrated_on`` and ``roi``.
    """
    if history and history[-1][CALIBRATION] == current[CALIBRATION]:
        return list(history)
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    kept = [*history, {"replaced": now, **_of_calibration(current)}][-MOST:]
    while len(kept) > 1 and len(json.dumps(kept)) > MOST_BYTES:
        del kept[0]
    return kept


def write_calibration(folder: Path, record: Record) -> None:
    """Write a calibration with its history into a model folder.

    Args:
        folder: the model; if another process has calibrated it meanwhile, that calibration is kept in the history.
        record: ``calibration``, and perhaps ``calibrated_on``, ``roi`` and ``earlier_calibrations``.

    Raises:
        BundleError: the folder cannot be read or written; the old calibration stands.
    """
    current = read_record(folder)
    history = record.get(HISTORY, [])
    if current[CALIBRATION] not in [entry[CALIBRATION] for entry in (record, *history)]:
        history = add_earlier(history, current)
    _rewrite(folder, current, record, history)


def restore_earlier(folder: Path) -> tuple[Record, Record]:
    """Bring back the calibration before the last one, which is dropped.

    Returns:
        The dropped calibration, and the entry of the history that is in force again.

    Raises:
        ConfigError: there is no earlier one.
        BundleError: the folder cannot be read or written; the old calibration stands.
    """
    current = read_record(folder)
    if not current.get(HISTORY):
        raise ConfigError(f"{folder} has no earlier calibration; it was calibrated once, or all were undone")
    *history, last = current[HISTORY]
    _rewrite(folder, current, last, history)
    return current[CALIBRATION], last


def _rewrite(folder: Path, current: Record, calibration: Record, history: Sequence[Record]) -> None:
    rest = {key: value for key, value in current.items() if key not in (*_PARTS, HISTORY)}
    earlier = {HISTORY: list(history)} if history else {}
    rewrite_record(folder, {**rest, **_of_calibration(calibration), **earlier})


def _of_calibration(record: Record) -> Record:
    return {key: record[key] for key in _PARTS if key in record}
