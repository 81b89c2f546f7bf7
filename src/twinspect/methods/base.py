"""The interface of a method: networks, stages, a loss and maps; no files, loops or thresholds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Generic, NamedTuple

from torch import Tensor, nn

from twinspect import maps
from twinspect.errors import ConfigError
from twinspect.methods.config import ConfigT, MethodConfig, count_steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from torch.optim import Optimizer
    from typing_extensions import Never, Self

    from twinspect.synthesis import Synthesizer
    from twinspect.teachers.base import Teacher


class Batch(NamedTuple):
    """The input of a loss.

    Attributes:
        images: (B, 3, H, W) float32, normalised.
        targets: the frozen teacher's features of them, one (B, C_k, h_k, w_k) per level; those of the original images
            in a stage with clean targets.
        masks: (B, H, W) bool, where anomalies were drawn; None for original images.
        kinds: (B,) int64, the number of the category that each image shows; None outside training.
        done: the share of the stage's steps already done, in [0, 1); 1 outside training.
        foregrounds: (B, H, W) bool, where anomalies may be drawn; None for original images.
        inside: (B, H, W) bool, the region of interest; None where whole images are looked at.
    """

    images: Tensor
    targets: tuple[Tensor, ...]
    masks: Tensor | None = None
    kinds: Tensor | None = None
    done: float = 1.0
    foregrounds: Tensor | None = None
    inside: Tensor | None = None


class Output(NamedTuple):
    """The result of a method on images.

    Attributes:
        map: (B, H, W) float32 at the size of the images given, unbounded, higher is more anomalous.
        score: (B,) float32, unbounded, higher is more anomalous: the method's own image score. ``None``: the score
            is taken from the map, see :meth:`Method.image_score`.
        context: further inputs of an overridden :meth:`Method.image_score`, each (B, ...).
    """

    map: Tensor
    score: Tensor | None = None
    context: tuple[Tensor, ...] = ()


def constant(_done: float) -> float:
    """Keep the learning rate unchanged."""
    return 1.0


def a_tenth(images: int) -> int:
    """Return the usual number of held-out training images: a tenth of all, at least one."""
    return max(1, images // 10)


def a_few(images: int) -> int:
    """Return how many to hold out where each is used with many anomalies: a twentieth, rounded down, at most 16."""
    return min(16, images // 20)


def _not_learnt(*_: object) -> Never:
    """Stand for the optimiser and the loss of a stage that only gathers."""
    raise AssertionError("a stage that gathers neither steps nor has a loss")


@dataclass(frozen=True)
class Stage:
    """One stage of training.

    Attributes:
        name: shown by the progress bar and the loss curve.
        trained: the modules that are trained; everything else stays in evaluation mode.
        optimizer: builds the optimiser for their parameters.
        loss: maps a batch to one number.
        steps: optimiser steps; used where epochs is 0.
        epochs: passes over the images.
        batch_size: images per step.
        rate: factor of the learning rate, by the share of steps done in [0, 1).
        synthesizer: draws anomalies; batches then have such images and masks. None: original images.
        clean_targets: whether the targets of images with anomalies are those of the images without.
        validate: maps a batch of held-out training images, with anomalies if the stage has them, to metrics by
            name; the state with the lowest ``"loss"`` is kept at the end. None: the last state is kept.
        measure: called after the stage with all held-out training images, without anomalies, to measure what must
            not be measured on trained images; it stores the results in buffers. None: nothing to measure.
        held_out: number of held-out images by the number of training images; used with ``validate`` or ``measure``.
            Where it is 0, a stage with a synthesizer validates on training images, with anomalies of their own.
        clip: maximum norm of the gradient over the parameters of each trained module. 0: not clipped.
        gather: given every training image once, in evaluation mode and without gradients, instead of learning; it
            stores results in buffers. Such a stage has neither optimiser steps nor losses. None: the stage learns.
        pixels: whether it looks at images, and not at their targets alone: where it does not, and there is no
            synthesizer, its batches have images of no pixels, (B, 0, 1, 1).
        timed: whether it goes on for its share of the minutes of a fit that is given minutes; where it does not, it
            has its usual steps all the same.
    """

    name: str
    trained: tuple[nn.Module, ...]
    optimizer: Callable[[Iterable[nn.Parameter]], Optimizer]
    loss: Callable[[Batch], Tensor]
    steps: int
    epochs: int
    batch_size: int
    rate: Callable[[float], float] = constant
    synthesizer: Synthesizer | None = None
    clean_targets: bool = False
    validate: Callable[[Batch], dict[str, float]] | None = None
    measure: Callable[[Sequence[Batch]], None] | None = None
    held_out: Callable[[int], int] = a_tenth
    clip: float = 0.0
    gather: Callable[[Iterable[Batch]], None] | None = None
    pixels: bool = True
    timed: bool = True

    @classmethod
    def gathering(cls, config: MethodConfig, name: str, gather: Callable[[Iterable[Batch]], None]) -> Stage:
        """Make a stage that looks at every training image once instead of learning, see :attr:`gather`."""
        return cls(name, (), _not_learnt, _not_learnt, 0, 1, config.batch_size, gather=gather)

    @classmethod
    def of(
        cls,
        config: MethodConfig,
        name: str,
        trained: tuple[nn.Module, ...],
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        loss: Callable[[Batch], Tensor],
        rate: Callable[[float], float] = constant,
    ) -> Stage:
        """Make a stage of the length in the method's settings: its only one, or its last."""
        return cls(name, trained, optimizer, loss, config.steps, config.epochs, config.batch_size, rate)

    def parameters(self) -> list[nn.Parameter]:
        """List the parameters that the optimiser changes."""
        return [parameter for module in self.trained for parameter in module.parameters()]

    def total_steps(self, images: int) -> int:
        """Count optimiser steps for this many training images; batches, where the stage only gathers."""
        return count_steps(images, self.steps, self.epochs, self.batch_size)

    def steps_per_epoch(self, images: int) -> int:
        """Count the batches of one pass, the last of which may be smaller."""
        return count_steps(images, 0, 1, self.batch_size)


