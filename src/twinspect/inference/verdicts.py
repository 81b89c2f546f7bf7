"""What is said of an image in words: its verdict, and how its score compares with the threshold."""

from __future__ import annotations


def verdict(is_anomalous: bool | None, *, is_inspectable: bool = True) -> str:
    """Name the decision on an image.

    Args:
        is_anomalous: the decision; ``None`` where the image has no score.
        is_inspectable: false where the image has a score, but is neither good nor anomalous.
    """
    if is_anomalous is None:
        return "unreadable"
    if not is_inspectable:
        return "not inspectable"
    return "anomalous" if is_anomalous else "good"


def in_thresholds(score: float, threshold: float) -> str:
    """Give a score as a multiple of its threshold, without needless digits.

    A threshold of zero or below has no multiples that mean anything: then both numbers are given.

    >>> in_thresholds(0.46, 0.2), in_thresholds(31.0, 0.2), in_thresholds(-1.5, -2.0)
    ('2.30 × threshold', '155 × threshold', '-1.5, threshold -2')
    """
    if threshold <= 0:
        return f"{score:.3g}, threshold {threshold:.3g}"
    ratio = score / threshold
    return f"{ratio:.2f} × threshold" if ratio < 10 else f"{ratio:.0f} × threshold"


def explain_p_value(p_value: float, images: int) -> str:
    """Explain a p-value in words.

    Args:
        p_value: (1 + number of calibration scores at or above) / (images + 1).
        images: the number of calibration scores.

    >>> explain_p_value(0.05, 19)
    'a good image scores this high in at most 1 of 20 cases'
    """
    return f"a good image scores this high in at most {round(p_value * (images + 1))} of {images + 1} cases"
