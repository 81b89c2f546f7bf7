"""Detectors at the line: a web server with a page, a store that forgets nothing, and a watched folder.

The server judges by :class:`twinspect.judging.Judge` alone and holds no model logic. It needs the extra
``serve``; nothing here is imported until the verb runs.
"""

from __future__ import annotations

__all__: list[str] = []
