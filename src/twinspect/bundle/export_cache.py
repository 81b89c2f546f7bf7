"""Exports of bundles that nothing can be written into: kept in the user's cache, by what decides the graph."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from twinspect.bundle.calibration_history import CALIBRATED_ON, CALIBRATION, HISTORY
from twinspect.bundle.checksummed_json import sha256
from twinspect.bundle.exports import list_exports, write_export
from twinspect.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twinspect.bundle.exports import Export

_NOT_IN_GRAPHS: Final = frozenset({CALIBRATION, CALIBRATED_ON, HISTORY})
"""Fields of ``model.json`` that change when a model is recalibrated; no graph depends on them."""


def cache_folder(record: dict[str, Any]) -> Path:
    """Say where the exports of a model are kept if its bundle cannot be written to.

    Args:
        record: its ``model.json``.
    """
    decisive = {name: value for name, value in record.items() if name not in _NOT_IN_GRAPHS}
    return user_cache() / "twinspect" / "exports" / sha256(json.dumps(decisive, sort_keys=True).encode())[:32]


def find_exports(
    model: Path, record: dict[str, Any], damaged: Callable[[BundleError], None] | None = None
) -> list[Export]:
    """List the exports of a model, those in its bundle and, of other names, those in the user's cache.

    Args:
        model: the bundle.
        record: its ``model.json``.
        damaged: called with the error of each export whose record is damaged, which is then left out.

    Raises:
        BundleError: the record of one in the bundle is damaged or altered, and ``damaged`` is ``None``.
    """
    own = list_exports(model, record, damaged)
    names = {export.name for export in own}
    cached = list_exports(cache_folder(record), record, damaged or _ignore)
    return [*own, *(export for export in cached if export.name not in names)]


def keep_export(
    model: Path, model_record: dict[str, Any], name: str, record: dict[str, Any], files: Mapping[str, bytes]
) -> Export:
    """Put an export into the bundle, or into the user's cache where the bundle cannot be written to.

    Args:
        model: the bundle.
        model_record: its ``model.json``.
        name: the export's.
        record: its record, without its files.
        files: the contents of its files, by name.

    Raises:
        BundleError: neither can be written to.
    """
    try:
        return write_export(model, name, record, files)
    except BundleError as error:
        folder = cache_folder(model_record)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            raise error from None
        return write_export(folder, name, record, files)


def _ignore(_: BundleError) -> None:
    """Leave out what is damaged in a cache: nobody asked for it."""


def user_cache() -> Path:
    """Say where programs keep what they can make again, by the habit of the system."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
