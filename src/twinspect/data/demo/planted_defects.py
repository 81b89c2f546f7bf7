"""Defects of the demo's products: drawn on good photographs, or cut out of other photographs.

Each function takes an image, (H, W, C) values of 0 to 255, and returns a changed copy and the mask of the defect,
(H, W) bool.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from twinspect.data.demo.photographs import COINS, disc, load_coin, take_brick

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from twinspect.data.demo.photographs import Mask, Pixels

    Random: TypeAlias = np.random.Generator
    Points: TypeAlias = NDArray[np.float64]

Damage: TypeAlias = Callable[["Pixels", "Random"], "tuple[Pixels, Mask]"]
_OVERSAMPLING: Final = 4
_SAUCER: Final = (222.0, 205.0, 158.0, 188.0)
"""Row, column and half axes, downwards and to the right, of the saucer in the images of the cup."""
_RIM: Final = (111.0, 210.0, 86.0, 109.0)
"""The same of the cup's rim."""
_BARE: Final = ((0.02, 0.2), (0.76, 0.96))
"""Where neither cup nor spoon hide the saucer, in half turns from the right over the front."""
_COFFEE_COLOUR: Final = (0.45, 0.34, 0.25)
"""Shares of red, green and blue that a drop of coffee lets through."""


def lay_coin(image: Pixels, random: Random) -> tuple[Pixels, Mask]:
    """Lay a coin of another photograph on it."""
    piece, inside = load_coin(int(random.integers(len(COINS))))
    top, left = random.integers(8, np.array(image.shape[:2]) - len(piece) - 8)
    return _laid(image, piece, inside, (int(top), int(left)))


def crack_brick(image: Pixels, random: Random) -> tuple[Pixels, Mask]:
    """Break it along a jagged line."""
    start = random.uniform(0.25, 0.75, 2) * image.shape[:2]
    return _cracked(image, _jagged(start, random, steps=26, stride=4.5), random.uniform(1.8, 2.6))


def scratch(image: Pixels, random: Random) -> tuple[Pixels, Mask]:
    """Scratch it: a bright line with a dark edge."""
    size = np.array(image.shape[:2])
    start = random.uniform(0.2, 0.8, 2) * size
    angle, length = random.uniform(0, 2 * np.pi), random.uniform(60, 110)
    return _scratched(image, start, angle, length, random)


def stain(image: Pixels, random: Random) -> tuple[Pixels, Mask]:
    """Darken a spot, most at its edge, as a liquid that has dried."""
    centre = random.uniform(0.25, 0.75, 2) * image.shape[:2]
    return _wetted(image, centre, random.uniform(16, 26), (0.5,) * image.shape[2], random)


def swap_coin(image: Pixels, random: Random) -> tuple[Pixels, Mask]:
    """Put a piece of brick where a coin was."""
    row, column, radius = _choose_coin(random)
    radius -= 5
    piece = take_brick(random)[: 2 * radius + 1, : 2 * radius + 1] + 40
    inside = disc(piece.shape[:2], (radius, radius), radius)
    cleared, _ = _cleared(image, (row, column, radius + 5))
    return _laid(cleared, piece, inside, (row - radius, column - radius))


def remove_coin(image: Pixels, random: Random) -> tuple[Pixels, Mask]:
    """Take a coin away."""
    return _cleared(image, _choose_coin(random))


def scratch_coin(image: Pixels, random: Random) -> tuple[Pixels, Mask]:
    """Scratch a coin from edge to edge."""
    row, column, radius = _choose_coin(random)
    angle = random.uniform(0, 2 * np.pi)
    start = np.array([row, column]) - (radius - 7) * np.array([np.sin(angle), np.cos(angle)])
    return _scratched(image, start, angle, 2 * (radius - 7), random)


def stain_coin(image: Pixels, random: Random) -> tuple[Pixels, Mask]:
    """Corrode a coin."""
    row, column, radius = _choose_coin(random)
    centre = np.array([row, column]) + random.uniform(-4, 4, 2)
    return _wetted(image, centre, 0.5 * radius, (0.4,), random)


