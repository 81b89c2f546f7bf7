"""Run by test_distributed.py, once in each process: fit with plain gradient descent, and write what came of it.

Adam divides each gradient by its own size, so that where it should be 0, rounding errors alone decide which way a
weight goes. Gradient descent passes a difference on as small as it is.
"""

from __future__ import annotations

import argparse
import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

import twinspect as ts
from drawn_parts import TEACHER
from twinspect.methods import method_class
from twinspect.utils.progress import NoProgress

if TYPE_CHECKING:
    from twinspect.methods.base import Stage


class Stopping(NoProgress):
    """Asks the process to end after some steps, as a machine that is shut down does."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def advance(self, loss: float | None = None) -> None:
        """Count a step; preparing images is not one."""
        if loss is not None:
            self.left -= 1
        if loss is not None and self.left == 0:
            signal.raise_signal(signal.SIGTERM)


def descending(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """Give every stage an optimiser that takes gradients as they are."""
    return tuple(
        replace(stage, optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.02, momentum=0.9))
        for stage in stages
    )


def main(arguments: list[str] | None = None) -> None:
    """Fit on the images named, and save."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("out")
    parser.add_argument("--method", default="rd")
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--stop", type=int, default=0, help="after so many steps, leaving a checkpoint")
    parser.add_argument("--set", action="append", default=[])
    options = parser.parse_args(arguments)
    cls = method_class(options.method)
    usual = cls.stages
    cls.stages = lambda self: descending(usual(self))  # type: ignore[method-assign]
    settings = {name: int(value) for name, _, value in (text.partition("=") for text in options.set)}
    detector = ts.Detector(
        options.method,
        **TEACHER,
        size=64,
        steps=options.steps,
        device="cpu",
        precision="fp32",
        workers=1,
        devices=options.devices,
        batch_size=options.batch,
        **settings,
    )
    kept = Path(f"{options.out}.checkpoint")
    detector.fit(Path(options.data), progress=Stopping(options.stop), checkpoint=kept, resume=True).save(
        options.out
    )


if __name__ == "__main__":
    main()
