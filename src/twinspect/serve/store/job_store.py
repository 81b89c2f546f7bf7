"""Access to jobs: trainings and exports of products, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, func, select, update

from twinspect.errors import ConfigError, NotStoredError
from twinspect.serve.store import audit_log
from twinspect.serve.store.product_records import UNDER_WAY, JobRow
from twinspect.serve.store.schema import JOBS, PRODUCTS, VERSIONS
from twinspect.serve.store.sql import insert_row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from twinspect.serve.store.product_records import Asked, JobKind, ProductRow
    from twinspect.serve.store.store import Store


class JobStore:
    """Jobs in the database of a store. Every method is one transaction.

    Args:
        store: the open store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(
        self,
        product: ProductRow,
        kind: JobKind,
        who: str,
        *,
        minutes: float | None = None,
        version: int | None = None,
        target: str | None = None,
    ) -> JobRow:
        """Add a job at the end of the queue.

        Args:
            product: of this product.
            kind: what is done.
            who: asked for it.
            minutes: the budget of a training.
            version: which is exported; for a training ``None``: the next number is taken.
            target: what is exported to.

        Raises:
            ConfigError: a job of this product is under way.
        """
        with self._store.writing() as connection:
            connection.execute(select(PRODUCTS.c.id).where(PRODUCTS.c.id == product.id).with_for_update())
            busy = _under_way(connection, product.id)
            if busy is not None:
                raise ConfigError(
                    f"{product.name!r} has a job that is {busy.state} (number {busy.id}); wait for its end, or "
                    "cancel it"
                )
            job_id = insert_row(
                connection,
                JOBS,
                product_id=product.id,
                kind=kind,
                state="waiting",
                asked="run",
                minutes=minutes,
                version=version if version is not None else _next_number(connection, product.id),
                parent=product.active_version,
                target=target,
                created_at=self._store.now(),
                created_by=who,
            )
            details = {"product": product.name, "job": job_id, "minutes": minutes}
            audit_log.add_entry(
                connection, self._store.now(), who, kind, f"asked for by {who}", details=details
            )
            return _job(connection, job_id)

    def get(self, job_id: int) -> JobRow:
        """Return a job.

        Raises:
            NotStoredError: there is none of this id.
        """
        with self._store.reading() as connection:
            return _job(connection, job_id)

    def of_product(self, product_id: int, limit: int = 50) -> list[JobRow]:
        """Return the jobs of a product, newest first."""
        query = _select().where(JOBS.c.product_id == product_id).order_by(JOBS.c.id.desc()).limit(limit)
        return self._read(query)

    def current(self, product_id: int) -> JobRow | None:
        """Return the job of a product that is under way."""
        with self._store.reading() as connection:
            return _under_way(connection, product_id)

    def under_way(self) -> list[JobRow]:
        """Return the jobs of all products that are under way, oldest first."""
        return self._read(_select().where(JOBS.c.state.in_(UNDER_WAY)).order_by(JOBS.c.id))

    def ask(self, job_id: int, asked: Asked, who: str) -> JobRow:
        """Say that a job is to run, to pause or to end.

        Raises:
            NotStoredError: there is none of this id.
            ConfigError: it has ended.
        """
        with self._store.writing() as connection:
            values: dict[str, Any] = {"asked": asked}
            job = _job(connection, job_id)
            if job.state == "paused" and asked == "run":
                values["state"] = "waiting"
            if job.state in ("waiting", "paused") and asked == "cancel":
                values |= {"state": "cancelled", "ended_at": self._store.now()}
            if job.state == "waiting" and asked == "pause":
                values["state"] = "paused"
            where = (JOBS.c.id == job_id, JOBS.c.state.in_(UNDER_WAY))
            if connection.execute(update(JOBS).where(*where).values(**values)).rowcount == 0:
                raise ConfigError(f"job {job_id} is {job.state}, so it cannot be changed any more")
            details = {"product": job.product, "job": job_id}
            audit_log.add_entry(
                connection, self._store.now(), who, asked, f"asked for by {who}", details=details
            )
            return _job(connection, job_id)

    def change(self, job_id: int, **values: Any) -> JobRow:
        """Record how a job goes on; for the thread that runs it."""
        with self._store.writing() as connection:
            connection.execute(update(JOBS).where(JOBS.c.id == job_id).values(**values))
            return _job(connection, job_id)

    def _read(self, query: Select[Any]) -> list[JobRow]:
        with self._store.reading() as connection:
            return [_to_job(row._mapping) for row in connection.execute(query)]  # noqa: SLF001 - a public name


def _select() -> Select[Any]:
    return select(JOBS, PRODUCTS.c.name.label("product")).join(PRODUCTS, PRODUCTS.c.id == JOBS.c.product_id)


def _to_job(mapping: Mapping[Any, Any]) -> JobRow:
    return JobRow(**mapping)


def _job(connection: Connection, job_id: int) -> JobRow:
    row = connection.execute(_select().where(JOBS.c.id == job_id)).first()
    if row is None:
        raise NotStoredError(f"no job of id {job_id}; GET /v1/jobs lists those that are under way")
    return _to_job(row._mapping)  # noqa: SLF001 - a public name


def _under_way(connection: Connection, product_id: int) -> JobRow | None:
    query = _select().where(JOBS.c.product_id == product_id, JOBS.c.state.in_(UNDER_WAY))
    row = connection.execute(query.order_by(JOBS.c.id)).first()
    return None if row is None else _to_job(row._mapping)  # noqa: SLF001 - a public name


def _next_number(connection: Connection, product_id: int) -> int:
    """Return the number after those of all versions and of all jobs that were to make one."""
    used = [
        connection.execute(select(func.max(column)).where(table.c.product_id == product_id)).scalar() or 0
        for table, column in ((VERSIONS, VERSIONS.c.number), (JOBS, JOBS.c.version))
    ]
    return max(used) + 1
