"""What a table or figure of a paper consists of: plain data, from which everything else follows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Drawing = Literal["", "patches", "curves", "residuals"]
"""What is drawn of a table's runs: nothing; patches by their features; image AUROC along a setting; residuals."""

WIDE_RESNET: Final = "wide_resnet50_2"
VGG: Final = "vgg16"
DINO: Final = "vit_base_patch14_reg4_dinov2.lvd142m"
"""The teachers of the papers."""


@dataclass(frozen=True)
class Arm:
    """A row of a table: a method as the paper set it.

    Attributes:
        label: what our row is called.
        method: its name in twinspect.
        teacher: that of the paper.
        published: what it is called among the published numbers; empty where nothing is printed.
        preset: a named set of the method's settings.
        settings: further settings.
        weights: of the teacher: ``random``, or ``None`` for the published ones.
        curve: name of the curve that it is a point of, and where it lies on it; ``None`` in tables.
    """

    label: str
    method: str
    teacher: str
    published: str = ""
    preset: str = "paper"
    settings: Mapping[str, Any] = field(default_factory=dict)
    weights: str | None = None
    curve: tuple[str, float] | None = None


@dataclass(frozen=True)
class PaperTable:
    """A table or figure of a paper.

    Attributes:
        name: what to type.
        title: which table of which paper, and what it shows.
        protocols: its data, each a protocol of a public set.
        arms: its rows that are made here.
        metrics: its columns.
        published: further methods whose printed numbers it shows.
        by_category: whether it shows every category, not only the mean.
        categories: the only categories that are used, by protocol; of the others all are.
        costs: printed size and time, by published name and cost; empty: none is shown beside ours.
        drawing: what is drawn.
        note: what a reader must know to compare.
    """

    name: str
    title: str
    protocols: tuple[str, ...]
    arms: tuple[Arm, ...]
    metrics: tuple[str, ...]
    published: tuple[str, ...] = ()
    by_category: bool = False
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    costs: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    drawing: Drawing = ""
    note: str = ""

    @property
    def published_methods(self) -> tuple[str, ...]:
        """The published names of all its rows, each once, ours first."""
        own = (arm.published for arm in self.arms if arm.published)
        return tuple(dict.fromkeys((*own, *self.published)))
