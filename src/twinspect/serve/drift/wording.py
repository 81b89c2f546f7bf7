"""What a drift alarm means, in words for operators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

DIRECTIONS: Final = {
    "score": ("images below the threshold score higher", "images below the threshold score lower"),
    "brightness": ("brighter", "darker"),
    "contrast": ("more contrast", "less contrast"),
    "red": ("redder", "less red"),
    "green": ("greener", "less green"),
    "blue": ("bluer", "less blue"),
    "saturation": ("stronger colours", "paler colours"),
    "sharpness": ("sharper", "less sharp"),
    "noise": ("noisier", "less noisy"),
    "clipped": ("more pixels fully black or white", "fewer pixels fully black or white"),
}


def quantity_in_words(name: str, median: float, reference: float, higher: float, wider: float) -> str:
    """State how a quantity differs.

    Args:
        name: of the quantity, one of :data:`DIRECTIONS`.
        median: of the window.
        reference: of the calibration.
        higher: how much higher the window's values are, in standard deviations; negative for lower.
        wider: how much more spread out they are, in standard deviations.

    >>> quantity_in_words("brightness", 131.0, 118.0, 5.0, 1.0)
    'brighter than in calibration: median 131 instead of 118'
    """
    if abs(wider) > abs(higher):
        return f"{name} varies {'more' if wider > 0 else 'less'} than in calibration; median {median:.4g}"
    word = DIRECTIONS[name][higher < 0]
    return f"{word} than in calibration: median {median:.4g} instead of {reference:.4g}"


def share_in_words(
    anomalous: int, images: int, defects: float, outside: Sequence[tuple[str, float, float, float]]
) -> str:
    """State that more images are anomalous than false alarms and ordinary defects explain.

    Args:
        anomalous: how many images are anomalous.
        images: how many images there are.
        defects: the share of defects that is considered ordinary.
        outside: statistics outside the calibration's range: name, the window's median, the calibration's extremes.
    """
    text = (
        f"{anomalous} of {images} images are called anomalous: more than false alarms and {defects:.0%} of "
        "defects explain"
    )
    unlike = "; ".join(
        f"{name} {median:.4g}, there {low:.4g} to {high:.4g}" for name, median, low, high in outside
    )
    return f"{text}. Unlike all calibration images: {unlike}" if unlike else text
