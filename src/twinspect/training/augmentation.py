"""Copies of good images as another day would give them: a little more light is then no defect.

Each copy follows from the seed and the name of its image alone, so that a resumed training sees the same ones; it is
computed once and cached like any image. What is held out, for the threshold too, is never changed.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from twinspect.errors import ConfigError, unknown_name
from twinspect.images.camera_changes import move, scale_light

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from typing_extensions import Self

    from twinspect.data.samples import Sample

    Pixels = NDArray[np.uint8]
    Random = np.random.Generator

COPIES: Final = 3
"""Changed copies of each image, beside the image itself."""
LIGHT: Final = 0.2
"""By how much of itself the light becomes weaker or stronger, at most."""
TINT: Final = 0.1
"""By how much of itself the red and the blue channel become so beside that, each by its own amount."""
MOVE: Final = 0.02
"""How far an image is shifted at most, in each direction, as a share of its shorter side."""
TURN: Final = 2.0
"""How far it is turned at most, in degrees."""


def _relight(rgb: Pixels, random: Random) -> Pixels:
    light = random.uniform(1 - LIGHT, 1 + LIGHT)
    red, blue = random.uniform(1 - TINT, 1 + TINT, 2)
    return scale_light(rgb, light * red, light, light * blue)


def _move(rgb: Pixels, random: Random) -> Pixels:
    down, right = MOVE * min(rgb.shape[:2]) * random.uniform(-1, 1, 2)
    return move(rgb, down, right, random.uniform(-TURN, TURN))


KINDS: Final[dict[str, Callable[[Pixels, Random], Pixels]]] = {"lighting": _relight, "shift": _move}
"""What may change, in the order in which it is changed."""


@dataclass(frozen=True)
class Augmentation:
    """What changes in the copies of training images.

    Attributes:
        kinds: one or more of :data:`KINDS`; all of them change in each copy.
        seed: of the amounts.
    """

    kinds: tuple[str, ...]
    seed: int

    @classmethod
    def of(cls, names: str | None, seed: int) -> Self | None:
        """Read names between commas; ``None`` for none.

        Raises:
            ConfigError: one of them is unknown or named twice.
        """
        if names is None:
            return None
        kinds = tuple(name.strip() for name in names.split(","))
        for kind in kinds:
            if kind not in KINDS:
                raise unknown_name("augmentation", kind, KINDS)
        if len(set(kinds)) < len(kinds):
            raise ConfigError(f"augment is {names!r}; allowed is each of {', '.join(KINDS)} once")
        return cls(tuple(kind for kind in KINDS if kind in kinds), seed)

    def with_copies(self, samples: Sequence[Sample]) -> list[Sample]:
        """List each image and after it its :data:`COPIES` changed copies."""
        return [each for sample in samples for each in (sample, *self.copies(sample, COPIES))]

    def copies(self, sample: Sample, count: int, first: int = 1) -> list[Sample]:
        """List changed copies of an image, with numbers from ``first`` on; no two are the same."""
        return [
            replace(
                sample, name=f"{sample.name} (copy {copy})", change=partial(self._change, sample.name, copy)
            )
            for copy in range(first, first + count)
        ]

    def _change(self, name: str, copy: int, rgb: Pixels) -> Pixels:
        random = np.random.default_rng([self.seed, zlib.crc32(name.encode(errors="surrogateescape")), copy])
        for kind in self.kinds:
            rgb = KINDS[kind](rgb, random)
        return rgb
