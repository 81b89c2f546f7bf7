"""A method that is checked: its detectors, fitted in a moment."""

from __future__ import annotations

import dataclasses
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from unittest import SkipTest

import torch

from twinspect.detector import Detector
from twinspect.methods import method_class, provided
from twinspect.testing.check import in_words
from twinspect.testing.drawing import good

if TYPE_CHECKING:
    from twinspect.methods.base import Method

STEPS: Final = 60
"""Optimiser steps of each stage where something must be learnt."""
FEW_STEPS: Final = 4
"""Where it does not count how well."""
SETTINGS: Final[dict[str, Any]] = {
    "teacher": "test_byobnet",
    "weights": "random",
    "layers": [0, 1],
    "size": 64,
    "batch_size": 8,
    "calibration": "split",
    "device": "cpu",
    "workers": 2,
}
"""A small teacher whose random weights need no download, and one fit instead of several."""


class MethodUnderTest:
    """Fits detectors of a method.

    Args:
        method: its name, or its class.
        settings: of the detector and the method, instead of :data:`SETTINGS`.
    """

    def __init__(self, method: str | type[Method[Any]], settings: dict[str, Any]) -> None:
        self._class = None if isinstance(method, str) else method
        self.name: str = method if isinstance(method, str) else method.__name__.lower()
        self.settings = settings
        self._unfitted: Exception | None = None

    def known(self) -> AbstractContextManager[None]:
        """Make a class known by its name, while in the block."""
        return provided(self.name, self._class) if self._class else nullcontext()

    def skip_if_unfitted(self) -> None:
        """Skip a check after one that has reported that the method cannot be fitted.

        Raises:
            SkipTest: it cannot.
        """
        if self._unfitted:
            raise SkipTest(f"it cannot be fitted: {in_words(self._unfitted)}") from self._unfitted

    def detector(self, steps: int = STEPS, **changes: Any) -> Detector:
        """Make a detector of which every stage takes so many steps."""
        return Detector(self.name, **{**SETTINGS, **self._lengths(steps), **self.settings, **changes})

    def _lengths(self, steps: int) -> dict[str, int]:
        config = self._class.Config if self._class else method_class(self.name).Config
        stages = [field.name for field in dataclasses.fields(config) if field.name.endswith("_steps")]
        return {"steps": steps * (1 + len(stages)), **dict.fromkeys(stages, steps)}

    @cached_property
    def fitted(self) -> Detector:
        """A detector that has learnt."""
        return self._fit(STEPS, 24)

    @cached_property
    def brief(self) -> tuple[Detector, bool]:
        """A detector that hardly has, and whether torch's random state was left as it was."""
        torch.manual_seed(123)
        state = torch.get_rng_state()
        detector = self._fit(FEW_STEPS, 12)
        return detector, torch.equal(torch.get_rng_state(), state)

    def _fit(self, steps: int, images: int) -> Detector:
        try:
            return self.detector(steps).fit(good(0, images))
        except Exception as error:
            self._unfitted = error
            raise AssertionError(f"it cannot be fitted: {in_words(error)}") from error
