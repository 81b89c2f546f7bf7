"""What every detector can do: score, decide by a calibrated threshold, calibrate; wherever its networks run."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from twinspect.bundle.calibration_history import (
    CALIBRATED_ON,
    CALIBRATION,
    HISTORY,
    ROI,
    add_earlier,
    write_calibration,
)
from twinspect.bundle.learnt_images import split_known
from twinspect.calibration.conformal import Calibration, check_rate, choose_rate
from twinspect.calibration.detectability import Detectability
from twinspect.calibration.map_peaks import map_notice
from twinspect.calibration.parts import count_parts, mates, parts_note
from twinspect.data import open_data
from twinspect.data.opening import open_good
from twinspect.data.prefetching import default_workers
from twinspect.errors import NotFittedError, is_installed, unknown_name
from twinspect.images.perceptual_hash import near_duplicates
from twinspect.inference.found_regions import regions_of
from twinspect.inference.left_out import (
    adding_note,
    learnt_note,
    mates_note,
    near_note,
    say_unreadable,
    unreadable_note,
)
from twinspect.inference.part_scores import score_parts
from twinspect.inference.pipeline import SCORE_BATCH, ScoringPipeline
from twinspect.methods.default import USUAL, Default, method_name
from twinspect.regions.finding import RegionRules, can_find_regions
from twinspect.regions.scope import Scope, changed_scope, check_same_region, refuse_own_regions
from twinspect.utils.progress import AUTO, tracked, watched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from typing_extensions import Self

    from twinspect.bundle.learnt_images import LearntImages
    from twinspect.data import DataSource
    from twinspect.data.samples import Sample
    from twinspect.inference.detector_page import DetectorFacts
    from twinspect.inference.pipeline import Engine
    from twinspect.inference.results import ImageScore
    from twinspect.inference.scores import Scores
    from twinspect.regions.areas import Region
    from twinspect.utils.progress import ProgressChoice


class BaseDetector(ABC):
    """A detector that has been fitted, whatever its networks run on; a subclass gives the engine and the description.

    Attributes:
        method: the name of its method; ``None`` for the default one.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        bits: significant bits of 16-bit image files; ``None`` for 16.
        workers: threads that read images; ``None`` for the number of processors, at most 8.
        calibration_: held-out scores, threshold and promised rate.
        losses_: the loss of every training step, by stage.
        curves_: what stages measured on held-out training images now and then, by stage and name.
        data_: what it was fitted on: fingerprint and counts.
        earlier_calibrations_: records of calibrations that were replaced, the oldest first.
        calibrated_on_: the beginning of the content hash of each image that the threshold comes from.
        learnt_: the images that it was learnt from; ``None`` for models of earlier versions.
        unreadable_: why images were left out of the last fit or calibration, by name.
        fitted_at_: when, as ISO 8601 in UTC, which ``twinspect fit`` sets; :meth:`Detector.fit` leaves it empty, so
            that the same fit writes the same bytes.
        scope_: where it looks; ``None`` for whole images.
        detectability_: which synthetic defects it finds; ``None`` where that was not measured.
        lineage_: record of the update that made it; empty for a first version.
        images_: a few good images that were held out, as PNG files: exports are checked on them, and regions compared
            with them.
        default_: the default for as many images as it is fitted on, where no method was named.
    """

    method: str | None
    device: str
    bits: int | None
    workers: int | None
    calibration_: Calibration
    losses_: dict[str, list[float]]
    curves_: dict[str, list[float]]
    data_: dict[str, Any]
    earlier_calibrations_: Sequence[dict[str, Any]] = ()
    calibrated_on_: frozenset[str] = frozenset()
    learnt_: LearntImages | None = None
    unreadable_: Mapping[str, str] = MappingProxyType({})
    fitted_at_: str = ""
    scope_: Scope | None = None
    detectability_: Detectability | None = None
    lineage_: Mapping[str, Any] = MappingProxyType({})
    images_: tuple[bytes, ...] = ()
    default_: Default = USUAL

    @property
    def method_name(self) -> str:
        """The name of its method, also where :attr:`method` names none."""
        return method_name(self.method, self.default_)

    @property
    def compared_images(self) -> tuple[bytes, ...]:
        """The good images that regions are compared with: none where parts lie in any direction."""
        return () if self.scope_ and self.scope_.turns else self.images_

    @abstractmethod
    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the arguments that it was made with, by name."""

    def set_params(self, **parameters: Any) -> Self:
        """Change arguments that :meth:`get_params` lists.

        Raises:
            ConfigError: another name.
        """
        for name, value in parameters.items():
            if name not in self.get_params():
                raise unknown_name("parameter", name, self.get_params())
            setattr(self, name, value)
        return self

    @abstractmethod
    def about(self) -> dict[str, Any]:
        """Describe it for reports: its ``teacher``, ``config`` and ``seed``, as plain values."""

    @property
    def export_name(self) -> str:
        """The name of the export that it scores by; empty for the networks as they were trained."""
        return ""

    @abstractmethod
    def _engine(self) -> Engine:
        """Give the engine that scores.

        Raises:
            NotFittedError: before :meth:`Detector.fit`.
        """

    def _check_fitted(self) -> None:
        """Refuse to go on before a fit.

        Raises:
            NotFittedError: before :meth:`Detector.fit`.
        """
        if not hasattr(self, "calibration_"):
            raise NotFittedError(
                "this detector has not been fitted; call fit(good_images) or twinspect.load(path)"
            )

    # Scoring ------------------------------------------------------------------------------------------------

    def score(
        self,
        images: DataSource,
        *,
        maps: bool = True,
        category: str | None = None,
        roi: str | Path | None = None,
        regions: bool | None = None,
        min_area: float | str = 0,
        mm_per_px: float | None = None,
        progress: ProgressChoice = AUTO,
    ) -> Scores:
        """Score images.

        An image that cannot be read does not stop the others: its score is NaN and ``errors`` says why.

        Args:
            images: anything :meth:`Detector.fit` takes, or one path; every sample is scored, whatever its split.
            maps: whether to keep anomaly maps; they take four bytes a pixel.
            category: what all these images show; ``None`` for what the data says. A category that was calibrated
                has a threshold of its own, all else the pooled one. It never changes a raw score.
            roi: the file of the region of interest, to make sure that it is the one the detector was calibrated with;
                ``None`` for that one, whichever it is.
            regions: whether to find regions in the maps; ``None`` where maps are kept. At most the share of good
                images that is promised for decisions shows any.
            min_area: of a region, in pixels, or in square millimetres: ``"0.5mm2"``. A fixed minimum can hide
                what is missing or small.
            mm_per_px: the side of a pixel in millimetres, for sizes in them.
            progress: who is told how far it is, see :data:`.ProgressChoice`: a notebook shows a bar.

        Raises:
            NotFittedError: before :meth:`Detector.fit`.
            ConfigError: a category that the detector was not calibrated on, another region of interest, or a wrong
                size.
        """
        from twinspect.inference.scores import Scores  # noqa: PLC0415 - the command line streams instead

        self._check_fitted()
        self.check_roi(roi)
        rules = RegionRules.of(min_area, mm_per_px)
        wanted = maps if regions is None else regions
        with watched(progress):
            data = open_data(images, split="test")
            stream = self.stream(data, maps=maps, category=category, regions=rules if wanted else None)
            rows = list(tracked("score", stream, total=len(data)))
        runtime = self.export_name or "torch"
        parts, calibration = score_parts(rows), self.calibration_
        return Scores.collect(
            rows, maps=maps, runtime=runtime, parts=parts, calibration=calibration, bits=self.bits
        )

    def stream(
        self,
        images: DataSource,
        *,
        maps: bool = True,
        start: int = 0,
        category: str | None = None,
        statistics: bool = False,
        perceptual_hashes: bool = False,
        regions: RegionRules | None = None,
    ) -> Iterator[ImageScore]:
        """Score images one after the other, with memory that does not grow with their number.

        Args:
            images: as for :meth:`score`.
            maps: whether to make anomaly maps at the images' own sizes.
            start: how many images at the front of the list to leave out. Scores do not depend on it.
            category: as for :meth:`score`.
            statistics: whether to say what each image looks like, by the pixels that are scored
                (:mod:`twinspect.images.statistics`).
            perceptual_hashes: whether to hash what each image shows (:mod:`twinspect.images.perceptual_hash`).
            regions: which regions to find in the maps, whether or not these are kept; ``None`` for none.
        """
        self._check_fitted()
        calibration = self.calibration_
        samples = open_data(images, split="test").samples
        if category is not None:
            if category not in calibration.categories:
                raise unknown_name("category", category, sorted(set(calibration.categories)))
            samples = tuple(replace(sample, category=category) for sample in samples)
        peaks, rules = calibration.good_peaks, regions if calibration.of_maps and can_find_regions() else None
        rows = self.raw_scores(
            samples,
            maps=maps or peaks is not None or rules is not None,  # both are taken from maps
            start=start,
            statistics=statistics,
            perceptual_hashes=perceptual_hashes,
        )
        for row in rows:
            if row.error:
                yield row
                continue
            decision = calibration.decide(row.score, row.sample.category, row.quality, row.unaligned)
            passed = not (decision.is_anomalous or decision.not_inspectable)
            notice = map_notice(peaks, row.counted) if passed else ""
            decided = replace(row, **decision._asdict(), notice=notice)
            if rules:
                found = regions_of(decided, calibration, rules, self.compared_images, self.bits)
                decided = replace(decided, regions=found)
            yield decided if maps else replace(decided, map=None, inside=None)

    def raw_scores(
        self,
        samples: Sequence[Sample],
        *,
        maps: bool = True,
        start: int = 0,
        statistics: bool = False,
        perceptual_hashes: bool = False,
    ) -> Iterator[ImageScore]:
        """Score images like :meth:`stream`, without a decision: for whoever has a calibration of its own.

        Args:
            samples: the images.
            maps: as for :meth:`stream`.
            start: as for :meth:`stream`.
            statistics: as for :meth:`stream`.
            perceptual_hashes: as for :meth:`stream`.
        """
        if self.scope_ is None or self.scope_.fixed:
            refuse_own_regions(samples)
        begin = start - start % SCORE_BATCH  # the same batches as from the start, hence the same last bits
        rows = self._pipeline().stream(
            self._engine(),
            samples[begin:],
            maps=maps,
            statistics=statistics,
            perceptual_hashes=perceptual_hashes,
        )
        return islice(rows, start - begin, None)

    def check_roi(self, roi: str | Path | None) -> None:
        """Refuse another region of interest than the one that the threshold comes from.

        Raises:
            ConfigError: it is another, or there is none.
            DataError: the file cannot be read.
        """
        if roi is not None:
            check_same_region(self.scope_, roi)

    def calibrate(
        self,
        good: DataSource,
        *,
        roi: str | Path | Region | None = None,
        roi_blank: bool | None = None,
        false_alarm_rate: float | None = None,
        strict: bool = False,
        say: Callable[[str], None] = warnings.warn,
    ) -> Self:
        """Set a new threshold from good images that nothing was learnt from; nothing is trained.

        Images that the model was fitted on are left out, whatever their names are now; so are those that cannot be
        read, which ``unreadable_`` lists, and all others of the same parts.

        Args:
            good: good images; those of a data set's training split are meant, or all in a plain folder. Where they
                come with regions of interest (a manifest's column ``roi``), these take effect from now on.
            roi: a region of interest for all images, or its file, which takes effect from now on; ``None`` to leave
                that as it is.
            roi_blank: whether the rest is painted over; ``None`` to leave that as it is.
            false_alarm_rate: the rate to promise; ``None`` for the smallest these images allow.
            strict: refuse images that cannot be read.
            say: called with a sentence on what was left out.

        Raises:
            CalibrationError: too few images for that rate.
            ImageError: with ``strict``: an image cannot be read.
        """
        engine = self._engine()
        given = open_good(good)
        samples, learnt, digests = split_known(given, self.learnt_.digests if self.learnt_ else ())
        others = mates(given, {sample.name for sample in learnt})
        samples = [sample for sample in samples if sample.name not in others]
        note = "; ".join(
            filter(None, (learnt_note(len(learnt), len(digests)), mates_note(len(others), len(digests))))
        )
        if note:
            say(note)
        unreadable: dict[str, str] = {}
        with adding_note(note, parts_note(samples)):
            choose_rate(count_parts(samples), false_alarm_rate)  # refuse before the work, not after it
        hashes: dict[str, bytes] | None = {} if self.learnt_ else None
        scope = changed_scope(self.scope_, roi, samples, blank=roi_blank)
        self._check_scope(scope)
        engine = self._engine()
        pipeline = replace(self._pipeline(), scope=scope)
        scores = pipeline.score_good(engine, samples, None if strict else unreadable, hashes)
        say_unreadable(unreadable, len(digests), say)
        incomplete = mates(samples, unreadable)
        if incomplete:
            say(mates_note(len(incomplete), len(digests)))
        if self.learnt_ and hashes:
            new = [value for name, value in hashes.items() if digests[name] not in self.calibrated_on_]
            near = sum(near_duplicates(new, self.learnt_.perceptual_hashes))
            if near:
                say(near_note(near, len(digests)))
        with adding_note(note, unreadable_note(len(unreadable), len(digests))):
            calibration = scores.without(incomplete).calibration(false_alarm_rate, "split")
        self._keep_earlier()
        self.calibration_, self.unreadable_, self.scope_ = calibration, unreadable, scope
        self.calibrated_on_ = frozenset(digests[name] for name in calibration.names)
        return self

    def set_rate(self, false_alarm_rate: float) -> Self:
        """Promise another false-alarm rate from the calibration scores at hand.

        Raises:
            CalibrationError: they are too few for it.
        """
        self._engine()
        calibration = replace(self.calibration_, false_alarm_rate=check_rate(false_alarm_rate))
        self._keep_earlier()
        self.calibration_ = calibration
        return self

    def _keep_earlier(self) -> None:
        """Keep the calibration that is about to be replaced, if there is one."""
        if hasattr(self, "calibration_"):
            self.earlier_calibrations_ = add_earlier(self.earlier_calibrations_, self._calibration_record())

    @abstractmethod
    def _check_scope(self, scope: Scope | None) -> None:
        """Refuse a region of interest that it cannot look at.

        Raises:
            ConfigError: says what can be done.
        """

    def _pipeline(self) -> ScoringPipeline:
        return ScoringPipeline(self._threads(), self.bits, self.scope_)

    def _threads(self) -> int:
        return default_workers() if self.workers is None else self.workers

    def __copy__(self) -> Self:
        """Share what scores; a deep copy has its own."""
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__)
        return other

    # Showing ------------------------------------------------------------------------------------------------

    def _repr_html_(self) -> str | None:
        """Show in a notebook how it was made and what it promises; ``None`` leaves it to :func:`repr`."""
        if not is_installed("jinja2"):  # as where exports are only scored
            return None
        from twinspect.inference.detector_page import detector_html  # noqa: PLC0415 - only where it is shown

        return detector_html(self._facts())

    def _facts(self) -> DetectorFacts:
        from twinspect.inference.detector_page import facts_of  # noqa: PLC0415 - as above

        return facts_of(self)

    # Keeping ------------------------------------------------------------------------------------------------

    def save_calibration(self, path: str | Path) -> None:
        """Write only the calibration into a model folder that this detector was loaded from or saved to."""
        write_calibration(Path(path), self._calibration_record())

    def _calibration_record(self) -> dict[str, Any]:
        """Return plain JSON values: the calibration and the earlier ones."""
        earlier = {HISTORY: list(self.earlier_calibrations_)} if self.earlier_calibrations_ else {}
        images = {CALIBRATED_ON: sorted(self.calibrated_on_)} if self.calibrated_on_ else {}
        scope = {ROI: self.scope_.to_record()} if self.scope_ else {}
        return {CALIBRATION: self.calibration_.to_record(), **images, **scope, **earlier}

    def _restore_fitted_state(self, record: dict[str, Any]) -> None:
        """Take back what :meth:`to_record` kept of every detector."""
        self.calibration_ = Calibration.from_record(record[CALIBRATION])
        self.calibrated_on_ = frozenset(record.get(CALIBRATED_ON, ()))
        self.earlier_calibrations_ = record.get(HISTORY, ())
        self.scope_ = Scope.from_record(record.get(ROI))
        self.losses_, self.data_ = record["losses"], record["data"]
        self.curves_ = record.get("curves", {})  # format 1 was first written without
        self.fitted_at_ = record.get("fitted_at", "")  # and without these
        self.lineage_ = record.get("lineage", {})
        tried = record.get("detectability")
        self.detectability_ = Detectability.from_record(tried) if tried else None
