"""The log of a server or a watch: a line an entry, whatever names are in it."""

from __future__ import annotations

import logging
import math
import time
from typing import Final

from twinspect.utils.spelling import spell

QUIET_SECONDS: Final = 60.0
"""For so long, logs in :data:`_QUIET` do not repeat a message, whatever its arguments."""
_QUIET: Final = ("asyncio", "twinspect.serve.http.connections")
"""Logs of what clients can cause as often as they like."""


class _LineFormatter(logging.Formatter):
    """Writes the message in one line; a traceback may follow it."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name that logging calls
        """Spell what would end the line."""
        record.message = spell(record.message)
        return super().formatMessage(record)


class _NowAndThen(logging.Filter):
    """Lets a message pass once in a while: where files run out, asyncio says so thousands of times a second."""

    def __init__(self) -> None:
        super().__init__()
        self._passed: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a message was not logged lately."""
        text = str(record.msg).partition("\n")[0]
        now = time.monotonic()
        if now - self._passed.get(text, -math.inf) < QUIET_SECONDS:
            return False
        self._passed = {text: now} | {key: at for key, at in self._passed.items() if now - at < QUIET_SECONDS}
        return True


def log_to_stderr(pattern: str) -> None:
    """Log to standard error, unless logging was set up already.

    Args:
        pattern: of an entry, as for :class:`logging.Formatter`.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(_LineFormatter(pattern))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for name in _QUIET:
        logging.getLogger(name).addFilter(_NowAndThen())
