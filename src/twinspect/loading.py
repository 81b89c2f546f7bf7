"""Loading a detector of any kind from its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.detector import Detector

if TYPE_CHECKING:
    from pathlib import Path

    from twinspect.judging import Judge


def load(path: str | Path, *, device: str = "auto") -> Judge:
    """Load a detector that its ``save`` or ``twinspect fit`` wrote.

    Args:
        path: the model folder.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.

    Raises:
        BundleError: a missing, damaged, altered or unknown file, by name.
    """
    return Detector.from_bundle(path, device=device)
