"""The outbox over both databases: a delivery for each result and sink, once, in the transaction of the result."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("sqlalchemy")

from sqlalchemy.exc import DBAPIError

from store_data import WEIGHTS, Clock, accept, calibration, finished, inspect, register
from twinspect.errors import NotStoredError
from twinspect.serve.store import Finished, Store
from twinspect.serve.store.endpoints import sinks, sources
from twinspect.serve.store.outbox import CLAIM_SECONDS, Outbox

if TYPE_CHECKING:
    from twinspect.serve.store.line_records import SinkRow


def sink(store: Store, model: str = "bottle", **changes: Any) -> SinkRow:
    values: dict[str, Any] = {
        "kind": "webhook",
        "settings": {"url": "https://plant.local/hook"},
        "secrets": {"secret": "s" * 32},
        "results": "all",
        "per_second": None,
        "enabled": True,
    }
    return sinks(store).add("ann", model=model, **{**values, **changes})


def test_every_result_waits_for_every_sink_of_its_model(store: Store) -> None:
    first, second, elsewhere = sink(store), sink(store), sink(store, "nut")
    rows = inspect(store, register(store), [0.1, 0.2])
    outbox = Outbox(store)
    for row in (first, second):
        waiting = outbox.due(row.id, 10)
        assert [delivery.inspection_id for delivery in waiting] == [inspection.id for inspection in rows]
        assert {(delivery.state, delivery.attempts) for delivery in waiting} == {("waiting", 0)}
        assert len({delivery.uuid for delivery in waiting}) == 2
    assert outbox.due(elsewhere.id, 10) == []


def test_what_is_finished_twice_is_delivered_once(store: Store) -> None:
    row, model = sink(store), register(store)
    inspections = inspect(store, model, [0.1])
    store.finish([Finished(inspections[0].id, error="too late")])
    assert len(Outbox(store).due(row.id, 10)) == 1


def test_a_batch_that_is_not_written_leaves_nothing_to_deliver(store: Store) -> None:
    row, model = sink(store), register(store)
    images = [accept(store, model, number) for number in range(2)]
    good = finished(images[0], 0.1, calibration(), model.active_calibration_id)
    with pytest.raises(DBAPIError):
        store.finish([good, finished(images[1], 0.1, calibration(), 999)])
    assert Outbox(store).read(row.id) == []


def test_a_sink_of_anomalous_results_gets_whatever_was_not_found_good(store: Store) -> None:
    row, model = sink(store, results="anomalous"), register(store)
    images = [accept(store, model, number) for number in range(4)]
    active = store.active(model.id)
    store.finish(
        [
            finished(images[0], 0.0, active.calibration, active.id),
            finished(images[1], 99.0, active.calibration, active.id),
            Finished(images[2].id, WEIGHTS, active.id, 0.1, 0.5, False, not_inspectable="far darker"),
            Finished(images[3].id, error="damaged"),
        ]
    )
    due = [delivery.inspection_id for delivery in Outbox(store).due(row.id, 10)]
    assert due == [image.id for image in images[1:]]


def test_sinks_that_are_off_or_removed_get_nothing(store: Store) -> None:
    off, removed = sink(store, enabled=False), sink(store)
    sinks(store).remove("ann", removed.id)
    inspect(store, register(store), [0.1])
    assert [Outbox(store).read(row.id) for row in (off, removed)] == [[], []]


def test_an_attempt_is_begun_once_and_again_only_after_its_time(store: Store, clock: Clock) -> None:
    row, outbox = sink(store), Outbox(store)
    inspect(store, register(store), [0.1])
    (waiting,) = outbox.due(row.id, 10)
    begun = outbox.begin(waiting)
    assert begun is not None
    assert begun.attempts == 1
    assert outbox.begin(waiting) is None  # as another process would
    assert outbox.due(row.id, 10) == []
    clock.at += timedelta(seconds=CLAIM_SECONDS)  # the process was killed meanwhile
    assert outbox.due(row.id, 10) == [begun]


def test_a_delivery_from_failure_to_arrival(store: Store, clock: Clock) -> None:
    row, outbox = sink(store), Outbox(store)
    inspect(store, register(store), [0.1])
    begun = outbox.begin(outbox.due(row.id, 10)[0])
    assert begun is not None
    outbox.postpone(begun, 5, "503 Busy")
    assert outbox.due(row.id, 10) == []
    assert outbox.state(row.id).oldest == begun.waiting_since
    clock.at += timedelta(seconds=6)
    (again,) = outbox.due(row.id, 10)
    assert (again.attempts, again.error, again.uuid) == (1, "503 Busy", begun.uuid)
    outbox.mark_sent(again)
    state, (sent,) = outbox.state(row.id), outbox.read(row.id, "sent")
    assert (state.waiting, state.given_up, state.oldest) == (0, 0, None)
    assert state.last_sent_at == sent.sent_at
    assert sent.error is None


def test_what_was_given_up_can_be_sent_again(store: Store, clock: Clock) -> None:
    row, outbox = sink(store), Outbox(store)
    inspect(store, register(store), [0.1, 0.2, 0.3])
    first = outbox.due(row.id, 10)[0]
    outbox.expire(first, "for a week")
    assert outbox.give_up(row.id, [first.id + 1]) == 1
    assert outbox.state(row.id).given_up == 2
    clock.pass_days(1)
    assert outbox.send_again(row.id, [first.id, first.id + 2]) == 1
    (again, never) = outbox.due(row.id, 10)
    assert (again.id, never.id) == (first.id, first.id + 2)
    assert again.waiting_since > never.waiting_since
    assert outbox.send_again(row.id) == 1
    assert [delivery.id for delivery in outbox.read(row.id, after=first.id + 2, limit=1)] == [first.id + 1]


def test_what_arrived_while_somebody_gave_it_up_is_sent(store: Store) -> None:
    row, outbox = sink(store), Outbox(store)
    inspect(store, register(store), [0.1, 0.2])
    first, second = (outbox.begin(delivery) for delivery in outbox.due(row.id, 10))
    assert first is not None
    assert second is not None
    outbox.give_up(row.id)
    outbox.mark_sent(first)
    outbox.postpone(second, 5, "503")
    assert [delivery.state for delivery in outbox.read(row.id)] == ["given_up", "sent"]


def test_changes_of_sinks_and_sources_are_audited_and_removed_ones_forget_their_secrets(store: Store) -> None:
    model, row = register(store), sink(store)
    changed = sinks(store).change("bob", row.id, enabled=False)
    assert (changed.enabled, sinks(store).read(row.id)) == (False, changed)
    sinks(store).remove("eve", row.id)
    with pytest.raises(NotStoredError, match=f"no sink of id {row.id}"):
        sinks(store).read(row.id)
    assert sinks(store).all("bottle") == []
    entries = [entry for entry in store.audit(model.id) if entry.action == "sink"]
    assert [(entry.who, entry.reason) for entry in reversed(entries)] == [
        ("ann", "webhook sink added"),
        ("bob", "webhook sink changed"),
        ("eve", "webhook sink removed"),
    ]
    with store.reading() as connection:
        assert connection.exec_driver_sql("select secrets from sinks").scalar() in ("{}", {})


def test_a_source_is_kept_before_its_product_has_a_model(store: Store) -> None:
    values: dict[str, Any] = {"settings": {"device": 0}, "secrets": {}, "category": "", "interval": None}
    row = sources(store).add("ann", model="nut", name="left", kind="usb", paused=False, **values)
    assert sources(store).all("nut") == [row] == sources(store).all()
    assert sources(store).all("bottle") == []
    assert (row.interval, row.settings) == (None, {"device": 0})
