"""The archive: each image once, whole, under its own name; and what makes room."""

from __future__ import annotations

import hashlib
import os
import threading
from typing import TYPE_CHECKING

import pytest

from store_data import Clock, accept, inspect, register
from twinspect.errors import ConfigError, NotStoredError, StoreError
from twinspect.serve.store import Archive, Filter, Finished, Removed, Retention, Store, retention

if TYPE_CHECKING:
    from pathlib import Path


def test_an_image_is_named_by_its_bytes_and_read_back(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "images")
    image = archive.put(b"pixels", ".png", 3, 2)
    digest = hashlib.sha256(b"pixels").hexdigest()
    assert (image.sha256, image.bytes, image.width, image.height) == (digest, 6, 3, 2)
    assert image.path == tmp_path / "images" / digest[:2] / f"{digest}.png"
    assert (archive.path(digest), archive.read(digest)) == (image.path, b"pixels")
    assert "pixels" not in repr(image)


def test_the_same_bytes_at_once_are_one_whole_file(tmp_path: Path) -> None:
    archives, data, failed = [Archive(tmp_path) for _ in range(8)], os.urandom(300_000), []

    def work(archive: Archive) -> None:
        try:
            assert archive.read(archive.put(data, ".png", 1, 1).sha256) == data
        except BaseException as error:  # noqa: BLE001 - a thread's failure would be lost
            failed.append(error)

    threads = [threading.Thread(target=work, args=(each,)) for each in archives]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(list(archives[0].files())) == 1


def test_a_torn_file_is_written_again_and_an_altered_one_is_noticed(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    image = archive.put(b"pixels", ".png", 1, 1)
    image.path.write_bytes(b"pix")
    archive.put(b"pixels", ".png", 1, 1)
    assert archive.read(image.sha256) == b"pixels"
    image.path.write_bytes(b"PIXELS")
    with pytest.raises(StoreError, match="is not what was stored"):
        archive.read(image.sha256)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "a" * 63, "A" * 64, "a" * 64, "a" * 64 + "\n"])
def test_what_is_no_name_of_an_image_leads_nowhere(tmp_path: Path, name: str) -> None:
    archive = Archive(tmp_path)
    with pytest.raises(NotStoredError, match="no image"):
        archive.path(name)
    archive.remove(name)


def test_a_suffix_of_no_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"one of \.avif, \.bmp, .*; got '/\.\./x'"):
        Archive(tmp_path).put(b"x", "/../x", 1, 1)


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = Archive(tmp_path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        archive.put(b"x", ".png", 1, 1)
    assert list(archive.files()) == []


# Retention --------------------------------------------------------------------------------------------------


def there(store: Store) -> set[str]:
    return {path.stem for path in store.archive.files()}


def test_old_images_go_and_their_rows_stay(store: Store, clock: Clock) -> None:
    model = register(store)
    old, again = inspect(store, model, [0.0, 1.0])
    clock.pass_days(10)
    accept(store, model, 1)  # the second image's bytes are sent once more, so it is not old
    (new,) = inspect(store, model, [0.0], start=5)
    store.finish([Finished(row.id, error="x") for row in store.queued(model.id)])
    assert Retention(days=7).run(store) == Removed(1, old.image.bytes, 0)
    assert there(store) == {again.image_sha256, new.image_sha256}
    row = store.inspection(old.id)
    assert row.image.removed_at is not None
    assert row.score == 0.0
    assert store.search(Filter()).total == 4
    assert (store.audit()[0].action, store.audit()[0].details["images"]) == ("retention", 1)
    assert Retention(days=7).run(store) == Removed(0, 0, 0)
    assert len(store.audit()) == 2  # what removes nothing is no change


def test_the_oldest_go_until_the_rest_fits(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    model = register(store)
    rows = inspect(store, model, [0.0] * 18)
    kept = sum(row.image.bytes for row in rows[-10:])
    removed = Retention(gigabytes=kept / 1e9).run(store)
    assert removed.images == 8
    assert there(store) == {row.image_sha256 for row in rows[-10:]}


def test_queued_images_and_those_with_feedback_stay(store: Store, clock: Clock) -> None:
    model = register(store)
    queued = accept(store, model, 50)
    reviewed, silent = inspect(store, model, [0.0, 0.0])
    store.add_feedback(reviewed.id, "defect", "", "ann")
    clock.pass_days(100)
    assert Retention(days=1, gigabytes=0).run(store).images == 1
    assert there(store) == {queued.image_sha256, reviewed.image_sha256}
    assert Retention(days=1, feedback_days=200).run(store).images == 0
    assert Retention(days=1, feedback_days=50).run(store).images == 1
    assert there(store) == {queued.image_sha256}
    assert store.inspection(silent.id).image.removed_at is not None


def test_an_image_that_comes_back_is_there_again(store: Store, clock: Clock) -> None:
    model = register(store)
    (row,) = inspect(store, model, [0.0])
    image = store.archive.put(b"image 0", ".png", 64, 48)
    clock.pass_days(2)
    assert Retention(days=1).run(store).images == 1
    # Removed between the upload's check and its acceptance: the promise is kept all the same.
    assert store.accept(model.id, image, name="again") is not None
    assert store.archive.read(image.sha256) == b"image 0"
    back = store.inspection(row.id).image
    assert back.removed_at is None
    assert back.stored_at > row.image.stored_at


def test_nothing_accepted_is_lost_while_retention_runs(store: Store) -> None:
    model = register(store)
    inspect(store, model, [0.0] * 5)
    end, failed = threading.Event(), []

    def remove() -> None:
        try:
            while not end.is_set():
                Retention(days=0).run(store)
        except BaseException as error:  # noqa: BLE001 - a thread's failure would be lost
            failed.append(error)

    thread = threading.Thread(target=remove)
    thread.start()
    try:
        for number in range(15):
            row = accept(store, model, number % 5)
            assert store.archive.read(row.image_sha256)
            store.finish([Finished(row.id, error="x")])
    finally:
        end.set()
        thread.join()
    assert failed == []


def test_what_crashes_left_is_swept_away(store: Store) -> None:
    model = register(store)
    row = accept(store, model, 1)
    lost = store.archive.put(b"never accepted", ".png", 1, 1)
    half = lost.path.with_name(f".{lost.path.name}.0a1b2c3d.tmp")
    half.write_bytes(b"never acc")
    young = store.archive.put(b"just now", ".png", 1, 1)
    for path in (lost.path, half, row_path := store.archive.path(row.image_sha256)):
        os.utime(path, (0, 0))
    assert Retention().run(store) == Removed(0, 0, 2)
    assert set(store.archive.files()) == {row_path, young.path}
    assert store.accept(model.id, lost, name="after all") is not None
    assert store.archive.read(lost.sha256) == b"never accepted"


def test_a_file_that_is_gone_when_it_is_looked_at_is_none_to_remove(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = store.archive.put(b"in the making", ".png", 1, 1).path
    monkeypatch.setattr(store.archive, "files", lambda: iter([path.with_name(".renamed.tmp"), path]))
    assert Retention().run(store) == Removed(0, 0, 0)


@pytest.mark.parametrize("limits", [{"days": -1.0}, {"gigabytes": float("nan")}, {"feedback_days": -0.5}])
def test_limits_that_are_none_are_refused(limits: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="must be 0 or more"):
        Retention(**limits)
