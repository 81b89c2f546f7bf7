"""Rebuilding a teacher's network: from its saved record, or as a trainable sibling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twinspect.teachers import plugins
from twinspect.teachers.base import TIMM, Card, Teacher
from twinspect.teachers.weights_origin import RANDOM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn


def teacher_from_spec(spec: dict[str, Any]) -> Teacher:
    """Rebuild a teacher offline with arbitrary weights; load its own with ``load_state_dict``.

    Args:
        spec: from :meth:`Teacher.spec`.

    Raises:
        TeacherError: the record is damaged, or the package that it names is not installed.
    """
    card = Card.from_spec(spec)
    names = [level.name for level in card.levels]
    return Teacher(_network(card, names, plugins.BARE, 0), card)


def sibling(teacher: Teacher, levels: Sequence[str], seed: int) -> nn.Module:
    """Build another network of a teacher's architecture, with random, trainable weights.

    Args:
        teacher: whose architecture is used.
        levels: names of the levels of the network, out of the teacher's.
        seed: of its weights; torch's own random state is left as it was.

    Returns:
        A backbone like the teacher's, for :func:`twinspect.teachers.base.describe`.
    """
    network = _network(teacher.card, levels, RANDOM, seed)
    return network.requires_grad_(requires_grad=True)


def _network(card: Card, levels: Sequence[str], weights: str, seed: int) -> nn.Module:
    """Build the network that a card names: a plugin's with the given weights, timm's with random ones."""
    kind, _, name = card.network.partition(":")
    if kind == TIMM:
        from twinspect.teachers import backbones  # noqa: PLC0415 - timm takes a second to import

        return backbones.build(name, levels, seed).backbone
    return plugins.factory(name)(weights=weights, layers=list(levels), seed=seed).backbone
