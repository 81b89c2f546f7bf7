"""The store over both databases: what goes in comes out, once, in order, and for good."""

from __future__ import annotations

import hashlib
import math
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy
from sqlalchemy.exc import DBAPIError

from store_data import WEIGHTS, Clock, accept, calibration, finished, inspect, register
from twinspect.errors import ConfigError, NotStoredError
from twinspect.serve.store import Filter, Finished, Order, Store

if TYPE_CHECKING:
    from pathlib import Path

    from twinspect.serve.store import InspectionRow, SortKey


# Models -----------------------------------------------------------------------------------------------------


def test_a_model_is_registered_once_and_keeps_what_was_decided(store: Store) -> None:
    model = register(store)
    assert register(store) == model
    assert store.model("bottle") == model
    active = store.active(model.id)
    assert (active.source, active.calibration, active.parent_id) == ("bundle", calibration(), None)
    chosen = store.apply(
        model.id, store.propose(model.id, use="calibration", false_alarm_rate=0.1), "ann", "fewer"
    )
    assert register(store).active_calibration_id == chosen.id  # as after a restart


def test_a_folder_that_shows_another_calibration_than_last_time_decides(store: Store) -> None:
    model = register(store)
    second = register(store, shown=calibration(rate=0.1))
    back = register(store)
    assert model.active_calibration_id < second.active_calibration_id < back.active_calibration_id
    assert store.active(model.id).calibration == calibration()
    assert [row.source for row in store.calibrations(model.id)] == ["bundle"] * 3


def test_old_weights_come_back_with_their_own_calibration(store: Store) -> None:
    model = register(store)
    chosen = store.apply(
        model.id, store.propose(model.id, use="calibration", false_alarm_rate=0.1), "ann", "fewer"
    )
    other = register(store, weights="b" * 64, shown=calibration(seed=1))
    assert store.active(model.id).calibration == calibration(seed=1)
    assert other.id == model.id
    assert register(store).active_calibration_id == chosen.id


def test_models_are_listed_by_name_and_unknown_ones_teach(store: Store) -> None:
    register(store, "nut")
    register(store)
    assert [model.name for model in store.models()] == ["bottle", "nut"]
    with pytest.raises(NotStoredError, match=r"no model 'botle'; did you mean 'bottle'\? known: bottle, nut"):
        store.model("botle")
    with pytest.raises(NotStoredError, match="no model of id 77"):
        store.active(77)


# Inspections ------------------------------------------------------------------------------------------------


def test_an_inspection_from_acceptance_to_result(store: Store, clock: Clock) -> None:
    model = register(store)
    row = accept(store, model, 1, category="left", source="web")
    assert (row.state, row.model, row.category, row.source, row.score) == (
        "queued",
        "bottle",
        "left",
        "web",
        None,
    )
    assert (row.image.width, row.image.height, row.image.bytes) == (64, 48, len(b"image 1"))
    assert store.queued(model.id) == [row]
    clock.pass_days(1)
    done = finished(row, 1.25, calibration(), model.active_calibration_id)
    assert store.finish([done]) == 1
    after = store.inspection(row.id)
    assert after.scored_at is not None
    assert after.scored_at - row.accepted_at > timedelta(days=1)
    assert (after.state, after.score, after.p_value) == ("done", 1.25, done.p_value)
    assert (after.is_anomalous, after.statistics, after.weights_sha256) == (False, {"mean": 1.25}, WEIGHTS)
    assert store.queued(model.id) == []


def test_what_is_finished_stays_as_it_is(store: Store) -> None:
    model = register(store)
    first, second = inspect(store, model, [0.5, 0.6])
    waiting = accept(store, model, 9)
    again = [Finished(row.id, error="too late") for row in (second, waiting, first)]
    assert store.finish(again) == 1
    assert store.inspection(first.id) == first
    assert store.inspection(waiting.id).error == "too late"


