"""Schedules of the step size: its factor by the share of the training done. Imports no torch."""

from __future__ import annotations

import math


def stepped(done: float) -> float:
    """Return 1, 0.2 from 80 % of the training on, and 0.04 from 90 % on (AAND's code)."""
    return float(0.2 ** ((done >= 0.8) + (done >= 0.9)))


def warm_cosine(done: float, *, warm: float, last: float, ahead: float = 1e-3) -> float:
    """Return a linear rise to 1, then half a cosine down to ``last``.

    Args:
        done: share of the training done, in [0, 1).
        warm: share in which it rises.
        last: at the end.
        ahead: share of the training before the first step in which it began to rise from 0.
    """
    if done < warm:
        return (done + ahead) / (warm + ahead)
    progress = (done - warm) / (1 - warm) if warm < 1 else 0.0
    return last + (1 - last) * 0.5 * (1 + math.cos(math.pi * progress))
