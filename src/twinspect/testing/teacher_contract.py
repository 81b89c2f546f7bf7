"""What every teacher must do."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import torch

from twinspect.errors import ConfigError
from twinspect.teachers import create_teacher
from twinspect.teachers.plugins import BARE
from twinspect.teachers.rebuilding import teacher_from_spec
from twinspect.testing.check import Check, Contract, expect, run_all

if TYPE_CHECKING:
    from torch import Tensor

    from twinspect.teachers.base import Teacher
    from twinspect.teachers.plugins import Factory

SHA256: Final = re.compile(r"[0-9a-f]{64}")
RELATIVE, ABSOLUTE = 1e-3, 1e-4
"""How much the features of an image may differ, alone and in a batch."""


def teacher_checks(teacher: str | Factory, *, weights: str | None = "random", side: int = 64) -> list[Check]:
    """List what a teacher must do, each as a check that can be called.

    Args:
        teacher: its name, or the factory that an entry point names.
        weights: as for :func:`twinspect.teachers.create_teacher`; random ones need no file.
        side: of the square images that it is tried on, in pixels; brought to one that the teacher takes.
    """
    name = teacher if isinstance(teacher, str) else getattr(teacher, "__qualname__", "teacher")
    return CONTRACT.of(name, TeacherUnderTest(teacher, weights, side))


def check_teacher(teacher: str | Factory, *, weights: str | None = "random", side: int = 64) -> None:
    """Check everything that a teacher must do.

    Args:
        teacher: as for :func:`teacher_checks`.
        weights: likewise.
        side: likewise.

    Raises:
        AssertionError: a line for each demand that it does not meet: what is expected, and what was found.
    """
    run_all(teacher_checks(teacher, weights=weights, side=side))


@dataclass
class TeacherUnderTest:
    """A teacher that is checked.

    Attributes:
        made_by: its name or factory.
        weights: that it is built with.
        asked: side of the images, before it is brought to one that it takes.
    """

    made_by: str | Factory
    weights: str | None
    asked: int = field(repr=False)

    def build(self, *, layers: Any = None, weights: str | None = None, seed: int = 0) -> Teacher:
        """Build one."""
        wanted = weights or self.weights
        if isinstance(self.made_by, str):
            return create_teacher(self.made_by, weights=wanted, layers=layers, seed=seed)
        return self.made_by(weights=wanted, layers=layers, seed=seed)

    @cached_property
    def built(self) -> Teacher:
        """The usual one."""
        return self.build()

    @property
    def side(self) -> int:
        """Side of images that it takes, in pixels."""
        card = self.built.card
        least = max(self.asked, self.built.levels[-1].reduction)
        return card.fixed or -(-least // card.multiple) * card.multiple

    def images(self, count: int = 2) -> Tensor:
        """Draw images, (count, 3, side, side), of values as after normalising."""
        return torch.randn((count, 3, self.side, self.side), generator=torch.Generator().manual_seed(7))

    @torch.no_grad()
    def features(self, images: Tensor) -> tuple[Tensor, ...]:
        """Compute the maps."""
        return tuple(self.built(images))


def its_levels_are_what_it_says(teacher: TeacherUnderTest) -> None:
    """One map comes for each level, fine to coarse, with its channels and a value every so many pixels as it says."""
    maps, levels = teacher.features(teacher.images()), teacher.built.levels
    expect(len(maps) == len(levels) > 0, f"{len(maps)} maps for {len(levels)} levels")
    for found, level in zip(maps, levels, strict=True):
        places = round(teacher.side / level.reduction)
        shape = (2, level.channels, places, places)
        expect(found.shape == shape, f"{level.name} of {tuple(found.shape)}, not {shape}")
    reductions = [level.reduction for level in levels]
    expect(reductions == sorted(reductions), f"levels of reductions {reductions}")
    expect(len({level.name for level in levels}) == len(levels), "two levels of one name")


def its_features_are_finite_and_signed_as_it_says(teacher: TeacherUnderTest) -> None:
    """Features are finite, and below 0 only in levels that say so."""
    for found, level in zip(teacher.features(teacher.images()), teacher.built.levels, strict=True):
        expect(torch.isfinite(found).all(), f"{level.name} is not finite")
        expect(
            level.signed or found.min() >= 0,
            f"{level.name} goes down to {found.min():.4g}, but signed is false",
        )


def it_is_frozen(teacher: TeacherUnderTest) -> None:
    """No parameter is trained, and it stays in evaluation mode whatever its parent does."""
    parent = torch.nn.Sequential(teacher.built).train()
    trained = [name for name, parameter in parent.named_parameters() if parameter.requires_grad]
    expect(not trained, f"trained: {', '.join(trained[:5])}")
    modes = [name for name, module in teacher.built.named_modules() if module.training]
    expect(not modes, f"in training mode: {', '.join(modes[:5])}")


def gradients_flow_to_the_image(teacher: TeacherUnderTest) -> None:
    """Gradients flow through it to the images, as methods with maps of gradients need."""
    images = teacher.images(1).requires_grad_()
    torch.stack([level.sum() for level in teacher.built(images)]).sum().backward()  # type: ignore[no-untyped-call]
    expect(images.grad is not None and images.grad.abs().sum() > 0, "none")


def the_same_seed_gives_the_same_weights(teacher: TeacherUnderTest) -> None:
    """Built twice, it has the same weights and the same sha256; torch's random state is left as it was."""
    state = torch.get_rng_state()
    again = teacher.build()
    expect(torch.equal(state, torch.get_rng_state()), "another random state")
    first, second = teacher.built.state_dict(), again.state_dict()
    expect(first.keys() == second.keys(), "other tensors")
    differing = [name for name in first if not torch.equal(first[name], second[name])]
    expect(not differing, f"other weights of {', '.join(differing[:5])}")
    expect(teacher.built.sha256 == again.sha256, "another sha256")


