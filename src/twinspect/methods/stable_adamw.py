"""StableAdamW: AdamW that shortens steps where its estimate of the gradient's size is out of date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.optim import AdamW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import Tensor, nn


class StableAdamW(AdamW):
    """AdamW whose step for each tensor is divided by max(1, RMS(g / sqrt(u))) (Wortsman et al., NeurIPS 2023).

    u is the running mean of squared gradients. When a gradient is suddenly far larger than it has been, u lags behind
    and Adam's step is too long, which gives loss spikes when transformers are trained from scratch. Unlike clipping
    gradients, this needs no threshold to be tuned.

    Args:
        parameters: to be trained; each becomes a group of its own, since each has its own step size.
        lr: step size.
        weight_decay: share of a weight that is subtracted, times the step size.
        eps: added to sqrt(u), as in AdamW.
        amsgrad: u is the largest running mean so far, as in AMSGrad.
        shorten_decay: whether the weight decay is shortened with the step, as published; Dinomaly's code does not.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        *,
        lr: float,
        weight_decay: float,
        eps: float = 1e-8,
        amsgrad: bool = False,
        shorten_decay: bool = True,
    ) -> None:
        groups = [{"params": [parameter]} for parameter in parameters]
        self._full_decay = 0.0 if shorten_decay else weight_decay
        decay = weight_decay if shorten_decay else 0.0
        super().__init__(groups, lr=lr, weight_decay=decay, eps=eps, amsgrad=amsgrad, fused=True)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Make one step."""
        rates = [group["lr"] for group in self.param_groups]
        for group in self.param_groups:
            if self._full_decay:
                group["params"][0].mul_(1 - group["lr"] * self._full_decay)
            group["lr"] /= max(1.0, self._excess(group))
        loss: float | None = super().step(closure)
        for group, rate in zip(self.param_groups, rates, strict=True):
            group["lr"] = rate
        return loss

    def _excess(self, group: dict[str, Any]) -> float:
        """Compute RMS(g / sqrt(u)) of a group's one tensor, with u as of this step; 1 at the first step."""
        parameter: Tensor = group["params"][0]
        state = self.state[parameter]
        if parameter.grad is None or not state:
            return 1.0
        squares = parameter.grad.square()
        keep = group["betas"][1]
        unbias = 1 - keep ** (float(state["step"]) + 1)
        mean = torch.lerp(squares, state["exp_avg_sq"], keep)
        if group["amsgrad"]:
            mean = torch.maximum(mean, state["max_exp_avg_sq"])
        return float(squares.div_(mean.div_(unbias).clamp_min_(group["eps"] ** 2)).mean().sqrt())
