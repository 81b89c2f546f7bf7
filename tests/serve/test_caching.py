"""What a server keeps in memory is made once, and stays within its size."""

from __future__ import annotations

from typing import Any

from cachetools import LRUCache

from twinspect.serve.http.context import Context


def test_what_was_used_last_is_kept_within_the_size() -> None:
    nothing: Any = None
    here, cache = Context(nothing, nothing, nothing), LRUCache[str, bytes](8, len)
    made: list[str] = []

    def get(key: str, size: int) -> None:
        assert here.cached(cache, key, lambda: made.append(key) or bytes(size)) == bytes(size)

    get("a", 4)
    get("b", 4)
    get("a", 4)
    get("large", 9)  # too large to keep, and no reason to forget others
    assert made == ["a", "b", "large"]
    get("c", 4)  # in place of b, which was used longest ago
    get("a", 4)
    get("b", 4)
    assert made == ["a", "b", "large", "c", "b"]
