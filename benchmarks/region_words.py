"""How often the words about regions are right, on synthetic defects whose kind is known.

    for s in cookies aliens; do twinspect fit ../shared/data/$s --teacher pocket --out models/$s.twin; done
    python benchmarks/region_words.py --data ../shared/data --models models --sets cookies aliens

Defects of five kinds, spots beside the object where there is one, and pieces that moved, in three sizes, are drawn on
good test images, which no fit has seen, and found at a rate of 0.25, so that there are many regions. Of each that
touches a defect, the words are compared with what was drawn: something missing: a missing piece, or the place that a
piece left; something added: a spot beside the object; displaced: a piece that moved; and how its pixels were changed:
darker, brighter: their mean lightness by 2 at least; other colour: their mean (a, b) by 5 (CIELAB); less, more
texture: the mean deviation of the lightness from its mean in 3 x 3 pixels of the reduced image, to less than 0.8 or
more than 1.25 of it, without the defect's outline.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

import twinspect as ts
from twinspect.data.pixels import read_pixels
from twinspect.data.samples import DataSet, Sample
from twinspect.images.png import decode_png
from twinspect.regions.describing import (
    BRIGHTER,
    DARKER,
    LESS_TEXTURE,
    MORE_TEXTURE,
    OTHER_COLOUR,
    WORDS,
)
from twinspect.regions.displacement import DISPLACED
from twinspect.regions.finding import RegionRules
from twinspect.regions.good_patches import SIDE, to_lab
from twinspect.regions.presence import ADDED, MISSING
from twinspect.synthesis.defects import DEFECTS, Canvas, draw_defect
from twinspect.synthesis.foreground import foregrounds
from twinspect.utils.even_sampling import evenly_spaced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

SIZES = (0.08, 0.16, 0.24)
IMAGES, EACH = 10, 10
RATE = 0.25
BESIDE, MOVED = "spot beside the object", "piece moved"
KINDS = (*DEFECTS, BESIDE, MOVED)
MOVES = (3, 7)
"""How far a piece is moved, in pixels of the reduced image."""
CANDIDATES = 50


def main() -> None:
    """Print a table of words for each set and one of kinds for all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--models", type=Path, required=True, help="folder of the models, SET.twin")
    parser.add_argument("--sets", nargs="+", required=True)
    options = parser.parse_args()
    by_kind: Counter[tuple[str, ...]] = Counter()
    print("| set | regions | without words | " + " | ".join(WORDS) + " | regions elsewhere, with words |")
    print("|---|---|---|" + "---|" * (len(WORDS) + 1))
    for name in options.sets:
        print(_row(name, *_count(options.data / name, options.models / f"{name}.twin", by_kind)), flush=True)
    print("\n| kind | regions | " + " | ".join(WORDS) + " |\n|---|---|" + "---|" * len(WORDS))
    for kind in KINDS:
        print(f"| {kind} | {by_kind[kind, 'regions']} | " + " | ".join(_cells(by_kind, kind)) + " |")


