"""Which layers lose most in integers: measured by quantizing one group of neighbours at a time."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from twinspect.export.int8_acceptance import GraphResults
    from twinspect.export.quantizable_layers import Layer

GROUPS: Final = 12
"""Groups at most: each costs a quantization and a few images. A layer in floats between two in integers gains little,
since its input is rounded already: neighbours go together."""


def rank_by_sensitivity(
    layers: Sequence[Layer],
    floats: GraphResults,
    quantize_only: Callable[[Sequence[Layer]], GraphResults],
    say: Callable[[str], None],
) -> list[list[Layer]]:
    """Group layers and rank the groups, the most sensitive first.

    Args:
        layers: in the order in which they compute.
        floats: results of the graph in floats on some images.
        quantize_only: gives the results on the same images if these layers alone compute in integers.
        say: called with progress messages.
    """
    groups = _groups(layers)
    noise = []
    for number, group in enumerate(groups, start=1):
        say(
            f"measuring how sensitive layers are, {number} of {len(groups)}: {group[0].module} to {group[-1].module}"
        )
        noise.append(_noise(floats, quantize_only(group)))
    order = np.argsort(noise)[::-1]
    return [groups[index] for index in order]


def _groups(layers: Sequence[Layer]) -> list[list[Layer]]:
    cuts = np.linspace(0, len(layers), min(GROUPS, len(layers)) + 1).round().astype(int)
    return [list(layers[start:end]) for start, end in pairwise(cuts)]


def _noise(floats: GraphResults, integers: GraphResults) -> float:
    """Give the larger noise-to-signal ratio, of scores or of pixels."""
    return max(
        _noise_to_signal(floats.scores, integers.scores),
        _noise_to_signal(floats.pixels, integers.pixels),
    )


def _noise_to_signal(signal: NDArray[np.float64], noisy: NDArray[np.float64]) -> float:
    ratio = float(((noisy - signal) ** 2).mean() / max(float(signal.var()), np.finfo(np.float64).tiny))
    return float(np.inf) if np.isnan(ratio) else ratio