def chip_rim(image: Pixels, random: Random) -> tuple[Pixels, Mask]:
    """Break a piece out of the cup's rim: rough stoneware shows."""
    row, column = _on_ellipse(_RIM, random.uniform(0.1, 0.9))
    mask = _blob(image.shape, np.array([row, column]), random.uniform(8, 12), random)
    rough = ndimage.gaussian_filter(random.normal(0, 1, mask.shape), 1.0)
    tone = np.array([172.0, 142.0, 112.0]) + 60 * rough[..., None]
    shade = 1 - 0.5 * (mask & ~ndimage.shift(mask, (2, 2), order=0))[..., None]
    return _mixed(image, tone * shade, _softened(mask, 0.7)), mask


def crack_saucer(image: Pixels, random: Random) -> tuple[Pixels, Mask]:
    """Crack the saucer from its edge inwards."""
    start = np.array(_on_ellipse(_SAUCER, _bare(random)))
    inwards = np.arctan2(_SAUCER[0] - start[0], _SAUCER[1] - start[1])
    points = _jagged(start, random, steps=16, stride=4.0, angle=inwards)
    return _cracked(image, points, random.uniform(1.8, 2.6))


def spill(image: Pixels, random: Random) -> tuple[Pixels, Mask]:
    """Spill a drop of coffee on the saucer."""
    return _wetted(image, _on_saucer(random), random.uniform(10, 16), _COFFEE_COLOUR, random)


def lay_hair(image: Pixels, random: Random) -> tuple[Pixels, Mask]:
    """Lay a hair on the saucer."""
    start = _on_saucer(random)
    bend, end = start + random.choice((-1, 1), (2, 2)) * random.uniform(20, 45, (2, 2))
    cover = _line(image.shape, _curve(start, bend, end), 1.6)
    return _mixed(image, np.full(3, 25.0), 0.9 * cover), cover > 0.3


def _cracked(image: Pixels, points: Points, width: float) -> tuple[Pixels, Mask]:
    """Draw a dark line, lit at its lower edge."""
    cover = _line(image.shape, points, width)
    lit = np.clip(ndimage.shift(cover, (1.5, 1.0), order=1) - cover, 0, 1)
    return _mixed(_mixed(image, image * 1.25, lit), image * 0.25, cover), cover > 0.3


def _scratched(
    image: Pixels, start: Points, angle: float, length: float, random: Random
) -> tuple[Pixels, Mask]:
    """Draw a bright line, slightly bent, with a dark edge."""
    along = np.array([np.sin(angle), np.cos(angle)])
    bend = start + along * length / 2 + random.uniform(-8, 8, 2)
    cover = _line(image.shape, _curve(start, bend, start + along * length), random.uniform(1.2, 1.8))
    edge = np.clip(ndimage.shift(cover, (1.5, 1.5), order=1) - cover, 0, 1)
    return _mixed(_mixed(image, image * 0.45, edge), np.full(image.shape[2], 225.0), 0.8 * cover), cover > 0.3


def _wetted(
    image: Pixels, centre: Points, radius: float, passes: Sequence[float], random: Random
) -> tuple[Pixels, Mask]:
    """Multiply a spot by the share of light that passes, less of it at the edge."""
    mask = _blob(image.shape, centre, radius, random)
    soft = _softened(mask, 1.0)
    edge = np.clip(soft - _softened(ndimage.binary_erosion(mask, iterations=3), 1.5), 0, 1)
    light = 1 - soft[..., None] * (1 - np.array(passes)) * (0.8 + 0.35 * edge[..., None])
    return image * light, mask


def _laid(image: Pixels, piece: Pixels, inside: Mask, corner: tuple[int, int]) -> tuple[Pixels, Mask]:
    """Lay a piece of another photograph on an image; it throws a shadow."""
    mask = np.zeros(image.shape[:2], np.bool_)
    pasted = np.zeros_like(image)
    where = (slice(corner[0], corner[0] + len(inside)), slice(corner[1], corner[1] + len(inside)))
    mask[where], pasted[where] = inside, piece
    shadow = 0.5 * ndimage.gaussian_filter(ndimage.shift(mask.astype(np.float64), (3, 3), order=0), 2)
    return _mixed(_mixed(image, np.zeros(image.shape[2]), shadow), pasted, _softened(mask, 0.7)), mask


