"""A small data set that needs no download: photographs from the scikit-image wheel, cut into parts.

Brick, grass and gravel (CC0) are cut into tiles that do not overlap. Most are good; some of those set aside for
the test get a defect that no training of this package draws: a scratch, a stain, a smear, or a coin from another
photograph. The folder has the MVTec layout, masks included.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import skimage
from PIL import Image, ImageDraw
from scipy import ndimage

from twinspect.utils.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Grey = NDArray[np.floating[Any]]
    Mask = NDArray[np.bool_]

PHOTOGRAPHS = ("brick", "grass", "gravel")
TILE = 64
"""Side of a tile in pixels: the 512 px photographs give 64 tiles each."""
GOOD_TESTS, EACH_DEFECT = 12, 3
_OVERSAMPLING = 4


def write_demo(folder: Path, seed: int = 0) -> None:
    """Write three categories in MVTec layout: 40 good training tiles, 12 good and 12 defective test tiles each.

    Args:
        folder: where to; files of the same name are replaced.
        seed: decides which tiles are tested and what the defects look like.
    """
    coins = _photograph("coins")
    for category, name in enumerate(PHOTOGRAPHS):
        random = np.random.default_rng([seed, category])
        tiles = [tile for row in _grid(_photograph(name)) for tile in row]
        order = random.permutation(len(tiles))
        tests = GOOD_TESTS + EACH_DEFECT * len(DEFECTS)
        for number, index in enumerate(order[tests:]):
            _write(folder / name / "train" / "good" / f"{number:03d}.png", tiles[index])
        for number, index in enumerate(order[:GOOD_TESTS]):
            _write(folder / name / "test" / "good" / f"{number:03d}.png", tiles[index])
        _write_defects(folder / name, [tiles[index] for index in order[GOOD_TESTS:tests]], coins, random)


def _write_defects(folder: Path, tiles: list[Grey], coins: Grey, random: np.random.Generator) -> None:
    for number, tile in enumerate(tiles):
        label = list(DEFECTS)[number // EACH_DEFECT]
        damaged, mask = DEFECTS[label](tile, coins, random)
        _write(folder / "test" / label / f"{number % EACH_DEFECT:03d}.png", damaged)
        _write(folder / "ground_truth" / label / f"{number % EACH_DEFECT:03d}_mask.png", 255.0 * mask)


def _scratch(tile: Grey, _coins: Grey, random: np.random.Generator) -> tuple[Grey, Mask]:
    """Draw a thin curved line, darker or brighter than its surroundings."""
    start, bend, end = random.uniform(6, TILE - 6, (3, 2))
    t = np.linspace(0, 1, 40)[:, None]
    curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * bend + t**2 * end
    canvas = Image.new("L", (TILE * _OVERSAMPLING,) * 2)
    points = [tuple(point) for point in (curve * _OVERSAMPLING).tolist()]
    ImageDraw.Draw(canvas).line(
        points, fill=255, width=int(random.uniform(1.5, 3) * _OVERSAMPLING), joint="curve"
    )
    cover = np.asarray(canvas.resize((TILE, TILE), Image.Resampling.BOX), dtype=np.float64) / 255
    tone = 245.0 if random.random() < 0.5 else 15.0
    return tile + cover * (tone - tile), cover > 0.3


def _stain(tile: Grey, _coins: Grey, random: np.random.Generator) -> tuple[Grey, Mask]:
    """Darken a soft blob, as a liquid would."""
    cover = ndimage.gaussian_filter(_blob(random, (9, 15)).astype(np.float64), 1.5)
    return tile * (1 - cover * random.uniform(0.45, 0.65)), cover > 0.5


def _smear(tile: Grey, _coins: Grey, random: np.random.Generator) -> tuple[Grey, Mask]:
    """Wipe the texture inside a blob into one direction."""
    mask = _blob(random, (11, 16))
    wiped = ndimage.uniform_filter1d(tile, size=17, axis=int(random.integers(2)), mode="reflect")
    return np.where(mask, wiped, tile), mask


def _coin(tile: Grey, coins: Grey, random: np.random.Generator) -> tuple[Grey, Mask]:
    """Lay a round piece of another photograph on the tile."""
    piece = coins[34:76, 29:71]  # the coin at the top left of the photograph
    radius = random.uniform(8, 13)
    scaled = ndimage.zoom(piece, 2 * radius / len(piece), order=1)
    size = len(scaled)
    top, left = random.integers(2, TILE - size - 2, 2)
    rows, columns = np.ogrid[:size, :size]
    disc = (rows - size / 2 + 0.5) ** 2 + (columns - size / 2 + 0.5) ** 2 <= (size / 2) ** 2
    mask = np.zeros_like(tile, dtype=np.bool_)
    mask[top : top + size, left : left + size] = disc
    damaged = tile.copy()
    damaged[mask] = scaled[disc]
    return damaged, mask


DEFECTS: dict[str, Callable[[Grey, Grey, np.random.Generator], tuple[Grey, Mask]]] = {
    "coin": _coin,
    "scratch": _scratch,
    "smear": _smear,
    "stain": _stain,
}


def _blob(random: np.random.Generator, radius: tuple[float, float]) -> Mask:
    """Draw a round shape whose outline wobbles in three waves."""
    size = random.uniform(*radius)
    centre = random.uniform(size, TILE - size, 2)
    rows, columns = np.mgrid[:TILE, :TILE]
    angle = np.arctan2(rows - centre[0], columns - centre[1])
    wobble = sum(
        random.uniform(0, 0.15) * np.sin(n * angle + random.uniform(0, 2 * np.pi)) for n in (2, 3, 5)
    )
    blob: Mask = np.hypot(rows - centre[0], columns - centre[1]) < size * (1 + wobble)
    return blob


def _photograph(name: str) -> Grey:
    path = Path(skimage.__file__).parent / "data" / f"{name}.png"
    return np.asarray(Image.open(path).convert("L"), dtype=np.float64)


def _grid(photograph: Grey) -> Grey:
    """Cut into (rows, columns, TILE, TILE)."""
    rows, columns = (side // TILE for side in photograph.shape)
    cut = photograph[: rows * TILE, : columns * TILE].reshape(rows, TILE, columns, TILE)
    return np.asarray(cut.swapaxes(1, 2))


def _write(path: Path, values: Grey) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.clip(values.round(), 0, 255).astype(np.uint8)).save(buffer, format="PNG")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, buffer.getvalue())
