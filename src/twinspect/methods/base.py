"""What a method is: networks, stages, a loss and maps, and nothing about files, loops or thresholds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Generic, NamedTuple

from torch import Tensor, nn

from twinspect import maps
from twinspect.methods.config import ConfigT, MethodConfig, count_steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from torch.optim import Optimizer
    from typing_extensions import Self

    from twinspect.synthesis import Synthesizer
    from twinspect.teachers.base import Teacher


class Batch(NamedTuple):
    """What a loss is given.

    Attributes:
        images: (B, 3, H, W) float32, normalised.
        targets: what the frozen teacher says of them, one (B, C_k, h_k, w_k) a level.
        masks: (B, H, W) bool, where anomalies were drawn; None where the images are as they came.
        kinds: (B,) int64, the number of the category that each image shows; None outside training.
        done: the share of the stage's steps that are behind, in [0, 1); 1 outside training.
    """

    images: Tensor
    targets: tuple[Tensor, ...]
    masks: Tensor | None = None
    kinds: Tensor | None = None
    done: float = 1.0


class Output(NamedTuple):
    """What a method says of images.

    Attributes:
        map: (B, H, W) float32 at the size of the images given, unbounded, higher is more anomalous.
        score: (B,) float32, unbounded, higher is more anomalous: an image score of the method's own. ``None``: it is
            taken from the map, see :meth:`Method.image_score`.
        context: what else :meth:`Method.image_score` needs of a method that overrides it, each (B, ...).
    """

    map: Tensor
    score: Tensor | None = None
    context: tuple[Tensor, ...] = ()


def constant(_done: float) -> float:
    """Keep the learning rate as it is."""
    return 1.0


def a_tenth(images: int) -> int:
    """Count the training images that a stage is usually judged by: a tenth of them, at least one."""
    return max(1, images // 10)


@dataclass(frozen=True)
class Stage:
    """One stretch of training.

    Attributes:
        name: what the progress bar and the loss curve call it.
        trained: the modules that learn; put into training mode, everything else stays in evaluation mode.
        optimizer: builds the optimiser for their parameters.
        loss: a batch to one number.
        steps: optimiser steps, where epochs is 0.
        epochs: passes over the images.
        batch_size: images a step.
        rate: factor of the learning rate, by the share of steps done in [0, 1).
        synthesizer: draws anomalies; batches then hold such images and masks. None: images as they came.
        validate: a batch of held-out training images, with anomalies if the stage has them, to figures by name;
            the state whose ``"loss"`` was lowest is kept in the end. None: the last state is.
        settle: is shown all held-out training images once the stage is over, as they came, to measure what only
            images that were not learnt from can tell; what it finds it keeps in buffers. None: nothing to measure.
        held_out: how many of so many training images are held out, where something is measured on them.
        clip: the longest gradient, over all that learns; longer ones are shortened. 0: as long as it is.
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
    validate: Callable[[Batch], dict[str, float]] | None = None
    measure: Callable[[Sequence[Batch]], None] | None = None
    held_out: Callable[[int], int] = a_tenth
    clip: float = 0.0

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
        """Make a stage as long as the method's settings say: its only one, or its last."""
        return cls(name, trained, optimizer, loss, config.steps, config.epochs, config.batch_size, rate)

    def parameters(self) -> list[nn.Parameter]:
        """List what the optimiser changes."""
        return [parameter for module in self.trained for parameter in module.parameters()]

    def total_steps(self, images: int) -> int:
        """Count optimiser steps for this many training images."""
        return count_steps(images, self.steps, self.epochs, self.batch_size)

    def steps_per_epoch(self, images: int) -> int:
        """Count full batches in one pass; a set smaller than a batch is one batch."""
        return count_steps(images, 0, 1, self.batch_size)


class Method(nn.Module, ABC, Generic[ConfigT]):
    """A way to detect anomalies: a frozen teacher, what learns from it, and how the two are compared.

    A subclass is one file: it sets ``Config`` and builds its networks from ``teacher`` and ``config``.

    Args:
        teacher: the frozen teacher; never changed.
        config: the method's settings.
    """

    Config: ClassVar[type[MethodConfig]] = MethodConfig

    def __init__(self, teacher: Teacher, config: ConfigT) -> None:
        super().__init__()
        self.teacher = teacher
        self.config = config

    @classmethod
    def usual_layers(cls, teacher: str) -> tuple[int, ...] | None:  # noqa: ARG003 - for methods that care
        """Choose the levels of a teacher, by its name, where the user named none; None for its usual ones."""
        return None

    @abstractmethod
    def stages(self) -> tuple[Stage, ...]:
        """List what is trained, in order."""

    @abstractmethod
    def forward(self, images: Tensor) -> Output:
        """Score images.

        Args:
            images: (B, 3, H, W) float32, normalised.
        """

    @property
    def top_share(self) -> float:
        """The share of a map's highest values that make the image score, by their mean; 0 for the peak."""
        return 0.0

    def image_score(self, output: Output) -> Tensor:
        """Take the image score from what :meth:`forward` gave: its own score, or that of the map.

        This is where every image score comes from; a method that knows more of an image than its map adds it here.

        Returns:
            (B,) float32.
        """
        return maps.image_score(output.map, self.top_share) if output.score is None else output.score

    def targets(self, images: Tensor) -> tuple[Tensor, ...]:
        """Compute what the loss needs from frozen networks; the loop may keep it between epochs.

        Args:
            images: (B, 3, H, W) float32, normalised.
        """
        levels: tuple[Tensor, ...] = self.teacher(images)
        return levels

    def exportable(self) -> tuple[Self, str]:
        """Give what a graph without gradients can compute, sharing all networks.

        Returns:
            The method itself if all it does is such, else one that differs in what is said in words.
        """
        return self, ""

    def check_size(self, height: int, width: int) -> None:
        """Refuse an input size that the method cannot work with.

        Raises:
            ConfigError: with the sizes that would do.
        """

    def check_tiles(self) -> None:
        """Refuse to judge tiles of one image, where their maps could not be compared with each other.

        Raises:
            ConfigError: with the settings that would do.
        """
