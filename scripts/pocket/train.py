"""Train the pocket teacher: prune a pretrained expert, then distil its features into what is left of it.

    python scripts/pocket/train.py --shared ../shared --out runs/pocket --steps 8000

Can be stopped at any time and goes on where it was. `OUT/best.safetensors` is what ships, judged on images that
are never learnt from; copy it to `src/twinspect/teachers/pocket/weights.safetensors`.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image, ImageOps

from batches import Views
from distil import Expert, explained, levels_before, loss
from keeping import rate, write_weights
from prune import pruned
from sources import collect
from twinspect.teachers import create_teacher
from twinspect.teachers.pocket.network import PocketNetwork
from twinspect.training.checkpoint import BestState, Checkpoint, History, State
from twinspect.utils.allocator import keep_freed_memory
from twinspect.utils.devices import choose_device, choose_precision

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch import Tensor

EXPERT = "resnet18"
"""The teacher that is pruned and distilled."""
DECAY = 1e-4
"""AdamW's weight decay."""
PRUNED_ON = 40
"""Batches that the expert's layers are pruned on."""
WARM, COOL = 300, 0.4
"""Steps up to the highest rate; share of the steps over which it goes down to zero again."""
JUDGE_SIDE, LOG_EVERY, JUDGE_EVERY = 192, 100, 1000


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--shared", type=Path, default=Path("../shared"), help="folder with data/ and weights/"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/pocket"), help="checkpoint, log and best weights"
    )
    parser.add_argument(
        "--steps", type=int, default=8_000, help="more than before: go on from the checkpoint"
    )
    parser.add_argument("--drawn", type=int, default=2_100, help="procedural images")
    parser.add_argument("--device", default="auto", help="auto, cuda, cpu")
    parser.add_argument("--batch", type=int, default=16, help="views of 128 px, or as many pixels")
    parser.add_argument("--rate", type=float, default=5e-4, help="Adam's highest learning rate")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


class Training:
    """One run of the script.

    Args:
        options: as the command line gives them.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        options.out.mkdir(parents=True, exist_ok=True)
        self.device = choose_device(options.device)
        self.amp = choose_precision("auto", self.device) == "bf16"
        sources, held_out = collect(options.shared, options.drawn, options.seed)
        self.views = Views(sources, options.seed, options.steps, options.batch, self.device)
        weights = options.shared / "weights" / f"{EXPERT}_layers1-3.safetensors"
        teacher = create_teacher(EXPERT, weights=weights)
        teacher = teacher.to(self.device, memory_format=torch.channels_last)
        self.expert = Expert(teacher, [self.views[number] for number in range(8)])
        self.judges = torch.stack([square(image) for image in held_out]).to(self.device)
        self.student = PocketNetwork().to(self.device, memory_format=torch.channels_last)
        self.optimizer = torch.optim.AdamW(
            self.student.parameters(), options.rate, weight_decay=DECAY, fused=self.device.type == "cuda"
        )
        self.checkpoint = Checkpoint(
            options.out / "checkpoint.safetensors",
            f"pocket of {EXPERT} {options.seed} {options.batch} {options.rate}",
        )
        self.history = History({"distil": []}, {"explained": []})
        self.best = BestState([self.student])

    def run(self) -> None:
        """Train from the checkpoint, if there is one, to the last step."""
        first = self.resume()
        began, recent = time.monotonic(), []
        for done, error in enumerate(self.errors(first), 1):
            recent.append(self.step(error, first + done - 1))
            due = (first + done) % JUDGE_EVERY == 0 or first + done == self.options.steps
            if due or len(recent) == LOG_EVERY:
                self.log(first + done, recent, (time.monotonic() - began) / done)
                recent = []
            if due:
                self.judge(first + done)

    def resume(self) -> int:
        """Load the checkpoint and say at which step to go on."""
        state = self.checkpoint.read()
        if state is None:
            views = [self.views[number] for number in range(PRUNED_ON)]
            self.student.load_state_dict(pruned(self.expert.teacher, views).state_dict())
            self.judge(0)
            return 0
        state.restore(self.student, self.optimizer, self.best)
        self.history = state.history
        return state.step

    def errors(self, first: int) -> Iterator[Tensor]:
        """Give the loss of every step from number `first` on, with its gradient still to be taken."""
        for images in self.views.after(first):
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.amp):
                targets = self.expert(images)
                before = self.answer(images)
            yield loss(before, targets)

    def answer(self, images: Tensor) -> tuple[Tensor, ...]:
        """Give the student's levels before their last ReLU, at the scale of the targets."""
        levels = levels_before(self.student, images)
        return tuple(level / scale for level, scale in zip(levels, self.expert.scales, strict=True))

    def step(self, error: Tensor, number: int) -> Tensor:
        """Learn from one batch and give the loss; nothing waits for a GPU here."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.options.rate * rate(number, self.options.steps, WARM, COOL)
        self.optimizer.zero_grad()
        error.backward()
        self.optimizer.step()
        return error.detach()

    def log(self, step: int, recent: list[Tensor], seconds: float) -> None:
        """Keep the losses and say where the training stands."""
        losses = torch.stack(recent).tolist()
        self.history.losses["distil"] += losses
        left = (self.options.steps - step) * seconds / 60
        print(
            f"step {step} loss {sum(losses) / len(losses):.4f} {seconds:.3f} s/step {left:.0f} min left",
            flush=True,
        )

    @torch.no_grad()
    def judge(self, step: int) -> None:
        """Measure on images never learnt from, write a checkpoint, and the weights if they are the best so far."""
        parts = [(self.answer(images), self.expert(images)) for images in self.judges.split(10)]
        before, targets = (
            tuple(map(torch.cat, zip(*side, strict=True))) for side in zip(*parts, strict=True)
        )
        shares = explained(before, targets)
        mean = float(shares.mean())
        print(
            f"step {step} explained {' '.join(f'{share:.4f}' for share in shares)} mean {mean:.4f}",
            flush=True,
        )
        if 1 - mean < self.best.loss:
            record = {
                "step": str(step),
                "seed": str(self.options.seed),
                "expert": self.expert.teacher.sha256,
                "explained": " ".join(f"{share:.4f}" for share in shares),
            }
            write_weights(self.options.out / "best.safetensors", self.student, record)
        self.best.keep_if_better(1 - mean)
        self.history.curves["explained"].append(mean)
        self.checkpoint.write(State.take(0, step, self.history, self.student, self.optimizer, self.best))


def square(image: NDArray[np.uint8]) -> Tensor:
    """Cut the middle out of an image: (3, 192, 192) uint8."""
    fitted = ImageOps.fit(Image.fromarray(image), (JUDGE_SIDE, JUDGE_SIDE), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(fitted)).permute(2, 0, 1)


if __name__ == "__main__":
    given = _options()
    torch.manual_seed(given.seed)
    with keep_freed_memory():
        Training(given).run()
