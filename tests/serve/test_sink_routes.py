"""Sinks over HTTP: set up by admins, seen by all but for addresses and secrets, and fed by a running server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("fastapi")

from receivers import until, web_receiver
from serving import Site, bad, code, good, site
from twinspect.errors import ConfigError
from twinspect.serve.http.tokens import add_token
from twinspect.serve.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "a secret of the plant"
SINKS = "/v1/models/parts/sinks"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("line")


@pytest.fixture(scope="module")
def server(bundle: Path, folder: Path) -> Iterator[Site]:
    (folder / "results").mkdir()
    changes: dict[str, Any] = {"allowed_folders": (folder / "results",), "public_url": "https://plant.local"}
    with site(bundle, folder / "data", **changes) as opened:
        yield opened


@pytest.fixture
def added(server: Site) -> Iterator[Any]:
    """Add sinks; they are removed afterwards."""
    numbers: list[int] = []

    def add(target: dict[str, Any], **rest: Any) -> dict[str, Any]:
        answer = server.client.post(SINKS, json={"target": target, **rest})
        assert answer.status_code == 201, answer.text
        sink: dict[str, Any] = answer.json()
        numbers.append(sink["id"])
        return sink

    yield add
    for number in numbers:
        server.client.delete(f"/v1/sinks/{number}")


def state(server: Site, number: int) -> dict[str, Any]:
    (sink,) = [sink for sink in server.client.get(SINKS).json()["sinks"] if sink["id"] == number]
    answer: dict[str, Any] = sink["state"]
    return answer


def delivered(server: Site, number: int) -> dict[str, Any]:
    until(lambda: state(server, number)["waiting"] == 0)
    return state(server, number)


def test_a_result_of_the_server_reaches_a_webhook(server: Site, added: Any) -> None:
    with web_receiver() as received:
        sink = added({"kind": "webhook", "url": received.url, "secret": SECRET})
        assert (sink["address"], sink["secrets"]) == (received.url.removeprefix("http://"), ["secret"])
        assert sink["state"]["state"] == "idle"
        (row,) = server.scored(bad(1))
        after = delivered(server, sink["id"])
    ((headers, body),) = received.taken
    record = json.loads(body)
    for key in ("score", "threshold", "p_value", "regions", "category", "milliseconds"):
        assert record[key] == row[key]
    assert record["url"] == f"https://plant.local/v1/inspections/{row['id']}"
    assert (after["given_up"], after["error"], after["oldest"]) == (0, None, None)
    answer = server.client.get(f"/v1/sinks/{sink['id']}/deliveries").json()
    (delivery,) = answer["deliveries"]
    assert (delivery["state"], delivery["uuid"]) == ("sent", headers["webhook-id"])
    assert answer["next"] is None


def test_secrets_come_in_and_never_out(server: Site, added: Any) -> None:
    sink = added({"kind": "webhook", "url": "http://127.0.0.1:9/x", "secret": SECRET})
    change = {"target": {"kind": "webhook", "url": "http://127.0.0.1:9/y"}, "per_second": 5}
    changed = server.client.patch(f"/v1/sinks/{sink['id']}", json=change).json()
    assert (changed["settings"]["url"], changed["per_second"]) == ("http://127.0.0.1:9/y", 5)
    assert changed["secrets"] == ["secret"]  # left out, so it stays
    assert server.context.delivering.sinks.read(sink["id"]).secrets == {"secret": SECRET}
    again = server.client.patch(f"/v1/sinks/{sink['id']}", json={"enabled": False}).json()
    assert (again["state"]["state"], again["per_second"]) == ("disabled", 5)
    for path in (SINKS, f"/v1/sinks/{sink['id']}/deliveries", "/v1/models/parts/audit"):
        assert SECRET not in server.client.get(path).text


def test_a_folder_is_written_with_pictures(server: Site, added: Any, folder: Path) -> None:
    target = {"kind": "folder", "path": str(folder / "results" / "here"), "image": True, "overlay": True}
    sink = added(target)
    (row,) = server.scored(good(2))
    delivered(server, sink["id"])
    (file,) = (folder / "results" / "here").rglob("*.json")
    record = json.loads(file.read_text(encoding="utf-8"))
    assert (record["inspection"], record["verdict"]) == (row["id"], "good")
    overlay = server.client.get(f"/v1/inspections/{row['id']}/map?overlay=true").content
    assert (folder / "results" / "here" / record["overlay_file"]).read_bytes() == overlay
    assert (folder / "results" / "here" / record["image_file"]).read_bytes() == good(2)


def test_only_allowed_folders_can_be_named(server: Site, folder: Path) -> None:
    (folder / "results" / "out").symlink_to(folder)
    for path in (folder, folder / "results" / ".." / "x", folder / "results" / "out" / "x", "results"):
        answer = server.client.post(SINKS, json={"target": {"kind": "folder", "path": str(path)}})
        assert code(answer) == (403, "folder_not_allowed")
        assert str(folder / "results") in answer.json()["error"]["message"]


def test_a_test_says_what_went_wrong(server: Site, added: Any) -> None:
    sink = added({"kind": "webhook", "url": "http://127.0.0.1:9/x"})
    answer = server.client.post(f"/v1/sinks/{sink['id']}/test", json={}).json()
    assert (answer["sent"], "refused" in answer["error"]) == (False, True)
    with web_receiver() as received:
        server.client.patch(
            f"/v1/sinks/{sink['id']}", json={"target": {"kind": "webhook", "url": received.url}}
        )
        assert server.client.post(f"/v1/sinks/{sink['id']}/test").json()["sent"]
    assert server.client.get(f"/v1/sinks/{sink['id']}/deliveries").json()["deliveries"] == []


def test_what_waits_can_be_given_up_and_sent_again(server: Site, added: Any) -> None:
    sink = added({"kind": "webhook", "url": "http://127.0.0.1:9/x"})
    address = f"/v1/sinks/{sink['id']}"
    server.scored(good(3), good(4))
    until(lambda: state(server, sink["id"])["state"] == "failing")
    assert state(server, sink["id"])["waiting"] == 2
    line = f'twinspect_deliveries_waiting{{model="parts",sink="{sink["id"]}"}} 2.0'
    assert line in server.client.get("/metrics").text
    page = server.client.get(f"{address}/deliveries?limit=1&state=waiting").json()
    (newest,) = page["deliveries"]
    (other,) = server.client.get(f"{address}/deliveries?limit=1&after={page['next']}").json()["deliveries"]
    assert newest["inspection_id"] == other["inspection_id"] + 1
    asked = {"deliveries": [newest["id"]]}
    assert server.client.post(f"{address}/give_up", json=asked).json() == {"changed": 1}
    assert state(server, sink["id"])["given_up"] == 1
    assert server.client.post(f"{address}/send_again", json={}).json() == {"changed": 1}
    assert server.client.post(f"{address}/give_up", json={}).json() == {"changed": 2}


def test_what_is_not_there_or_not_allowed_is_named(server: Site, added: Any) -> None:
    sink = added({"kind": "webhook", "url": "http://127.0.0.1:9/x"})
    assert code(server.client.get("/v1/models/none/sinks")) == (404, "unknown_model")
    for method, path in (("patch", ""), ("delete", ""), ("get", "/deliveries"), ("post", "/give_up")):
        options = {} if method in ("get", "delete") else {"json": {}}
        answer = getattr(server.client, method)(f"/v1/sinks/999{path}", **options)
        assert code(answer) == (404, "unknown_sink")
    change = {"target": {"kind": "mqtt", "host": "plant"}}
    assert code(server.client.patch(f"/v1/sinks/{sink['id']}", json=change)) == (422, "invalid_request")
    assert server.client.delete(f"/v1/sinks/{sink['id']}").status_code == 204
    assert code(server.client.delete(f"/v1/sinks/{sink['id']}")) == (404, "unknown_sink")


def test_others_than_admins_see_that_it_works_and_nothing_else(bundle: Path, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    admin, viewer = (add_token(tokens, f"{role}er:{role}") for role in ("admin", "view"))
    with site(bundle, tmp_path / "data", token_file=tokens) as server:
        server.client.headers["Authorization"] = f"Bearer {admin}"
        target = {"kind": "webhook", "url": "http://127.0.0.1:9/secret/path", "secret": SECRET}
        number = server.client.post(SINKS, json={"target": target}).json()["id"]
        server.scored(good(1))
        until(lambda: state(server, number)["error"])
        assert "refused" in state(server, number)["error"]
        server.client.headers["Authorization"] = f"Bearer {viewer}"
        (seen,) = server.client.get(SINKS).json()["sinks"]
        assert (seen["settings"], seen["address"]) == (None, "127.0.0.1:9")
        assert seen["state"]["error"] == "it failed; the role admin is told why"
        for method, path in (("post", SINKS), ("patch", "/v1/sinks/1"), ("delete", "/v1/sinks/1")):
            options = {} if method == "delete" else {"json": {"target": target}}
            assert code(getattr(server.client, method)(path, **options)) == (403, "role_too_low")


def test_sinks_work_on_after_a_restart_with_what_waited(bundle: Path, tmp_path: Path) -> None:
    with site(bundle, tmp_path) as server:
        server.client.post(SINKS, json={"target": {"kind": "webhook", "url": "http://127.0.0.1:9/x"}})
        (row,) = server.scored(good(1))
    with web_receiver() as received, site(bundle, tmp_path) as server:
        target = {"kind": "webhook", "url": received.url}
        server.client.patch("/v1/sinks/1", json={"target": target})
        assert delivered(server, 1)["last_sent_at"] is not None
        assert json.loads(received.taken[0][1])["inspection"] == row["id"]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"public_url": "plant.local"}, "--public-url is 'plant.local'; give one such as https://"),
        ({"public_url": "https://me@plant"}, "--public-url"),
        ({"allowed_folders": (Path("none"),)}, "--allow-folder none: there is no such folder"),
    ],
)
def test_settings_that_cannot_work_are_refused_at_the_start(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Settings(models=("m",), data=Path(), **setting)
