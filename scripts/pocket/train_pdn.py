"""Distil a patch description network, the teacher of EfficientAD, from a ResNet-18.

    python scripts/pocket/train_pdn.py --shared ../shared --out runs/pdn_small --steps 60000

Can be stopped at any time and goes on where it was. `OUT/best.safetensors` is the teacher: `--teacher pdn_small
--weights OUT/best.safetensors`. The authors take 60 000 steps of 16 images of 256 px; a step here has as many
pixels as one of these, so that 60 000 steps take a sixteenth of their time.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from batches import Views
from distil import normalise
from keeping import rate, write_weights
from sources import collect
from train import square
from twinspect.teachers import create_teacher
from twinspect.teachers.pdn.network import CHANNELS, MEAN, STD, PatchDescriptionNetwork
from twinspect.teachers.random_weights import standardise
from twinspect.training.checkpoint import BestState, Checkpoint, History, State
from twinspect.utils.allocator import keep_freed_memory
from twinspect.utils.devices import choose_device, choose_precision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from twinspect.teachers import Teacher

EXPERT = "resnet18"
"""The teacher that is distilled; its layers 2 and 3 have 384 channels together, as the network has."""
SIDES, OFTEN = (128, 192, 256), (0.5, 0.3, 0.2)
"""Sides of the views that the expert sees in pixels, and how often each is drawn; the network sees them half as
large, as the authors' sees images of 256 px and their expert of 512."""
NEIGHBOURS = 3
"""Side of the square of locations that the expert's features are averaged over, as PatchCore does."""
DECAY = 1e-5
"""Adam's weight decay (the authors')."""
SAMPLED = 16
"""Batches that the mean and deviation of the expert's channels are measured on."""
WARM, COOL = 100, 0.3
"""Steps up to the highest rate; share of the steps over which it goes down to zero again."""
JUDGED_AT_ONCE = 10


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--shared", type=Path, default=Path("../shared"), help="folder with data/ and weights/"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/pdn_small"), help="checkpoint and best weights"
    )
    parser.add_argument("--network", choices=("small", "medium"), default="small")
    parser.add_argument("--steps", type=int, default=60_000, help="also sets when the rate goes down")
    parser.add_argument("--drawn", type=int, default=2_100, help="procedural images")
    parser.add_argument("--device", default="auto", help="auto, cuda, cpu")
    parser.add_argument("--batch", type=int, default=16, help="views of 64 px, or as many pixels")
    parser.add_argument("--rate", type=float, default=1e-3, help="Adam's highest learning rate")
    parser.add_argument("--every", type=int, default=100, help="steps between judgements and checkpoints")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


class Expert:
    """What a location should be described by: two levels of a teacher, every channel with mean 0 and deviation 1.

    Args:
        teacher: frozen; its two levels have :data:`.CHANNELS` channels together.
        sample: (B, 3, H, W) uint8 batches that mean and deviation are measured on.
    """

    def __init__(self, teacher: Teacher, sample: Sequence[Tensor]) -> None:
        self.teacher = teacher
        described = torch.cat([self._describe(images).transpose(0, 1).flatten(1) for images in sample], 1)
        self.mean = described.mean(1)[:, None, None]
        self.std = described.std(1).clamp_min(1e-3)[:, None, None]

    def __call__(self, images: Tensor) -> Tensor:
        """Compute the targets of (B, 3, H, W) uint8 images: (B, 384, H/8, W/8) float32."""
        return (self._describe(images) - self.mean) / self.std

    @torch.no_grad()
    def _describe(self, images: Tensor) -> Tensor:
        levels = self.teacher(normalise(images, self.teacher.mean, self.teacher.std))
        size = levels[0].shape[-2:]
        averaged = [
            functional.avg_pool2d(
                level.float(), NEIGHBOURS, 1, padding=NEIGHBOURS // 2, count_include_pad=False
            )
            for level in levels
        ]
        return torch.cat(
            [functional.interpolate(level, size, mode="bilinear", align_corners=False) for level in averaged],
            1,
        )


