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

_CACHES: Final = {"win32": ("LOCALAPPDATA", "AppData/Local"), "darwin": ("", "Library/Caches")}
"""By system: the environment variable that names the user's cache, and where it is in his home otherwise."""


def cache_folder(record: dict[str, Any]) -> Path | None:
    """Say where the exports of a model are kept if its bundle cannot be written to; ``None`` for nowhere.

    Args:
        record: its ``model.json``.
    """
    cache = user_cache()
    decisive = {name: value for name, value in record.items() if name not in _NOT_IN_GRAPHS}
    key = sha256(json.dumps(decisive, sort_keys=True).encode())[:32]
    return cache and cache / "twinspect" / "exports" / key


def find_exports(
    model: Path, record: dict[str, Any], damaged: Callable[[BundleError], None] | None = None
) -> list[Export]:
    """List the exports of a model, those in its bundle and, of other names, those in the user's cache.

    What is damaged in the cache is left out as if it were not there: nobody asked for it, and it is made again.

    Args:
        model: the bundle.
        record: its ``model.json``.
        damaged: called with the error of each export whose record is damaged, which is then left out.

    Raises:
        BundleError: the record of one in the bundle is damaged or altered, and ``damaged`` is ``None``.
    """
    own = list_exports(model, record, damaged)
    names = {export.name for export in own}
    folder = cache_folder(record)
    cached = list_exports(folder, record, _ignore) if folder else []
    return [*own, *(export for export in cached if export.name not in names and _is_whole(export))]


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
        if folder is None:
            raise
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            raise error from None
        return write_export(folder, name, record, files)


def _ignore(_: BundleError) -> None:
    """Leave out what is damaged in a cache: nobody asked for it."""


def _is_whole(export: Export) -> bool:
    """Tell whether no file is missing or cut off; what is in them is checked when they are read."""
    try:
        return all(
            (export.folder / file["file"]).stat().st_size == file["bytes"] for file in export.record["files"]
        )
    except OSError:
        return False


def user_cache() -> Path | None:
    """Say where programs keep what they can make again, by the habit of the system; ``None`` if there is no home."""
    variable, folder = _CACHES.get(sys.platform, ("XDG_CACHE_HOME", ".cache"))
    named = Path(os.environ.get(variable, ""))
    if named.is_absolute():  # the standard says to ignore others
        return named
    try:
        return Path.home() / folder
    except RuntimeError:  # as of a user whom the system does not know, in a container
        return None