def an_image_does_not_depend_on_batch_mates(teacher: TeacherUnderTest) -> None:
    """An image has the same features alone as among others."""
    images = teacher.images(3)
    for alone, among in zip(teacher.features(images[1:2]), teacher.features(images), strict=True):
        torch.testing.assert_close(alone[0], among[1], rtol=RELATIVE, atol=ABSOLUTE)


def its_card_is_complete(teacher: TeacherUnderTest) -> None:
    """The card has mean and deviation of three channels, a side, a sha256, and words on origin and licence."""
    card = teacher.built.card
    expect(len(card.mean) == len(card.std) == 3, f"mean {card.mean}, std {card.std}")
    expect(all(value > 0 for value in card.std), f"std {card.std}")
    expect(card.input_size > 0, f"input_size {card.input_size}")
    expect(SHA256.fullmatch(card.sha256), f"sha256 {card.sha256!r}")
    expect(card.source and card.licence, f"source {card.source!r}, licence {card.licence!r}")


def levels_can_be_chosen_by_name(teacher: TeacherUnderTest) -> None:
    """With ``layers`` it has these levels alone, fine to coarse in whatever order they are named."""
    levels = teacher.built.levels
    names = [level.name for level in reversed(levels)][:2]
    chosen = teacher.build(layers=names)
    expected = [level.name for level in levels if level.name in names]
    expect(
        [level.name for level in chosen.levels] == expected,
        f"levels {[level.name for level in chosen.levels]}",
    )


def an_unknown_level_is_refused(teacher: TeacherUnderTest) -> None:
    """A level that does not exist is a ConfigError that names it."""
    try:
        teacher.build(layers=["no_such_level"])
    except ConfigError as error:
        expect("no_such_level" in str(error), f"the error {error}")
    else:
        raise AssertionError("no error")


def a_size_that_it_cannot_take_is_refused(teacher: TeacherUnderTest) -> None:
    """Images smaller than one value of the coarsest level are a ConfigError."""
    try:
        teacher.built.check_size(1, 1)
    except ConfigError:
        return
    expect(teacher.built.levels[-1].reduction <= 1, "no error for an image of 1x1 pixels")


def it_is_rebuilt_from_its_record(teacher: TeacherUnderTest) -> None:
    """From what a saved model keeps, its record and its weights, it is rebuilt offline with the same features."""
    spec = teacher.built.spec()
    if isinstance(teacher.made_by, str):
        rebuilt = teacher_from_spec(spec)
    else:
        rebuilt = teacher.build(layers=[level.name for level in teacher.built.levels], weights=BARE)
    rebuilt.load_state_dict(teacher.built.state_dict())
    images = teacher.images(1)
    with torch.no_grad():
        features = tuple(rebuilt(images))
    for found, expected in zip(features, teacher.features(images), strict=True):
        expect(torch.equal(found, expected), "other features")


CONTRACT: Final = Contract(
    (
        its_levels_are_what_it_says,
        its_features_are_finite_and_signed_as_it_says,
        it_is_frozen,
        gradients_flow_to_the_image,
        the_same_seed_gives_the_same_weights,
        an_image_does_not_depend_on_batch_mates,
        its_card_is_complete,
        levels_can_be_chosen_by_name,
        an_unknown_level_is_refused,
        a_size_that_it_cannot_take_is_refused,
        it_is_rebuilt_from_its_record,
    )
)
