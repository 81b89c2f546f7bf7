"""Whether a model may be written to a place: a finished one is replaced only where that was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.bundle.exports import list_exports
from twinspect.bundle.folder import check_place, is_model, read_record
from twinspect.cli.console import counted
from twinspect.errors import BundleError, ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def check_model_place(out: Path, *, overwrite: bool) -> None:
    """Refuse a place that holds something else, or a finished model unless it is to be overwritten.

    Raises:
        BundleError: it holds something that is not a model.
        ConfigError: it holds a finished model; says what would be lost, and what to type.
    """
    check_place(out)
    if is_model(out) and not overwrite:
        raise ConfigError(
            f"{out} is a finished model{_describe(out)}; to replace it, add --overwrite (it stays until the new one "
            "is complete), or choose another --out"
        )


def _describe(model: Path) -> str:
    """Say what a model is, as far as its record can be read."""
    try:
        record = read_record(model)
        exports = [export.name for export in list_exports(model, record)]
        images = (
            f"{record['method']}, its threshold from {counted(len(record['calibration']['scores']), 'image')}"
        )
    except (BundleError, KeyError, TypeError):
        return ""
    return f" ({images}{', exports: ' + ', '.join(exports) if exports else ''})"
