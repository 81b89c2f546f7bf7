"""Error rates, their intervals, and the sentences that define every number."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta, binomtest
from sklearn.metrics import confusion_matrix

from twinspect import metrics
from twinspect.errors import ConfigError, DataError
from twinspect.metrics import DEFINITIONS, FURTHER_DEFINITIONS, binomial_interval, false_alarm_rate, miss_rate


@pytest.mark.parametrize("seed", range(5))
def test_rates_are_those_of_the_confusion_matrix(seed):
    rng = np.random.default_rng(seed)
    labels, called = rng.integers(0, 2, (2, 50))
    (right, alarms), (missed, found) = confusion_matrix(labels, called, labels=[0, 1])
    assert false_alarm_rate(labels, called) == pytest.approx(alarms / (alarms + right))
    assert miss_rate(labels, called.astype(bool)) == pytest.approx(missed / (missed + found))


def test_rates_without_their_images_are_undefined():
    assert np.isnan(false_alarm_rate([1, 1], [0, 1]))
    assert miss_rate([1, 1], [0, 1]) == 0.5
    assert np.isnan(miss_rate([0, 0], [0, 1]))
    assert false_alarm_rate([0, 0], [0, 1]) == 0.5
    assert np.isnan(false_alarm_rate([], []))


@pytest.mark.parametrize(
    ("labels", "called", "message"),
    [
        ([0, 1], [0], r"labels of shape \(2,\) came with decisions of shape \(1,\)"),
        ([[0, 1]], [[0, 1]], "allowed: two 1-D arrays"),
        ([0, 2], [0, 1], "labels holds the value 2"),
        ([0, 1], [0, 0.7], "is_anomalous holds the value 0.7"),
    ],
)
def test_mistakes_are_named(labels, called, message):
    for rate in (false_alarm_rate, miss_rate):
        with pytest.raises(DataError, match=message):
            rate(labels, called)


@pytest.mark.parametrize(
    ("k", "n"), [(0, 1), (1, 1), (0, 20), (20, 20), (3, 20), (1, 1000), (999, 1000), (40, 10_000)]
)
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_interval_is_scipys(k, n, confidence):
    expected = binomtest(k, n).proportion_ci(confidence, method="exact")
    assert binomial_interval(k, n, confidence) == pytest.approx((expected.low, expected.high), abs=1e-10)


def test_interval_is_made_of_beta_quantiles():
    expected = (beta.ppf(0.025, 7, 94), beta.ppf(0.975, 8, 93))
    assert binomial_interval(7, 100) == pytest.approx(expected, abs=1e-12)


def test_interval_covers_at_least_as_often_as_stated():
    rate, n = 0.07, 40
    chances = [binomtest(k, n, rate) for k in range(n + 1)]
    from scipy.stats import binom

    covered = sum(
        binom.pmf(k, n, rate)
        for k in range(len(chances))
        if binomial_interval(k, n)[0] <= rate <= binomial_interval(k, n)[1]
    )
    assert covered >= 0.95


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, 0), "k=1 of n=0; allowed: n of 1 or more"),
        ((-1, 5), "k=-1 of n=5"),
        ((6, 5), "and k from 0 to n"),
        ((1, 5, 1.0), "confidence=1.0; allowed: between 0 and 1"),
        ((1, 5, 95), "confidence=95"),
    ],
)
def test_interval_refuses_what_is_no_rate(arguments, message):
    with pytest.raises(ConfigError, match=message):
        binomial_interval(*arguments)


def test_every_key_of_the_record_is_defined_in_one_sentence():
    assert list(DEFINITIONS) == [
        "image_auroc",
        "image_ap",
        "image_f1_max",
        "pixel_auroc",
        "pixel_ap",
        "pixel_f1_max",
        "aupro_30",
        "aupro_05",
        "false_alarm_rate",
        "miss_rate",
        "threshold",
    ]
    for key, sentence in (DEFINITIONS | FURTHER_DEFINITIONS).items():
        assert sentence[0].isupper(), key
        assert sentence.endswith("."), key
        assert ". " not in sentence, key


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("aupro_30", ["0.3", "8-connected", "trapezoid", "linear interpolation"]),
        ("aupro_05", ["0.05"]),
        ("image_auroc", ["raw", "tie", "one half"]),
        (
            "image_auroc_interval",
            [
                "95 %",
                "other test images",
                "DeLong",
                "logit",
                "Clopper-Pearson",
                "Hoeffding",
                "mean over categories",
            ],
        ),
        ("image_f1_max", ["optimistic", "test labels", "score >= threshold"]),
        ("pixel_f1_max", ["optimistic", "test masks", "score >= threshold"]),
        ("threshold", ["split-conformal", "held out", "no test image"]),
    ],
)
def test_definitions_say_what_matters(key, words):
    sentence = (DEFINITIONS | FURTHER_DEFINITIONS)[key]
    assert [word for word in words if word not in sentence] == []


def test_public_names_are_pinned():
    assert metrics.__all__ == [
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
    assert all(hasattr(metrics, name) for name in metrics.__all__)
