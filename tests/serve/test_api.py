"""The whole HTTP contract, over a small model and a real store."""

from __future__ import annotations

import csv
import io
import json
import shutil
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

import twinspect as ts
from serving import Site, bad, code, good, png, site
from twinspect.bundle.folder import read_record, rewrite_record
from twinspect.calibration.conformal import Calibration
from twinspect.images import decoding
from twinspect.inference.torch_engine import TorchEngine
from twinspect.serve.http.tokens import add_token
from twinspect.serve.scoring.model_worker import ModelVersion
from twinspect.serve.uploads import checks
from twinspect.serve.uploads.checks import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def shared_site(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server that tests share; they must not change its calibration."""
    with site(bundle, tmp_path_factory.mktemp("data")) as server:
        yield server


def until(reached: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_served_score_is_the_detectors(shared_site: Site, bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "part.png"
    path.write_bytes(bad(300))
    expected = ts.load(bundle).score(path)
    (row,) = shared_site.scored(bad(300))
    assert np.float32(row["score"]) == expected.image[0]
    assert row["p_value"] == expected.p_value[0]
    assert row["is_anomalous"] == expected.is_anomalous[0]
    record = json.loads((bundle / "model.json").read_text())["calibration"]
    assert row["threshold"] == Calibration.from_record(record).threshold
    assert (row["width"], row["height"], row["state"], row["source"]) == (48, 48, "done", "api")
    assert row["in_words"].startswith("would be seen in ")
    answer = shared_site.client.get(row["map_url"], params={"format": "npz"})
    with np.load(io.BytesIO(answer.content), allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["map"], expected.map[0])
    answer = shared_site.client.get(row["map_url"], params={"format": "f32", "side": 20})
    height, width = (int(answer.headers[f"X-Map-{name}"]) for name in ("Height", "Width"))
    reduced = np.frombuffer(answer.content, "<f4").reshape(height, width)
    blocks = expected.map[0].reshape(16, 3, 16, 3).max((1, 3))
    np.testing.assert_array_equal(reduced, blocks)
    low, high = Calibration.from_record(record).map_range
    assert (row["map_scale"]["low"], row["map_scale"]["high"]) == (low, high)


def test_inspections_are_ordered_by_multiples_of_their_threshold(shared_site: Site) -> None:
    shared_site.scored(*(bad(900 + seed) for seed in range(4)))
    query = {"sort": "score", "limit": 2, "decision": "anomalous"}
    first = shared_site.client.get("/v1/inspections", params=query).json()
    second = shared_site.client.get(
        "/v1/inspections", params={**query, "after": first["next"], "limit": 3}
    ).json()
    ratios = [row["score"] / row["threshold"] for page in (first, second) for row in page["inspections"]]
    assert ratios == sorted(ratios, reverse=True)
    assert len(ratios) >= 4
    assert shared_site.client.get("/v1/inspections", params={"sort": "colour"}).status_code == 422


def test_a_batch_is_scored_as_score_does(shared_site: Site, bundle: Path, tmp_path: Path) -> None:
    paths = [tmp_path / f"{seed}.png" for seed in range(10)]
    for seed, path in enumerate(paths):
        path.write_bytes(good(400 + seed))
    rows = shared_site.scored(*(path.read_bytes() for path in paths))
    expected = ts.load(bundle).score([str(path) for path in paths], maps=False)
    np.testing.assert_allclose([row["score"] for row in rows], expected.image, rtol=1e-6)
    assert [row["name"] for row in rows] == [f"{number}.png" for number in range(10)]


def test_waiting_images_are_scored_together(shared_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    worker, sizes, go = shared_site.worker, [], threading.Event()
    whole = TorchEngine.score

    def counting(engine: TorchEngine, read: Any, *, maps: bool) -> Any:
        sizes.append(len(read))
        assert go.wait(60)
        return whole(engine, read, maps=maps)

    monkeypatch.setattr(TorchEngine, "score", counting)
    askers = [threading.Thread(target=shared_site.scored, args=(good(500 + seed),)) for seed in range(9)]
    askers[0].start()
    until(lambda: sizes)
    for each in askers[1:]:
        each.start()
    until(lambda: len(worker.queue._waiting) == 8)
    go.set()
    for each in askers:
        each.join(60)
    assert sizes == [1, 8]


def test_an_image_is_decoded_recognised_and_ranked_once(
    shared_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: Counter[str] = Counter()

    def count(owner: Any, name: str) -> None:
        whole = getattr(owner, name)

        def counted(*arguments: Any, **options: Any) -> Any:
            calls[name] += 1
            return whole(*arguments, **options)

        monkeypatch.setattr(owner, name, counted)

    count(decoding, "_decode")
    count(checks, "detect_format")
    count(decoding, "detect_format")
    count(Calibration, "p_values")
    count(Calibration, "is_anomalous")
    (row,) = shared_site.scored(good(600))
    assert row["state"] == "done"
    ranked = 1 + bool(row["regions"])  # its score, and the peaks of what was found
    assert calls == {"_decode": 1, "detect_format": 1, "p_values": ranked, "is_anomalous": 1}


def test_one_image_may_be_the_body(shared_site: Site) -> None:
    answer = shared_site.client.post(
        "/v1/score?name=../x/part.png", content=good(1), headers={"content-type": "image/png"}
    )
    assert answer.status_code == 200
    assert answer.json()["inspections"][0]["name"] == "part.png"


def test_bad_images_stand_beside_good_ones(shared_site: Site) -> None:
    first, second, third = shared_site.scored(good(1), b"", good(2) + b"<html>")
    assert first["state"] == "done"
    assert second == {
        "name": "1.png",
        "error": {"code": "image_empty", "message": second["error"]["message"]},
    }
    assert third["error"]["code"] == "image_polyglot"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", (422, "image_empty")),
        (b"hello", (415, "image_unknown_type")),
        (good(1)[:100], (422, "image_damaged")),
        (good(1) + b"PK\x03\x04", (422, "image_polyglot")),
        (png(np.zeros((1, 9, 3), np.uint8)), (422, "image_too_small")),
    ],
)
def test_a_bad_image_alone_is_an_error(shared_site: Site, data: bytes, expected: tuple[int, str]) -> None:
    answer = shared_site.score(data)
    assert code(answer) == expected
    assert answer.json()["inspections"][0]["name"] == "0.png"


def test_bad_images_for_different_reasons(shared_site: Site) -> None:
    answer = shared_site.score(b"", b"hello")
    assert code(answer) == (422, "images_refused")
    assert [each["error"]["code"] for each in answer.json()["inspections"]] == [
        "image_empty",
        "image_unknown_type",
    ]


def test_requests_that_make_no_sense(shared_site: Site) -> None:
    client, image = shared_site.client, {"content-type": "image/png"}
    assert code(client.post("/v1/score", content=b"{}", headers={"content-type": "application/json"})) == (
        415,
        "unsupported_media_type",
    )
    multipart = {"content-type": "multipart/form-data"}
    assert code(client.post("/v1/score", content=b"x", headers=multipart)) == (400, "bad_multipart")
    cut = {"content-type": "multipart/form-data; boundary=b"}
    assert code(client.post("/v1/score", content=b"--b\r\nContent-Dispo", headers=cut)) == (
        400,
        "bad_multipart",
    )
    assert code(client.post("/v1/score", content=b"nonsense", headers=cut)) == (400, "bad_multipart")
    assert code(client.post("/v1/score", files=[("other", b"x")])) == (400, "no_images")
    assert code(client.post("/v1/score?model=no", content=good(1), headers=image)) == (404, "unknown_model")
    assert code(client.post("/v1/score?category=no", content=good(1), headers=image)) == (
        422,
        "unknown_category",
    )
    assert code(client.post("/v1/score?wait=perhaps", content=good(1), headers=image)) == (
        422,
        "invalid_request",
    )
    assert code(client.get("/v1/nothing")) == (404, "not_found")
    assert code(client.delete("/v1/models")) == (405, "method_not_allowed")
    assert code(client.get("/v1/inspections/999999")) == (404, "unknown_inspection")
    assert code(client.get("/v1/inspections/999999/map")) == (404, "unknown_inspection")
    assert code(client.get("/v1/inspections?since=yesterday")) == (422, "invalid_request")
    assert code(client.get("/v1/inspections?limit=0")) == (422, "invalid_request")
    assert code(client.get("/v1/models/no/audit")) == (404, "unknown_model")
    assert code(client.post("/v1/feedback", json={"inspection_id": 999999, "verdict": "good"})) == (
        404,
        "unknown_inspection",
    )
    assert code(client.post("/v1/feedback", json={"inspection_id": 1, "verdict": "nice"})) == (
        422,
        "invalid_request",
    )
    assert code(client.post("/v1/models/parts/recalibrate", json={"use": "calibration"})) == (
        422,
        "invalid_request",
    )


def test_sizes_are_limited_while_they_arrive(bundle: Path, tmp_path: Path) -> None:
    limits = Limits(image_bytes=20_000, images=3, body_bytes=100_000, pixels=48 * 48)
    with site(bundle, tmp_path, limits=limits) as server:
        small = good(1)
        assert len(small) < 20_000
        first, second = server.scored(small, bytes(30_000))
        assert first["state"] == "done"
        assert second["error"]["code"] == "image_too_large"
        assert code(server.score(*[small] * 4)) == (413, "too_many_images")
        assert code(server.score(bytes(200_000))) == (413, "body_too_large")

        def endless() -> Iterator[bytes]:  # without a length: counted as it comes
            for _ in range(200):
                yield bytes(1000)

        image = {"content-type": "image/png"}
        assert code(server.client.post("/v1/score", content=endless(), headers=image)) == (
            413,
            "body_too_large",
        )
        address = f"/v1/models/{bundle.stem}/rollback"
        assert code(server.client.post(address, content=bytes(70_000))) == (413, "body_too_large")
        drawn = bytes(1_100_000)  # feedback may hold a drawing
        assert code(server.client.post("/v1/feedback", content=drawn)) == (413, "body_too_large")
        assert code(server.score(png(np.zeros((49, 48, 3), np.uint8)))) == (413, "image_too_many_pixels")


def test_looking_back(bundle: Path, tmp_path: Path) -> None:
    with site(bundle, tmp_path) as server:
        rows = server.scored(*(good(seed) for seed in range(5)), category="parts")
        page = server.client.get("/v1/inspections", params={"limit": 2}).json()
        assert (page["total"], [row["id"] for row in page["inspections"]]) == (5, [5, 4])
        second = server.client.get("/v1/inspections", params={"limit": 2, "after": page["next"]}).json()
        assert [row["id"] for row in second["inspections"]] == [3, 2]
        assert server.client.get("/v1/inspections/3").json() == rows[2]
        assert server.client.get("/v1/inspections?category=parts&name=4.PNG").json()["total"] == 1
        assert server.client.get("/v1/inspections?category=").json()["total"] == 0
        assert server.client.get("/v1/inspections?since=2999-01-01").json()["total"] == 0


def test_a_table_that_no_spreadsheet_computes(bundle: Path, tmp_path: Path) -> None:
    with site(bundle, tmp_path) as server:
        files = [("images", ("=cmd|'/c calc'!A0.png".replace("/", "|"), good(1)))]
        assert server.client.post("/v1/score", files=files).status_code == 200
        answer = server.client.get("/v1/inspections", headers={"accept": "text/csv"})
        assert answer.headers["content-type"].startswith("text/csv")
        head, line = answer.text.splitlines()
        assert head.startswith("id,model,name,category")
        assert ",'=cmd" in line or ",\"'=cmd" in line
        assert server.client.get("/v1/inspections?format=csv").text == answer.text


def test_pictures(shared_site: Site) -> None:
    data = bad(7)
    (row,) = shared_site.scored(data)
    client, address = shared_site.client, f"/v1/inspections/{row['id']}"
    original = client.get(row["image"]["url"])
    assert (original.content, original.headers["content-type"]) == (data, "image/png")
    assert original.headers["x-content-type-options"] == "nosniff"
    small = Image.open(io.BytesIO(client.get(f"{address}/thumbnail").content))
    assert (small.format, max(small.size)) == ("JPEG", 48)
    heat = Image.open(io.BytesIO(client.get(row["map_url"]).content))
    assert (heat.mode, heat.size) == ("RGBA", (48, 48))
    laid = Image.open(io.BytesIO(client.get(f"{address}/map?overlay=true").content))
    assert laid.mode == "RGB"
    shown = Image.open(io.BytesIO(client.get(f"{address}/image?format=png").content))
    np.testing.assert_array_equal(np.asarray(shown), np.asarray(Image.open(io.BytesIO(data))))


def test_a_map_that_shows_more_than_the_score_gives_a_notice_and_regions(
    bundle: Path, tmp_path: Path
) -> None:
    record = read_record(bundle)
    record["calibration"]["good_peaks"] = {"typical": -2.0, "highest": -1.0}  # all maps are far above
    record["calibration"]["map_peaks"] = {"": [-1.0] * 19}
    shutil.copytree(bundle, tmp_path / "m.twin")
    rewrite_record(tmp_path / "m.twin", record)
    with site(tmp_path / "m.twin", tmp_path / "data") as server:
        (passed,), (flagged,) = server.scored(good(1)), server.scored(bad(7))
        assert "as high as any good image's" in passed["notice"]
        assert (flagged["is_anomalous"], flagged["notice"]) == (True, None)
        for image in (passed, flagged):
            (region,) = image["regions"]
            assert (region["box"], region["area_px"], region["p_value"]) == ([0, 0, 48, 48], 48 * 48, 0.05)
            assert (region["words"], region["good_patch"]) == ([], None)  # it has no surroundings
            address = f"/v1/inspections/{image['id']}/regions"
            picture = Image.open(io.BytesIO(server.client.get(f"{address}/1").content))
            assert (picture.format, picture.size) == ("PNG", (160, 160))
            assert code(server.client.get(f"{address}/2")) == (404, "not_found")
            assert code(server.client.get(f"{address}/0")) == (422, "invalid_request")
        rows = list(csv.DictReader(io.StringIO(server.client.get("/v1/inspections?format=csv").text)))
        assert {row["notice"] for row in rows} == {passed["notice"], ""}


def test_removed_images_keep_their_rows(bundle: Path, tmp_path: Path) -> None:
    from twinspect.serve.store import Retention

    with site(bundle, tmp_path) as server:
        server.scored(good(1))
        Retention(gigabytes=0).run(server.context.store)
        row = server.client.get("/v1/inspections/1").json()
        assert row["image"]["url"] is None
        assert row["map_url"] is None
        for part in ("image", "thumbnail", "map"):
            assert code(server.client.get(f"/v1/inspections/1/{part}")) == (410, "image_removed")


def test_feedback_recalibration_and_the_way_back(bundle: Path, tmp_path: Path) -> None:
    with site(bundle, tmp_path) as server:
        client, path = server.client, "/v1/models/parts"
        rows = server.scored(*(bad(seed) for seed in range(8)), *(good(seed) for seed in range(12)))
        for row in rows:
            feedback = {"inspection_id": row["id"], "verdict": "good", "comment": "fine"}
            answer = client.post("/v1/feedback", json=feedback)
            assert (answer.status_code, answer.json()["by"]) == (200, "local")
        inspection = client.get(f"/v1/inspections/{rows[0]['id']}").json()
        assert inspection["feedback"]["verdict"] == "good"
        flagged = sum(row["is_anomalous"] for row in rows)
        assert client.get("/v1/feedback/disagreements").json()["total"] == flagged
        before = client.get("/v1/models").json()["models"][0]["calibration"]
        body = {"use": "confirmed", "false_alarm_rate": 0.1, "dry_run": True}
        dry = client.post(f"{path}/recalibrate", json=body).json()
        assert dry["calibration"] is None
        assert dry["proposal"]["images"] == 20
        assert client.get(f"{path}/calibrations").json()["calibrations"][0]["id"] == before["id"]
        applied = client.post(
            f"{path}/recalibrate", json={**body, "dry_run": False, "reason": "new lamp"}
        ).json()
        fresh = applied["calibration"]
        assert fresh["threshold"] == sorted(row["score"] for row in rows)[-2]
        assert client.get("/v1/models").json()["models"][0]["calibration"] == fresh
        (again,) = server.scored(bad(0))
        assert (again["calibration_id"], again["threshold"]) == (fresh["id"], fresh["threshold"])
        assert client.get(f"/v1/inspections/{rows[0]['id']}").json()["threshold"] == before["threshold"]
        back = client.post(f"{path}/rollback", json={"calibration_id": before["id"], "reason": "no"}).json()
        assert back["threshold"] == before["threshold"]
        assert back["id"] > fresh["id"]
        sources = [each["source"] for each in client.get(f"{path}/calibrations").json()["calibrations"]]
        assert sources == ["rollback", "confirmed", "bundle"]
        audit = client.get(f"{path}/audit").json()["entries"]
        assert [each["action"] for each in audit][:2] == ["rollback", "recalibrate"]
        assert audit[1]["reason"] == "new lamp"
        impossible = {"use": "calibration", "false_alarm_rate": 1e-5, "dry_run": True}
        assert code(client.post(f"{path}/recalibrate", json=impossible)) == (422, "cannot_promise")
        gone = {"calibration_id": 12345, "reason": "no"}
        assert code(client.post(f"{path}/rollback", json=gone)) == (404, "unknown_calibration")


def test_over_time(bundle: Path, tmp_path: Path) -> None:
    with site(bundle, tmp_path) as server:
        client, path = server.client, "/v1/models/parts"
        assert client.get(f"{path}/drift").json()["windows"] == []
        rows = server.scored(
            *(good(seed) for seed in range(8)), *(bad(seed) for seed in range(2)), category="parts"
        )
        client.post("/v1/feedback", json={"inspection_id": 10, "verdict": "defect"})
        scores = client.get(f"{path}/scores").json()
        assert scores["recent"] == [row["score"] for row in rows]
        assert scores["defect"] == [rows[9]["score"]]
        assert scores["calibration"] == list(server.worker.active.calibration.scores)
        whatif = client.get(f"{path}/whatif", params={"rate": 0.5}).json()
        above = [row["id"] for row in rows if row["score"] > whatif["threshold"]]
        assert whatif["anomalous_recent"] == len(above)
        assert whatif["changed"] == [row["id"] for row in rows if row["is_anomalous"] != (row["id"] in above)]
        assert code(client.get(f"{path}/whatif?rate=0.00001")) == (422, "cannot_promise")
        drift = client.get(f"{path}/drift", params={"window": 5}).json()
        assert [(each["first"], each["last"]) for each in drift["windows"]] == [(1, 5), (6, 10)]
        assert drift["windows"][0]["from"] == rows[0]["scored_at"]
        assert set(drift["features"]) >= {"score", "brightness"}
        is_alarm = bool(drift["windows"][-1]["alarmed"])
        assert (drift["verdict"]["state"] == "alarm") == is_alarm
        assert (
            'twinspect_drift_alarm{model="parts"} 0.0' in client.get("/metrics").text
        )  # no window of 50 yet


def test_what_was_accepted_is_scored_after_a_restart(bundle: Path, tmp_path: Path) -> None:
    from twinspect.serve.store import Store

    with site(bundle, tmp_path) as server:
        server.scored(good(1))
    with Store(None, tmp_path) as store:  # as a killed server leaves it: accepted, never scored
        model = store.model("parts")
        stored = store.archive.put(bad(2), ".png", 48, 48)
        row = store.accept(model.id, stored, name="left")
    with site(bundle, tmp_path) as server:
        until(lambda: not server.worker.queue.length)
        inspection = server.client.get(f"/v1/inspections/{row.id}").json()
        assert inspection["state"] == "done"
        assert inspection["score"] == server.scored(bad(2))[0]["score"]


def test_without_waiting_there_is_a_number_to_ask_for(shared_site: Site) -> None:
    answer = shared_site.score(good(9), wait=False)
    assert answer.status_code == 202
    (row,) = answer.json()["inspections"]
    assert row["score"] is None
    until(lambda: shared_site.client.get(f"/v1/inspections/{row['id']}").json()["state"] == "done")


def stuck(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Make scoring wait."""
    go, whole = threading.Event(), TorchEngine.score

    def waiting(engine: TorchEngine, read: Any, *, maps: bool) -> Any:
        assert go.wait(60)
        return whole(engine, read, maps=maps)

    monkeypatch.setattr(TorchEngine, "score", waiting)
    return go


def test_a_full_queue_keeps_nothing(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with site(bundle, tmp_path, queue=3) as server:
        go = stuck(monkeypatch)
        assert server.score(good(1), good(2), wait=False).status_code == 202
        answer = server.score(good(3), good(4))
        assert code(answer) == (429, "queue_full")
        assert int(answer.headers["retry-after"]) >= 1
        assert server.client.get("/v1/inspections").json()["total"] == 2
        assert len(list((tmp_path / "images").rglob("*.png"))) == 2
        go.set()
        assert server.scored(good(3))[0]["state"] == "done"


def test_stopping_scores_what_was_accepted(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with site(bundle, tmp_path) as server:
        go = stuck(monkeypatch)
        assert server.score(*(good(seed) for seed in range(3)), wait=False).status_code == 202
        server.context.stopping = True
        assert code(server.score(good(9))) == (503, "stopping")
        assert code(server.client.get("/readyz")) == (503, "stopping")
        assert server.client.get("/healthz").status_code == 200
        go.set()
        assert server.context.registry.stop(20)
        states = [row["state"] for row in server.client.get("/v1/inspections").json()["inspections"]]
        assert states == ["done"] * 3


def test_an_image_that_breaks_scoring_fails_alone(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with site(bundle, tmp_path) as server:
        whole, poison = TorchEngine.prepare, png(np.full((48, 48, 3), 7, np.uint8))

        def preparing(engine: TorchEngine, rgb: Any, region: Any) -> Any:
            if (rgb == 7).all():
                raise RuntimeError("secret detail")
            return whole(engine, rgb, region)

        monkeypatch.setattr(TorchEngine, "prepare", preparing)
        first, second, third = server.scored(good(1), poison, good(2))
        assert (first["state"], second["state"], third["state"]) == ("done", "failed", "done")
        assert "secret" not in json.dumps(second)
        assert code(server.client.get(f"/v1/inspections/{second['id']}/map"))[1] == "not_scored"


def test_a_mistake_of_the_server_shows_nothing(shared_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise ValueError("secret path /etc/x")

    monkeypatch.setattr(shared_site.context.store, "inspection", broken)
    answer = shared_site.client.get("/v1/inspections/1")
    assert code(answer) == (500, "internal_error")
    assert "secret" not in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def test_a_changed_model_is_loaded_and_a_broken_one_is_not(bundle: Path, tmp_path: Path) -> None:
    model = tmp_path / "parts.twin"
    shutil.copytree(bundle, model)
    with site(model, tmp_path / "data") as server:
        (first,) = server.scored(good(1))
        record = (model / "model.json").read_bytes()
        (model / "model.json").write_bytes(record[:-10])
        server.context.registry.check_for_changes()
        assert "could not be loaded" in server.client.get("/v1/models").json()["models"][0]["error"]
        assert server.scored(good(1))[0]["score"] == first["score"]
        (model / "model.json").write_bytes(record)
        again = ts.load(model)
        again.set_rate(0.5)
        again.save_calibration(model)
        server.context.registry.check_for_changes()
        shown = server.client.get("/v1/models").json()["models"][0]
        assert shown["error"] is None
        assert shown["calibration"]["false_alarm_rate"] == 0.5
        assert server.scored(good(1))[0]["threshold"] == again.calibration_.threshold
        assert server.client.get(first["map_url"]).status_code == 200
        old = server.worker.version
        server.worker._version = ModelVersion(old.detector, "0" * 64, old.folder_state)
        assert code(server.client.get(first["map_url"])) == (409, "model_changed")


def test_several_models_are_asked_for_by_name(bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(bundle, tmp_path / "others.twin")
    with site(bundle, tmp_path / "data", models=(str(bundle), str(tmp_path / "others.twin"))) as server:
        assert [each["name"] for each in server.client.get("/v1/models").json()["models"]] == [
            "parts",
            "others",
        ]
        assert code(server.score(good(1))) == (422, "invalid_request")
        assert server.scored(good(1), model="others")[0]["model"] == "others"
    with (
        pytest.raises(ts.errors.ConfigError, match="both called"),
        site(bundle, tmp_path / "data", models=(str(bundle), str(bundle))),
    ):
        pass


def test_who_may_do_what(bundle: Path, tmp_path: Path) -> None:
    file = tmp_path / "tokens.txt"
    tokens = {role: add_token(file, f"{role}er:{role}") for role in ("view", "inspect", "admin")}
    with site(bundle, tmp_path / "data", token_file=file) as server:

        def ask(role: str | None, method: str, path: str, **more: Any) -> int:
            headers = {"authorization": f"Bearer {tokens.get(role, 'wrong')}"} if role else {}
            return server.client.request(
                method, path, headers={**headers, **more.pop("headers", {})}, **more
            ).status_code

        image = {"content": good(1), "headers": {"content-type": "image/png"}}
        assert [ask(role, "GET", "/v1/models") for role in (None, "wrong", "view", "admin")] == [
            401,
            401,
            200,
            200,
        ]
        assert [ask(role, "POST", "/v1/score", **image) for role in (None, "view", "inspect")] == [
            401,
            403,
            200,
        ]
        feedback = {"json": {"inspection_id": 1, "verdict": "good"}}
        assert [ask(role, "POST", "/v1/feedback", **feedback) for role in ("view", "inspect")] == [403, 200]
        path, body = "/v1/models/parts/recalibrate", {"use": "calibration", "reason": "new lamp"}
        dry = {"json": {**body, "dry_run": True}}
        assert [ask(role, "POST", path, **dry) for role in (None, "view", "admin")] == [401, 200, 200]
        changing = [ask(role, "POST", path, json=body) for role in ("view", "inspect", "admin")]
        assert changing == [403, 403, 200]
        assert len(server.context.store.calibrations(server.worker.id)) == 2
        assert [ask(None, "GET", path) for path in ("/healthz", "/readyz", "/metrics")] == [200, 200, 401]
        assert (
            server.client.get(
                "/v1/inspections/1", headers={"authorization": f"Bearer {tokens['view']}"}
            ).json()["feedback"]["by"]
            == "inspecter"
        )
        answer = server.client.get("/v1/models")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert code(answer) == (401, "token_needed")


def test_who_asks_is_told(bundle: Path, shared_site: Site, tmp_path: Path) -> None:
    assert shared_site.client.get("/v1/me").json() == {"name": "local", "role": "admin", "studio": False}
    file = tmp_path / "tokens.txt"
    token = add_token(file, "ann:view")
    with site(bundle, tmp_path / "data", token_file=file) as server:
        headers = {"authorization": f"Bearer {token}"}
        told = server.client.get("/v1/me", headers=headers).json()
        assert told == {"name": "ann", "role": "view", "studio": False}
        assert code(server.client.get("/v1/me")) == (401, "token_needed")


def test_watched_folders_of_one_name_are_told_apart(bundle: Path, tmp_path: Path) -> None:
    """Each arrival is found under its own folder, also where their names differ by capital letters alone."""
    folders = [tmp_path / "north" / "line", tmp_path / "south" / "line", tmp_path / "south" / "LINE"]
    for seed, folder in enumerate(folders):
        folder.mkdir(parents=True)
        (folder / f"{seed}.png").write_bytes(good(seed))
    with site(bundle, tmp_path / "data", watched=tuple(folders)) as server:
        names = [each["name"] for each in server.client.get("/v1/folders").json()["folders"]]
        assert names == ["north/line", "south/line", "south/LINE"]
        server.scored(good(9))
        until(lambda: server.client.get("/v1/inspections?source=watch").json()["total"] == 3)
        for seed, name in enumerate(names):
            query = {"folder": name, "source": "watch"}
            rows = server.client.get("/v1/inspections", params=query).json()["inspections"]
            assert [row["name"] for row in rows] == [f"{seed}.png"]
        table = server.client.get("/v1/inspections", params={"folder": names[0], "format": "csv"}).text
        assert len(table.splitlines()) == 2
        answer = server.client.get("/v1/inspections", params={"folder": "north/lane"})
        assert code(answer) == (404, "unknown_folder")
        assert "did you mean 'north/line'?" in answer.json()["error"]["message"]
        assert str(tmp_path) not in answer.text


def test_other_sites_and_names_are_refused(shared_site: Site) -> None:
    client = shared_site.client
    assert code(client.get("/v1/models", headers={"host": "evil.example"})) == (403, "host_not_allowed")
    assert client.get("/v1/models", headers={"host": "localhost:8000"}).status_code == 200
    for origin in ("http://evil.example", "null", "http://127.0.0.1:9999"):
        answer = client.post("/v1/feedback", json={}, headers={"origin": origin})
        assert code(answer) == (403, "origin_not_allowed")
    cross = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
    assert code(client.get("/v1/inspections/1/image", headers=cross)) == (403, "origin_not_allowed")
    headers = {"origin": "http://127.0.0.1:8000"}
    files = [("images", ("a.png", good(1)))]
    assert client.post("/v1/score", files=files, headers=headers).json()["inspections"][0]["source"] == "web"


def test_the_numbers(shared_site: Site) -> None:
    shared_site.scored(good(1))
    shared_site.score(b"")
    text = shared_site.client.get("/metrics").text
    assert 'twinspect_images_accepted_total{model="parts",source="api"}' in text
    assert 'twinspect_images_refused_total{code="image_empty"}' in text
    assert 'twinspect_queue_length{model="parts"} 0.0' in text
    assert 'route="/v1/score"' in text
