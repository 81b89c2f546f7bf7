"""Learn the coarsest stage of the pocket teacher alone, on top of finer ones that are trained already.

    python scripts/pocket/deepen.py --finer src/twinspect/teachers/pocket/weights.safetensors --out runs/deeper

What the finer stages and the expert say of a batch is kept and learnt from several times:
a CPU is slow to say it.
All else is as in `train.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file

from distil import loss, student_view
from replay import Replay
from student import LastStage
from train import Training, parser
from twinspect.memory import kept_memory

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from torch import Tensor

TIMES, KEPT = 4, 500
"""Steps for every new batch; batches that are kept."""


class Deepening(Training):
    """One run of this script.

    Args:
        options: of `train.py`, and `finer`: weights that the finer stages are taken from.
        student: what learns.
    """

    student: LastStage

    def __init__(self, options: argparse.Namespace, student: LastStage) -> None:
        super().__init__(options, student)
        self.replay = Replay(self.pair, TIMES, KEPT, options.seed)

    def errors(self, first: int) -> Iterator[Tensor]:
        """Give the loss of every step from number `first` on, with its gradient still to be taken."""
        for seen, target in self.replay.between(first, self.options.steps):
            self.student.train()
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.amp):
                before = self.student.stage(seen.float())
            yield loss([before], [target.float()])

    @torch.no_grad()
    def pair(self, number: int) -> tuple[Tensor, Tensor]:
        """Give what the stage sees of batch number `number` and what it should give, in half precision."""
        images = self.views[number]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.amp):
            seen, target = self.student.trunk(student_view(images))[-1], self.expert(images)[-1]
        return seen.half(), target.half()


def deepen(options: argparse.Namespace) -> None:
    """Run the script."""
    torch.manual_seed(options.seed)
    with kept_memory():
        Deepening(options, LastStage(load_file(options.finer))).run()


if __name__ == "__main__":
    known = parser(__doc__)
    known.add_argument(
        "--finer", type=Path, required=True, help="pocket weights: finer stages are taken from them"
    )
    deepen(known.parse_args())
