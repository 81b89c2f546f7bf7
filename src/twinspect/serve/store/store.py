"""The only door to the database."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twinspect.serve.store import audit_log, calibrations, inspections, models, paging, recalibration, series
from twinspect.serve.store.archive import Archive
from twinspect.serve.store.database import open_database, writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from twinspect.calibration.conformal import Calibration
    from twinspect.serve.store.archive import StoredImage
    from twinspect.serve.store.paging import Filter, Page
    from twinspect.serve.store.records import (
        AuditRow,
        CalibrationRow,
        FeedbackRow,
        Finished,
        InspectionRow,
        ModelRow,
        Proposal,
        Source,
        Use,
        Verdict,
    )
    from twinspect.serve.store.series import InspectionSeries


def utc_now() -> datetime:
    """Tell the time with its zone."""
    return datetime.now(timezone.utc)


class Store:
    """Inspections, feedback, calibrations and their audit, in a database that several processes may share.

    Every method is one transaction, and threads may call any of them at once. Times given need a zone.

    Args:
        url: of the database; ``None`` for the file ``store.db`` in the folder. Processes that share an SQLite file
            must be on one machine; PostgreSQL may be anywhere.
        folder: the data's, made where it is missing; images lie in its ``images``.
        now: tells the time, UTC.

    Raises:
        ConfigError: another kind of database.
        MissingExtraError: the driver of PostgreSQL is not installed.
        StoreError: the database cannot be reached, is something else, or was written by a newer twinspect.
    """

    def __init__(self, url: str | None, folder: Path, *, now: Callable[[], datetime] = utc_now) -> None:
        self.archive = Archive(Path(folder) / "images")
        self.now = now
        self._engine = open_database(url or f"sqlite:///{Path(folder).resolve() / 'store.db'}")
        self._writer = writing(self._engine)

    def __enter__(self) -> Store:  # noqa: PYI034 - nobody derives from a store
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Begin a transaction that only reads; for this package."""
        with self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Begin a transaction that writes; for this package. Nothing is written if the block raises."""
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
        who: str = "twinspect",
    ) -> ModelRow:
        """Note a model as its folder is now.

        If the folder shows another calibration than it showed last time with these weights, that becomes the active
        one. Otherwise what was decided here since stays, also over restarts.
        """
        facts = {"path": str(path), "weights_sha256": weights_sha256, "method": method, "runtime": runtime}
        with self.writing() as connection:
            return models.register(connection, name, facts, calibration, self.now(), who)

    def model(self, name: str) -> ModelRow:
        """Find a model by its name.

        Raises:
            NotStoredError: there is none; says which there are.
        """
        with self.reading() as connection:
            return models.by_name(connection, name)

    def models(self) -> list[ModelRow]:
        """Give all models that were ever registered, by name."""
        with self.reading() as connection:
            return models.read_all(connection)

    # Calibrations -------------------------------------------------------------------------------------------

    def active(self, model_id: int) -> CalibrationRow:
        """Give the calibration that decides for a model.

        Raises:
            NotStoredError: no such model.
        """
        with self.reading() as connection:
            return calibrations.read(connection, models.by_id(connection, model_id).active_calibration_id)

    def calibration(self, calibration_id: int) -> CalibrationRow:
        """Find a calibration. It never changes, so it may be kept.

        Raises:
            NotStoredError: there is none of this id.
        """
        with self.reading() as connection:
            return calibrations.read(connection, calibration_id)

    def calibrations(self, model_id: int) -> list[CalibrationRow]:
        """Give every calibration that a model ever had, of whatever weights, newest first."""
        with self.reading() as connection:
            return calibrations.of_model(connection, model_id)

    def propose(
        self, model_id: int, *, use: Use, false_alarm_rate: float | None = None, since: datetime | None = None
    ) -> Proposal:
        """Work out another calibration and what it would change; nothing is changed, nothing is scored again.

        Args:
            model_id: of the model.
            use: ``confirmed``, the images whose newest feedback is ``good``; ``confirmed+calibration``, these and the
                active calibration's own; ``calibration``, only those, for another rate.
            false_alarm_rate: to promise; ``None`` for the one promised now.
            since: take confirmed images accepted at this time or later.

        Raises:
            CalibrationError: these images cannot promise that rate; says which they can.
            ConfigError: no such use, or no rate.
            NotStoredError: no such model.
        """
        with self.reading() as connection:
            model = models.by_id(connection, model_id)
            return recalibration.propose(connection, model, use, false_alarm_rate, since)

    def apply(self, model_id: int, proposal: Proposal, who: str, reason: str) -> CalibrationRow:
        """Add a proposal's calibration, which decides from now on. The one before stays, to be rolled back to.

        Raises:
            ConfigError: who or why is missing, or the model was recalibrated or replaced since the proposal was made.
            NotStoredError: no such model.
        """
        with self.writing() as connection:
            return calibrations.apply(connection, model_id, proposal, who, reason, self.now())

    def roll_back(self, model_id: int, calibration_id: int, who: str, reason: str) -> CalibrationRow:
        """Add an earlier calibration once more, which decides from now on; its parent is the one it repeats.

        Raises:
            ConfigError: who or why is missing, it is of other weights, or it decides already.
            NotStoredError: no such model, or it has no such calibration.
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
        """Promise that an image will be scored: when this returns, disk and database have it.

        Returns:
            The queued row; ``None`` where the model has accepted this source key before.

        Raises:
            NotStoredError: no such model.
            OSError: the disk is full or not writable.
        """
        values = {"model_id": model_id, "name": name, "category": category}
        with self.writing() as connection:
            models.by_id(connection, model_id)
            values |= {"source": source, "source_key": source_key}
            row = inspections.accept(connection, self.archive, image, self.now(), values)
            return None if row is None else inspections.read(connection, row)

    def queued(self, model_id: int) -> list[InspectionRow]:
        """Give what was accepted and is not finished, first come first."""
        with self.reading() as connection:
            return inspections.queued(connection, model_id)

    def source_keys(self, model_id: int) -> set[str]:
        """Give every source key that a model ever accepted, as they are kept."""
        with self.reading() as connection:
            return inspections.source_keys(connection, model_id)

    def finish(self, results: Sequence[Finished]) -> int:
        """Write what became of queued inspections, all or none. What is finished already stays as it is.

        Returns:
            How many were still queued.
        """
        with self.writing() as connection:
            return inspections.finish(connection, results, self.now())

    def inspection(self, inspection_id: int) -> InspectionRow:
        """Find an inspection.

        Raises:
            NotStoredError: there is none of this id.
        """
        with self.reading() as connection:
            return inspections.read(connection, inspection_id)

    def search(self, wanted: Filter, after: int | None = None, limit: int = 50) -> Page:
        """Find inspections, newest first, a page at a time. Rows that are added meanwhile move no later page.

        Args:
            wanted: which.
            after: :attr:`Page.next` of the page before; ``None`` for the first one.
            limit: rows of a page, 1 to 1000.

        Raises:
            ConfigError: another limit.
        """
        with self.reading() as connection:
            return paging.search(connection, wanted, after, limit)

    def add_feedback(self, inspection_id: int, verdict: Verdict, comment: str, who: str) -> FeedbackRow:
        """Add what somebody says of an inspection; the newest counts, the others stay.

        Raises:
            ConfigError: a verdict other than good, defect and unsure.
            NotStoredError: no such inspection.
        """
        with self.writing() as connection:
            return inspections.add_feedback(connection, inspection_id, verdict, comment, who, self.now())

    # Over time ----------------------------------------------------------------------------------------------

    def scores(
        self,
        model_id: int,
        *,
        since: datetime | None = None,
        limit: int = 10_000,
        verdict: Verdict | None = None,
    ) -> InspectionSeries:
        """Give the newest scores by the model's present weights, in the order in which they were scored.

        Args:
            model_id: of the model.
            since: scored at this time or later.
            limit: no more than these.
            verdict: only what has this newest feedback.
        """
        with self.reading() as connection:
            model = models.by_id(connection, model_id)
            return series.newest(connection, model, since, limit, verdict)

    def windows(self, model_id: int, *, size: int = 50, limit: int = 100) -> list[InspectionSeries]:
        """Cut the scores by the model's present weights into windows of so many, and give the last full ones.

        They are counted from the first score on, so new scores never move a window that was looked at.
        """
        with self.reading() as connection:
            return series.windows(connection, models.by_id(connection, model_id), size, limit)

    # Audit --------------------------------------------------------------------------------------------------

    def audit(self, model_id: int | None = None, limit: int = 100) -> list[AuditRow]:
        """Give what was changed, by whom and why, newest first."""
        with self.reading() as connection:
            return audit_log.read(connection, model_id, limit)

    def note(
        self,
        who: str,
        action: str,
        reason: str,
        *,
        model_id: int | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Add to the audit something that no other method does."""
        with self.writing() as connection:
            audit_log.note(connection, self.now(), who, action, reason, model_id=model_id, details=details)
