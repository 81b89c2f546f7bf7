"""Time limits of connections: whoever sends nothing, or a header without end, keeps no place from others."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.auto import AutoHTTPProtocol

if TYPE_CHECKING:
    from collections.abc import MutableMapping

LOG = logging.getLogger(__name__)
HEADER_SECONDS: Final = 10.0
"""Seconds within which the header of a request must arrive, from the connection or its first byte on."""
_SHARE: Final = 0.7
"""Share of the files that this process may open that connections may take; models, store and images need the rest."""
_MOST: Final = 4096
CLOSED: Final = ("silent", "slow_header", "too_many")
"""Why connections are closed: nothing was sent, a header did not arrive in time, or there were too many of them."""


def most_connections() -> int:
    """Choose how many connections may be open at once, by the system's limit of open files."""
    if sys.platform == "win32":
        return _MOST
    import resource  # noqa: PLC0415 - Unix only

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if soft == resource.RLIM_INFINITY else max(8, min(_MOST, int(_SHARE * soft)))


class TimedProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """A connection that is closed where no header arrives in time, or earlier where there are too many.

    Where a new connection would be one too many, the one is closed that has waited longest for its header.
    """

    most: int = _MOST
    waiting: MutableMapping[TimedProtocol, None] = {}  # noqa: RUF012 - all connections of this process
    open: int = 0
    closed: MutableMapping[str, int] = dict.fromkeys(CLOSED, 0)

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first header."""
        super().connection_made(transport)
        TimedProtocol.open += 1
        self._timer: asyncio.TimerHandle | None = None
        self._reason = "silent"
        self._wait()
        if TimedProtocol.open > self.most:
            next(iter(self.waiting)).close("too_many")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        TimedProtocol.open -= 1
        self._end_wait()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Wait on while no header is complete."""
        self._reason = "slow_header"
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._wait()
        else:
            self._end_wait()

    def close(self, reason: str) -> None:
        """Close the connection, count it and log it, unless it is silent as those that browsers keep in reserve."""
        self.transport.close()
        self._end_wait()
        TimedProtocol.closed[reason] += 1
        if reason != "silent":
            client = self.client[0] if self.client else "a client"
            LOG.warning("a connection of %s was closed: %s; /metrics counts how many were", client, reason)

    def _close_late(self) -> None:
        self.close(self._reason)

    def _wait(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(HEADER_SECONDS, self._close_late)
            self.waiting[self] = None

    def _end_wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self.waiting.pop(self, None)
