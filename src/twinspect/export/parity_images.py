"""The images that an export is checked on: those kept with the model, or a folder that the user names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from twinspect.data import open_data
from twinspect.data.samples import Sample
from twinspect.errors import ConfigError, DataError
from twinspect.images.png import decode_png
from twinspect.images.reading import read_rgb
from twinspect.utils.even_sampling import evenly_spaced

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

MOST: Final = 16
"""Images of a folder that are used, evenly spaced."""
_SHARE: Final = 0.62
"""The width of the second crop of every image, as a share; its height is three pixels less."""


def images_to_check(
    kept: Sequence[bytes], folder: str | Path | None, fixed_size: tuple[int, int] | None, bits: int | None
) -> list[Sample]:
    """List images with their pixels; if the export takes any size, each also cropped to another size and shape.

    Args:
        kept: PNG files that came with the model.
        folder: a folder of images to use instead.
        fixed_size: the only height and width that the export takes; images are cropped, or repeated, to that.
        bits: significant bits of 16-bit files.

    Raises:
        ConfigError: there are none.
        DataError: the folder has no image.
        ImageError: one cannot be read.
    """
    images = _read_folder(folder, bits) if folder is not None else _decode_kept(kept)
    if not images:
        raise ConfigError(
            "no images were kept with this model, and an export is only written once it has been checked; type: "
            "--check DIR, a folder of images of the product"
        )
    if fixed_size is not None:
        return [_sample(name, crop_or_repeat(rgb, fixed_size)) for name, rgb in images]
    crops = [(f"{name}, cropped", rgb[3:, : max(2, int(_SHARE * rgb.shape[1]))]) for name, rgb in images]
    return [_sample(name, rgb) for name, rgb in [*images, *crops] if min(rgb.shape[:2]) > 1]


def _decode_kept(contents: Iterable[bytes]) -> list[tuple[str, NDArray[np.uint8]]]:
    return [(f"kept image {number}", decode_png(content)) for number, content in enumerate(contents)]


def _read_folder(folder: str | Path, bits: int | None) -> list[tuple[str, NDArray[np.uint8]]]:
    samples = open_data(folder, split="test").samples
    if not samples:
        raise DataError(f"{folder}: no images; --check takes a folder of images of the product")
    return [(sample.name, read_rgb(sample.path, bits=bits)) for sample in evenly_spaced(samples, MOST)]


def crop_or_repeat(rgb: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Crop an image to a size, repeating it where it is too small."""
    times = [-(-target // side) for target, side in zip(size, rgb.shape[:2], strict=True)]
    return np.tile(rgb, (*times, 1))[: size[0], : size[1]]


def _sample(name: str, rgb: NDArray[np.uint8]) -> Sample:
    return Sample(path=Path(name), name=name, pixels=np.ascontiguousarray(rgb))