def test_a_batch_is_finished_wholly_or_not_at_all(store: Store) -> None:
    model = register(store)
    rows = [accept(store, model, number) for number in range(2)]
    good = finished(rows[0], 0.1, calibration(), model.active_calibration_id)
    with pytest.raises(DBAPIError):
        store.finish([good, finished(rows[1], 0.1, calibration(), 999)])
    assert [row.state for row in store.queued(model.id)] == ["queued", "queued"]


@pytest.mark.parametrize("score", [math.nan, math.inf, None])
def test_a_score_that_is_no_number_fails(store: Store, score: float | None) -> None:
    row = accept(store, register(store), 1)
    store.finish([Finished(row.id, WEIGHTS, None, score, 0.5, True, 1.0, None, {"mean": math.nan})])
    after = store.inspection(row.id)
    assert (after.state, after.score, after.is_anomalous) == ("failed", None, None)
    assert "not a finite number" in str(after.error)


def test_looks_that_are_no_numbers_are_left_out(store: Store) -> None:
    model = register(store)
    row = accept(store, model, 1)
    statistics = {"mean": 1.0, "sharpness": math.nan}
    store.finish(
        [Finished(row.id, WEIGHTS, model.active_calibration_id, 0.1, 0.5, False, 1.0, None, statistics)]
    )
    assert store.inspection(row.id).statistics == {"mean": 1.0}


def test_a_source_key_is_accepted_once_a_model(store: Store) -> None:
    first, second = register(store), register(store, "nut")
    image = store.archive.put(b"x", ".png", 1, 1)
    rows = [
        store.accept(model.id, image, name="x", source="watch", source_key="/in/x 1")
        for model in (first, second)
    ]
    assert all(rows)
    assert store.accept(first.id, image, name="x", source="watch", source_key="/in/x 1") is None
    assert store.accept(first.id, image, name="x", source="watch", source_key="/in/x 2") is not None
    assert [store.accept(first.id, image, name="x") is None for _ in range(2)] == [False, False]


def test_what_arrived_in_a_folder_is_found_by_its_beginning_as_it_is_written(store: Store) -> None:
    model = register(store)
    keys = [
        "/in/li_e/a|1|1",
        "/in/li_e/sub/b|1|1",
        "/in/line/c|1|1",
        "/in/LI_E/d|1|1",
        "/in/li_e2/e|1|1",
        "/e/ä/f",
    ]
    for number, key in enumerate(keys):
        accept(store, model, number, source="watch", source_key=key)
    accept(store, model, len(keys), source="web")

    def keys_found(**criteria: Any) -> list[str | None]:
        return [row.source_key for row in store.search(Filter(**criteria)).rows]

    assert keys_found(folder="/in/li_e") == [keys[1], keys[0]]
    assert keys_found(folder="/in/li_e/sub") == [keys[1]]
    assert keys_found(folder="/e/ä", source="watch") == [keys[5]]
    assert keys_found(folder="/in/l%") == []
    assert keys_found(folder="/") == keys[::-1]
    assert keys_found(folder="/in/li_e", source="web") == []
    assert keys_found(source="web") == [None]


