"""Values that JSON has."""

from __future__ import annotations

import math
from typing import Any


def without_nan(value: Any) -> Any:
    """Replace NaN and infinity, which JSON does not have, by ``None``, in lists and dictionaries too.

    >>> without_nan({"a": [1.0, float("nan")], "b": float("inf")})
    {'a': [1.0, None], 'b': None}
    """
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
