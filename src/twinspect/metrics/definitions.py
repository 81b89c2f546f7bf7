"""What each number of a ``metrics.json`` is, in one sentence."""

from __future__ import annotations

DEFINITIONS: dict[str, str] = {
    "image_auroc": (
        "Area under the ROC curve of the raw image scores over all test images: the chance that an anomalous "
        "image scores above a good one, a tie counting one half."
    ),
    "image_ap": (
        "Average precision of the raw image scores, anomalous images being the positives: the sum over "
        "distinct scores, from high to low, of precision times the gain in recall, without interpolation."
    ),
    "image_f1_max": (
        "Highest F1 of the raw image scores over all thresholds (decision: score >= threshold); its "
        "threshold is chosen on the test labels themselves, so it is optimistic and is not the "
        "model's threshold."
    ),
    "pixel_auroc": (
        "Area under the ROC curve of the raw anomaly maps over the pixels of all test images together, good "
        "images included, at the resolution of the masks, a tie counting one half."
    ),
    "pixel_ap": (
        "Average precision of the raw anomaly maps over the pixels of all test images together, anomalous "
        "pixels being the positives, summed in steps over distinct scores without interpolation."
    ),
    "pixel_f1_max": (
        "Highest F1 of the raw anomaly maps over the pixels of all test images together (decision: score >= "
        "threshold); its threshold is chosen on the test masks themselves, so it is optimistic."
    ),
    "aupro_30": (
        "Area under the PRO curve up to a false-positive rate of 0.3, divided by 0.3: the share of each "
        "8-connected ground-truth region at or above a threshold, averaged over all regions of all test "
        "images, against the share of good pixels of all test images at or above it, by the trapezoid rule "
        "through every distinct score with linear interpolation at 0.3."
    ),
    "aupro_05": (
        "Area under the PRO curve up to a false-positive rate of 0.05, divided by 0.05; regions, averaging "
        "and interpolation are those of aupro_30."
    ),
    "false_alarm_rate": (
        "Share of the good test images that the model, at its own threshold, called anomalous; not defined "
        "without good test images."
    ),
    "miss_rate": (
        "Share of the anomalous test images that the model, at its own threshold, called good; not defined "
        "without anomalous test images."
    ),
    "threshold": (
        "Raw image score above which an image is called anomalous, set by split-conformal ranking among the "
        "scores of good images held out from training, so that the expected false-alarm rate on new good "
        "images is at most the one promised; no test image has a part in it."
    ),
}
"""definition of each key, in the order of the file"""

COSTS: dict[str, str] = {
    "fit_seconds": (
        "Wall clock of one training, from the first image read to the last step, the teacher's pass over the "
        "images included and loading its weights not; runs that went on from a checkpoint are left out."
    ),
    "images_per_second": (
        "Test images divided by the wall clock of reading, preparing and scoring them, with maps at their own "
        "size, in batches of 8; reading masks and computing metrics is left out."
    ),
    "peak_memory": (
        "Most resident memory of the process while it trained, scored and computed metrics (on Linux reset "
        "before each run; elsewhere the most of the process so far), in MiB of 2**20 bytes."
    ),
    "gpu_memory": "Most memory that PyTorch's tensors took on the GPU in a run, in MiB of 2**20 bytes.",
    "parameters": "Numbers in all networks that scoring needs, teacher included, in millions.",
    "trained_parameters": "Those of them that are not the teacher's, in millions.",
}
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
    "auspro_05": (
        "The auspro up to a false-positive rate of 0.05, of each kind of anomaly by itself (its images and the good "
        "ones), averaged over the kinds; regions and saturation areas are those that came with the data, a share of "
        "a region rounded down to whole pixels but to one at least."
    ),
    "auspro_30": "The auspro_05 with a false-positive rate of 0.3 instead of 0.05.",
    "image_auroc_by_kind": (
        "The image_auroc of each kind of anomaly against the good images, averaged over the kinds: the detection "
        "figure of MVTec LOCO AD's tables."
    ),
    "object_auroc": (
        "The image_auroc with objects in the place of images, where several images show one (the sample-level AUROC "
        "of Real-IAD): an object scores what its highest image does and is anomalous where any of its images is."
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
"""definition of what this package computes besides the keys of a ``metrics.json``"""
