"""Images that nobody photographed: dead leaves, coloured noise, fractals, rendered shapes.

Such images are known to teach useful features (Baradad et al., NeurIPS 2021; Kataoka et al., ACCV 2020), there is no
end of them, and nobody owns them.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
    Floats = NDArray[np.floating[Any]]
    Random = np.random.Generator

SIDE = 256
"""Of every image, in pixels."""


def pool(count: int, seed: int) -> Pixels:
    """Draw images of all kinds in turn: (count, 256, 256, 3) uint8; image k depends on seed and k alone."""
    images = np.empty((count, SIDE, SIDE, 3), np.uint8)
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as workers:
        for number, image in enumerate(workers.map(partial(draw, seed), range(count), chunksize=32)):
            images[number] = image
    return images


def draw(seed: int, number: int) -> Pixels:
    """Draw image `number`: (256, 256, 3) uint8."""
    return KINDS[number % len(KINDS)](np.random.default_rng([seed, number]))


def dead_leaves(random: Random) -> Pixels:
    """Shapes of all sizes that hide one another: edges and occlusions as in photographs."""
    image = Image.new("RGB", (SIDE, SIDE), _colour(random))
    draw = ImageDraw.Draw(image)
    for _ in range(random.integers(60, 500)):
        radius = min(4 / random.random() ** 0.6, SIDE / 2)  # a power law: few large, many small
        _leaf(draw, random, radius)
    grain = coloured_noise(random).astype(np.float32) - 128
    return _clip(np.asarray(image) + grain * random.uniform(0, 0.5))


def coloured_noise(random: Random) -> Pixels:
    """Noise with the spectrum 1/f^a, often stretched in one direction, sometimes cut into few levels."""
    stretch = np.exp(random.normal(0, 0.7))
    rows, columns = np.fft.fftfreq(SIDE)[:, None] * stretch, np.fft.rfftfreq(SIDE)[None] / stretch
    angle = random.uniform(0, np.pi)
    turned = np.hypot(
        rows * np.cos(angle) - columns * np.sin(angle), (rows * np.sin(angle) + columns * np.cos(angle)) / 2
    )
    turned[0, 0] = np.inf
    spectrum = np.fft.rfft2(random.normal(size=(3, SIDE, SIDE))) / turned ** random.uniform(0.5, 2.2)
    noise = np.fft.irfft2(spectrum, s=(SIDE, SIDE))
    noise /= noise.std(axis=(1, 2), keepdims=True)
    if random.random() < 0.25:
        noise = np.sign(np.round(noise * random.uniform(0.5, 2))) + 0.2 * noise
    mixed = noise.transpose(1, 2, 0) @ random.normal(0, 1, (3, 3)) * random.uniform(10, 50)
    return _clip(mixed + random.uniform(60, 200, 3))


def julia(random: Random) -> Pixels:
    """A Julia set near the edge of the Mandelbrot set, coloured by a smooth escape time."""
    turn = random.uniform(0, 2 * np.pi)
    constant = (0.5 * np.exp(1j * turn) - 0.25 * np.exp(2j * turn)) * random.uniform(1.0, 1.08)
    span, centre = random.uniform(0.1, 1.5), random.normal(0, 0.4, 2)
    axis = np.linspace(-span, span, SIDE)
    point = (axis[None] + centre[0]) + 1j * (axis[:, None] + centre[1])
    escaped = np.zeros((SIDE, SIDE))
    for _ in range(40):
        point = np.where(np.abs(point) < 8, point**2 + constant, point)
        escaped += np.abs(point) < 8
    smooth = escaped - np.log2(np.maximum(np.log(np.abs(point) + 1e-9), 0.1))
    waves = np.sin(smooth[..., None] * random.uniform(0.05, 0.6, 3) + random.uniform(0, 6, 3))
    return _clip(128 + 110 * waves)


def iterated(random: Random) -> Pixels:
    """The attractor of a few random contractions (an iterated function system), on a coloured ground."""
    count = int(random.integers(2, 6))
    maps = random.uniform(-1, 1, (count, 2, 2))
    maps /= np.maximum(np.linalg.norm(maps, ord=2, axis=(1, 2)), 1e-3)[:, None, None]
    maps *= random.uniform(0.5, 0.95, (count, 1, 1))
    shifts = random.uniform(-1, 1, (count, 2))
    points = random.uniform(-1, 1, (1000, 2))
    hits = np.zeros((SIDE, SIDE))
    for step in range(120):
        chosen = random.integers(count, size=len(points))
        points = np.einsum("nij,nj->ni", maps[chosen], points) + shifts[chosen]
        if step >= 20:
            low, high = points.min(0), points.max(0)
            cells = ((points - low) / (high - low + 1e-9) * (SIDE - 1)).astype(int)
            np.add.at(hits, (cells[:, 1], cells[:, 0]), 1)
    density = np.minimum(np.log1p(hits) / 2, 1)[..., None]
    return _clip((1 - density) * np.array(_colour(random)) + density * np.array(_colour(random)))


def shapes(random: Random) -> Pixels:
    """Drawn things: traces, gratings, checks, rings, letters, on a ground with a slow gradient."""
    slope = random.normal(0, 40, (2, 3))
    axis = np.linspace(-0.5, 0.5, SIDE)
    ground = np.array(_colour(random)) + axis[:, None, None] * slope[0] + axis[None, :, None] * slope[1]
    image = Image.fromarray(_clip(ground))
    draw = ImageDraw.Draw(image)
    for _ in range(random.integers(1, 5)):
        FIGURES[random.integers(len(FIGURES))](draw, random)
    noisy = np.asarray(image) + random.normal(0, random.uniform(0, 12), (SIDE, SIDE, 1))
    return _clip(noisy)


def _leaf(draw: ImageDraw.ImageDraw, random: Random, radius: float) -> None:
    x, y = random.uniform(0, SIDE, 2)
    colour = _colour(random)
    kind = random.integers(3)
    if kind == 0:
        aspect = random.uniform(0.4, 1)
        draw.ellipse((x - radius, y - radius * aspect, x + radius, y + radius * aspect), fill=colour)
        return
    corners = int(random.integers(3, 9)) if kind == 1 else 4
    angles = np.sort(random.uniform(0, 2 * np.pi, corners))
    draw.polygon([(x + radius * np.cos(a), y + radius * np.sin(a)) for a in angles], fill=colour)


def _traces(draw: ImageDraw.ImageDraw, random: Random) -> None:
    colour, width = _colour(random), int(random.integers(1, 9))
    for _ in range(random.integers(3, 25)):
        position = random.uniform(0, SIDE, 2)
        path = [tuple(position)]
        for _ in range(random.integers(1, 6)):  # circuits run along eight directions
            angle = random.integers(8) * np.pi / 4
            position = position + random.uniform(10, 90) * np.array([np.cos(angle), np.sin(angle)])
            path.append(tuple(position))
        draw.line(path, fill=colour, width=width, joint="curve")


def _grating(draw: ImageDraw.ImageDraw, random: Random) -> None:
    colour, pitch, angle = _colour(random), random.uniform(4, 40), random.uniform(0, np.pi)
    along = np.array([np.cos(angle), np.sin(angle)]) * SIDE
    for offset in np.arange(-SIDE, SIDE, pitch):
        middle = SIDE / 2 + offset * np.array([-np.sin(angle), np.cos(angle)])
        draw.line([tuple(middle - along), tuple(middle + along)], fill=colour, width=max(1, int(pitch / 3)))


def _checks(draw: ImageDraw.ImageDraw, random: Random) -> None:
    colour, side = _colour(random), int(random.integers(4, 40))
    for row in range(0, SIDE, side):
        for column in range(row // side % 2 * side, SIDE, 2 * side):
            draw.rectangle((column, row, column + side - 1, row + side - 1), fill=colour)


def _rings(draw: ImageDraw.ImageDraw, random: Random) -> None:
    for _ in range(random.integers(1, 30)):
        x, y = random.uniform(0, SIDE, 2)
        radius = random.uniform(3, 60)
        box = (x - radius, y - radius, x + radius, y + radius)
        draw.ellipse(box, outline=_colour(random), width=int(random.integers(1, 8)))


def _letters(draw: ImageDraw.ImageDraw, random: Random) -> None:
    colour = _colour(random)
    for _ in range(random.integers(1, 12)):
        word = "".join(chr(code) for code in random.integers(33, 127, random.integers(1, 12)))
        font = ImageFont.load_default(float(random.uniform(8, 60)))
        draw.text(tuple(random.uniform(-20, SIDE - 20, 2)), word, fill=colour, font=font)


def _colour(random: Random) -> tuple[int, int, int]:
    red, green, blue = random.integers(0, 256, 3).tolist()
    return red, green, blue


def _clip(values: Floats) -> Pixels:
    return np.clip(values, 0, 255).astype(np.uint8)


FIGURES: tuple[Callable[[ImageDraw.ImageDraw, Random], None], ...] = (
    _traces,
    _traces,
    _grating,
    _checks,
    _rings,
    _letters,
)
KINDS: tuple[Callable[[Random], Pixels], ...] = (
    dead_leaves,
    dead_leaves,
    coloured_noise,
    shapes,
    shapes,
    julia,
    iterated,
)
