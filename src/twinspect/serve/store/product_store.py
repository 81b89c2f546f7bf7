"""Access to products, their photos and versions; trainings are in :mod:`.job_store`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, and_, func, select, update

from twinspect.errors import ConfigError, NotStoredError, unknown_name
from twinspect.serve.store import audit_log
from twinspect.serve.store.inspections import ALL_TABLES, LATEST, touch_image
from twinspect.serve.store.product_records import (
    FeedbackImage,
    PhotoRow,
    ProductRow,
    ShadowScore,
    VersionRow,
)
from twinspect.serve.store.records import ImageRow
from twinspect.serve.store.schema import (
    IMAGES,
    INSPECTIONS,
    MODELS,
    PHOTOS,
    PRODUCTS,
    SHADOW_SCORES,
    VERSIONS,
)
from twinspect.serve.store.sql import check_reason, columns_of, insert_into, insert_row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Row

    from twinspect.serve.store.archive import StoredImage
    from twinspect.serve.store.product_records import Origin, Role
    from twinspect.serve.store.store import Store


class ProductStore:
    """Products in the database of a store. Every method is one transaction.

    Args:
        store: the open store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    # Products -----------------------------------------------------------------------------------------------

    def create(self, name: str, who: str) -> ProductRow:
        """Add a product; one of this name that was hidden comes back as it was.

        Raises:
            ConfigError: there is one of this name, or one that differs in upper and lower case alone.
        """
        with self._store.writing() as connection:
            old = connection.execute(select(PRODUCTS).where(PRODUCTS.c.name == name)).first()
            if old is not None and old.hidden_at is None:
                raise ConfigError(f"there is a product {name!r} already; choose another name")
            names = connection.execute(select(PRODUCTS.c.name)).scalars()
            twin = next((other for other in names if other.casefold() == name.casefold()), name)
            if old is None and twin != name:  # one folder on Windows and macOS
                raise ConfigError(f"there is, or was, a product {twin!r}; choose another name, or that one")
            if old is None:
                insert_row(connection, PRODUCTS, name=name, created_at=self._store.now(), created_by=who)
            else:
                connection.execute(update(PRODUCTS).where(PRODUCTS.c.name == name).values(hidden_at=None))
            self._log(connection, who, "product", f"created {name}", product=name)
            return _by_name(connection, name)

    def get(self, name: str) -> ProductRow:
        """Return a product that is not hidden.

        Raises:
            NotStoredError: there is none of this name; the message lists those that exist.
        """
        with self._store.reading() as connection:
            return _by_name(connection, name)

    def all(self) -> list[ProductRow]:
        """Return the products that are not hidden, by name."""
        query = select(PRODUCTS).where(PRODUCTS.c.hidden_at.is_(None)).order_by(PRODUCTS.c.name)
        with self._store.reading() as connection:
            return [ProductRow(**columns_of(row, PRODUCTS)) for row in connection.execute(query)]

    def hide(self, name: str, who: str, reason: str) -> None:
        """Take a product out of the list; nothing of it is deleted.

        Raises:
            NotStoredError: there is none of this name.
            ConfigError: author or reason is missing.
        """
        check_reason(who, reason)
        self._change(name, {"hidden_at": self._store.now()}, who, "hide product", reason)

    def set_region(self, name: str, region: Mapping[str, Any] | None, who: str) -> ProductRow:
        """Set where the next versions look; ``None`` for whole images.

        Raises:
            NotStoredError: there is none of this name.
        """
        value = None if region is None else dict(region)
        return self._change(name, {"region": value}, who, "region", "drawn on the page")

    def activate(self, name: str, number: int, who: str, reason: str) -> ProductRow:
        """Let a version decide from now on.

        Raises:
            NotStoredError: there is no such product or version.
            ConfigError: author or reason is missing.
        """
        check_reason(who, reason)
        self.version(name, number)
        return self._change(name, {"active_version": number}, who, "activate", reason)

    def set_shadow(self, name: str, number: int | None, who: str) -> ProductRow:
        """Let a version score what is inspected without deciding; ``None`` for none.

        Raises:
            NotStoredError: there is no such product or version.
        """
        if number is not None:
            self.version(name, number)
        return self._change(name, {"shadow_version": number}, who, "shadow", "trial of a version")

    def _change(self, name: str, values: Mapping[str, Any], who: str, action: str, reason: str) -> ProductRow:
        with self._store.writing() as connection:
            product = _by_name(connection, name)
            connection.execute(update(PRODUCTS).where(PRODUCTS.c.id == product.id).values(**values))
            told = {key: str(value) if key == "hidden_at" else value for key, value in values.items()}
            self._log(connection, who, action, reason, product=name, **told)
            found = connection.execute(select(PRODUCTS).where(PRODUCTS.c.id == product.id)).one()
            return ProductRow(**columns_of(found, PRODUCTS))

    def _log(self, connection: Connection, who: str, action: str, reason: str, **details: Any) -> None:
        audit_log.add_entry(connection, self._store.now(), who, action, reason, details=details)

    # Photos -------------------------------------------------------------------------------------------------

    def add_photo(
        self,
        product_id: int,
        image: StoredImage,
        *,
        name: str,
        role: Role,
        who: str,
        origin: Origin = "upload",
    ) -> PhotoRow | None:
        """Add an image of the archive to a product: when this returns, disk and database have it.

        Returns:
            Its row; ``None`` if the product has this image already.
        """
        now = self._store.now()
        values = {"product_id": product_id, "image_sha256": image.sha256, "name": name, "role": role}
        with self._store.writing() as connection:
            touch_image(connection, image, now)
            self._store.archive.restore(image)  # as for an inspection: its row is locked now
            insert = insert_into(connection, PHOTOS).values(
                **values, origin=origin, added_at=now, added_by=who
            )
            return _added(connection, insert)

    def add_inspected(self, product_id: int, inspection_id: int, role: Role, who: str) -> PhotoRow | None:
        """Add the image of an inspection to a product.

        Returns:
            Its row; ``None`` if the product has this image already.

        Raises:
            NotStoredError: there is no such inspection, or its image was removed.
        """
        inspection = self._store.inspection(inspection_id)
        values = {
            "product_id": product_id,
            "image_sha256": inspection.image_sha256,
            "name": inspection.name,
            "role": role,
            "inspection_id": inspection_id,
        }
        with self._store.writing() as connection:
            where = IMAGES.c.sha256 == inspection.image_sha256
            image = connection.execute(select(IMAGES.c.removed_at).where(where).with_for_update()).one()
            if image.removed_at is not None:
                raise NotStoredError(f"the image of inspection {inspection_id} was removed by retention")
            insert = insert_into(connection, PHOTOS).values(
                **values, origin="inspection", added_at=self._store.now(), added_by=who
            )
            return _added(connection, insert)

    def photo(self, product_id: int, photo_id: int) -> PhotoRow:
        """Return a photo of a product.

        Raises:
            NotStoredError: the product has no photo of this id.
        """
        with self._store.reading() as connection:
            return _photo(connection, product_id, photo_id)

    def photos(
        self, product_id: int, role: Role | None = None, after: int | None = None, limit: int | None = None
    ) -> list[PhotoRow]:
        """Return photos of a product, newest first.

        Args:
            product_id: the product's id.
            role: only those; ``None`` for all.
            after: only those older than the photo of this id.
            limit: at most so many; ``None`` for all.
        """
        query = _select_photos().where(PHOTOS.c.product_id == product_id)
        if role is not None:
            query = query.where(PHOTOS.c.role == role)
        if after is not None:
            query = query.where(PHOTOS.c.id < after)
        with self._store.reading() as connection:
            rows = connection.execute(query.order_by(PHOTOS.c.id.desc()).limit(limit))
            return [_to_photo(row) for row in rows]

    def change_role(self, product_id: int, photo_id: int, role: Role, who: str) -> PhotoRow:
        """Say that a photo is good, or shows a defect, after all.

        Raises:
            NotStoredError: the product has no photo of this id.
        """
        with self._store.writing() as connection:
            photo = _photo(connection, product_id, photo_id)
            connection.execute(update(PHOTOS).where(PHOTOS.c.id == photo_id).values(role=role))
            self._log(connection, who, "photo", f"{photo.name}: {photo.role} to {role}", photo=photo_id)
            return _photo(connection, product_id, photo_id)

    def remove_photo(self, product_id: int, photo_id: int, who: str) -> None:
        """Take a photo out of a product; its file stays until retention finds it unused.

        Raises:
            NotStoredError: the product has no photo of this id.
        """
        with self._store.writing() as connection:
            photo = _photo(connection, product_id, photo_id)
            connection.execute(PHOTOS.delete().where(PHOTOS.c.id == photo_id))
            details = {"photo": photo_id, "sha256": photo.image.sha256}
            self._log(connection, who, "photo", f"{photo.name}: taken out", **details)

    def counts(self, product_id: int) -> dict[Role, int]:
        """Count the photos of a product by role."""
        query = (
            select(PHOTOS.c.role, func.count())
            .where(PHOTOS.c.product_id == product_id)
            .group_by(PHOTOS.c.role)
        )
        with self._store.reading() as connection:
            counts = {role: int(count) for role, count in connection.execute(query)}
        return {"good": counts.get("good", 0), "defect": counts.get("defect", 0)}

    def total_bytes(self) -> int:
        """Return the size of all photos of all products, each image once."""
        used = select(PHOTOS.c.image_sha256).distinct().subquery()
        query = select(func.coalesce(func.sum(IMAGES.c.bytes), 0)).join(
            used, used.c.image_sha256 == IMAGES.c.sha256
        )
        with self._store.reading() as connection:
            return int(connection.execute(query).scalar_one())

    def feedback(self, product: ProductRow) -> list[FeedbackImage]:
        """Return inspected images with a verdict that are not among the product's photos, oldest first.

        Each image comes once, with the verdict of its newest inspection that has one.
        """
        known = and_(PHOTOS.c.product_id == product.id, PHOTOS.c.image_sha256 == INSPECTIONS.c.image_sha256)
        query = (
            select(
                INSPECTIONS.c.id,
                INSPECTIONS.c.image_sha256,
                INSPECTIONS.c.name,
                LATEST.c.verdict,
                INSPECTIONS.c.is_anomalous,
            )
            .select_from(ALL_TABLES.outerjoin(PHOTOS, known))
            .where(MODELS.c.name == product.name, LATEST.c.id.is_not(None), PHOTOS.c.id.is_(None))
            .where(IMAGES.c.removed_at.is_(None))
            .order_by(INSPECTIONS.c.id)
        )
        with self._store.reading() as connection:
            newest = {row.image_sha256: row for row in connection.execute(query)}
        return [
            FeedbackImage(
                row.id,
                row.image_sha256,
                row.name,
                row.verdict,
                row.verdict == "good" and bool(row.is_anomalous),
            )
            for row in newest.values()
        ]

    # Versions -----------------------------------------------------------------------------------------------

    def add_version(self, row: Mapping[str, Any], who: str) -> VersionRow:
        """Add a version whose model folder is complete; once it is there, it stays as it is.

        Args:
            row: the columns of :data:`VERSIONS` but for id, time and author.
            who: asked for it.
        """
        with self._store.writing() as connection:
            values = {**row, "created_at": self._store.now(), "created_by": who}
            insert = insert_into(connection, VERSIONS).values(**values)
            same = [VERSIONS.c.product_id, VERSIONS.c.number]
            connection.execute(insert.on_conflict_do_nothing(index_elements=same))
            return _version(connection, row["product_id"], row["number"])

    def version(self, name: str, number: int) -> VersionRow:
        """Return a version of a product.

        Raises:
            NotStoredError: there is no such product or version.
        """
        with self._store.reading() as connection:
            return _version(connection, _by_name(connection, name).id, number)

    def versions(self, product_id: int) -> list[VersionRow]:
        """Return the versions of a product, newest first."""
        query = select(VERSIONS).where(VERSIONS.c.product_id == product_id)
        with self._store.reading() as connection:
            rows = connection.execute(query.order_by(VERSIONS.c.number.desc()))
            return [VersionRow(**columns_of(row, VERSIONS)) for row in rows]

    # Versions on trial --------------------------------------------------------------------------------------

    def add_shadow_scores(self, version_id: int, scores: Sequence[ShadowScore]) -> None:
        """Keep what a version on trial says; what it said of an image before stays."""
        if not scores:
            return
        now = self._store.now()
        rows = [{"version_id": version_id, "scored_at": now, **vars(score)} for score in scores]
        with self._store.writing() as connection:
            insert = insert_into(connection, SHADOW_SCORES).values(rows)
            same = [SHADOW_SCORES.c.version_id, SHADOW_SCORES.c.inspection_id]
            connection.execute(insert.on_conflict_do_nothing(index_elements=same))

    def count_shadow_scores(self, version_id: int) -> int:
        """Count the images that a version on trial has scored."""
        query = select(func.count()).where(SHADOW_SCORES.c.version_id == version_id)
        with self._store.reading() as connection:
            return int(connection.execute(query).scalar_one())

    def shadow_differences(self, version_id: int, limit: int = 200) -> list[ShadowScore]:
        """Return what a version on trial decided otherwise than the active one had, newest first."""
        columns = [SHADOW_SCORES.c[name] for name in ShadowScore.__dataclass_fields__]
        query = (
            select(*columns)
            .join(INSPECTIONS, INSPECTIONS.c.id == SHADOW_SCORES.c.inspection_id)
            .where(SHADOW_SCORES.c.version_id == version_id)
            .where(SHADOW_SCORES.c.is_anomalous != INSPECTIONS.c.is_anomalous)
            .order_by(SHADOW_SCORES.c.inspection_id.desc())
            .limit(limit)
        )
        with self._store.reading() as connection:
            return [ShadowScore(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001 - a public name


def _by_name(connection: Connection, name: str) -> ProductRow:
    shown = PRODUCTS.c.hidden_at.is_(None)
    row = connection.execute(select(PRODUCTS).where(PRODUCTS.c.name == name, shown)).first()
    if row is None:
        known = connection.execute(select(PRODUCTS.c.name).where(shown)).scalars()
        raise NotStoredError(str(unknown_name("product", name, known)))
    return ProductRow(**columns_of(row, PRODUCTS))


def _added(connection: Connection, insert: Any) -> PhotoRow | None:
    once = insert.on_conflict_do_nothing(index_elements=[PHOTOS.c.product_id, PHOTOS.c.image_sha256])
    photo_id = connection.execute(once.returning(PHOTOS.c.id)).scalar()
    if photo_id is None:
        return None
    return _to_photo(connection.execute(_select_photos().where(PHOTOS.c.id == photo_id)).one())


def _select_photos() -> Select[Any]:
    called = INSPECTIONS.c.is_anomalous.label("was_called_anomalous")
    with_images = PHOTOS.join(IMAGES, IMAGES.c.sha256 == PHOTOS.c.image_sha256)
    tables = with_images.outerjoin(INSPECTIONS, INSPECTIONS.c.id == PHOTOS.c.inspection_id)
    return select(PHOTOS, IMAGES, called).select_from(tables)


def _photo(connection: Connection, product_id: int, photo_id: int) -> PhotoRow:
    where = (PHOTOS.c.product_id == product_id, PHOTOS.c.id == photo_id)
    row = connection.execute(_select_photos().where(*where)).first()
    if row is None:
        raise NotStoredError(f"this product has no photo of id {photo_id}")
    return _to_photo(row)


def _to_photo(row: Row[Any]) -> PhotoRow:
    columns = columns_of(row, PHOTOS)
    del columns["image_sha256"]
    image = {name: value for name, value in columns_of(row, IMAGES).items() if name != "used_at"}
    is_false_alarm = columns["role"] == "good" and bool(row.was_called_anomalous)
    return PhotoRow(**columns, image=ImageRow(**image), is_false_alarm=is_false_alarm)


def _version(connection: Connection, product_id: int, number: int) -> VersionRow:
    where = (VERSIONS.c.product_id == product_id, VERSIONS.c.number == number)
    row = connection.execute(select(VERSIONS).where(*where)).first()
    if row is None:
        raise NotStoredError(f"this product has no version {number}")
    return VersionRow(**columns_of(row, VERSIONS))
