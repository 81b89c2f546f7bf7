"""Which images make up the batches of a training, epoch by epoch, and which are held out, reproducibly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from twinspect.methods.base import a_tenth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from twinspect.methods.base import Stage

LEAST_IN_BATCH = 2
"""Minimum of images in the last batch of an epoch."""


def batch_plan(
    stage: Stage,
    groups: Sequence[list[int]],
    seed: int,
    stage_number: int,
    done: int,
    total: int,
    *,
    processes: int = 1,
) -> Iterator[list[int]]:
    """Yield the image numbers of every remaining step, epoch by epoch; the last batch of one may be smaller.

    Where it would hold a single image, whose statistics are none for BatchNorm, or fewer than there are processes,
    the first images of the epoch fill it up.

    Args:
        stage: how large batches are.
        groups: numbers of the images of each category.
        seed: of the training.
        stage_number: of the stage in its method.
        done: steps that are over.
        total: steps of the stage.
        processes: that share every batch.
    """
    steps_per_epoch = stage.steps_per_epoch(sum(map(len, groups)))
    order: list[int] = []
    for step in range(done, total):
        epoch, index = divmod(step, steps_per_epoch)
        if index == 0 or not order:
            order = epoch_order(groups, torch.Generator().manual_seed(mix_seeds(seed, stage_number, epoch)))
        batch = order[index * stage.batch_size : (index + 1) * stage.batch_size]
        missing = min(max(LEAST_IN_BATCH, processes), stage.batch_size) - len(batch)
        yield batch + order[:missing] if index and missing > 0 else batch


def epoch_order(groups: Sequence[list[int]], generator: torch.Generator) -> list[int]:
    """Order the images of an epoch: a permutation; of several categories, equally many of each, in turn.

    An epoch has as many images as there are. Images of a small category are repeated, and each epoch uses another
    part of a large one, so that no product is learnt at the cost of another.
    """
    images = sum(map(len, groups))
    per_group = -(-images // len(groups))
    columns = []
    for group in groups:
        rounds = -(-per_group // len(group))
        drawn = [torch.randperm(len(group), generator=generator) for _ in range(rounds)]
        columns.append([group[index] for index in torch.cat(drawn)[:per_group].tolist()])
    return [number for row in zip(*columns, strict=True) for number in row][:images]


def mix_seeds(*numbers: int) -> int:
    """Combine numbers into a seed that differs if any of them does."""
    mixed = 0
    for number in numbers:
        mixed = (mixed * 1_000_003 + number + 1) % 2**63
    return mixed


def choose_held_out(images: int, seed: int, count: Callable[[int], int] = a_tenth) -> list[int]:
    """Choose the training images that are held out for validation.

    A single image is used for both training and validation.

    Args:
        images: number of training images.
        seed: of the choice.
        count: number of held-out images by the number of training images.
    """
    generator = torch.Generator().manual_seed(mix_seeds(seed, images))
    return sorted(torch.randperm(images, generator=generator)[: count(images)].tolist())
