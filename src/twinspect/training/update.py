"""A new version of a detector: it learns on from more good images, and is compared with the old one.

Both are compared on images that neither has learnt from: good ones that were held out since the first version, and
all defects. Their thresholds come from held-out good images as well.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from twinspect.bundle.calibration_history import CALIBRATED_ON
from twinspect.bundle.kept_images import select_images
from twinspect.bundle.learnt_images import Generation, LearntImages, shorten
from twinspect.calibration.conformal import (
    choose_rate,
    choose_rate_for_categories,
    images_needed,
    smallest_rate,
)
from twinspect.calibration.hold_out import DEFAULT_RATE
from twinspect.calibration.parts import count_parts, highest_by_part, mates
from twinspect.data.fingerprint import fingerprint_of, readable_digests
from twinspect.data.opening import open_called_good
from twinspect.errors import CalibrationError, DataError
from twinspect.images.perceptual_hash import near_duplicates
from twinspect.inference.left_out import adding_note, near_note, refuse_or_say, unreadable_record
from twinspect.inference.torch_detector import TorchDetector
from twinspect.training.training_inputs import count_tiles
from twinspect.training.update_images import FEWEST, more_needed, share_update, without_copies
from twinspect.training.version_results import DEFECT, compare_versions, judged, judged_good

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from twinspect.calibration.conformal import Calibration
    from twinspect.data import DataSource
    from twinspect.data.samples import Sample
    from twinspect.training.first_reading import FirstReading
    from twinspect.training.fitting import Fitting
    from twinspect.training.update_images import UpdateImages

T = TypeVar("T", bound=TorchDetector)

FALSE_ALARMS: Final = "false alarms"
"""Begins the names of such images, so that none has the name of another."""
UNKNOWN: Final = (
    "an earlier twinspect wrote the old version, which does not know what it learnt from: if any of these images are "
    "among that, the new version's promise does not hold; give it new images only"
)


@dataclass(frozen=True)
class UpdateRules:
    """What a user may ask of an update.

    Attributes:
        rate: the false-alarm rate to promise; ``None`` for the old version's, or 5 % where that was higher.
        keep_images: held-out good images to keep with the model.
        strict: refuse images that cannot be read.
        say: called with a sentence.
    """

    rate: float | None
    keep_images: int
    strict: bool
    say: Callable[[str], None]


@dataclass(frozen=True)
class _Given:
    """The images of an update, and what the old version knows of them.

    Attributes:
        good: readable good images, each content once.
        defects: images with defects.
        digests: short digests of good images, by name.
        long: whole ones.
        copies: good images that were left out since another has the same content.
        learnt: short digests of what earlier versions learnt from.
        held_out: of what they held out.
        perceptual_hashes: of all of these.
        false_alarms: names of the good images that the old version called anomalous.
    """

    good: list[Sample]
    defects: list[Sample]
    digests: dict[str, str]
    long: dict[str, str]
    copies: int
    learnt: frozenset[str]
    held_out: frozenset[str]
    perceptual_hashes: tuple[bytes, ...]
    false_alarms: frozenset[str] = frozenset()


def update(
    old: T,
    fitting: Fitting,
    good: DataSource,
    defects: DataSource | None,
    rules: UpdateRules,
    false_alarms: DataSource | None = None,
) -> T:
    """Make the new version; the old one stays as it is.

    Args:
        old: a fitted detector.
        fitting: how it was fitted, without images, and what the new version begins with.
        good: good images, best old and new.
        defects: images with defects; ``None`` for none.
        rules: what was asked for.
        false_alarms: good images that the old version called anomalous, if they are not among the good ones.

    Raises:
        TwinspectError: nothing new to learn from, or too little to calibrate on; a method that cannot be updated.
    """
    given = _look(old, good, defects, rules, false_alarms)
    rate = aimed_at(old.calibration_) if rules.rate is None else rules.rate
    rehearses = fitting.config.total_steps(1) > 0
    images, reading = _share(fitting, given, rules, rate, rehearses=rehearses)
    rate = _promised(images, rules, rate)
    before = judged(old, [*images.calibration, *given.defects])
    fitting = fitting.starting_without(_absent(old, images, rehearses=rehearses))
    fitting = replace(fitting, fingerprint=_fingerprint(images, given), prepared=reading.prepared)
    trained, history, scores = fitting.fit_update(images.train, images.calibration, given.defects)
    new = copy(old)
    new.model_, new._graph = fitting.scoring_model(trained), None  # noqa: SLF001 - its own
    new.calibration_ = scores.calibration(rate, "split")
    new.losses_, new.curves_ = history.losses, history.curves
    new.earlier_calibrations_, new.record_sha256_ = (), ""
    new.fitted_at_, new.detectability_, new.unreadable_ = "", None, reading.unreadable
    new.learnt_, new.calibrated_on_ = _remembered(given, images, reading, old.learnt_)
    named = {sample.name: sample for sample in images.calibration}
    chosen = [named[name] for name in scores.names]
    new.images_ = select_images(chosen, scores.scores, rules.keep_images, old.bits)
    new.data_ = _data(old, images, fitting, reading) | {"held_out": history.held_out}
    after = judged_good(new.calibration_, scores) | judged(new, given.defects)
    versions = (old.calibration_, before), (new.calibration_, after)
    compared = compare_versions(*versions, images.kept, images.held, given.defects)
    new.lineage_ = _lineage(old, fitting, given, images, compared)
    return new


def _look(
    old: TorchDetector,
    good: DataSource,
    defects: DataSource | None,
    rules: UpdateRules,
    false_alarms: DataSource | None,
) -> _Given:
    """List the images, and tell them by their contents."""
    alarms = [] if false_alarms is None else _open_good(old, false_alarms)
    alarms = [replace(sample, name=f"{FALSE_ALARMS}/{sample.name}") for sample in alarms]
    samples = [*alarms, *_open_good(old, good)]  # of copies the first counts
    bad = _of_products(old, _open_defects(defects)) if defects is not None else []
    digests = readable_digests([*samples, *bad])
    of_good, of_bad = digests[: len(samples)], digests[len(samples) :]
    long = {sample.name: digest or sample.name for sample, digest in zip(samples, of_good, strict=True)}
    both = set(filter(None, of_bad)) & set(of_good)
    if both:
        named = next(sample for sample, digest in zip(bad, of_bad, strict=True) if digest in both)
        raise DataError(f"{named.address} is among the good images too; take it out of one of the folders")
    short = {name: shorten(digest) for name, digest in long.items()}
    distinct = without_copies(samples, long)
    known = old.learnt_ or LearntImages()
    if wrong := sum(shorten(digest) in known.digests for digest in of_bad if digest):
        rules.say(f"{wrong} of {len(bad)} images with defects were learnt from as good ones")
    if old.learnt_ is None:
        rules.say(UNKNOWN)
    told = known.digests, _held_out_before(old), known.perceptual_hashes
    chosen = frozenset(sample.name for sample in alarms)
    return _Given(distinct, bad, short, long, len(samples) - len(distinct), *told, chosen)


def _open_good(old: TorchDetector, source: DataSource) -> list[Sample]:
    """List the images that are labelled good and not for testing, or that lie in a folder without labels."""
    named = (sample for sample in open_called_good(source) if sample.is_good and sample.split != "test")
    return _of_products(old, list(named))


def _open_defects(source: DataSource) -> list[Sample]:
    """List images with defects: those that are labelled so, or all where none is."""
    samples = list(open_called_good(source))
    labelled = [sample for sample in samples if not sample.is_good]
    return labelled or [replace(sample, label=DEFECT) for sample in samples]


def _of_products(old: TorchDetector, samples: list[Sample]) -> list[Sample]:
    """Let images show the products of a detector.

    Raises:
        DataError: one shows another product, and there are several.
    """
    known = old.data_.get("categories") or [""]
    if len(known) == 1:
        return [replace(sample, category=known[0]) for sample in samples]
    for sample in samples:
        if sample.category not in known:
            raise DataError(
                f"{sample.address} shows {sample.category!r}, which the model has not learnt; it knows "
                f"{', '.join(known)}"
            )
    return samples


def _held_out_before(old: TorchDetector) -> frozenset[str]:
    """Collect the digests of all good images that no version has learnt from, though it has seen them."""
    known = old.learnt_ or LearntImages()
    earlier = (entry.get(CALIBRATED_ON, ()) for entry in old.earlier_calibrations_)
    held_out = (generation.held_out for generation in known.generations)
    return old.calibrated_on_.union(*earlier, *held_out) - known.digests


def _share(
    fitting: Fitting, given: _Given, rules: UpdateRules, rate: float | None, *, rehearses: bool
) -> tuple[UpdateImages, FirstReading]:
    """Share the good images, having read those that are needed; what cannot be read is left out."""
    share = partial(
        share_update,
        digests=given.digests,
        learnt=given.learnt,
        held_out=given.held_out,
        false_alarms=given.false_alarms,
        rate=rate,
        seed=fitting.trainer.seed,
        rehearses=rehearses,
    )
    images = share(given.good)
    reading = fitting.read_first(images.all, images.train)
    if unreadable := reading.unreadable:
        refuse_or_say(unreadable, len(given.good), strict=rules.strict, say=rules.say)
        gone = unreadable.keys() | mates(given.good, unreadable)
        images = share([sample for sample in given.good if sample.name not in gone])
        read = tuple(sample for sample in images.again if sample.name in reading.perceptual_hashes)
        images = replace(images, again=read)
    if not images.new:
        raise DataError(
            f"none of the {len(given.good)} good images is new: the model has learnt from {images.known} of them and "
            f"held {len(images.kept)} out; add new ones"
        )
    new = [reading.perceptual_hashes[sample.name] for sample in images.new]
    held = [reading.perceptual_hashes[sample.name] for sample in images.held]
    if near := sum(near_duplicates(held, [*given.perceptual_hashes, *new])):
        rules.say(near_note(near, len(images.all)))
    return images, reading


def aimed_at(calibration: Calibration) -> float | None:
    """Give the rate to aim at where nobody asks for one: the same as before, so that versions can be compared.

    A higher one that was not asked for comes from few images: then it is the one that a fit aims at. Several
    products have, each by its images, the smallest again.
    """
    blank = ("",) * len(calibration.scores)
    by_part = highest_by_part(calibration.scores, calibration.categories or blank, calibration.parts or blank)
    categories = [category for category, _, _ in by_part]
    rate = calibration.false_alarm_rate
    if calibration.kind != "copies" and rate != choose_rate_for_categories(categories, None):
        return rate  # it was asked for
    return min(rate, float(DEFAULT_RATE)) if len(set(categories)) == 1 else None


def _promised(images: UpdateImages, rules: UpdateRules, rate: float | None) -> float | None:
    """Check that a rate can be promised, and say what a better promise takes.

    Raises:
        CalibrationError: nobody's images are left, or too few for the rate that was asked for now.
    """
    count, usual = count_parts(images.calibration), float(DEFAULT_RATE)
    if not count:
        raise CalibrationError(
            f"no good images are left to calibrate on, which nobody may have learnt from: of those given, the model "
            f"has learnt from {images.known} and held none out, and {len(images.new)} are new; give {FEWEST} new "
            f"ones or more, {more_needed(images, usual)} for at most {100 * usual:g} % false alarms, or fit anew on "
            "all: twinspect fit"
        )
    if rules.rate is not None:
        with adding_note(_more(images, rules.rate)):
            return choose_rate(count, rules.rate)
    wanted = usual if rate is None else rate
    if count >= images_needed(wanted):
        return rate
    rules.say(
        f"{count} good images to calibrate on, which nobody has learnt from, promise at most "
        f"{100 * smallest_rate(count):.3g} % false alarms; {_more(images, wanted)}"
    )
    return None


def _more(images: UpdateImages, rate: float) -> str:
    return f"at most {100 * rate:.3g} % takes about {more_needed(images, rate)} more good images"


def _absent(old: TorchDetector, images: UpdateImages, *, rehearses: bool) -> int:
    """Count the images that the old version learnt from and that the training has nothing of."""
    learnt: int = old.data_.get("train", 0)
    return max(0, learnt - images.known) if rehearses else learnt


def _fingerprint(images: UpdateImages, given: _Given) -> str:
    names = [sample.name for sample in images.all]
    return fingerprint_of(names, [given.long[name] for name in names])


def _remembered(
    given: _Given, images: UpdateImages, reading: FirstReading, before: LearntImages | None
) -> tuple[LearntImages, frozenset[str]]:
    """Give what the new version remembers of its images, and the digests of those that it was calibrated on."""

    def digests(samples: Iterable[Sample]) -> frozenset[str]:
        return frozenset(given.digests[sample.name] for sample in samples)

    known = before or LearntImages()
    first = known.generations or (Generation(known.digests, given.held_out),)
    latest = Generation(digests(images.new), digests(images.held))
    perceptual = tuple(sorted({*known.perceptual_hashes, *reading.perceptual_hashes.values()}))
    learnt = LearntImages(known.digests | latest.learnt, perceptual, (*first, latest))
    return learnt, digests(images.calibration)


def _data(
    old: TorchDetector, images: UpdateImages, fitting: Fitting, reading: FirstReading
) -> dict[str, Any]:
    """Say what the new version is fitted on, with what the old one was."""
    kept = {name: value for name, value in old.data_.items() if name not in ("unreadable", "held_out")}
    tiles = count_tiles(images.new, fitting.tiling, fitting.scope) if fitting.tiling else 0
    return {
        **kept,
        "fingerprint": fitting.fingerprint,
        "train": old.data_.get("train", 0) + len(images.new),
        **({"tiles": old.data_["tiles"] + tiles} if "tiles" in old.data_ else {}),
        "calibration": len(images.calibration),
        **unreadable_record(reading.unreadable),
    }


def _lineage(
    old: TorchDetector, fitting: Fitting, given: _Given, images: UpdateImages, compared: dict[str, Any]
) -> dict[str, Any]:
    """Say where the new version comes from, in plain JSON values; see :class:`.LineageRecord`."""
    assert fitting.start is not None  # noqa: S101 - it is an update
    before = dict(old.lineage_)
    earlier = [*before.pop("earlier", []), *([before] if before else [])]
    return {
        "generation": before.get("generation", 1) + 1,
        "parent": {
            "weights": fitting.start.weights,
            "record": old.record_sha256_,
            "fitted_at": old.fitted_at_,
        },
        "images": {
            "learnt": len(images.new),
            "held_out": len(images.held),
            "kept": len(images.kept),
            "learnt_again": len(images.again),
            "learnt_before": images.known,
            "copies": given.copies,
            "defects": len(given.defects),
            "false_alarms": sum(sample.name in given.false_alarms for sample in images.new),
        },
        "knows_what_was_learnt": old.learnt_ is not None,
        "comparison": compared,
        **({"earlier": earlier} if earlier else {}),
    }
