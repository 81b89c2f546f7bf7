"""Training in half precision: weights stay fp32, and layers multiply what autocast rounds for them."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from lightning_fabric.plugins import MixedPrecision as FabricMixedPrecision
from torch.amp import GradScaler

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from torch.optim import Optimizer


class MixedPrecision(FabricMixedPrecision):
    """Autocast, and in fp16 gradients scaled so that small ones are not lost (Micikevicius et al., ICLR 2018).

    In bf16 a loss is given rounded features, which is faster on a CPU. In fp16, whose largest number is 65504, the
    teacher's features stay fp32, so that losses compare in fp32.

    Args:
        name: ``bf16`` or ``fp16``.
        device: kind of the device, such as ``cuda``.

    Attributes:
        in_fp32: whether fp16 was given up.
    """

    def __init__(self, name: str, device: str) -> None:
        scaler = GradScaler(device) if name == "fp16" else None
        super().__init__("16-mixed" if scaler else "bf16-mixed", device, scaler)
        self.in_fp32 = False
        self._fresh = self.state_dict()

    def forward_context(self) -> AbstractContextManager[Any]:
        """Let torch round what layers multiply, unless fp16 was given up."""
        return nullcontext() if self.in_fp32 else super().forward_context()

    def convert_input(self, data: Any) -> Any:
        """Round what a loss is given in bf16; leave it as it is in fp16."""
        return data if self.scaler else super().convert_input(data)

    def state_dict(self) -> dict[str, Any]:
        """Say how gradients are scaled, and whether fp16 was given up; empty in bf16."""
        return {**super().state_dict(), "in_fp32": int(self.in_fp32)} if self.scaler else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with a state; an empty one, as that of another precision is, begins anew."""
        state = state_dict or self._fresh
        self.in_fp32 = bool(state.get("in_fp32", False))
        super().load_state_dict(state)

    def unscale_gradients(self, optimizer: Optimizer) -> None:
        """Undo the scaling before gradients are clipped, also those of fused optimisers."""
        if self.scaler is not None:
            self.scaler.unscale_(optimizer)

    def optimizer_step(self, optimizer: Any, **options: Any) -> bool:
        """Make a step and adapt the scale; tell whether it was made: not where a gradient is not finite."""
        # Fused optimisers would unscale and skip by themselves, but not what StableAdamW does before.
        optimizer._step_supports_amp_scaling = False  # noqa: SLF001 - how torch asks
        before = self.scale
        super().optimizer_step(optimizer, **options)
        return self.scale >= before

    @property
    def scale(self) -> float:
        """The factor of gradients; 1 in bf16."""
        return self.scaler.get_scale() if self.scaler else 1.0
