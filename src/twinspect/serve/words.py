"""Numbers in words."""

from __future__ import annotations


def rarity(p_value: float, images: int) -> str:
    """Say a p-value so that somebody at the line understands it.

    Args:
        p_value: in (0, 1].
        images: how many good images it ranks among; it cannot say less than 1 in ``images + 1``.

    >>> rarity(0.005, 199)
    'would be seen in at most 1 of 200 good parts'
    >>> rarity(0.02, 199), rarity(0.37, 199)
    ('would be seen in 1 of 50 good parts', 'would be seen in 37 of 100 good parts')
    """
    if round(p_value * (images + 1)) <= 1:
        return f"would be seen in at most 1 of {images + 1} good parts"
    if p_value < 0.1:
        return f"would be seen in 1 of {round(1 / p_value)} good parts"
    return f"would be seen in {round(100 * p_value)} of 100 good parts"
