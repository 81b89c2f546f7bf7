"""A few results kept in memory, the newest used first, within bounds."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

Value = TypeVar("Value")


class Cache(Generic[Value]):
    """Keeps what was used last.

    Args:
        most: what all that is kept may weigh together, in bytes.
    """

    def __init__(self, most: int) -> None:
        self._most, self._total = most, 0
        self._kept: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Value], weigh: Callable[[Value], int]) -> Value:
        """Give a value, made now if it is not kept."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][0]
        value = make()
        self._keep(key, value, weigh(value))
        return value

    def _keep(self, key: Hashable, value: Value, weight: int) -> None:
        with self._lock:
            if key in self._kept or weight > self._most:
                return
            self._kept[key] = (value, weight)
            self._total += weight
            while self._total > self._most:
                _, (_, freed) = self._kept.popitem(last=False)
                self._total -= freed
