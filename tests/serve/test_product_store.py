"""Products, photos, versions and jobs in the store, on both databases."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("sqlalchemy")

from store_data import Clock, accept, inspect, register
from twinspect.errors import ConfigError, NotStoredError
from twinspect.serve.store import Store
from twinspect.serve.store.job_store import JobStore
from twinspect.serve.store.product_records import ShadowScore
from twinspect.serve.store.product_store import ProductStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from twinspect.serve.store.product_records import PhotoRow, ProductRow


@pytest.fixture
def store(database: str, tmp_path: Path, clock: Clock) -> Iterator[Store]:
    with Store(database, tmp_path, now=clock) as store:
        yield store


@pytest.fixture
def products(store: Store) -> ProductStore:
    return ProductStore(store)


@pytest.fixture
def bottle(products: ProductStore) -> ProductRow:
    return products.create("bottle", "ann")


def add(
    store: Store, products: ProductStore, product: ProductRow, number: int, **rest: Any
) -> PhotoRow | None:
    image = store.archive.put(b"photo %d" % number, ".png", 64, 48)
    values = {"name": f"{number}.png", "role": "good", "who": "ann", **rest}
    return products.add_photo(product.id, image, **values)


def version(product: ProductRow, job: int, number: int, **rest: Any) -> dict[str, Any]:
    row = {"product_id": product.id, "number": number, "kind": "fit", "parent": None, "job_id": job}
    return {**row, "weights_sha256": "a" * 64, "figures": {"learnt": 3}, **rest}


def test_a_product_is_made_hidden_and_comes_back(products: ProductStore, store: Store) -> None:
    made = products.create("bottle", "ann")
    products.create("a cap", "bob")
    assert [product.name for product in products.all()] == ["a cap", "bottle"]
    with pytest.raises(ConfigError, match="there is a product 'bottle' already"):
        products.create("bottle", "bob")
    with pytest.raises(ConfigError, match="needs who makes it and why"):
        products.hide("bottle", "ann", " ")
    products.hide("bottle", "ann", "sold")
    with pytest.raises(NotStoredError, match="no product 'bottle'; known: a cap"):
        products.get("bottle")
    assert products.create("bottle", "bob") == made
    assert [entry.action for entry in store.audit()] == ["product", "hide product", "product", "product"]


def test_photos_come_once_newest_first_and_in_pages(
    products: ProductStore, store: Store, bottle: ProductRow
) -> None:
    rows = [add(store, products, bottle, number) for number in range(5)]
    assert add(store, products, bottle, 2, role="defect") is None
    defect = add(store, products, bottle, 9, role="defect")
    ids = [row.id for row in rows if row]
    assert [photo.id for photo in products.photos(bottle.id, "good")] == ids[::-1]
    assert [photo.id for photo in products.photos(bottle.id, "good", ids[3], 2)] == [ids[2], ids[1]]
    assert products.counts(bottle.id) == {"good": 5, "defect": 1}
    assert products.total_bytes() == 6 * len(b"photo 0")
    assert defect
    assert products.change_role(bottle.id, defect.id, "good", "ann") == replace(defect, role="good")
    products.remove_photo(bottle.id, ids[0], "ann")
    with pytest.raises(NotStoredError, match="no photo of id"):
        products.photo(bottle.id, ids[0])
    other = products.create("cap", "ann")
    assert add(store, products, other, 2)  # another product may have the same image
    assert products.total_bytes() == 5 * len(b"photo 0")


def test_judged_images_wait_with_the_newest_verdict_until_they_are_photos(
    products: ProductStore, store: Store, bottle: ProductRow
) -> None:
    model = register(store)
    alarm, fine, miss = inspect(store, model, [9.0, 0.0, 0.1])
    for row, verdict in ((alarm, "defect"), (alarm, "good"), (fine, "good"), (miss, "defect")):
        store.add_feedback(row.id, verdict, "", "ann")  # type: ignore[arg-type]
    register(store, "cap")
    found = products.feedback(bottle)
    assert [(image.inspection_id, image.verdict, image.is_false_alarm) for image in found] == [
        (alarm.id, "good", True),
        (fine.id, "good", False),
        (miss.id, "defect", False),
    ]
    region = {"look": [[[0, 0], [1, 0], [1, 1]]]}
    assert store.add_feedback(miss.id, "defect", "", "bob", region).region == region
    seen = store.inspection(miss.id).feedback
    assert seen
    assert seen.region == region
    photo = products.add_inspected(bottle.id, alarm.id, "good", "ann")
    assert photo
    assert (photo.origin, photo.is_false_alarm, photo.image.sha256) == (
        "inspection",
        True,
        alarm.image_sha256,
    )
    assert products.add_inspected(bottle.id, alarm.id, "good", "ann") is None
    assert [image.inspection_id for image in products.feedback(bottle)] == [fine.id, miss.id]
    assert not products.change_role(bottle.id, photo.id, "defect", "ann").is_false_alarm


def test_the_same_image_inspected_twice_counts_once(
    products: ProductStore, store: Store, bottle: ProductRow
) -> None:
    model = register(store)
    first, second = accept(store, model, 1), accept(store, model, 1)
    for row, verdict in ((first, "defect"), (second, "good")):
        store.add_feedback(row.id, verdict, "", "ann")  # type: ignore[arg-type]
    (image,) = products.feedback(bottle)
    assert (image.inspection_id, image.verdict) == (second.id, "good")


def test_one_job_of_a_product_at_a_time_and_numbers_are_never_used_again(
    products: ProductStore, store: Store, bottle: ProductRow
) -> None:
    jobs = JobStore(store)
    first = jobs.add(bottle, "fit", "ann", minutes=5)
    assert (first.version, first.parent, first.state, first.product) == (1, None, "waiting", "bottle")
    with pytest.raises(ConfigError, match="has a job that is waiting"):
        jobs.add(bottle, "fit", "bob", minutes=5)
    assert jobs.ask(first.id, "cancel", "ann").state == "cancelled"
    second = jobs.add(bottle, "fit", "ann", minutes=5)
    assert second.version == 2
    jobs.change(second.id, state="done")
    products.add_version(version(bottle, second.id, 2), "ann")
    active = products.activate("bottle", 2, "ann", "the first version")
    third = jobs.add(active, "update", "ann", minutes=5)
    assert (third.version, third.parent) == (3, 2)
    assert [job.id for job in jobs.of_product(bottle.id)] == [third.id, second.id, first.id]
    assert [job.id for job in jobs.under_way()] == [third.id]


@pytest.mark.parametrize(
    ("before", "asked", "after"),
    [
        ("waiting", "pause", "paused"),
        ("waiting", "cancel", "cancelled"),
        ("paused", "run", "waiting"),
        ("paused", "cancel", "cancelled"),
        ("running", "pause", "running"),  # until its thread has stopped the child
        ("running", "cancel", "running"),
        ("running", "run", "running"),
    ],
)
def test_what_is_asked_of_a_job(
    products: ProductStore, store: Store, bottle: ProductRow, before: str, asked: Any, after: str
) -> None:
    jobs = JobStore(store)
    job = jobs.change(jobs.add(bottle, "fit", "ann", minutes=5).id, state=before)
    found = jobs.ask(job.id, asked, "ann")
    assert (found.state, found.asked) == (after, asked)
    assert (found.ended_at is not None) == (after == "cancelled")


@pytest.mark.parametrize("state", ["done", "failed", "cancelled"])
def test_a_job_that_has_ended_stays_as_it_is(store: Store, bottle: ProductRow, state: str) -> None:
    jobs = JobStore(store)
    job = jobs.change(jobs.add(bottle, "fit", "ann", minutes=5).id, state=state)
    with pytest.raises(ConfigError, match=f"job {job.id} is {state}"):
        jobs.ask(job.id, "run", "ann")
    assert jobs.get(job.id) == job


def test_a_version_is_written_once_and_its_differences_on_trial_are_kept(
    products: ProductStore, store: Store, bottle: ProductRow
) -> None:
    job = JobStore(store).add(bottle, "fit", "ann", minutes=5)
    first = products.add_version(version(bottle, job.id, 1), "ann")
    assert products.add_version(version(bottle, job.id, 1, figures={"learnt": 99}), "ann") == first
    with pytest.raises(NotStoredError, match="no version 7"):
        products.set_shadow("bottle", 7, "ann")
    assert products.set_shadow("bottle", 1, "ann").shadow_version == 1
    alarm, fine = inspect(store, register(store), [9.0, 0.0])
    scores = [
        ShadowScore(alarm.id, 0.5, 1.0, 0.4, is_anomalous=False),
        ShadowScore(fine.id, 0.1, 1.0, 0.9, is_anomalous=False),
    ]
    products.add_shadow_scores(first.id, scores)
    products.add_shadow_scores(first.id, scores)  # a second time, as after a restart
    assert products.count_shadow_scores(first.id) == 2
    assert products.shadow_differences(first.id) == scores[:1]
