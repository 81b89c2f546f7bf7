"""Images from a camera, by an RTSP address or the number of a USB device; needs OpenCV."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

from twinspect.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


def import_opencv() -> Any:
    """Import OpenCV.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module("cv2")
    except ImportError as error:
        raise MissingExtraError(
            "a camera needs OpenCV, which is not installed; type: pip install opencv-python-headless"
        ) from error


def open_capture(source: str) -> Any:
    """Open a camera.

    Args:
        source: an address, or the number of a device.

    Raises:
        MissingExtraError: OpenCV is not installed.
    """
    cv2 = import_opencv()
    return cv2.VideoCapture(int(source) if source.isdecimal() else source)


class Camera:
    """A camera that is reopened whenever it delivers no image.

    Args:
        source: an address, or the number of a device.
        opener: opens it and returns an object like ``cv2.VideoCapture``.
    """

    def __init__(self, source: str, opener: Callable[[str], Any] = open_capture) -> None:
        self._source, self._opener = source, opener
        self._capture: Any = opener(
            source
        )  # at once, so that a missing OpenCV is reported before models load

    def grab(self) -> NDArray[np.uint8] | None:
        """Return the next image, (H, W, 3) uint8 RGB, or ``None`` if the camera delivers none now."""
        if self._capture is None:
            self._capture = self._opener(self._source)
        is_read, frame = self._capture.read()
        if not is_read:
            self.close()
            return None
        pixels = np.atleast_3d(np.asarray(frame, dtype=np.uint8))
        # OpenCV returns BGR, and one channel of a grey camera.
        rgb = pixels[..., ::-1] if pixels.shape[-1] == 3 else np.repeat(pixels[..., :1], 3, axis=-1)
        return np.ascontiguousarray(rgb)

    def close(self) -> None:
        """Release the camera."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None
