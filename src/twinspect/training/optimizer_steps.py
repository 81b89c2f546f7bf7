"""The steps of a stage's optimiser: loss, gradients, clipping and the change of the weights."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, cast

import torch
from torch import nn

from twinspect.errors import TrainingError

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

    from twinspect.methods.base import Batch, Stage
    from twinspect.utils.distributed import ProcessGroup
    from twinspect.utils.mixed_precision import MixedPrecision

LEAST_SCALE: Final = 1.0
"""Of gradients in fp16, which begin with 65536; those that overflow all the same need fp32."""


class _StageLoss(nn.Module):
    """A stage's loss as a module, so that DistributedDataParallel can average its gradients."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.trained = nn.ModuleList(stage.trained)
        self._loss = stage.loss

    def forward(self, batch: Batch) -> Tensor:
        """Compute the loss, one number."""
        return self._loss(batch)


class OptimizerSteps:
    """Makes the steps of a stage.

    Args:
        processes: that make them together.
        stage: which modules, by which optimiser and loss.

    Attributes:
        optimizer: as Fabric wraps it.
    """

    def __init__(self, processes: ProcessGroup, stage: Stage) -> None:
        assert processes.fabric is not None  # noqa: S101 - launched before training
        self._processes, self._fabric, self._stage = processes, processes.fabric, stage
        self._own = stage.optimizer(stage.parameters())
        self.optimizer = cast("Optimizer", self._fabric.setup_optimizers(self._own))
        self._loss = self._fabric.setup_module(_StageLoss(stage), move_to_device=False)
        self._rates = [group["lr"] for group in self.optimizer.param_groups]
        self._precision = cast("MixedPrecision", processes.precision)  # fp32 makes every step, as bf16 does
        modules = stage.trained if getattr(self._precision, "scaler", None) else ()
        self._restorable = [buffer for module in modules for buffer in module.buffers()]
        self._precision.load_state_dict({})  # a stage does not depend on the one before

    def make(self, batch: Batch, weight: float, number: int) -> float:
        """Make a step at the rate of the share that is done; give its loss, averaged over the processes.

        Args:
            batch: this process's part.
            weight: of the loss of that part.
            number: of the step, from 1.

        Raises:
            TrainingError: the loss is not finite.
        """
        for group, rate in zip(self.optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * self._stage.rate(batch.done)
        value = self._mean(self._made(batch, weight))
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss became {value} at step {number} of stage {self._stage.name!r}; "
                "try a smaller --learning_rate, or --precision fp32"
            )
        return value

    def _made(self, batch: Batch, weight: float) -> Tensor:
        """Make a step and return its loss; in fp16 it is not finite where it could not be made.

        A step whose gradients overflow in fp16 is made again at half the scale, so that there are as many as in other
        precisions. Where the loss overflows, the stage goes on in fp32.
        """
        before = [buffer.clone() for buffer in self._restorable]
        while True:
            loss, is_made = self._try(batch, weight)
            if is_made:
                return loss
            # BatchNorm's running means may have overflowed too.
            for buffer, kept in zip(self._restorable, before, strict=True):
                buffer.copy_(kept)
            if self._precision.in_fp32:
                return loss * math.nan
            too_small = self._precision.scale < LEAST_SCALE
            self._precision.in_fp32 = too_small or not math.isfinite(self._mean(loss))

    def _try(self, batch: Batch, weight: float) -> tuple[Tensor, bool]:
        """Return the loss, and whether weights changed: not where fp16 does not hold a gradient."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = self._loss(batch) * weight
        self._fabric.backward(loss)
        if self._stage.clip:
            self._precision.unscale_gradients(self._own)
        for module in self._stage.trained if self._stage.clip else ():
            torch.nn.utils.clip_grad_norm_(module.parameters(), self._stage.clip)
        is_made: object = self.optimizer.step()  # as the precision says
        return loss.detach(), is_made is not False

    def _mean(self, loss: Tensor) -> float:
        return self._processes.sum(loss).item() / self._processes.count
