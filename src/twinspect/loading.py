"""Loading a detector of any kind from its folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from twinspect.bundle import read_record
from twinspect.detector import Detector
from twinspect.joining import METHOD, JoinedDetector

if TYPE_CHECKING:
    from twinspect.judging import Judge


def load(path: str | Path, *, device: str = "auto") -> Judge:
    """Load a detector that its ``save``, ``twinspect fit`` or ``twinspect join`` wrote.

    Args:
        path: the model folder.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.

    Raises:
        BundleError: a missing, damaged, altered or unknown file, by name.
    """
    is_joined = read_record(Path(path))["method"] == METHOD
    return (JoinedDetector if is_joined else Detector).from_bundle(path, device=device)
