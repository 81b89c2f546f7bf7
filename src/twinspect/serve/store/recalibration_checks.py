"""Signs that confirmed images are a biased sample of good ones, each as a sentence; empty if there is no sign."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from twinspect.calibration.conformal import Calibration

LEVEL: Final = 0.01
"""For each sign, the highest probability of a warning about an unbiased sample."""
_REMEDY: Final = (
    "The promise holds for images that are confirmed whatever the detector said of them, "
    "for instance every part of an hour"
)


def flagged(active: Calibration, images: int, anomalous: int) -> str:
    """Test whether too many or too few of the confirmed images had been called anomalous.

    Let m new images be exchangeable with n calibration images, of which a score at the threshold or above. The number
    of new ones above it is then beta-binomial with parameters a and n + 1 - a, which includes the uncertainty of the
    threshold itself. With thresholds by category, or with ties, this is approximate.

    Args:
        active: the active calibration.
        images: m, how many images were confirmed good.
        anomalous: how many of them it calls anomalous.
    """
    count = len(active.scores)
    above = int(np.sum(np.asarray(active.scores) >= active.threshold))
    unbiased = stats.betabinom(images, above, count + 1 - above)
    share = (
        f"{anomalous} of {images} images confirmed good ({anomalous / images:.0%}) had been called anomalous"
    )
    expected = f"an unbiased sample of good images has about {unbiased.mean() / images:.2g} of 1"
    if unbiased.sf(anomalous - 1) < LEVEL:
        return (
            f"{share}; {expected}. Either they were confirmed because they had been flagged: then the new threshold "
            "comes out too high and defects are missed; or the product or the camera has changed, and then images "
            f"from before do not count. {_REMEDY}"
        )
    if unbiased.cdf(anomalous) < LEVEL:
        return (
            f"Only {share}; {expected}. If flagged images were left out, the new threshold is too low and raises "
            f"more false alarms than promised. {_REMEDY}"
        )
    return ""


def mixed(old: ArrayLike, new: ArrayLike) -> str:
    """Test whether confirmed images score like those they would be pooled with (Kolmogorov-Smirnov)."""
    if stats.ks_2samp(old, new).pvalue >= LEVEL:
        return ""
    return (
        "confirmed images score differently from the calibration's own, so together they represent no production; "
        "use confirmed alone, or find out what changed"
    )


def lost_categories(active: Calibration, calibration: Calibration) -> str:
    """Name categories that have a threshold of their own now and would lose it."""
    lost = sorted(set(active.by_category) - set(calibration.by_category))
    if not lost:
        return ""
    return (
        f"too few images for a threshold of their own, so these would share the pooled one: {', '.join(lost)}"
    )


def suspects(calibration: Calibration) -> str:
    """Name images whose scores are so extreme that a defect may have been confirmed as good."""
    names = [name for name, _ in calibration.suspects()]
    if not names:
        return ""
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"scores far above all others, look at them again: {shown}"
