"""Rate limit of a client's requests: a token bucket."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

from cachetools import LRUCache

from twinspect.serve.api_errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

BURST_SECONDS: Final = 4
"""An idle client may send this many seconds' worth of requests at once: a page of thumbnails, for instance."""
MAX_CLIENTS: Final = 10_000
"""How many clients are remembered; the least recent are forgotten first."""


class RateLimit:
    """Limits requests by client: the owner of a token, or an address.

    Args:
        per_second: requests a second; 0 for no limit.
        clock: returns seconds; another one in tests.
    """

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock = per_second, clock
        self._capacity = max(1.0, per_second * BURST_SECONDS)
        self._left: LRUCache[str, tuple[float, float]] = LRUCache(MAX_CLIENTS)

    def check(self, client: str) -> None:
        """Count one request.

        Raises:
            ApiError: ``rate_limited``, with the time to wait.
        """
        if not self._rate:
            return
        now = self._clock()
        left, last = self._left.get(client, (self._capacity, now))
        left = min(self._capacity, left + (now - last) * self._rate)
        enough = left >= 1
        self._left[client] = (left - enough, now)
        if not enough:
            seconds = math.ceil((1 - left) / self._rate)
            raise ApiError(
                "rate_limited",
                f"more than {self._rate:g} requests a second; wait {seconds} s, or start the server with a larger "
                "--rate-limit",
                retry_after=seconds,
            )
