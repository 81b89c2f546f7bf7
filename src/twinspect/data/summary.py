"""What a data set was taken for, in one line: how many images are what, and what is left out and why."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twinspect.data.samples import DataSet

_REASONS = 4
"""So many reasons for leaving files out are named; of the rest the number is."""


def count_images(data: DataSet) -> dict[str, int]:
    """Count images by what they are for, masks, defective images without one, and what is left out.

    Returns:
        Numbers by ``train_good``, ``calibration_good``, ``test_good``, ``test_defective``, ``masks``,
        ``defective_without_mask`` and ``left_out``; of files that nothing is known of only the folder counts. Where
        it is in doubt which images are good, no image counts.
    """
    known = () if data.doubt else data.samples
    kinds = Counter((sample.split, sample.is_good) for sample in known)
    defective = [sample for sample in known if not sample.is_good]
    return {
        "train_good": kinds["train", True],
        "calibration_good": kinds["calibration", True],
        "test_good": kinds["test", True],
        "test_defective": len(defective),
        "masks": sum(len(sample.masks) for sample in known),
        "defective_without_mask": sum(not sample.masks for sample in defective),
        "left_out": len(data.skipped),
    }


def summarize(data: DataSet, use: str = "train") -> str:
    """Say in one line what a data set was taken for.

    Args:
        data: the data set.
        use: ``calibrate`` where nothing is trained, and all good images that are not for testing are for that.

    >>> from twinspect.data.samples import DataSet, Sample
    >>> from pathlib import Path
    >>> summarize(DataSet("nuts", None, (Sample(Path("a.png"), "a.png", "train"),)))
    'nuts: 1 good to train; nothing left out'
    """
    if data.doubt:
        return f"{data.name}: would be refused: it is not known which of its {len(data):,} images are good"
    counts: dict[str, Any] = count_images(data)
    if use == "calibrate":
        counts["calibration_good"] += counts["train_good"]
        counts["train_good"] = 0
    shown = {
        "train_good": "good to train",
        "calibration_good": "good to calibrate",
        "test_good": "good to test",
        "test_defective": "defective to test",
        "masks": _masks_in_words(data, counts["masks"]),
    }
    parts = [f"{counts[key]:,} {words}" for key, words in shown.items() if counts[key]]
    if counts["defective_without_mask"] and (counts["masks"] or _has_orphans(data)):
        parts.append(f"{counts['defective_without_mask']:,} defective without a mask")
    if any(sample.group for sample in data):
        parts[-1] += f", of {len({sample.part for sample in data}):,} parts"
    layout = re.split("[:;,]", data.layout, maxsplit=1)[0]
    name = f"{data.name} ({layout})" if layout else data.name
    return f"{name}: {', '.join(parts)}; {_left_out(data)}"


def _masks_in_words(data: DataSet, masks: int) -> str:
    marked = sum(bool(sample.masks) for sample in data)
    of = f" of {marked:,} image{'' if marked == 1 else 's'}" if marked < masks else ""
    return f"mask{'' if masks == 1 else 's'}{of}"


def _has_orphans(data: DataSet) -> bool:
    return any("mask" in skipped.reason for skipped in data.skipped)


def _left_out(data: DataSet) -> str:
    if not data.skipped:
        return "nothing left out"
    # What follows a semicolon is the remedy, which doctor shows.
    reasons = Counter(skipped.reason.partition(";")[0] for skipped in data.skipped)
    if len(reasons) == 1:
        return f"{len(data.skipped):,} left out: {next(iter(reasons))}"
    shown = [f"{number:,} {reason!r}" for reason, number in reasons.most_common(_REASONS)]
    more = len(reasons) - _REASONS
    rest = [f"for {more} more reasons; doctor --list names all"] if more > 0 else []
    return f"{len(data.skipped):,} left out: {', '.join(shown + rest)}"
