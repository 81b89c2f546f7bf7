"""How long a training will take, said once after its first steps, and which settings make it shorter."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from twinspect.cli.console import warn
from twinspect.methods.input_size import sides

if TYPE_CHECKING:
    from collections.abc import Callable

    from twinspect.methods.config import MethodConfig
    from twinspect.utils.progress import Progress

FIRST: Final = 2
"""Steps that are not timed: memory is allocated and kernels are chosen in them."""
TIMED: Final = 3.0
"""Seconds of further steps that are timed."""
LONG: Final = 60.0
"""Seconds from which on shorter settings are named."""
SHORT_STEPS: Final = 100
SHORT_SIZE: Final = 128
"""Length and size of a short fit; 128 px suits every network that takes 256."""


class TrainingTime:
    """Progress that passes everything on, and says how long each stage of training will take.

    Args:
        progress: shows it.
        config: settings of the fit.
        fits: how many fits there are, with those of a cross-validation.
        clock: gives the time in seconds.
    """

    def __init__(
        self,
        progress: Progress,
        config: MethodConfig,
        *,
        fits: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._progress, self._config, self._fits, self._clock = progress, config, fits, clock
        self._said: set[str] = set()
        self._stage, self._left, self._steps, self._began = "", 0, 0, 0.0

    def start(self, stage: str, total: int, done: int) -> None:
        """Begin a stage."""
        self._stage, self._left, self._steps = stage, 0 if stage in self._said else total - done, 0
        self._progress.start(stage, total, done)

    def advance(self, loss: float | None = None, *, steps: int = 1) -> None:
        """Count steps; those with a loss are steps of training."""
        self._progress.advance(loss, steps=steps)
        if loss is None or not self._left:
            return
        self._steps += 1
        self._left -= 1
        if self._steps <= FIRST:
            self._began = self._clock()
            return
        took = self._clock() - self._began
        if took >= TIMED:
            self._say(took / (self._steps - FIRST))

    def finish(self) -> None:
        """End a stage."""
        self._progress.finish()

    def _say(self, per_step: float) -> None:
        seconds = per_step * self._left
        text = f"{self._stage}: about {in_words(seconds)} for the other {self._left} steps"
        if self._fits > 1:
            text += f", and as long in each of {self._fits} fits"
        shorter = self._shorter() if seconds >= LONG else ""
        warn(f"{text}; shorter: {shorter}" if shorter else text)
        self._left = 0
        self._said.add(self._stage)

    def _shorter(self) -> str:
        """Name the options of a shorter fit; empty where it is as short as that already."""
        height, width = sides(self._config.size)
        options = [f"--steps {SHORT_STEPS}"] if self._steps + self._left > SHORT_STEPS else []
        if height == width > SHORT_SIZE and height % SHORT_SIZE == 0:
            options.append(
                f"--size {SHORT_SIZE} (a step takes about 1/{(height // SHORT_SIZE) ** 2} of the time)"
            )
        return " ".join(options)


def in_words(seconds: float) -> str:
    """Round a duration for a person.

    >>> in_words(41.7), in_words(1000), in_words(9000)
    ('42 s', '17 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