def _count(
    data: Path, model: Path, by_kind: Counter[tuple[str, ...]]
) -> tuple[Counter[str], Counter[tuple[str, ...]]]:
    """Count regions, and by word how often it was true, said, and both."""
    detector = ts.load(model, runtime="torch").set_rate(RATE)
    step = -(-max(max(decode_png(image).shape) for image in detector.images_) // SIDE)
    regions: Counter[str] = Counter()
    words: Counter[tuple[str, ...]] = Counter()
    for kind, before, drawn in _drawn(data, detector.bits, step):
        samples = [Sample(Path(kind), f"{kind} {at}", pixels=image) for at, image in enumerate(drawn)]
        images = DataSet(name=kind, root=None, samples=tuple(samples))
        rows = detector.stream(images, maps=False, regions=RegionRules())
        for clean, changed, row in zip(before, drawn, rows, strict=True):
            touched = (clean != changed).any(axis=-1)
            true = _true_words(kind, clean, changed, touched, step) if touched.any() else set()
            for region in row.regions or ():
                x, y, width, height = region.box
                if not touched[y : y + height, x : x + width].any():
                    regions["elsewhere"] += 1
                    regions["elsewhere with words"] += bool(region.words)
                    continue
                regions["all"] += 1
                regions["silent"] += not region.words
                by_kind[kind, "regions"] += 1
                for word in WORDS:
                    is_true, is_said = word in true, word in region.words
                    counts = {"true": is_true, "said": is_said, "right": is_true and is_said}
                    words.update({(word, what): int(holds) for what, holds in counts.items()})
                    by_kind.update({(kind, word, what): int(holds) for what, holds in counts.items()})
    return regions, words


def _drawn(data: Path, bits: int | None, step: int) -> Iterator[tuple[str, list[Pixels], list[Pixels]]]:
    """Draw defects of each kind and size: the kind, the images before, and after."""
    good = [sample for sample in ts.data.open_data(data) if sample.split == "test" and sample.is_good]
    images = [read_pixels(sample, bits=bits) for sample in evenly_spaced(good, IMAGES)]
    masks = foregrounds(images)
    on_object = [Canvas.of(image, mask) for image, mask in zip(images, masks, strict=True)]
    on_ground = [Canvas.of(image, ~mask) for image, mask in zip(images, masks, strict=True) if not mask.all()]
    for number, kind in enumerate(KINDS):
        canvases = on_ground if kind == BESIDE else on_object
        for size in SIZES if canvases else ():
            used = [canvases[at % len(canvases)] for at in range(EACH)]
            randoms = [np.random.default_rng([1, number, at]) for at in range(EACH)]
            shape = "spot" if kind == BESIDE else kind
            after = [
                _moved(canvas, size, step, random)
                if kind == MOVED
                else draw_defect(canvas, shape, size, random)
                for canvas, random in zip(used, randoms, strict=True)
            ]
            yield kind, [canvas.pixels for canvas in used], after


def _moved(canvas: Canvas, size: float, step: int, random: np.random.Generator) -> Pixels:
    """Move what stands out most of some random discs on the object, and leave what surrounds it in its place."""
    radius = max(3 * step, round(size * canvas.side / 2))
    length, angle = step * random.uniform(*MOVES), random.uniform(0, 2 * np.pi)
    move = round(length * np.sin(angle)), round(length * np.cos(angle))
    margin = radius + 2 * step + max(abs(move[0]), abs(move[1]))
    image = canvas.pixels
    rows, columns = np.unravel_index(random.choice(canvas.places, CANDIDATES), image.shape[:2])
    places = [
        (
            min(max(row, margin), image.shape[0] - margin - 1),
            min(max(column, margin), image.shape[1] - margin - 1),
        )
        for row, column in zip(rows, columns, strict=True)
    ]
    distance = np.hypot(*(np.indices((2 * margin + 1, 2 * margin + 1)) - margin))
    disc, ring = distance <= radius, (distance > radius) & (distance <= radius + 2 * step)

    def cut(place: tuple[int, int]) -> tuple[slice, slice]:
        return tuple(slice(at - margin, at + margin + 1) for at in place)  # type: ignore[return-value]

    def contrast(place: tuple[int, int]) -> float:
        piece = image[cut(place)].astype(float)
        return float(np.abs(piece[disc] - np.median(piece[ring], axis=0)).mean())

    best = cut(max(places, key=contrast))
    after = image.copy()
    after[best][disc] = np.median(image[best][ring], axis=0)
    there = np.roll(disc, move, axis=(0, 1))
    after[best][there] = np.roll(image[best], move, axis=(0, 1))[there]
    return after


def _true_words(kind: str, before: Pixels, after: Pixels, touched: NDArray[np.bool_], step: int) -> set[str]:
    """Say how the touched pixels were changed."""
    (place,) = ndimage.find_objects(touched.astype(int))
    around = tuple(slice(max(0, part.start - 2 * step), part.stop + 2 * step) for part in place)
    touched = touched[around]
    old, new = to_lab(before[around], 1), to_lab(after[around], 1)
    lightness, *colour = (new - old)[touched].mean(axis=0)
    core = ndimage.binary_erosion(touched, iterations=2 * step)
    core = core if core.any() else touched
    rough, was_rough = (_roughness(lab, step)[core].mean() for lab in (new, old))
    holds = {
        MISSING: kind in ("missing_piece", MOVED),
        ADDED: kind == BESIDE,
        DISPLACED: kind == MOVED,
        DARKER: lightness < -2,
        BRIGHTER: lightness > 2,
        OTHER_COLOUR: np.hypot(*colour) > 5,
        LESS_TEXTURE: rough < 0.8 * was_rough,
        MORE_TEXTURE: rough > 1.25 * was_rough,
    }
    return {word for word, is_true in holds.items() if is_true}


def _roughness(lab: NDArray[np.float32], step: int) -> Any:
    return np.abs(lab[..., 0] - ndimage.uniform_filter(lab[..., 0], 3 * step))


def _cells(words: Counter[tuple[str, ...]], *key: str) -> list[str]:
    """Say of each word how often it was right, said and true."""
    counts = ([words[(*key, word, what)] for what in ("right", "said", "true")] for word in WORDS)
    return [f"{right} of {said} ({true})" for right, said, true in counts]


def _row(name: str, regions: Counter[str], words: Counter[tuple[str, ...]]) -> str:
    elsewhere = f"{regions['elsewhere']}, {regions['elsewhere with words']}"
    return f"| {name} | {regions['all']} | {regions['silent']} | {' | '.join(_cells(words))} | {elsewhere} |"


if __name__ == "__main__":
    main()
