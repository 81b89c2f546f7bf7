"""Metrics of anomaly detection and localization, each with a definition that can be checked.

Scores and maps go in raw: unbounded, higher is more anomalous, never rescaled. Each number is defined in
:data:`DEFINITIONS` or :data:`FURTHER_DEFINITIONS`.
"""

from __future__ import annotations

from twinspect.metrics._curves import Curve
from twinspect.metrics.bootstrap import PairedBootstrap, paired_bootstrap
from twinspect.metrics.decisions import binomial_interval, false_alarm_rate, miss_rate
from twinspect.metrics.definitions import COSTS, DEFINITIONS, FURTHER_DEFINITIONS
from twinspect.metrics.delong import (
    AurocComparison,
    AurocInterval,
    auroc_interval,
    compare_aurocs,
    mean_interval,
)
from twinspect.metrics.per_image import aupro_of_image, aupro_per_image
from twinspect.metrics.per_image_overlap import AupimoAccumulator, AupimoScores, aupimo
from twinspect.metrics.ranking import auroc, average_precision, f1_max, roc_curve
from twinspect.metrics.regions import aupro, pro_curve
from twinspect.metrics.saturated import (
    SaturatedAccumulator,
    SaturatedMetrics,
    SaturatedRegion,
    auspro,
    spro_curve,
)
from twinspect.metrics.streaming import ErrorBound, PixelAccumulator, PixelCurves, PixelMetrics

__all__ = [
    "COSTS",
    "DEFINITIONS",
    "FURTHER_DEFINITIONS",
    "AupimoAccumulator",
    "AupimoScores",
    "AurocComparison",
    "AurocInterval",
    "Curve",
    "ErrorBound",
    "PairedBootstrap",
    "PixelAccumulator",
    "PixelCurves",
    "PixelMetrics",
    "SaturatedAccumulator",
    "SaturatedMetrics",
    "SaturatedRegion",
    "aupimo",
    "aupro",
    "aupro_of_image",
    "aupro_per_image",
    "auroc",
    "auroc_interval",
    "auspro",
    "average_precision",
    "binomial_interval",
    "compare_aurocs",
    "f1_max",
    "false_alarm_rate",
    "mean_interval",
    "miss_rate",
    "paired_bootstrap",
    "pro_curve",
    "roc_curve",
    "spro_curve",
]
