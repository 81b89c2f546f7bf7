"""Small images within a JSON record: PNG files in base64."""

from __future__ import annotations

import base64
import binascii
import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from PIL import Image

from twinspect.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


def encode_png_text(values: NDArray[Any]) -> str:
    """Write an image, (H, W) bool or uint8, as text."""
    file = io.BytesIO()
    Image.fromarray(values).save(file, format="PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode("ascii")


@contextmanager
def opened_png_text(text: str, what: str) -> Iterator[Image.Image]:
    """Open what :func:`encode_png_text` wrote; its pixels are decoded when they are asked for.

    Args:
        text: of the record.
        what: begins the message of an error.

    Raises:
        ConfigError: it is damaged.
    """
    try:
        with Image.open(io.BytesIO(base64.b64decode(text, validate=True)), formats=("PNG",)) as image:
            yield image
    except (binascii.Error, OSError, SyntaxError, ValueError) as error:
        raise ConfigError(f"{what} is damaged: {error}") from error
