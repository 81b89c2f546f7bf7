"""Options of `evaluate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.cli.options.shared import (
    class_options,
    log_option,
    run_options,
    runtime_option,
    threads_option,
)

if TYPE_CHECKING:
    import argparse


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add them to the parser of the verb."""
    verb.add_argument("model", metavar="M.twin")
    verb.add_argument("data", metavar="DATA", help="MVTec layout or manifest with test images")
    class_options(verb)
    verb.add_argument(
        "--out", required=True, metavar="DIR", help="where metrics.json, scores.csv and report.html go"
    )
    verb.add_argument(
        "--features",
        action="store_true",
        help="also lay out features of patches on a plane (t-SNE; needs masks and twinspect[plots])",
    )
    verb.add_argument(
        "--shifts",
        action="store_true",
        help="also score all test images in other light, out of focus, noisy, compressed, shifted and turned: 12 "
        "times as many images",
    )
    verb.add_argument(
        "--held-out",
        action="store_true",
        help="also test on good images that the threshold was set with, and say so: how many of them are false "
        "alarms says nothing of others",
    )
    verb.add_argument(
        "--against",
        metavar="OLD.twin",
        help="also compare with another version of the model, on the images that neither has learnt from; writes "
        "comparison.json",
    )
    log_option(verb, "the metrics, and keep the report there")
    runtime_option(verb)
    threads_option(verb)
    run_options(verb)