class Method(nn.Module, ABC, Generic[ConfigT]):
    """A method of anomaly detection: a frozen teacher, networks trained on it, and how the two are compared.

    A subclass is one file: it sets ``Config`` and builds its networks from ``teacher`` and ``config``.

    Args:
        teacher: frozen; never changed.
        config: the method's settings.
    """

    Config: ClassVar[type[MethodConfig]] = MethodConfig

    def __init__(self, teacher: Teacher, config: ConfigT) -> None:
        super().__init__()
        self.teacher = teacher
        self.config = config

    @classmethod
    def usual_layers(cls, teacher: str) -> tuple[int, ...] | None:  # noqa: ARG003 - for methods that override it
        """Choose the levels of a teacher, by its name, where the user named none; None for its default levels."""
        return None

    @abstractmethod
    def stages(self) -> tuple[Stage, ...]:
        """List the stages of training, in order."""

    def update_stages(self, absent: int) -> tuple[Stage, ...]:  # noqa: ARG002 - for methods that gather
        """List the stages in which a trained method learns from more images.

        They are those of a fit, but begin with the weights that are there; the training makes them shorter and their
        steps smaller. A method that gathers overrides this, so that what it gathered before is not forgotten.

        Args:
            absent: images, or tiles of them, that were learnt from before and that the batches have nothing of.

        Raises:
            ConfigError: it cannot be updated.
        """
        stages = self.stages()
        if any(stage.gather is not None for stage in stages):
            raise ConfigError(
                f"{type(self).__name__} cannot be updated: it gathers from all images at once; fit it anew on the "
                "old and the new images: twinspect fit"
            )
        return stages

    @abstractmethod
    def forward(self, images: Tensor) -> Output:
        """Score images.

        Args:
            images: (B, 3, H, W) float32, normalised.
        """

    @property
    def top_share(self) -> float:
        """Share of a map's highest values whose mean is the image score; 0 for the peak."""
        return 0.0

    def image_score(self, output: Output, inside: Tensor | None = None) -> Tensor:
        """Compute the image score from the output of :meth:`forward`: its own score, or that of the map.

        Every image score comes from here; a method with further information on an image overrides this, and so must
        one with a score of its own if it is to look at a region of interest.

        Args:
            output: of :meth:`forward`.
            inside: (B, H, W) bool, the region of interest; ``None`` for whole images.

        Returns:
            (B,) float32.

        Raises:
            ConfigError: there is a region, and the method's score is that of the whole image.
        """
        if output.score is None:
            return maps.image_score(output.map, self.top_share, inside)
        if inside is not None:
            raise ConfigError(
                f"the score of {type(self).__name__} is that of the whole image, so it takes no region of interest"
            )
        return output.score

    def check_region(self, *, blank: bool) -> None:
        """Refuse a region of interest that the score cannot be confined to.

        Args:
            blank: whether the rest of an image is painted over.

        Raises:
            ConfigError: names settings that work.
        """

    def targets(self, images: Tensor) -> tuple[Tensor, ...]:
        """Compute what the loss needs from frozen networks; the training loop may cache it.

        Args:
            images: (B, 3, H, W) float32, normalised.
        """
        levels: tuple[Tensor, ...] = self.teacher(images)
        return levels

    def exportable(self) -> tuple[Self, str]:
        """Return a variant that a graph without gradients can compute, sharing all networks.

        Returns:
            The method itself if it needs no gradients, else a variant; and the difference in words, or "".
        """
        return self, ""

    def left_out(self, images: int) -> Self | None:  # noqa: ARG002 - for methods that override it
        """Return a variant that scores an image of the fit as a fit without that image would, sharing all networks.

        Args:
            images: how many were fitted on, none of them more than once.

        Returns:
            ``None`` where only such a fit can tell.
        """
        return None

    def note(self) -> str:
        """Say what a user should know of what was fitted; mostly nothing."""
        return ""

    def check_size(self, height: int, width: int) -> None:
        """Refuse an input size that the method cannot work with.

        Raises:
            ConfigError: names allowed sizes.
        """

    def check_tiles(self) -> None:
        """Refuse to score tiles if their maps could not be compared with each other.

        Raises:
            ConfigError: names settings that work.
        """
