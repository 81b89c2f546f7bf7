"""What a server that trains holds besides its models: products, their jobs and versions, one of which is served."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from twinspect.errors import ConfigError, NotStoredError, TwinspectError
from twinspect.serve.products.folders import ProductFolders, check_name
from twinspect.serve.products.shadow import ShadowScorer
from twinspect.serve.products.trainer import Trainer
from twinspect.serve.store.job_store import JobStore
from twinspect.serve.store.product_store import ProductStore

if TYPE_CHECKING:
    from pathlib import Path

    from twinspect.serve.scoring.model_registry import ModelRegistry
    from twinspect.serve.store import Store
    from twinspect.serve.store.product_records import (
        Asked,
        JobKind,
        JobRow,
        PhotoRow,
        ProductRow,
        Role,
        VersionRow,
    )

LOG = logging.getLogger(__name__)


class QuotaError(ConfigError):
    """Photos would take more space than they may."""


LEAST_PHOTOS = 3
"""With fewer good photos no version is trained: some are held out to set its threshold with."""


class Studio:
    """Products of a server.

    Args:
        store: the open store.
        registry: the served models.
        data: the server's data folder.
        device: to train on.
        quota_bytes: how much space photos may take; ``None`` for no limit.

    Raises:
        ConfigError: a model is served under the name of a product.

    Attributes:
        products: access to products, photos and versions.
        jobs: access to trainings and exports.
        trainer: runs them.
        shadow: scores what is inspected with versions on trial.
    """

    def __init__(
        self, store: Store, registry: ModelRegistry, data: Path, device: str, quota_bytes: float | None
    ) -> None:
        self._store = store
        self._registry, self._data, self.quota_bytes = registry, data, quota_bytes
        self._changing = threading.RLock()  # what is served and what the database says change together
        self.products, self.jobs = ProductStore(store), JobStore(store)
        self.trainer = Trainer(store, self.products, self.jobs, data, device, self._take_first)
        self.shadow = ShadowScorer(store, self.products, device)
        self._refuse_taken_names()

    def _refuse_taken_names(self) -> None:
        """Refuse a model of another folder under the name of a product: nobody could tell which of them decides."""
        for product in self.products.all():
            if product.name in self._registry:
                raise ConfigError(
                    f"--model: a product is called {product.name!r} too; rename the folder of the model"
                )

    def start(self) -> None:
        """Serve the active versions, and go on with what was training."""
        for product in self.products.all():
            self._serve(product)
            self._try_out(product)
        self.shadow.start()
        self.trainer.start()

    def stop(self) -> None:
        """Stop; a training goes on by itself, and the next server finds it."""
        self.trainer.stop()
        self.shadow.stop()

    def folders(self, product: str) -> ProductFolders:
        """Name the folders of a product."""
        return ProductFolders.of(self._data, product)

    def create(self, name: str, who: str) -> ProductRow:
        """Add a product.

        Raises:
            ConfigError: this cannot be a name, or it is taken, by a product or by a model that is served.
        """
        name = check_name(name)
        with self._changing:
            if name in self._registry:
                raise ConfigError(f"a model {name!r} is served already; choose another name")
            product = self.products.create(name, who)
            self._serve(product)  # one that was hidden has versions
            self._try_out(product)
        return product

    def hide(self, name: str, who: str, reason: str) -> None:
        """Take a product out of the list, and inspect it no more; nothing of it is deleted.

        Raises:
            ConfigError: a job of it is under way, or the reason is missing.
        """
        with self._changing:
            job = self.jobs.current(self.products.get(name).id)
            if job is not None:
                raise ConfigError(f"{name!r} has a job that is {job.state}; cancel it first")
            self.products.hide(name, who, reason)
            self.shadow.watch(name, None, None)
            self._registry.remove(name)

    def check_quota(self, more: int) -> None:
        """Refuse photos that take more space than there may be.

        Args:
            more: bytes of the next one.

        Raises:
            QuotaError: they do.
        """
        if self.quota_bytes is not None and self.products.total_bytes() + more > self.quota_bytes:
            raise QuotaError(
                f"photos may take {self.quota_bytes / 1e9:g} GB in all, and that is used up; take some out, or start "
                "the server with a larger --quota-gb"
            )

    def add_inspected(self, product: ProductRow, inspection_id: int, role: Role, who: str) -> PhotoRow | None:
        """Make a photo of an inspected image; returns ``None`` if the product has it already.

        Raises:
            NotStoredError: there is no such inspection, or its image was removed.
            QuotaError: photos may take no more space.
        """
        self.check_quota(self._store.inspection(inspection_id).image.bytes)
        return self.products.add_inspected(product.id, inspection_id, role, who)

    def ask_for(self, name: str, kind: JobKind, minutes: float, who: str) -> JobRow:
        """Put a training into the queue, once what was judged on the page is among the photos.

        Raises:
            ConfigError: there are too few good photos, there is nothing to update, or a job is under way.
            QuotaError: what was judged takes more space than photos may.
        """
        product = self.products.get(name)
        if kind == "update" and product.active_version is None:
            raise ConfigError(f"{name!r} has no version that could be updated; train a first one")
        self.gather_feedback(product, who)
        good = self.products.counts(product.id)["good"]
        if good < LEAST_PHOTOS:
            raise ConfigError(
                f"{name!r} has {good} good photos; {LEAST_PHOTOS} are needed, and 50 are a good start"
            )
        return self.jobs.add(product, kind, who, minutes=minutes)

    def ask_of(self, job_id: int, asked: Asked, who: str) -> JobRow:
        """Say that a job is to run, to pause or to end; one that is cancelled leaves nothing.

        Raises:
            NotStoredError: there is none of this id.
            ConfigError: it has ended.
        """
        job = self.jobs.ask(job_id, asked, who)
        if job.state == "cancelled":  # it was not running: the trainer does not see it again
            self.trainer.clear(job)
        return job

    def gather_feedback(self, product: ProductRow, who: str) -> int:
        """Make photos of inspected images that were judged good or defective; returns how many."""
        added = [
            self.add_inspected(product, image.inspection_id, image.verdict, who)
            for image in self.products.feedback(product)
            if image.verdict != "unsure"
        ]
        return sum(photo is not None for photo in added)

    def activate(self, name: str, number: int, who: str, reason: str) -> None:
        """Let a version decide from the next image on, once it is loaded.

        Raises:
            BundleError: its folder cannot be loaded; then nothing changes.
            ConfigError: it is active already, or author or reason is missing.
        """
        with self._changing:
            if self.products.get(name).active_version == number:
                raise ConfigError(f"version {number} of {name!r} is active already")
            folder = self.folders(name).model(number)
            if name in self._registry:
                self._registry.get(name).use_folder(folder, who, reason)
            else:
                self._registry.add(name, folder)
            self._try_out(self.products.activate(name, number, who, reason))

    def version_number(self, name: str, weights_sha256: str | None) -> int | None:
        """Return the number of the version that has these weights; ``None`` where none has, or there are none."""
        try:
            product = self.products.get(name)
        except NotStoredError:
            return None
        # A region or a reduced export has a digest of its own, which only the one that is served tells.
        served = name in self._registry and self._registry.get(name).version.weights_sha256 == weights_sha256
        if served:
            return product.active_version
        versions = self.products.versions(product.id)
        return next((each.number for each in versions if each.weights_sha256 == weights_sha256), None)

    def set_shadow(self, name: str, number: int | None, who: str) -> ProductRow:
        """Let a version score what is inspected without deciding.

        Raises:
            ConfigError: it is the active one, whose decisions are there anyway.
        """
        if number is not None and number == self.products.get(name).active_version:
            raise ConfigError(f"version {number} of {name!r} is the active one; choose another")
        product = self.products.set_shadow(name, number, who)
        self._try_out(product)
        return product

    def _serve(self, product: ProductRow) -> None:
        """Serve the active version of a product; a damaged one is named in the log, and the others go on."""
        if product.active_version is None or product.name in self._registry:
            return
        try:
            self._registry.add(product.name, self.folders(product.name).model(product.active_version))
        except (TwinspectError, OSError) as error:
            LOG.error("%s is not inspected: %s", product.name, error)  # noqa: TRY400 - says all there is

    def _try_out(self, product: ProductRow) -> None:
        """Tell the scorer which version of a product is on trial."""
        number = product.shadow_version
        if number is None or number == product.active_version:
            self.shadow.watch(product.name, None, None)
        else:
            version = self.products.version(product.name, number)
            self.shadow.watch(product.name, version.id, self.folders(product.name).model(number))

    def _take_first(self, job: JobRow, version: VersionRow) -> None:
        """Let the first version of a product decide: nothing else does."""
        if self.products.get(job.product).active_version is None:
            self.activate(job.product, version.number, job.created_by, "the first version")
