"""What a server keeps in memory is made once, and stays within its size."""

from __future__ import annotations

from typing import Any

from cachetools import LRUCache

from twinspect.serve.http.context import Context


def test_what_was_used_last_is_kept_within_the_size() -> None:
    nothing: Any = None
    context, cache = Context(nothing, nothing, nothing), LRUCache[str, bytes](8, len)
    calls: list[str] = []

    def get(key: str, size: int) -> None:
        assert context.cached(cache, key, lambda: calls.append(key) or bytes(size)) == bytes(size)

    get("a", 4)
    get("b", 4)
    get("a", 4)
    get("large", 9)  # too large to keep, and no reason to forget others
    assert calls == ["a", "b", "large"]
    get("c", 4)  # in place of b, which was used longest ago
    get("a", 4)
    get("b", 4)
    assert calls == ["a", "b", "large", "c", "b"]
