"""Signs that confirmed images are no fair sample of good ones, each as a sentence; empty where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from twinspect.calibration.conformal import Calibration

LEVEL: Final = 0.01
"""How often a fair sample is warned about, at most, for each sign."""
_REMEDY: Final = (
    "The promise holds for images that are confirmed whatever the detector said of them, "
    "for instance every part of an hour"
)


def flagged(active: Calibration, images: int, anomalous: int) -> str:
    """Ask whether too many or too few of the confirmed images had been called anomalous.

    Exchangeable with n calibration images of which a lie at the threshold or above, the number among m new ones that
    lie above it is beta-binomial with parameters a and n + 1 - a: how uncertain the threshold itself is, is part of
    that. With thresholds by category, or ties, it is close rather than exact.

    Args:
        active: the calibration that decides now.
        images: m, confirmed good.
        anomalous: how many of them it calls anomalous.
    """
    count = len(active.scores)
    above = int(np.sum(np.asarray(active.scores) >= active.threshold))
    fair = stats.betabinom(images, above, count + 1 - above)
    share = (
        f"{anomalous} of {images} images confirmed good ({anomalous / images:.0%}) had been called anomalous"
    )
    usual = f"a fair sample of good images has about {fair.mean() / images:.2g} of 1"
    if fair.sf(anomalous - 1) < LEVEL:
        return (
            f"{share}; {usual}. Either they were confirmed because they had been flagged, and then the new threshold "
            "comes out too high and defects are missed; or the product or the camera has changed, and then images "
            f"from before do not count. {_REMEDY}"
        )
    if fair.cdf(anomalous) < LEVEL:
        return (
            f"Only {share}; {usual}. If flagged images were left out, the new threshold comes out too low and raises "
            f"more false alarms than promised. {_REMEDY}"
        )
    return ""


def mixed(old: ArrayLike, new: ArrayLike) -> str:
    """Ask whether confirmed images score like those that they would be pooled with (Kolmogorov-Smirnov)."""
    if stats.ks_2samp(old, new).pvalue >= LEVEL:
        return ""
    return (
        "confirmed images score differently from the calibration's own, so that together they are a sample of "
        "nothing; use confirmed alone, or find out what changed"
    )


def lost_categories(active: Calibration, calibration: Calibration) -> str:
    """Name categories that have a threshold of their own now and would not have one any more."""
    lost = sorted(set(active.by_category) - set(calibration.by_category))
    if not lost:
        return ""
    return (
        f"too few images for a threshold of their own, so these would share the pooled one: {', '.join(lost)}"
    )


def suspects(calibration: Calibration) -> str:
    """Name images that score so unlike the others that a defect may have been confirmed as good."""
    names = [name for name, _ in calibration.suspects()]
    if not names:
        return ""
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"far above all others, look at them again: {shown}"