def half(images: Tensor) -> Tensor:
    """Show (B, 3, H, W) uint8 images to the network: normalised float32, at half the size."""
    halved: Tensor = functional.avg_pool2d(normalise(images, MEAN, STD), 2)
    return halved


def explained(answers: Tensor, targets: Tensor) -> float:
    """Compute the share of the targets' variance that is explained: 1 is a perfect copy, 0 a constant."""
    error = (answers - targets).square().mean((0, 2, 3)).sum()
    return float(1 - error / targets.var((0, 2, 3)).sum())


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
        self.views.sides, self.views.often = SIDES, OFTEN
        weights = options.shared / "weights" / f"{EXPERT}_layers1-3.safetensors"
        teacher = create_teacher(EXPERT, weights=weights, layers=[2, 3]).to(
            self.device, memory_format=torch.channels_last
        )
        self.expert = Expert(teacher, [self.views[number] for number in range(SAMPLED)])
        self.judges = torch.stack([square(image) for image in held_out]).to(self.device)
        self.network = PatchDescriptionNetwork(options.network, CHANNELS)
        self.network.to(self.device, memory_format=torch.channels_last)
        self.optimizer = torch.optim.Adam(self.network.parameters(), options.rate, weight_decay=DECAY)
        self.checkpoint = Checkpoint(
            options.out / "checkpoint.safetensors",
            f"pdn {options.network} of {EXPERT} {options.seed} {options.batch} {options.rate}",
        )
        self.history = History({"distil": []}, {"explained": []})
        self.best = BestState([self.network])

    def run(self) -> None:
        """Train from the checkpoint, if there is one, to the last step."""
        first = self.resume()
        began, recent = time.monotonic(), []
        for done, images in enumerate(self.views.after(first), 1):
            step = first + done
            recent.append(self.step(images, step - 1))
            if step % self.options.every == 0 or step == self.options.steps:
                self.history.losses["distil"] += recent
                self.judge(step, sum(recent) / len(recent), (time.monotonic() - began) / done)
                recent = []

    def resume(self) -> int:
        """Load the checkpoint and say at which step to go on."""
        state = self.checkpoint.read()
        if state is None:
            standardise(self.network.cpu(), self.options.seed)  # without it signals fade from layer to layer
            self.network.to(self.device)
            nn.init.zeros_(self.network.layers[-1].weight)
            return 0
        state.restore(self.network, self.optimizer, self.best)
        self.history = state.history
        return state.step

    def answer(self, images: Tensor) -> Tensor:
        """Describe (B, 3, H, W) uint8 images by the network: (B, 384, H/8, W/8) float32."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.amp):
            answers: Tensor = self.network(half(images))[0]
        return answers.float()

    def step(self, images: Tensor, number: int) -> float:
        """Learn from one batch and give the loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.options.rate * rate(number, self.options.steps, WARM, COOL)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.amp):
            targets = self.expert(images)
        self.optimizer.zero_grad()
        loss = functional.mse_loss(self.answer(images), targets)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    @torch.no_grad()
    def judge(self, step: int, loss: float, seconds: float) -> None:
        """Measure on images never learnt from, write a checkpoint, and the weights if they are the best so far."""
        parts = [(self.answer(images), self.expert(images)) for images in self.judges.split(JUDGED_AT_ONCE)]
        share = explained(*map(torch.cat, zip(*parts, strict=True)))
        left = (self.options.steps - step) * seconds / 60
        print(
            f"step {step} loss {loss:.4f} explained {share:.4f} {seconds:.2f} s/step {left:.0f} min left",
            flush=True,
        )
        if 1 - share < self.best.loss:
            record = {
                "step": str(step),
                "seed": str(self.options.seed),
                "expert": self.expert.teacher.sha256,
                "explained": f"{share:.4f}",
            }
            write_weights(self.options.out / "best.safetensors", self.network, record)
        self.best.keep_if_better(1 - share)
        self.history.curves["explained"].append(share)
        self.checkpoint.write(State.take(0, step, self.history, self.network, self.optimizer, self.best))


if __name__ == "__main__":
    given = _options()
    torch.manual_seed(given.seed)
    with keep_freed_memory():
        Training(given).run()
