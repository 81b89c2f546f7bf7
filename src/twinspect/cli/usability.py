"""What a fit says of the defects that its model would find, and what to do where it finds next to nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from twinspect.detector import Detector

LONGER: Final = 4
"""Times the steps that are suggested."""
FEWEST_STEPS: Final = 100
LARGER_SIZE: Final = 256
OTHER_METHOD: Final = {"rd": "mkd"}
"""The method to try next; rd, where it is not that already."""


def warning(detector: Detector, data: str, out: str) -> str:
    """Say that a model is not usable yet, with commands that may help; empty where it is.

    Args:
        detector: fitted, with the defects that were tried.
        data: what it was fitted on, as it was typed.
        out: the model folder.
    """
    tried = detector.detectability_
    if tried is None or not tried.is_useless(detector.calibration_):
        return ""
    findings = tried.findings(detector.calibration_)
    missed = sum(finding.is_missed for finding in findings)
    return "\n".join(
        [
            f"NOT USABLE YET: it misses most of even the largest defects of {missed} of {len(findings)} kinds. Try:",
            *(
                f"  {what}: twinspect fit {data} --out {out} --overwrite {how}"
                for what, how in _remedies(detector)
            ),
        ]
    )


def _remedies(detector: Detector) -> list[tuple[str, str]]:
    """List what may help, with the options to type."""
    steps = sum(map(len, detector.losses_.values()))
    size = detector.model_.method.config.size
    now = f"--method {detector.method_name}"
    larger = LARGER_SIZE if size < LARGER_SIZE else 2 * size
    return [
        ("longer", f"{now} --size {size} --steps {max(FEWEST_STEPS, LONGER * steps)}"),
        ("larger", f"{now} --size {larger} --steps {max(FEWEST_STEPS, steps)}"),
        ("another method", f"--method {OTHER_METHOD.get(detector.method_name, 'rd')}"),
    ]
