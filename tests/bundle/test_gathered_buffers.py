"""Buffers take the shapes of the file that they are loaded from; those that do not fit are refused in a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

import twinspect as ts
from drawn_parts import QUICK, quick, stripes
from twinspect.errors import BundleError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

GOOD = np.stack([stripes(number) for number in range(8)])


@pytest.fixture(scope="module")
def detectors() -> dict[str, ts.Detector]:
    return {name: ts.Detector(name, **quick(name, 1)).fit(GOOD) for name in ("hybrid", "patchcore", "padim")}


@pytest.mark.parametrize(
    ("method", "buffer", "value"),
    [
        ("patchcore", "memory.members", torch.zeros(3, 5)),
        ("patchcore", "memory.members", torch.zeros(0, 24)),
        ("patchcore", "memory.members", torch.tensor(1.0)),
        ("patchcore", "memory.members", torch.full((3, 24), torch.nan)),
        ("padim", "gaussians.mean", torch.zeros(7, 24)),
        ("padim", "gaussians.whitening", torch.zeros(7, 3, 3)),
        ("hybrid", "usual_errors.deviation", torch.zeros(3, 5)),
        ("hybrid", "memory.members", torch.full((3, 24), torch.inf)),
    ],
)
def test_buffers_that_do_not_fit_are_refused(
    method: str, buffer: str, value: Tensor, detectors: dict[str, ts.Detector], tmp_path: Path
) -> None:
    detector = detectors[method]
    owner, name = buffer.split(".")
    network = detector.model_.method.get_submodule(owner)
    kept = getattr(network, name)
    setattr(network, name, value)
    detector.save(tmp_path / "m.twin")
    setattr(network, name, kept)
    with pytest.raises(BundleError, match=r"weights\.safetensors does not fit model\.json"):
        ts.load(tmp_path / "m.twin")


def test_what_fits_is_loaded(detectors: dict[str, ts.Detector], tmp_path: Path) -> None:
    for name, detector in detectors.items():
        detector.save(tmp_path / name)
        scores = ts.load(tmp_path / name, device=QUICK["device"]).score(GOOD[:2], maps=False)
        assert np.allclose(scores.image, detector.score(GOOD[:2], maps=False).image)