def test_one_key_from_many_threads_is_accepted_once(store: Store) -> None:
    model, accepted = register(store), []

    def work(number: int) -> None:
        image = store.archive.put(b"the same", ".png", 1, 1)
        accepted.append(store.accept(model.id, image, name=str(number), source="watch", source_key="one"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(accepted) == 8
    assert sum(row is not None for row in accepted) == 1
    assert store.search(Filter()).total == 1


def test_names_that_a_database_cannot_hold_are_spelt_out(store: Store) -> None:
    model = register(store)
    rows = [
        accept(store, model, n, name=name) for n, name in enumerate(["a\0b", "a\udcffb", "Größe 部品 🔩"])
    ]
    assert [row.name for row in rows] == ["a\\x00b", "a\\udcffb", "Größe 部品 🔩"]


ACCEPTING = """
import sys
from pathlib import Path
from twinspect.serve.store import Store

store = Store(sys.argv[1], Path(sys.argv[2]))
model = store.model("bottle")
print("ready", flush=True)
for number in range(int(sys.argv[3])):
    image = store.archive.put(b"image %d" % number, ".png", 1, 1)
    row = store.accept(model.id, image, name="x", source="watch", source_key=str(number))
    print(row and image.sha256, flush=True)
"""
"""A process that accepts images in a loop, and says what it has accepted."""


def accepting(database: str, folder: Path, images: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", ACCEPTING, database, str(folder), str(images)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_two_processes_that_write_at_once_accept_each_key_once(
    store: Store, database: str, tmp_path: Path
) -> None:
    model = register(store)
    other = accepting(database, tmp_path, 30)
    mine = []
    for number in range(30):
        image = store.archive.put(b"image %d" % number, ".png", 1, 1)
        mine.append(store.accept(model.id, image, name="x", source="watch", source_key=str(number)))
    theirs, _ = other.communicate(timeout=120)
    assert other.returncode == 0
    accepted = [line for line in theirs.split() if line != "None"]
    assert len(accepted) + sum(row is not None for row in mine) == 30
    assert store.search(Filter()).total == 30


def test_what_was_accepted_outlives_a_process_that_is_killed(
    store: Store, database: str, tmp_path: Path
) -> None:
    model = register(store)
    process = accepting(database, tmp_path, 100_000)
    assert process.stdout is not None
    lines = [process.stdout.readline().strip() for _ in range(20)]
    process.kill()
    lines += process.stdout.read().splitlines()  # what it had printed before it died
    process.stdout.close()
    process.wait(timeout=60)
    queued = {row.image_sha256 for row in store.queued(model.id)}
    whole = [line for line in lines if len(line) == 64]
    assert len(whole) >= 20
    assert queued >= set(whole)
    assert [hashlib.sha256(store.archive.read(sha256)).hexdigest() for sha256 in whole] == whole
    with Store(database, tmp_path) as again:  # and the next process goes on where that one stopped
        assert {row.image_sha256 for row in again.queued(model.id)} == queued


# Looking back -----------------------------------------------------------------------------------------------


def test_pages_stay_while_rows_are_added(store: Store) -> None:
    model = register(store)
    inspect(store, model, [0.0] * 7)
    ids, after, start = [], None, 100
    while True:
        page = store.search(Filter(model="bottle"), after, 3)
        ids += [row.id for row in page.rows]
        assert page.total == 7 + start - 100
        inspect(store, model, [0.0], start=start)
        after, start = page.next, start + 1
        if after is None:
            break
    assert ids == sorted(ids, reverse=True)
    assert len(ids) == len(set(ids)) == 7


@pytest.mark.parametrize("ascending", [False, True])
@pytest.mark.parametrize("by", ["received", "name", "score", "p_value"])
def test_every_order_goes_through_all_rows_page_by_page(store: Store, by: SortKey, ascending: bool) -> None:
    model, other = register(store), register(store, "nut")
    first = inspect(store, model, [2.0, 5.0, 2.0, 9.0])[0].calibration_id
    second = inspect(store, other, [5.0, 1.0], start=10, category="left")[0].calibration_id
    inspect(store, other, [0.5], start=14)
    accept(store, model, 20)  # waits: without a score
    assert first is not None
    assert second is not None
    thresholds = {(first, None): 2.0, (second, None): -1.0, (second, "left"): 0.5}
    order = Order(by, ascending, thresholds)

    def key(row: InspectionRow) -> tuple[Any, int]:
        number = row.calibration_id or 0
        line = thresholds.get((number, row.category), thresholds.get((number, None), 1.0))
        excess = 0.0 if row.score is None else row.score / line if line > 0 else 1 + row.score - line
        score = -1e300 if row.score is None else excess
        p_value = 2 if row.p_value is None else row.p_value
        keys = {"received": row.id, "name": row.name, "score": score, "p_value": p_value}
        return keys[by], -row.id if ascending else row.id

    expected = sorted(store.search(Filter()).rows, key=key, reverse=not ascending)
    found, after = [], None
    while True:
        page = store.search(Filter(), after, 2, order)
        found += page.rows
        if (after := page.next) is None:
            break
    assert [row.id for row in found] == [row.id for row in expected]
    assert len(found) == 8


def test_every_filter_finds_its_rows(store: Store, clock: Clock) -> None:
    model, other = register(store), register(store, "nut")
    low, high = inspect(store, model, [0.0, 9.0], category="left")
    clock.pass_days(1)
    (late,) = inspect(store, other, [8.0], start=10, name="100%_Sure.png")
    failed = accept(store, model, 20)
    store.finish([Finished(failed.id, error="unreadable")])
    waits = accept(store, model, 21)
    store.add_feedback(low.id, "defect", "", "ann")
    store.add_feedback(high.id, "good", "", "ann")
    store.add_feedback(late.id, "unsure", "", "ann")
    expected = {
        Filter(): [waits, failed, late, high, low],
        Filter(model="nut"): [late],
        Filter(model="none"): [],
        Filter(decision="anomalous"): [late, high],
        Filter(decision="good"): [low],
        Filter(decision="failed"): [failed],
        Filter(feedback="good"): [high],
        Filter(feedback="defect"): [low],
        Filter(feedback="unsure"): [late],
        Filter(feedback="none"): [waits, failed],
        Filter(feedback="disagree"): [high, low],
        Filter(category="left"): [high, low],
        Filter(category=""): [waits, failed, late],
        Filter(since=late.accepted_at): [waits, failed, late],
        Filter(until=late.accepted_at): [high, low],
        Filter(name_contains="SURE"): [late],
        Filter(name_contains="%_s"): [late],
        Filter(name_contains="_"): [late],
        Filter(image_sha256=high.image_sha256): [high],
        Filter(model="bottle", decision="anomalous", feedback="good"): [high],
    }
    for criteria, rows in expected.items():
        page = store.search(criteria)
        assert ([row.id for row in page.rows], page.total) == ([row.id for row in rows], len(rows)), criteria


def test_filters_that_mean_nothing_are_refused(store: Store) -> None:
    with pytest.raises(ConfigError, match="no decision 'bad'"):
        Filter(decision="bad")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="no feedback 'maybe'"):
        Filter(feedback="maybe")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="since needs a zone"):
        Filter(since=datetime(2026, 1, 1))  # noqa: DTZ001 - the mistake that is tested
    with pytest.raises(ConfigError, match="1 to 1000 rows, got limit=0"):
        store.search(Filter(), limit=0)
    with pytest.raises(NotStoredError, match="no inspection of id 5"):
        store.inspection(5)