def _cleared(image: Pixels, coin: tuple[int, int, int]) -> tuple[Pixels, Mask]:
    """Fill the place of a coin with the ground around it."""
    row, column, radius = coin
    place = disc(image.shape, (row, column), radius - 1)
    coins = np.logical_or.reduce([disc(image.shape, other[:2], other[2] - 1) for other in COINS])
    weights = ndimage.gaussian_filter((~coins).astype(np.float64), radius / 2)
    blurred = ndimage.gaussian_filter(np.where(coins, 0, image[..., 0]), radius / 2) / np.maximum(
        weights, 1e-6
    )
    grain = np.random.default_rng(radius).normal(0, 3, place.shape)
    return _mixed(image, (blurred + grain)[..., None], _softened(place, 1.5)), disc(
        image.shape, (row, column), radius - 4
    )


def _mixed(image: Pixels, other: Pixels, share: Points) -> Pixels:
    """Show a share of another image, (H, W) in 0 to 1."""
    return image + share[..., None] * (other - image)


def _softened(mask: Mask, sigma: float) -> Points:
    return np.asarray(ndimage.gaussian_filter(mask.astype(np.float64), sigma))


def _choose_coin(random: Random) -> tuple[int, int, int]:
    return COINS[int(random.integers(len(COINS)))]


def _on_ellipse(ellipse: tuple[float, ...], half_turns: float) -> tuple[float, float]:
    row, column, down, right = ellipse
    return row + down * math.sin(math.pi * half_turns), column + right * math.cos(math.pi * half_turns)


def _on_saucer(random: Random) -> Points:
    """Choose a place on the saucer that the cup does not hide."""
    centre, edge = np.array(_SAUCER[:2]), np.array(_on_ellipse(_SAUCER, _bare(random)))
    return np.asarray(centre + random.uniform(0.72, 0.86) * (edge - centre))


def _bare(random: Random) -> float:
    return random.uniform(*_BARE[int(random.integers(len(_BARE)))])


def _curve(start: Points, bend: Points, end: Points) -> Points:
    """Run from a point towards a second and on to a third, as a Bézier curve."""
    t = np.linspace(0, 1, 40)[:, None]
    return np.asarray((1 - t) ** 2 * start + 2 * t * (1 - t) * bend + t**2 * end)


def _jagged(
    start: Points, random: Random, *, steps: int, stride: float, angle: float | None = None
) -> Points:
    """Walk on with a turn at each step."""
    first = random.uniform(0, 2 * np.pi) if angle is None else angle
    angles = first + np.cumsum(random.normal(0, 0.18, steps)) + random.normal(0, 0.35, steps)
    moves = stride * np.stack([np.sin(angles), np.cos(angles)], axis=1)
    return np.concatenate([start[None], start + np.cumsum(moves, axis=0)])


def _line(shape: tuple[int, ...], points: Points, width: float) -> Points:
    """Draw a line through (row, column) points: the share of each pixel that it covers."""
    height, across = shape[:2]
    canvas = Image.new("L", (across * _OVERSAMPLING, height * _OVERSAMPLING))
    xy = [(x * _OVERSAMPLING, y * _OVERSAMPLING) for y, x in points.tolist()]
    ImageDraw.Draw(canvas).line(xy, fill=255, width=round(width * _OVERSAMPLING), joint="curve")
    return np.asarray(canvas.resize((across, height), Image.Resampling.BOX), np.float64) / 255


def _blob(shape: tuple[int, ...], centre: Points, radius: float, random: Random) -> Mask:
    """Draw a round shape whose outline wobbles in three waves."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    angle = np.arctan2(rows - centre[0], columns - centre[1])
    wobble = sum(
        random.uniform(0, 0.15) * np.sin(n * angle + random.uniform(0, 2 * np.pi)) for n in (2, 3, 5)
    )
    blob: Mask = np.hypot(rows - centre[0], columns - centre[1]) < radius * (1 + wobble)
    return blob
