"""How far a stage of training is and when it is over: by its steps, or by its share of the minutes of a fit.

The minutes of a fit are wall-clock time from the first image that is read to the last held-out image that is scored.
What is left of them when a stage begins, but for a measured reserve for the scores, is shared by the stages in
proportion to their usual steps. Everything in a stage counts: steps, validations, checkpoints.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from twinspect.errors import ConfigError
from twinspect.methods.config import LAST_STAGE, ConfigT, hints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from typing_extensions import Self

    from twinspect.training.checkpoint import State
    from twinspect.utils.progress import Progress

VALIDATIONS: Final = 10
"""How often a stage with a validation is validated on held-out images."""
SEGMENT: Final = 64
"""Steps whose batches are planned at once where nobody knows how many there will be."""
MOST_MINUTES: Final = 1e6


class Pace(Protocol):
    """How far a stage is.

    Attributes:
        step: how many steps are made.
    """

    step: int

    @property
    def done(self) -> float:
        """The share of the stage that is done, in [0, 1]."""

    @property
    def is_over(self) -> bool:
        """Whether no step is left."""

    def begin(self, progress: Progress, stage: str) -> None:
        """Tell how much there is to do."""

    def advance(self, progress: Progress, loss: float) -> bool:
        """Count a step, and tell whether the stage is now to be validated."""

    def segments(self) -> Iterator[tuple[int, int]]:
        """Yield the steps to plan next, from one to before another, until the stage is over."""


@dataclass
class StepPace:
    """A stage of a number of steps.

    Attributes:
        total: the steps.
        step: how many of them are made.
    """

    total: int
    step: int = 0

    @property
    def done(self) -> float:
        """The share of the steps that are made."""
        return self.step / self.total

    @property
    def is_over(self) -> bool:
        """Whether all are made."""
        return self.step >= self.total

    def begin(self, progress: Progress, stage: str) -> None:
        """Tell how many steps there are."""
        progress.start(stage, self.total, self.step)

    def advance(self, progress: Progress, loss: float) -> bool:
        """Count a step; validations are at even steps."""
        self.step += 1
        progress.advance(loss)
        return self.step % max(1, self.total // VALIDATIONS) == 0

    def segments(self) -> Iterator[tuple[int, int]]:
        """Yield all steps that are left."""
        yield self.step, self.total


@dataclass
class TimePace:
    """A stage of some seconds; it makes one step at least, and none of which more than half would be too late.

    Attributes:
        seconds: how long it may take from now on.
        first: the share that was done before.
        step: the steps that were made before.
        agree: gives the mean of a number over all processes, which must stop at the same step.
        clock: gives the time in seconds.
    """

    seconds: float
    first: float = 0.0
    step: int = 0
    agree: Callable[[float], float] = float
    clock: Callable[[], float] = time.monotonic
    done: float = field(init=False)

    def __post_init__(self) -> None:
        """Begin now."""
        self.done, self._shown, self._steps, self._began = self.first, 0, 0, self.clock()

    @property
    def is_over(self) -> bool:
        """Whether its time is over."""
        return self.done >= 1

    def begin(self, progress: Progress, stage: str) -> None:
        """Tell how many seconds there are."""
        progress.start(f"{stage}, seconds", self._whole, 0)

    def advance(self, progress: Progress, loss: float) -> bool:
        """Count a step; validations are at even shares of the time, as far as there are steps."""
        self.step, self._steps = self.step + 1, self._steps + 1
        passed, before = self.clock() - self._began, self.done
        share = self.agree(passed / self.seconds if self.seconds > 0 else 1.0)
        is_last = share + share / self._steps / 2 >= 1
        self.done = 1.0 if is_last else self.first + (1 - self.first) * share
        shown = min(self._whole, int(passed))
        progress.advance(loss, steps=shown - self._shown)
        self._shown = shown
        return math.floor(VALIDATIONS * self.done) > math.floor(VALIDATIONS * before)

    def segments(self) -> Iterator[tuple[int, int]]:
        """Yield as many steps as may be needed."""
        while not self.is_over:
            yield self.step, self.step + SEGMENT

    @property
    def _whole(self) -> int:
        return max(1, math.ceil(self.seconds))


@dataclass
class Budget:
    """The time that a fit may take, with all its trainings if it is cross-validated.

    Attributes:
        minutes: of wall-clock time.
        used: seconds that were used before this process began, by the checkpoints.
        fits: trainings that are to share what is left, the current one included.
        images: how many are scored after the current training.
        seconds_per_image: measures how long scoring one of them takes.
        clock: gives the time in seconds.
    """

    minutes: float
    used: float = 0.0
    fits: int = 1
    images: int = 0
    seconds_per_image: Callable[[], float] = float
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        """Begin now."""
        self._began, self._end = self.clock(), 60 * self.minutes
        self._measured: float | None = None

    @classmethod
    def of(cls, minutes: float | None) -> Self | None:
        """Begin a budget now, if there is to be one.

        Raises:
            ConfigError: it is not a positive number of minutes.
        """
        if minutes is None:
            return None
        if not 0 < minutes <= MOST_MINUTES:
            raise ConfigError(f"minutes must be above 0 and at most {MOST_MINUTES:g}, got {minutes}")
        return cls(minutes)

    def elapsed(self) -> float:
        """Return the seconds used so far."""
        return self.used + self.clock() - self._began

    def share(self, fits: int, images: int, seconds_per_image: Callable[[], float]) -> None:
        """Make the next training one of so many that are left, with so many images to score after it."""
        self.fits, self.images, self.seconds_per_image = fits, images, seconds_per_image

    def start(self, state: State | None) -> None:
        """Start a training, or go on with what its checkpoint has left of the time."""
        self.used = max(self.used, state.elapsed if state else 0.0)
        self._end = self.elapsed() + (60 * self.minutes - self.elapsed()) / self.fits
        self._measured = None

    def pace(
        self, lengths: Sequence[float], state: State | None, measured: float, agree: Callable[[float], float]
    ) -> TimePace:
        """Give a stage its share of what is left of the time of its training.

        Args:
            lengths: the usual steps of this stage and of those after it.
            state: of the checkpoint, if it is of this stage.
            measured: how many images are scored at the end of the stage.
            agree: as for :class:`TimePace`.
        """
        if self._measured is None:
            self._measured = self.seconds_per_image() if self.images else 0.0
        done, step = (state.done, state.step) if state else (0.0, 0)
        left = self._end - self.elapsed() - self._measured * (self.images + measured)
        own = lengths[0] * (1 - done)
        share = own / (own + sum(lengths[1:])) if own else 0.0
        return TimePace(share * left, done, step, agree, self.clock)


def with_steps_made(config: ConfigT, losses: Mapping[str, Sequence[float]]) -> ConfigT:
    """Return settings whose lengths are the steps that the stages have made.

    The last stage's length is ``steps``, that of another one its name and ``_steps``, if there is such a setting.

    Args:
        config: the settings of a method.
        losses: the loss of every step, by stage.
    """
    lengths: dict[str, Any] = {}
    for stage, values in losses.items():
        prefix = "" if stage == LAST_STAGE else f"{stage}_"
        lengths.update({f"{prefix}steps": len(values), f"{prefix}epochs": 0})
    known = hints(type(config))
    return replace(config, **{name: value for name, value in lengths.items() if name in known})