def test_times_come_back_as_the_same_moment_in_utc(database: str, tmp_path: Path) -> None:
    at = datetime(2026, 7, 1, 1, 30, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    with Store(database, tmp_path, now=lambda: at) as store:
        row = accept(store, register(store), 1)
        assert row.accepted_at == at
        assert row.accepted_at.utcoffset() == timedelta(0)
        assert store.search(Filter(since=at, until=at + timedelta(microseconds=1))).total == 1


# Feedback ---------------------------------------------------------------------------------------------------


def test_the_newest_feedback_counts_and_the_others_stay(store: Store, database: str) -> None:
    (row,) = inspect(store, register(store), [0.0])
    store.add_feedback(row.id, "defect", "scratch", "ann")
    last = store.add_feedback(row.id, "good", "dust", "bob")
    assert store.inspection(row.id).feedback == last
    assert (last.verdict, last.comment, last.created_by) == ("good", "dust", "bob")
    assert store.search(Filter(feedback="defect")).total == 0
    engine = sqlalchemy.create_engine(database)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("select count(*) from feedback").scalar() == 2
    engine.dispose()


def test_feedback_on_nothing_and_unknown_verdicts_are_refused(store: Store) -> None:
    (row,) = inspect(store, register(store), [0.0])
    with pytest.raises(ConfigError, match="no verdict 'god'; did you mean 'good'"):
        store.add_feedback(row.id, "god", "", "ann")  # type: ignore[arg-type]
    with pytest.raises(NotStoredError, match="no inspection of id 99"):
        store.add_feedback(99, "good", "", "ann")


# Over time --------------------------------------------------------------------------------------------------


def test_scores_come_in_the_order_of_scoring_and_only_by_present_weights(store: Store) -> None:
    model = register(store)
    early, late = accept(store, model, 1, category="left"), accept(store, model, 2)
    number = model.active_calibration_id
    store.finish([finished(late, 0.5, calibration(), number)])
    store.finish([finished(early, 9.5, calibration(), number)])
    old = accept(store, model, 3)
    store.finish([finished(old, 7.0, calibration(), number, weights="b" * 64)])
    failed = accept(store, model, 4)
    store.finish([Finished(failed.id, error="x")])
    store.add_feedback(early.id, "good", "", "ann")
    series = store.scores(model.id)
    assert series.ids.tolist() == [late.id, early.id]
    assert series.scores.tolist() == [0.5, 9.5]
    assert series.is_anomalous.tolist() == [False, True]
    assert (series.categories, series.verdicts) == (("", "left"), (None, "good"))
    assert series.statistics == ({"mean": 0.5}, {"mean": 9.5})
    assert store.scores(model.id, limit=1).ids.tolist() == [early.id]
    assert store.scores(model.id, since=series.scored_at[1]).ids.tolist() == [early.id]
    assert store.scores(model.id, verdict="good").ids.tolist() == [early.id]
    assert len(store.scores(model.id, verdict="defect")) == 0


def test_windows_never_move(store: Store) -> None:
    model = register(store)
    inspect(store, model, [float(score) for score in range(11)])
    before = [window.scores.tolist() for window in store.windows(model.id, size=4)]
    assert before == [[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]]
    inspect(store, model, [11.0], start=50)
    after = [window.scores.tolist() for window in store.windows(model.id, size=4)]
    assert after == [*before, [8.0, 9.0, 10.0, 11.0]]
    assert [w.scores.tolist() for w in store.windows(model.id, size=4, limit=1)] == after[-1:]
    assert store.windows(model.id, size=40) == []
    with pytest.raises(ConfigError, match="must be at least 1"):
        store.windows(model.id, size=0)


# For good ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["calibrations", "feedback", "audit"])
@pytest.mark.parametrize("change", ["update {} set id = id + 1000", "delete from {}"])
def test_the_database_itself_refuses_to_rewrite_history(store: Store, table: str, change: str) -> None:
    model = register(store)
    (row,) = inspect(store, model, [0.0])
    store.add_feedback(row.id, "good", "", "ann")
    with pytest.raises(DBAPIError, match=f"rows of {table} are never changed"), store.writing() as connection:
        connection.exec_driver_sql(change.format(table))
    assert store.active(model.id).id == model.active_calibration_id


def test_notes_are_read_newest_first(store: Store) -> None:
    model = register(store)
    store.add_audit_entry("ann", "start", "shift", details={"port": 8000})
    store.add_audit_entry("bob", "stop", "end of shift", model_id=model.id)
    stop, start, bundle = store.audit()
    assert (stop.who, start.details, bundle.action) == ("bob", {"port": 8000}, "bundle")
    assert [row.action for row in store.audit(model.id)] == ["stop", "bundle"]
    assert store.audit(limit=1) == [stop]
    assert replace(start, id=0).model_id is None
