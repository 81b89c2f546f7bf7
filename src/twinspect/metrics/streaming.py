"""Pixel metrics of any number of images in bounded memory, with a bound on what that costs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from twinspect.metrics._accumulator import Accumulator, check_float32
from twinspect.metrics._checks import check_limit
from twinspect.metrics._curves import NO_CURVE, Curve, check_points, corners, thin, truncate
from twinspect.metrics._steps import Steps, WeightedMean, area, best_f1, highest_f1, precision
from twinspect.metrics.regions import split_pixels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

_NAN = float("nan")


@dataclass(frozen=True)
class ErrorBound:
    """How far each value can be from the exact one; proven, not estimated. All zero when it is exact.

    Attributes:
        auroc: largest possible distance of the area under the ROC curve.
        ap: largest possible distance of the average precision.
        f1_max: largest possible distance of the best F1 (which is never overstated).
        aupro_30: largest possible distance of AUPRO up to 0.3.
        aupro_05: largest possible distance of AUPRO up to 0.05.
    """

    auroc: float = 0.0
    ap: float = 0.0
    f1_max: float = 0.0
    aupro_30: float = 0.0
    aupro_05: float = 0.0


@dataclass(frozen=True)
class PixelMetrics:
    """Metrics over all pixels of all images together; NaN where good or anomalous pixels are missing.

    Attributes:
        auroc: area under the ROC curve, ties counting one half.
        ap: average precision, in steps.
        f1_max: best F1 over all thresholds, optimistic because the threshold is chosen on the same labels.
        f1_threshold: the highest score that reaches it, as ``score >= f1_threshold``.
        aupro_30: area under the PRO curve up to a false-positive rate of 0.3, divided by 0.3.
        aupro_05: area under the PRO curve up to a false-positive rate of 0.05, divided by 0.05.
        n_pixels: pixels counted.
        n_regions: 8-connected ground-truth regions counted.
        exact: whether every score was held, or bins of scores.
        error_bound: how far the values can be from the exact ones.
    """

    auroc: float = _NAN
    ap: float = _NAN
    f1_max: float = _NAN
    f1_threshold: float = _NAN
    aupro_30: float = _NAN
    aupro_05: float = _NAN
    n_pixels: int = 0
    n_regions: int = 0
    exact: bool = True
    error_bound: ErrorBound = field(default_factory=ErrorBound)


@dataclass(frozen=True)
class PixelCurves:
    """Curves to draw, both without points where good or anomalous pixels are missing.

    Attributes:
        roc: false-positive rate against true-positive rate.
        pro: false-positive rate against per-region overlap.
    """

    roc: Curve
    pro: Curve


class PixelAccumulator(Accumulator):
    """Gathers masks and score maps image by image, then computes every pixel metric at once.

    Up to ``exact_up_to`` pixels all scores are held and the metrics are exact. Past that they are counted in
    2**22 bins of fixed place (about four significant digits of the score), 96 MB for any number of images,
    and :class:`PixelMetrics` states how far each value can be from the exact one. Images may come in any
    order.

    Args:
        exact_up_to: pixels to hold; the default, 2**27, is 2048 images of 256 x 256 and 0.5 GB of scores.

    Raises:
        ConfigError: a negative number of pixels.

    >>> import numpy as np
    >>> pixels = PixelAccumulator()
    >>> pixels.add(np.array([[0, 0, 1]]), np.array([[0.1, 0.2, 0.9]], np.float32))
    >>> pixels.add(None, np.array([[0.3, 0.1]], np.float32))
    >>> pixels.compute().aupro_30
    1.0
    """

    def add(
        self, mask: ArrayLike | None, score_map: NDArray[np.float32], inside: ArrayLike | None = None
    ) -> None:
        """Add one image.

        Args:
            mask: (H, W) bool or uint8 0/1, 1 is anomalous; None for an image without defects.
            score_map: (H, W) float32 (or float16), finite, unbounded; higher is more anomalous. Copied.
            inside: (H, W) bool or 0/1, the pixels that count; None for all. Defects are cut off at its border.

        Raises:
            DataError: other shapes or types, masks other than 0/1, scores NaN or infinite. Nothing is added.
        """
        check_float32(score_map)
        self._take(split_pixels(mask, score_map, inside))

    def compute(self) -> PixelMetrics:
        """Compute all metrics of the images so far; more may be added afterwards."""
        store = self._store
        if not (store.n_good and store.n_anomalous):
            return PixelMetrics(n_pixels=self.n_pixels, n_regions=store.n_regions, exact=store.exact)
        means = {name: WeightedMean() for name in ("auroc", "ap", "aupro_30", "aupro_05")}
        best, highest = [], []
        for rows in store.steps():
            _add_rows(means, rows)
            best.append(best_f1(rows))
            highest.append(highest_f1(rows))
        values = {name: float(mean.value[1]) for name, mean in means.items()}
        f1, threshold = max(best)
        bounds = {name: mean.reach for name, mean in means.items()} | {"f1_max": max(highest) - f1}
        return PixelMetrics(
            **values,
            f1_max=f1,
            f1_threshold=threshold,
            n_pixels=self.n_pixels,
            n_regions=store.n_regions,
            exact=store.exact,
            error_bound=ErrorBound() if store.exact else ErrorBound(**bounds),
        )

    def curves(self, points: int = 500, pro_limit: float = 1.0) -> PixelCurves:
        """Give the ROC and PRO curves to draw.

        Args:
            points: the most vertices a curve, at least 4; see :func:`twinspect.metrics.pro_curve`.
            pro_limit: false-positive rate to end the PRO curve at, in (0, 1].

        Raises:
            ConfigError: fewer than 4 points, or a limit outside (0, 1].
        """
        check_points(points)
        check_limit(pro_limit)
        if not (self._store.n_good and self._store.n_anomalous):
            return PixelCurves(NO_CURVE, NO_CURVE)
        rows = self._store.joined()
        pro = truncate(corners(rows, rows.weight), pro_limit)
        return PixelCurves(thin(corners(rows, rows.count), points), thin(pro, points))


def _add_rows(means: dict[str, WeightedMean], rows: Steps) -> None:
    means["auroc"].add(area(rows, 1.0), rows.count)
    means["ap"].add(precision(rows), rows.count)
    means["aupro_30"].add(area(rows, 0.3), rows.weight)
    means["aupro_05"].add(area(rows, 0.05), rows.weight)
