"""The table of metrics: a row each, from which tables, reports and benchmarks take keys, titles and numbers.

A new metric is a row here and the function that computes it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

from twinspect.metrics.decisions import false_alarm_rate, miss_rate
from twinspect.metrics.ranking import auroc, average_precision, f1_max
from twinspect.metrics.region_detection import IOUS, RegionMetrics
from twinspect.metrics.saturated import SaturatedMetrics
from twinspect.metrics.streaming import PixelMetrics

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

_NAN = float("nan")

Need = Literal[
    "image labels",
    "pixel masks",
    "threshold",
    "saturation rules",
    "object ids",
    "masks of single images",
    "defects",
]
"""What a test set or detector must have so that a metric is computed."""


@dataclass(frozen=True)
class MetricInputs:
    """All that a metric may be computed from.

    Attributes:
        labels: (N,) bool, which images are anomalous; of a metric of objects, which objects.
        scores: (N,) float64, their raw scores, higher is more anomalous.
        threshold: score above which an image is called anomalous; NaN without one.
        pixels: metrics of the pixels of the same images; all NaN without masks.
        saturated: areas under the saturated PRO curve of the same images; empty without saturation rules.
        pro_per_image: mean of the areas under the PRO curves of single images; NaN without any.
        aupimo: mean of the anomalous images' AUPIMO; NaN without masks.
        regions: how well defects are found as things; all NaN without masks, or without a level for regions.
    """

    labels: NDArray[np.bool_]
    scores: NDArray[np.float64]
    threshold: float = _NAN
    pixels: PixelMetrics = field(default_factory=PixelMetrics)
    saturated: SaturatedMetrics = field(default_factory=SaturatedMetrics)
    pro_per_image: float = _NAN
    aupimo: float = _NAN
    regions: RegionMetrics = field(default_factory=RegionMetrics)


@dataclass(frozen=True)
class Metric:
    """A row of the table.

    Attributes:
        key: its name in files.
        title: the head of its column.
        needs: without which it is not computed.
        compute: its function; NaN where the metric is undefined.
        definition: what the number is, in one sentence.
    """

    key: str
    title: str
    needs: Need
    compute: Callable[[MetricInputs], float]
    definition: str


@dataclass(frozen=True)
class CostDefinition:
    """A row of the table of what a run of a benchmark takes.

    Attributes:
        key: its name in files.
        title: the head of its column.
        definition: what the number is, with its unit.
        factor: from the unit that is stored to that of the definition.
    """

    key: str
    title: str
    definition: str
    factor: float = 1.0


def _of_images(metric: Callable[[NDArray[Any], NDArray[Any]], float]) -> Callable[[MetricInputs], float]:
    """Take a metric of labels and scores, which is undefined without images."""
    return lambda inputs: metric(inputs.labels, inputs.scores) if inputs.scores.size else _NAN


def _recall_of(size: str, inputs: MetricInputs) -> float:
    recall = inputs.regions.by_size.get(size)
    return recall.share if recall else _NAN


def _region_ap_of(iou: float, inputs: MetricInputs) -> float:
    return inputs.regions.average_precision[iou]


def _overlap_words(iou: float) -> str:
    return f"the intersection over union is at least {iou:g}" if iou else "they share any pixel"


_SIZE_WORDS: Final = {
    "small": "below 32 x 32 pixels in area",
    "medium": "from 32 x 32 to below 96 x 96 pixels in area",
    "large": "from 96 x 96 pixels in area on",
}
SATURATED_LIMITS: Final = {"auspro_05": 0.05, "auspro_30": 0.3}
"""False-positive rate up to which each saturated PRO curve is integrated."""

METRIC_TABLE: Final[tuple[Metric, ...]] = (
    Metric(
        "image_auroc",
        "Image AUROC",
        "image labels",
        _of_images(auroc),
        "Area under the ROC curve of the raw image scores over all test images: the chance that an anomalous "
        "image scores above a good one, a tie counting one half.",
    ),
    Metric(
        "image_ap",
        "Image AP",
        "image labels",
        _of_images(average_precision),
        "Average precision of the raw image scores, anomalous images being the positives: the sum over "
        "distinct scores, from high to low, of precision times the gain in recall, without interpolation.",
    ),
    Metric(
        "image_f1_max",
        "Image F1-max",
        "image labels",
        _of_images(lambda labels, scores: f1_max(labels, scores)[0]),
        "Highest F1 of the raw image scores over all thresholds (decision: score >= threshold); its "
        "threshold is chosen on the test labels themselves, so it is optimistic and is not the "
        "model's threshold.",
    ),
    Metric(
        "pixel_auroc",
        "Pixel AUROC",
        "pixel masks",
        lambda inputs: inputs.pixels.auroc,
        "Area under the ROC curve of the raw anomaly maps over the pixels of all test images together, good "
        "images included, at the resolution of the masks, a tie counting one half.",
    ),
    Metric(
        "pixel_ap",
        "Pixel AP",
        "pixel masks",
        lambda inputs: inputs.pixels.ap,
        "Average precision of the raw anomaly maps over the pixels of all test images together, anomalous "
        "pixels being the positives, summed in steps over distinct scores without interpolation.",
    ),
    Metric(
        "pixel_f1_max",
        "Pixel F1-max",
        "pixel masks",
        lambda inputs: inputs.pixels.f1_max,
        "Highest F1 of the raw anomaly maps over the pixels of all test images together (decision: score >= "
        "threshold); its threshold is chosen on the test masks themselves, so it is optimistic.",
    ),
    Metric(
        "aupro_30",
        "AUPRO 0.3",
        "pixel masks",
        lambda inputs: inputs.pixels.aupro_30,
        "Area under the PRO curve up to a false-positive rate of 0.3, divided by 0.3: the share of each "
        "8-connected ground-truth region at or above a threshold, averaged over all regions of all test "
        "images, against the share of good pixels of all test images at or above it, by the trapezoid rule "
        "through every distinct score with linear interpolation at 0.3.",
    ),
    Metric(
        "aupro_05",
        "AUPRO 0.05",
        "pixel masks",
        lambda inputs: inputs.pixels.aupro_05,
        "Area under the PRO curve up to a false-positive rate of 0.05, divided by 0.05; regions, averaging "
        "and interpolation are those of aupro_30.",
    ),
    Metric(
        "false_alarm_rate",
        "False alarms",
        "threshold",
        lambda inputs: false_alarm_rate(inputs.labels, inputs.scores > inputs.threshold),
        "Share of the good test images that the model, at its own threshold, called anomalous; not defined "
        "without good test images.",
    ),
    Metric(
        "miss_rate",
        "Misses",
        "threshold",
        lambda inputs: miss_rate(inputs.labels, inputs.scores > inputs.threshold),
        "Share of the anomalous test images that the model, at its own threshold, called good; not defined "
        "without anomalous test images.",
    ),
    Metric(
        "threshold",
        "Threshold",
        "threshold",
        lambda inputs: inputs.threshold,
        "Raw image score above which an image is called anomalous, set by split-conformal ranking among the "
        "scores of good images held out from training, so that the expected false-alarm rate on new good "
        "images is at most the one promised; no test image has a part in it.",
    ),
    Metric(
        "auspro_05",
        "AUsPRO 0.05",
        "saturation rules",
        lambda inputs: inputs.saturated.auspro[SATURATED_LIMITS["auspro_05"]],
        "The auspro up to a false-positive rate of 0.05, of each kind of anomaly by itself (its images and the "
        "good ones), averaged over the kinds; regions and saturation areas are those that came with the data, "
        "a share of a region rounded down to whole pixels but to one at least.",
    ),
    Metric(
        "auspro_30",
        "AUsPRO 0.3",
        "saturation rules",
        lambda inputs: inputs.saturated.auspro[SATURATED_LIMITS["auspro_30"]],
        "The auspro_05 with a false-positive rate of 0.3 instead of 0.05.",
    ),
    Metric(
        "image_auroc_by_kind",
        "Image AUROC by kind",
        "saturation rules",
        _of_images(auroc),
        "The image_auroc of each kind of anomaly against the good images, averaged over the kinds: the detection "
        "figure of MVTec LOCO AD's tables.",
    ),
    Metric(
        "object_auroc",
        "Object AUROC",
        "object ids",
        _of_images(auroc),
        "The image_auroc with objects in the place of images, where several images show one (the sample-level "
        "AUROC of Real-IAD): an object scores what its highest image does and is anomalous where any of its "
        "images is.",
    ),
    Metric(
        "aupro_30_per_image",
        "PRO per image",
        "masks of single images",
        lambda inputs: inputs.pro_per_image,
        "The area under the PRO curve of each anomalous image by itself, averaged over the anomalous images: what "
        "the code of RD and AAND computes and their papers print; 200 thresholds, evenly spaced from the lowest "
        "value of the image's map up to its highest; 8-connected regions; the points at a false-positive rate below "
        "0.3, their rates divided by the largest of them; trapezoid rule; each image at its own size, where the "
        "authors resize maps and masks to 256 pixels.",
    ),
    Metric(
        "aupimo",
        "AUPIMO",
        "defects",
        lambda inputs: inputs.aupimo,
        "The share of each anomalous image's anomalous pixels at or above a threshold, averaged over the logarithm"
        " of the shared false-positive rate from 1e-5 to 1e-4, then over the anomalous images (Bertoldo and others"
        " 2024); the shared rate is the share of a good test image's pixels at or above the threshold, averaged "
        "over the good test images; at a given rate the lowest threshold counts that does not exceed it; each "
        "image at its own size.",
    ),
    Metric(
        "region_recall",
        "Defects found",
        "defects",
        lambda inputs: inputs.regions.recall.share,
        "Share of the defects, 8-connected components of the masks, that share a pixel with a region found in the "
        "map: one with a peak above the level that at most the promised share of good images exceeds anywhere, and"
        " in which no test image has a part; defects of images that cannot be inspected, and those wholly outside "
        "of a region of interest, do not count.",
    ),
    *(
        Metric(
            f"region_recall_{size}",
            f"Found, {size}",
            "defects",
            partial(_recall_of, size),
            f"The region_recall of defects {words}: COCO's {size} objects.",
        )
        for size, words in _SIZE_WORDS.items()
    ),
    *(
        Metric(
            f"region_ap_{100 * iou:.0f}" if iou else "region_ap_any",
            f"Region AP {iou:g}" if iou else "Region AP",
            "defects",
            partial(_region_ap_of, iou),
            "Average precision of regions in the maps, ranked by their peaks, as COCO's evaluation computes it (of"
            " masks, at 101 recalls, detections unlimited): from the highest peak down, each takes the defect of "
            f"its image that it overlaps most, of those still free, if {_overlap_words(iou)}; ranked are all "
            "8-connected components above the lower level of regions, half way from the typical pixel of good "
            "images to the upper level, on good images too.",
        )
        for iou in IOUS
    ),
)
"""The metrics, in the order in which they are shown."""

COST_TABLE: Final[tuple[CostDefinition, ...]] = (
    CostDefinition(
        "fit_seconds",
        "Fit, s",
        "Wall clock of one training, from the first image read to the last step, the teacher's pass over the "
        "images included and loading its weights not; runs that went on from a checkpoint are left out.",
    ),
    CostDefinition(
        "images_per_second",
        "Images/s",
        "Test images divided by the wall clock of reading, preparing and scoring them, with maps at their own "
        "size, in batches of 8; reading masks and computing metrics is left out.",
    ),
    CostDefinition(
        "batch1_seconds",
        "Batch 1, ms",
        "Wall clock of network and map for one image alone, from its prepared pixels to its raw score and its map at "
        "the image's size, in milliseconds: the median over up to 20 passes, after two that do not count.",
        1e3,
    ),
    CostDefinition(
        "peak_memory",
        "Memory, MiB",
        "Most resident memory of the process while it trained, scored and computed metrics (on Linux reset "
        "before each run; elsewhere the most of the process so far), in MiB of 2**20 bytes.",
        2**-20,
    ),
    CostDefinition(
        "gpu_memory",
        "GPU memory, MiB",
        "Most memory that PyTorch's tensors took on the GPU in a run, in MiB of 2**20 bytes.",
        2**-20,
    ),
    CostDefinition(
        "parameters",
        "Parameters, M",
        "Numbers in all networks that scoring needs, teacher included, in millions.",
        1e-6,
    ),
    CostDefinition(
        "trained_parameters",
        "Trained, M",
        "Those of them that are not the teacher's, in millions.",
        1e-6,
    ),
)
"""What a run of a benchmark takes."""


def metric_keys(*needs: Need) -> tuple[str, ...]:
    """List the metrics that need one of these, in the order in which they are shown."""
    return tuple(metric.key for metric in METRIC_TABLE if metric.needs in needs)


TITLES: Final = {metric.key: metric.title for metric in METRIC_TABLE} | {
    cost.key: cost.title for cost in COST_TABLE
}
"""The head of the column of each metric and cost."""

_DEFINITIONS: Final = {metric.key: metric.definition for metric in METRIC_TABLE}

DEFINITIONS: dict[str, str] = {
    key: _DEFINITIONS[key] for key in metric_keys("image labels", "pixel masks", "threshold")
}
"""definition of each key of a table of ``metrics.json``, in the order of the file"""

COSTS: dict[str, str] = {cost.key: cost.definition for cost in COST_TABLE}
"""definition of what a run of a benchmark takes"""

FURTHER_DEFINITIONS: dict[str, str] = {
    "image_auroc_interval": (
        "The 95 % confidence interval of image_auroc, for other test images and this same model: DeLong's variance "
        "on the logit scale; for an image_auroc of 0 or 1 the exact binomial (Clopper-Pearson) interval of as many "
        "pairs as the smaller class has images, and where all scores tie or a class has one image Hoeffding's; for "
        "a mean over categories recovered from those of the categories (Zou and Donner 2008)."
    ),
    "auspro": (
        "Area under the saturated PRO curve up to a false-positive rate, divided by that rate: the number of pixels "
        "of each region at or above a threshold, divided by the region's saturation area and cut off at 1, averaged "
        "over all regions of all test images, against the share of good pixels of all test images at or above it, "
        "by the trapezoid rule through every distinct score with linear interpolation at the rate."
    ),
    **{
        key: _DEFINITIONS[key]
        for key in metric_keys("saturation rules", "object ids", "masks of single images", "defects")
    },
    "region_recall_by_size": (
        "The region_recall of defects by their area in pixels, in ranges whose sides are doubled from one to the "
        "next, and by COCO's ranges (32 x 32 and 96 x 96 pixels) and shares of the image's area (0.1 % and 1 %), "
        "each with its exact (Clopper-Pearson) 95 % interval; what a region of interest cuts off counts in no "
        "area."
    ),
    "finds_9_of_10_from_px": (
        "The area, in pixels, at which the smallest of those doubled ranges begins from which on region_recall is at "
        "least 0.9 in every range that has defects; none if it is not so in the largest."
    ),
    "auroc_difference": (
        "Image AUROC of one method less that of another on the same test images, with DeLong's standard error, the "
        "normal interval and the two-sided p-value of the hypothesis that the true ones are equal."
    ),
    "metric_difference": (
        "A metric of one method less that of another on the same test images, with the percentile interval over "
        "draws of the images with replacement, the same images for both and as many good and anomalous ones as "
        "there are."
    ),
}
"""definition of what this package computes besides those keys"""
