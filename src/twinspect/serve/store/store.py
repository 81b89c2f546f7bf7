"""The only access to the database."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twinspect.serve.store import (
    audit_log,
    calibrations,
    deliveries,
    inspections,
    models,
    paging,
    recalibration,
    series,
)
from twinspect.serve.store.archive import Archive
from twinspect.serve.store.database import for_writing, open_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from twinspect.calibration.conformal import Calibration
    from twinspect.serve.store.archive import StoredImage
    from twinspect.serve.store.ordering import Order
    from twinspect.serve.store.paging import Filter, Page
    from twinspect.serve.store.records import (
        AuditRow,
        CalibrationRow,
        FeedbackRow,
        Finished,
        GoodImages,
        InspectionRow,
        ModelRow,
        Proposal,
        Source,
        Use,
        Verdict,
    )
    from twinspect.serve.store.series import InspectionSeries


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(timezone.utc)


class Store:
    """Inspections, feedback, calibrations and the audit log, in a database that several processes may share.

    Every method is one transaction and safe to call from several threads. Times passed in need a zone.

    Args:
        url: of the database; ``None`` for the file ``store.db`` in ``folder``. Processes that share an SQLite file
            must run on one machine; PostgreSQL may be anywhere.
        folder: of the data, created if missing; images lie in its subfolder ``images``.
        now: returns the current time, UTC.

    Raises:
        ConfigError: the database is of an unsupported kind.
        MissingExtraError: the driver of PostgreSQL is not installed.
        StoreError: the database cannot be reached, holds something else, or was written by a newer twinspect.
    """

    def __init__(self, url: str | None, folder: Path, *, now: Callable[[], datetime] = utc_now) -> None:
        self.archive = Archive(Path(folder) / "images")
        self.now = now
        self._engine = open_database(url or f"sqlite:///{Path(folder).resolve() / 'store.db'}")
        self._writer = for_writing(self._engine)

    def __enter__(self) -> Store:  # noqa: PYI034 - nobody derives from a store
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Begin a read-only transaction; for this package."""
        with self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Begin a writing transaction; for this package. Nothing is written if the block raises."""
        with self._writer.begin() as connection:
            yield connection

    # Models -------------------------------------------------------------------------------------------------

    def register(
        self,
        name: str,
        path: str | Path,
        weights_sha256: str,
        method: str,
        runtime: str,
        calibration: Calibration,
        *,
        who: str = models.SELF,
        reason: str = models.FROM_FOLDER,
    ) -> ModelRow:
        """Record a model as its folder is now.

        If the folder has another calibration than last time with these weights, that becomes the active one.
        Otherwise the calibration that was activated here since stays active, also across restarts.
        """
        columns = {"path": str(path), "weights_sha256": weights_sha256, "method": method, "runtime": runtime}
        with self.writing() as connection:
            return models.register(connection, name, columns, calibration, self.now(), who, reason)

    def model(self, name: str) -> ModelRow:
        """Return a model by its name.

        Raises:
            NotStoredError: no model has this name; the message lists those that exist.
        """
        with self.reading() as connection:
            return models.by_name(connection, name)

    def models(self) -> list[ModelRow]:
        """Return all models that were ever registered, by name."""
        with self.reading() as connection:
            return models.read_all(connection)

    # Calibrations -------------------------------------------------------------------------------------------

    def active(self, model_id: int) -> CalibrationRow:
        """Return the active calibration of a model.

        Raises:
            NotStoredError: no model has this id.
        """
        with self.reading() as connection:
            return calibrations.read(connection, models.by_id(connection, model_id).active_calibration_id)

    def calibration(self, calibration_id: int) -> CalibrationRow:
        """Return a calibration. It never changes, so it may be cached.

        Raises:
            NotStoredError: no calibration has this id.
        """
        with self.reading() as connection:
            return calibrations.read(connection, calibration_id)

    def calibrations(self, model_id: int) -> list[CalibrationRow]:
        """Return every calibration that a model ever had, of any weights, newest first."""
        with self.reading() as connection:
            return calibrations.of_model(connection, model_id)

    def propose(
        self, model_id: int, *, use: Use, false_alarm_rate: float | None = None, since: datetime | None = None
    ) -> Proposal:
        """Compute another calibration and its effects; nothing is changed and nothing is scored again.

        Args:
            model_id: the model's id.
            use: ``confirmed``, images whose newest feedback is ``good``; ``confirmed+calibration``, these and the
                active calibration's; ``calibration``, the active calibration's alone, for another rate.
            false_alarm_rate: to promise, in (0, 1); ``None`` for the current one.
            since: use only confirmed images accepted at this time or later.

        Raises:
            CalibrationError: these images cannot promise that rate; the message says which rate they can.
            ConfigError: the use does not exist, or the rate is not between 0 and 1.
            NotStoredError: no model has this id.
        """
        with self.reading() as connection:
            model = models.by_id(connection, model_id)
            return recalibration.propose(connection, model, use, false_alarm_rate, since)

    def good_images(self, model_id: int) -> GoodImages:
        """Return the images of a model that were judged good, the last judged first, to score them anew.

        Raises:
            CalibrationError: the model decides on parts.
            NotStoredError: no model has this id.
        """
        with self.reading() as connection:
            return recalibration.good_images(connection, models.by_id(connection, model_id))

    def apply(self, model_id: int, proposal: Proposal, who: str, reason: str) -> CalibrationRow:
        """Add a proposal's calibration as the active one. The previous one is kept, for a rollback.

        Raises:
            ConfigError: author or reason is missing, or the model was recalibrated or replaced since the proposal.
            NotStoredError: no model has this id.
        """
        with self.writing() as connection:
            return calibrations.apply(connection, model_id, proposal, who, reason, self.now())

    def roll_back(self, model_id: int, calibration_id: int, who: str, reason: str) -> CalibrationRow:
        """Add an earlier calibration once more as the active one; its parent is the one it repeats.

        Raises:
            ConfigError: author or reason is missing, it is of other weights, or it is active already.
            NotStoredError: no model has this id, or the model has no such calibration.
        """
        with self.writing() as connection:
            return calibrations.roll_back(connection, model_id, calibration_id, who, reason, self.now())

    # Inspections --------------------------------------------------------------------------------------------

    def accept(
        self,
        model_id: int,
        image: StoredImage,
        *,
        name: str,
        category: str = "",
        source: Source = "api",
        source_key: str | None = None,
    ) -> InspectionRow | None:
        """Accept an image for scoring: when this returns, disk and database have it.

        Returns:
            The queued row; ``None`` if the model has accepted this source key before.

        Raises:
            NotStoredError: no model has this id.
            OSError: the disk is full or not writable.
        """
        values = {"model_id": model_id, "name": name, "category": category}
        with self.writing() as connection:
            models.by_id(connection, model_id)
            values |= {"source": source, "source_key": source_key}
            inspection_id = inspections.accept(connection, self.archive, image, self.now(), values)
            return None if inspection_id is None else inspections.read(connection, inspection_id)

    def queued(self, model_id: int) -> list[InspectionRow]:
        """Return the inspections that are accepted and not finished, oldest first."""
        with self.reading() as connection:
            return inspections.queued(connection, model_id)

    def source_keys(self, model_id: int, *, anomalous: bool = False) -> set[str]:
        """Return every source key that a model ever accepted, or those of anomalous images only."""
        with self.reading() as connection:
            return inspections.source_keys(connection, model_id, anomalous=anomalous)

    def finish(self, results: Sequence[Finished]) -> int:
        """Write the results of queued inspections, all or none, and what is to be delivered of them.

        Those that are finished already stay as they are.

        Returns:
            How many were still queued.
        """
        with self.writing() as connection:
            now = self.now()
            finished = inspections.finish(connection, results, now)
            deliveries.enqueue(connection, finished, now)
            return len(finished)

    def inspection(self, inspection_id: int) -> InspectionRow:
        """Return an inspection.

        Raises:
            NotStoredError: no inspection has this id.
        """
        with self.reading() as connection:
            return inspections.read(connection, inspection_id)

    def last_finished(self, model_id: int) -> InspectionRow | None:
        """Return the newest inspection of a model that is finished; ``None`` where there is none."""
        with self.reading() as connection:
            return inspections.last_finished(connection, model_id)

    def search(
        self, criteria: Filter, after: int | None = None, limit: int = 50, order: Order | None = None
    ) -> Page:
        """Find inspections, a page at a time. Rows added meanwhile do not shift later pages.

        Args:
            criteria: which inspections to find.
            after: :attr:`Page.next` of the previous page; ``None`` for the first one.
            limit: rows of a page, 1 to 1000.
            order: newest first if not given.

        Raises:
            ConfigError: the limit is out of range.
        """
        with self.reading() as connection:
            return paging.search(connection, criteria, after, limit, order)

    def add_feedback(
        self,
        inspection_id: int,
        verdict: Verdict,
        comment: str,
        who: str,
        region: Mapping[str, Any] | None = None,
    ) -> FeedbackRow:
        """Add a person's verdict on an inspection, and where a defect was seen; the newest counts, all are kept.

        Raises:
            ConfigError: a verdict other than good, defect and unsure.
            NotStoredError: no inspection has this id.
        """
        with self.writing() as connection:
            return inspections.add_feedback(
                connection, inspection_id, verdict, comment, who, self.now(), region
            )

    # Series -------------------------------------------------------------------------------------------------

    def scores(
        self,
        model_id: int,
        *,
        since: datetime | None = None,
        limit: int = 10_000,
        verdict: Verdict | None = None,
    ) -> InspectionSeries:
        """Return the newest scores by the model's current weights, in the order in which they were scored.

        Args:
            model_id: the model's id.
            since: only those scored at this time or later.
            limit: at most so many.
            verdict: only those with this newest verdict.
        """
        with self.reading() as connection:
            model = models.by_id(connection, model_id)
            return series.newest(connection, model, since, limit, verdict)

    def windows(self, model_id: int, *, size: int = 50, limit: int = 100) -> list[InspectionSeries]:
        """Cut the scores by the model's current weights into windows of ``size``, and return the last full ones.

        Windows are counted from the first score on, so new scores never change an earlier window.
        """
        with self.reading() as connection:
            return series.windows(connection, models.by_id(connection, model_id), size, limit)

    def count_not_inspectable(self, model_id: int, since: datetime) -> int:
        """Count the images scored since then, by the model's current weights, that could not be inspected."""
        with self.reading() as connection:
            return series.count_not_inspectable(connection, models.by_id(connection, model_id), since)

    # Audit --------------------------------------------------------------------------------------------------

    def audit(self, model_id: int | None = None, limit: int = 100) -> list[AuditRow]:
        """Return what was changed, by whom and why, newest first."""
        with self.reading() as connection:
            return audit_log.read(connection, model_id, limit)

    def add_audit_entry(
        self,
        who: str,
        action: str,
        reason: str,
        *,
        model_id: int | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Record in the audit something that no other method does."""
        with self.writing() as connection:
            audit_log.add_entry(
                connection, self.now(), who, action, reason, model_id=model_id, details=details
            )
