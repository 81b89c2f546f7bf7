"""`twinspect doctor`: what would be read, as what, what is skipped and why; and what this machine has."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twinspect.calibration.conformal import check_kind, choose_rate, false_alarms_of
from twinspect.calibration.parts import count_parts
from twinspect.cli.class_selection import select_classes
from twinspect.cli.console import counted, table
from twinspect.cli.installation import describe_machine
from twinspect.cli.outcome import DONE, SOME_UNREADABLE, Outcome
from twinspect.cli.remedies import with_commands
from twinspect.cli.suspects import check_page, show_suspects
from twinspect.cli.version import as_text
from twinspect.data import open_data
from twinspect.data.pixels import read_pixels, read_truth
from twinspect.data.prefetching import ReadFailure, default_workers, read_samples
from twinspect.data.significant_bits import describe_bits, largest_value
from twinspect.data.summary import count_images, summarize
from twinspect.errors import ConfigError, DataError, TwinspectError, UnlabelledError
from twinspect.utils.progress_bar import Bar
from twinspect.utils.spelling import spell

if TYPE_CHECKING:
    import argparse

    from twinspect.data import DataSource
    from twinspect.data.samples import DataSet, Sample

SHOWN = 20
"""At most this many files of a kind are listed without ``--list``; ``--json`` has all."""


def run(options: argparse.Namespace) -> Outcome:
    """Look at the data, if any, and at the machine."""
    parts: list[str] = []
    record: dict[str, Any] = {"machine": describe_machine()}
    code = DONE
    if options.suspects and options.data is None:
        raise ConfigError("--suspects looks at images, but none are named; add a folder or manifest")
    if options.suspects:
        check_page(Path(options.out))
    source = select_classes(options, options.data)
    if source is not None:
        data, refusal = _open(source, options)
        text, record["data"] = _describe_data(data, refusal, options)
        parts.append(text)
        if options.suspects:
            text, record["suspects"] = show_suspects(data, Path(options.out))
            parts.append(text)
        looked = (record["data"], record.get("suspects", {}))  # with --quick the first has read no image
        code = SOME_UNREADABLE if any(found.get("unreadable") for found in looked) else DONE
    parts.append(table(("machine", ""), [(key, as_text(value)) for key, value in record["machine"].items()]))
    return Outcome("\n\n".join(parts), record, code)


def _open(source: DataSource, options: argparse.Namespace) -> tuple[DataSet, str]:
    """Open data as `fit` does or, where it refuses, as `evaluate` does; and say why it refuses."""
    try:
        return open_data(source, split="train"), ""
    except DataError as error:
        try:
            data = open_data(source, split="test")
        except DataError:
            raise error from None
        return data, with_commands(error, options) if isinstance(error, UnlabelledError) else str(error)


def _describe_data(data: DataSet, refusal: str, options: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    held, plan = (set(), _stop(data, refusal)) if refusal else _plan(data, options)
    counts = Counter((s.category, _read_as(s, held, data), _label(s, data), s.mask is not None) for s in data)
    rows = [(*key[:3], "yes" if key[3] else "no", number) for key, number in sorted(counts.items())]
    unreadable = [] if options.quick else _unreadable(data)
    bits = "" if options.quick else _describe_bits(data)
    most = None if options.list else SHOWN
    images = counted(len(data), "image")
    text = "\n\n".join(
        [
            f"{spell(f'{data.name}: {images}; {data.layout}')}\n{spell(summarize(data))}",
            table(("category", "read as", "label", "mask", "images"), rows),
            spell(plan),
            *([bits] if bits else []),
            *(_image_list(data, held) if options.list else []),
            *_listing(
                "without a mask, for image metrics only",
                [(s.path, f"labelled {s.label}") for s in data.unmasked],
                most=most,
            ),
            *_listing("left out", [(skipped.path, skipped.reason) for skipped in data.skipped], most=most),
            *_listing("cannot be read", unreadable, most=most),
        ]
    )
    record = {
        "name": data.name,
        "layout": data.layout,
        "summary": summarize(data),
        "counts": count_images(data),
        "images": [
            {
                "path": str(s.path),
                "category": s.category,
                "read_as": _read_as(s, held, data),
                "label": _label(s, data),
                "mask": None if s.mask is None else str(s.mask),
            }
            for s in data
        ],
        "calibration": plan,
        "bits": bits,
        "left_out": [{"path": str(skipped.path), "reason": skipped.reason} for skipped in data.skipped],
        "unmasked": [str(s.path) for s in data.unmasked],
        "unreadable": [{"path": str(path), "reason": reason} for path, reason in unreadable],
    }
    return text, record


def _image_list(data: DataSet, held: set[Sample]) -> list[str]:
    return ["\n".join(spell(f"{_read_as(sample, held, data):12s} {sample.path}") for sample in data)]


def _plan(data: DataSet, options: argparse.Namespace) -> tuple[set[Sample], str]:
    """Split as `fit` would, and say what that promises, or why it cannot."""
    from twinspect.detector import Detector

    kind = options.calibration
    if kind is not None:
        check_kind(kind)
    detector = Detector(seed=options.seed, false_alarm_rate=options.false_alarm_rate, calibration=kind)
    try:
        train, held = detector.split(data)
        rate = choose_rate(count_parts(held or train), options.false_alarm_rate)
    except TwinspectError as error:
        return set(), f"fit would stop: {error}"
    if len(train) == 1 and not held:
        return (
            set(),
            "fit would train on 1 image, which promises no false-alarm rate: only rank by its scores",
        )
    return set(held), (
        f"fit would train on {counted(len(train), 'image')}, calibrate on {len(held) or len(train)}, "
        f"and promise at most {100 * rate:.3g} % {false_alarms_of(sample.group for sample in held or train)}"
    )


def _stop(data: DataSet, refusal: str) -> str:
    """Say which verbs refuse the data; `evaluate` takes what has test images, even without any to train on."""
    return f"fit would stop{', as would evaluate and calibrate' if data.doubt else ''}: {refusal}"


def _label(sample: Sample, data: DataSet) -> str:
    return "unknown" if data.doubt else sample.label


def _read_as(sample: Sample, held: set[Sample], data: DataSet) -> str:
    if data.doubt:
        return "unknown"
    if sample in held:
        return "calibration"
    good = "good" if sample.is_good else "defect"
    return f"test {good}" if sample.split == "test" else sample.split if sample.is_good else "not used"


def _describe_bits(data: DataSet) -> str:
    """Say whether the images that `fit` would read leave bits unused."""
    with Bar() as bar:
        return describe_bits(
            largest_value([s for s in data if s.is_good and s.split != "test"], progress=bar)
        )


def _unreadable(data: DataSet) -> list[tuple[object, str]]:
    """Decode every image and every mask."""
    read = read_samples(data.samples, _decode, workers=default_workers())
    with Bar() as bar:
        results = list(bar.watch("decode", read, total=len(data)))
    return [(result.sample.path, result.message) for result in results if isinstance(result, ReadFailure)]


def _decode(sample: Sample) -> None:
    from twinspect.errors import ImageError

    pixels = read_pixels(sample)
    try:
        read_truth(sample, (pixels.shape[0], pixels.shape[1]))
    except DataError as error:
        raise ImageError(str(error)) from error


def _listing(title: str, entries: list[tuple[Any, str]], *, most: int | None) -> list[str]:
    if not entries:
        return []
    shown = entries[:most]
    lines = [spell(f"  {path}: {reason.removeprefix(f'{path}: ')}") for path, reason in shown]
    rest = len(entries) - len(shown)
    more = [f"  and {rest} more; --list names all"] if rest else []
    return ["\n".join([f"{title} ({len(entries)}):", *lines, *more])]
