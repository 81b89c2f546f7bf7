"""What an alarm of drift means, in words for those at the line."""

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
    """Say how a quantity differs.

    Args:
        name: of the quantity, one of :data:`DIRECTIONS`.
        median: of the window.
        reference: of the calibration.
        higher: by how much the window's values lie higher, in standard deviations; negative for lower.
        wider: by how much they are more spread, likewise.

    >>> in_words("brightness", 131.0, 118.0, 5.0, 1.0)
    'brighter than in calibration: median 131 instead of 118'
    """
    if abs(wider) > abs(higher):
        return f"{name} varies {'more' if wider > 0 else 'less'} than in calibration; median {median:.4g}"
    word = DIRECTIONS[name][higher < 0]
    return f"{word} than in calibration: median {median:.4g} instead of {reference:.4g}"


def share_in_words(
    anomalous: int, images: int, defects: float, outside: Sequence[tuple[str, float, float, float]]
) -> str:
    """Say that more images are called anomalous than good ones and ordinary defects explain.

    Args:
        anomalous: how many.
        images: of how many.
        defects: the share of defects that is taken for ordinary.
        outside: looks unlike any of the calibration: name, the window's median, the calibration's lowest and highest.
    """
    text = (
        f"{anomalous} of {images} images are called anomalous: more than false alarms and {defects:.0%} of "
        "defects explain"
    )
    unlike = "; ".join(
        f"{name} {median:.4g}, there {low:.4g} to {high:.4g}" for name, median, low, high in outside
    )
    return f"{text}. Unlike all calibration images: {unlike}" if unlike else text
