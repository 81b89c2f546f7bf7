"""The newest frame of a camera, read all the time, so that nobody who asks gets an old one out of a buffer."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

from twinspect.errors import in_one_line
from twinspect.serve.sources.camera import Camera, open_capture

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

LOG = logging.getLogger(__name__)
RETRY_SECONDS: Final = 1.0
"""Seconds until a camera that delivers nothing is opened again; twice as long each time, up to the next."""
MOST_RETRY_SECONDS: Final = 10.0
FRESH_SECONDS: Final = 5.0
"""Seconds that a frame may take to come."""
_LEAST_SECONDS: Final = 0.005
"""Seconds between two frames at least: a file or a broken camera may deliver without end."""
_STOP_SECONDS: Final = 2.0
"""Seconds to wait for the thread; a camera that hangs ends with the process."""
NO_IMAGE: Final = "the camera delivers no image"


@dataclass(frozen=True)
class Frame:
    """A frame of a camera.

    Attributes:
        pixels: (H, W, 3) uint8 RGB.
        taken_at: when it was read, UTC.
        asked_at: when it was asked for, in seconds of a monotonic clock.
    """

    pixels: NDArray[np.uint8]
    taken_at: datetime
    asked_at: float


class FrameReader:
    """Reads a camera in a thread of its own, and opens it again when it fails.

    Args:
        name: what the log calls it, without a password.
        address: of the camera.
        opener: as for :class:`.Camera`.

    Attributes:
        newest: the newest frame; ``None`` before the first.
    """

    def __init__(self, name: str, address: str, opener: Callable[[str], Any] = open_capture) -> None:
        self.newest: Frame | None = None
        self._error: str | None = None
        self._failures = 0
        self._name, self._address, self._opener = name, address, opener
        self._stopping = threading.Event()
        self._came = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=f"camera-{name}", daemon=True)
        self._thread.start()

    @property
    def error(self) -> str | None:
        """What is wrong now; ``None`` while frames come."""
        if self._error is None and self.newest is not None:
            age = (datetime.now(timezone.utc) - self.newest.taken_at).total_seconds()
            return f"no image for {age:.0f} s" if age > 2 * FRESH_SECONDS else None
        return self._error

    def next(self, seconds: float = FRESH_SECONDS) -> Frame | None:
        """Wait for a frame that is asked for after this call; ``None`` if none comes in so many seconds."""
        now = time.monotonic()
        with self._came:
            self._came.wait_for(lambda: self._is_since(now) or self._stopping.is_set(), seconds)
            return self.newest if self._is_since(now) else None

    def close(self) -> None:
        """Stop, and release the camera."""
        self._stopping.set()
        with self._came:
            self._came.notify_all()
        self._thread.join(_STOP_SECONDS)

    def _is_since(self, moment: float) -> bool:
        return self.newest is not None and self.newest.asked_at >= moment

    def _run(self) -> None:
        camera: Camera | None = None
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                camera = camera or Camera(self._address, self._opener)
                pixels = camera.grab()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is told, and tried again
                self._fail(in_one_line(error).replace(self._address, self._name))
                continue
            if pixels is None:
                self._fail(NO_IMAGE)
                continue
            with self._came:
                self.newest = Frame(pixels, datetime.now(timezone.utc), began)
                self._error, self._failures = None, 0
                self._came.notify_all()
            self._stopping.wait(max(0.0, _LEAST_SECONDS - (time.monotonic() - began)))
        if camera is not None:
            camera.close()

    def _fail(self, error: str) -> None:
        if self._error is None:
            LOG.warning("%s: %s; opening it again until it does", self._name, error)
        self._error = error
        self._stopping.wait(min(MOST_RETRY_SECONDS, RETRY_SECONDS * 2.0 ** min(self._failures, 60)))
        self._failures += 1
