"""The log of a server or a watch: a line an entry, whatever names are in it."""

from __future__ import annotations

import logging

from twinspect.utils.spelling import spell


class _LineFormatter(logging.Formatter):
    """Writes the message in one line; a traceback may follow it."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name that logging calls
        """Spell what would end the line."""
        record.message = spell(record.message)
        return super().formatMessage(record)


def log_to_stderr(pattern: str) -> None:
    """Log to standard error, unless logging was set up already.

    Args:
        pattern: of an entry, as for :class:`logging.Formatter`.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(_LineFormatter(pattern))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
