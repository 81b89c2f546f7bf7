"""`twinspect synth`: a preview of the synthetic anomalies that training would see."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from scipy import ndimage

from twinspect.cli.console import counted, warn
from twinspect.cli.outcome import DONE, SOME_UNREADABLE, Outcome
from twinspect.data import open_data
from twinspect.data.pixels import read_pixels
from twinspect.data.prefetching import ReadFailure, read_samples
from twinspect.errors import ConfigError, DataError
from twinspect.synthesis import Synthesizer, foregrounds
from twinspect.utils.even_sampling import evenly_spaced
from twinspect.utils.files import write_atomically
from twinspect.utils.progress import announce
from twinspect.utils.progress_bar import Bar

if TYPE_CHECKING:
    import argparse

    from numpy.typing import NDArray

    from twinspect.data.samples import Sample
    from twinspect.synthesis import Synthetic

    Mask = NDArray[np.bool_]
    Pixels = NDArray[np.uint8]

SHEET = "contact_sheet.png"
MARK = ("Software", "twinspect synth")
"""Text in a sheet that says where it comes from, so that another picture of its name is not replaced."""
COLUMNS = 8
"""Images in a row of the sheet."""
GAP = 4
"""White pixels around every image."""
OUTLINE = (0, 255, 0)


def run(options: argparse.Namespace) -> Outcome:
    """Draw anomalies on good training images and write them as one sheet."""
    _check(options)
    sheet = Path(options.out) / SHEET
    if sheet.exists() and not _is_ours(sheet):
        raise ConfigError(f"{sheet} was not written by synth; choose another --out, or move it away")
    synthesizer = Synthesizer(options.kind, options.textures or "", options.seed)
    samples = _choose_samples(options.data, options.count)
    images, unread = _read(samples, options.size)
    announce("drawing anomalies")
    missing = {failure.sample for failure in unread}
    objects = np.stack(foregrounds(images, [sample.category for sample in samples if sample not in missing]))
    synthetic = synthesizer(images, range(len(images)), objects)
    sheet.parent.mkdir(parents=True, exist_ok=True)
    _write(sheet, contact_sheet(images, objects, synthetic))
    return _report(sheet, synthetic, objects, unread)


def contact_sheet(images: Pixels, objects: Mask, synthetic: Synthetic) -> Pixels:
    """Lay out four rows: image, outline of its foreground, with the anomaly, mask; and again below for more images.

    Args:
        images: (B, H, W, 3) uint8.
        objects: (B, H, W) bool, their foregrounds.
        synthetic: of the same images.

    Returns:
        (height, width, 3) uint8.
    """
    outlines = np.stack([_draw_outline(*pair) for pair in zip(images, objects, strict=True)])
    masks = np.repeat(synthetic.masks[..., None] * np.uint8(255), 3, axis=-1)
    columns = min(COLUMNS, len(images))
    strips = [
        _make_strip(row[start : start + columns], columns)
        for start in range(0, len(images), columns)
        for row in (images, outlines, synthetic.images, masks)
    ]
    return np.concatenate(strips)


def _make_strip(images: Pixels, columns: int) -> Pixels:
    """Lay images side by side on white, with room for ``columns``."""
    size = images.shape[1] + 2 * GAP
    strip: Pixels = np.full((size, size * columns, 3), 255, np.uint8)
    for index, image in enumerate(images):
        left = index * size + GAP
        strip[GAP:-GAP, left : left + images.shape[2]] = image
    return strip


def _check(options: argparse.Namespace) -> None:
    if options.count < 1 or options.size < 16:
        raise ConfigError(
            f"--count is {options.count} and --size is {options.size}; allowed are --count from 1 and --size from 16"
        )


def _choose_samples(source: str, count: int) -> list[Sample]:
    """Choose good training images, evenly spread over the list."""
    good = [sample for sample in open_data(source, split="train").split("train") if sample.is_good]
    if not good:
        raise DataError(f"{source}: no good images to train on; see: twinspect doctor {source}")
    return evenly_spaced(good, count)


def _read(samples: list[Sample], size: int) -> tuple[Pixels, list[ReadFailure]]:
    def work(sample: Sample) -> Pixels:
        pixels = read_pixels(sample)
        return np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BILINEAR))

    with Bar() as bar:
        results = list(bar.watch("read", read_samples(samples, work), total=len(samples)))
    unread = [result for result in results if isinstance(result, ReadFailure)]
    for failure in unread:
        warn(failure.message)
    if len(unread) == len(results):
        raise DataError(
            f"none of the {len(results)} images chosen can be read; the first: {unread[0].message}"
        )
    return np.stack([result for result in results if not isinstance(result, ReadFailure)]), unread


def _draw_outline(image: Pixels, mask: Mask) -> Pixels:
    """Draw the inner edge of a mask, along the border of the image as well."""
    drawn: Pixels = image.copy()
    drawn[mask & ~ndimage.binary_erosion(mask, iterations=2)] = OUTLINE
    return drawn


def _write(path: Path, pixels: Pixels) -> None:
    buffer = io.BytesIO()
    about = PngInfo()
    about.add_text(*MARK)
    Image.fromarray(pixels).save(buffer, format="PNG", pnginfo=about)
    write_atomically(path, buffer.getvalue())


def _is_ours(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            return bool(image.info.get(MARK[0]) == MARK[1])
    except OSError:
        return False


def _report(sheet: Path, synthetic: Synthetic, objects: Mask, unread: list[ReadFailure]) -> Outcome:
    anomalous = synthetic.is_anomalous
    normal = int((~anomalous).sum())
    share = float(synthetic.masks[anomalous].mean()) if anomalous.any() else 0.0
    whole = int(objects.all(axis=(1, 2)).sum())
    record = {
        "sheet": str(sheet),
        "images": len(anomalous),
        "normal": normal,
        "mean_masked_share": share,
        "whole_image_foregrounds": whole,
        "unreadable": [{"path": str(f.sample.path), "reason": f.message} for f in unread],
    }
    text = (
        f"{sheet}: {counted(len(anomalous), 'image')}, of which {normal} stayed normal; an anomaly covers "
        f"{share:.1%} of its image on average\nforeground: an object in {counted(len(anomalous) - whole, 'image')}, "
        f"the whole image in {whole}"
    )
    return Outcome(text, record, SOME_UNREADABLE if unread else DONE)
