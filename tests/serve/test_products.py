"""Products over HTTP: photos in, versions out; trainings are stubs, and the model they make is a real one."""

from __future__ import annotations

import io
import shutil
import sys
import time
import zipfile
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi")

from serving import Site, bad, code, good, png, site
from twinspect.cli import checkpoints
from twinspect.data.demo import PRODUCTS
from twinspect.errors import ConfigError
from twinspect.serve.http.tokens import add_token
from twinspect.serve.products import child, trainer
from twinspect.serve.products.child import ChildProcess
from twinspect.serve.products.photo_check import check_photos
from twinspect.serve.products.training_data import photo_id, write_training_data
from twinspect.serve.store import Retention
from twinspect.testing.drawing import stripes
from twinspect.utils.locks import single_writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STUB = Path(__file__).parents[1] / "helpers" / "stub_training.py"


@pytest.fixture(autouse=True)
def stub(monkeypatch: pytest.MonkeyPatch, bundle: Path) -> None:
    monkeypatch.setattr(child, "COMMAND", (sys.executable, "-S", str(STUB)))
    monkeypatch.setattr(trainer, "POLL", 0.02)
    monkeypatch.setenv("STUB_MODEL", str(bundle))


@pytest.fixture
def studio(bundle: Path, tmp_path: Path) -> Iterator[Site]:
    with site(bundle, tmp_path / "data", models=(), studio=True) as running:
        yield running


def ask(running: Site, verb: str, path: str, expect: int = 200, **body: Any) -> Any:
    answer = running.client.request(verb, f"/v1{path}", json=body or None)
    assert answer.status_code == expect, answer.text
    return answer.json() if answer.content else None


def add_photos(running: Site, *images: bytes, name: str = "tiles", role: str = "good") -> Any:
    files = [("images", (f"{role} {number}.png", data)) for number, data in enumerate(images)]
    answer = running.client.post(f"/v1/products/{name}/photos", files=files, params={"role": role})
    assert answer.status_code == 200, answer.text
    return answer.json()


def made(running: Site, name: str = "tiles", photos: int = 4) -> None:
    ask(running, "POST", "/products", 201, name=name)
    add_photos(running, *map(good, range(photos)), name=name)


def wait(running: Site, job: int, *states: str, seconds: float = 30) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        row = running.context.studio.jobs.get(job)
        if row.state in states:
            return row
        time.sleep(0.02)
    raise AssertionError(f"the job is {row.state}, not {states}: {row}")


def train(running: Site, name: str = "tiles", kind: str = "fit") -> int:
    number: int = ask(running, "POST", f"/products/{name}/jobs", 201, kind=kind, minutes=1)["id"]
    return number


def trained(running: Site, name: str = "tiles") -> None:
    made(running, name)
    assert wait(running, train(running, name), "done", "failed").state == "done"


def test_from_photos_to_a_verdict(studio: Site) -> None:
    assert ask(studio, "GET", "/products") == {"products": []}
    assert ask(studio, "GET", "/me")["studio"] is True
    made(studio)
    add_photos(studio, bad(1), bad(2), role="defect")
    product = ask(studio, "GET", "/products/tiles")
    assert (product["good"], product["defects"], product["enough"], product["active"]) == (4, 2, True, None)
    assert code(studio.score(good(9))) == (404, "unknown_model")

    assert wait(studio, train(studio), "done", "failed").error is None
    (version,) = ask(studio, "GET", "/products/tiles/versions")["versions"]
    assert (version["number"], version["active"], version["parent"]) == (1, True, None)
    record = studio.worker.active.calibration
    assert (version["images"], version["threshold"]) == (len(record.scores), record.threshold)
    (inspection,) = studio.scored(good(9), model="tiles")
    assert inspection["model"] == "tiles"
    report = studio.client.get(version["report_url"])
    # The stub lists what was there to be tested; the model that it copies held out no photo of this product.
    assert report.text.splitlines() == ["000005-defect-0.png", "000006-defect-1.png"]
    assert "sandbox" in report.headers["content-security-policy"]


def test_a_photo_is_added_once_and_what_is_none_is_refused(studio: Site) -> None:
    ask(studio, "POST", "/products", 201, name="tiles")
    first = add_photos(studio, good(1), b"no image", good(1))
    assert [photo["name"] for photo in first["photos"]] == ["good 0.png"]
    assert first["duplicates"] == ["good 2.png"]
    assert [one["error"]["code"] for one in first["refused"]] == ["image_unknown_type"]
    photo = first["photos"][0]
    assert studio.client.get(photo["url"]).content == good(1)
    assert studio.client.get(photo["thumbnail_url"]).headers["content-type"] == "image/jpeg"
    assert ask(studio, "PATCH", f"/products/tiles/photos/{photo['id']}", role="defect")["role"] == "defect"
    assert ask(studio, "GET", "/products/tiles/photos?role=good")["photos"] == []
    ask(studio, "DELETE", f"/products/tiles/photos/{photo['id']}", 204)
    assert ask(studio, "GET", "/products/tiles/photos")["photos"] == []
    assert add_photos(studio, good(1))["duplicates"] == []


def test_photos_come_in_pages_newest_first(studio: Site) -> None:
    made(studio, photos=5)
    seen: list[int] = []
    after = ""
    while True:
        page = ask(studio, "GET", f"/products/tiles/photos?limit=2{after}")
        seen += [photo["id"] for photo in page["photos"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert seen == [5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    "name",
    ["", " ", "a/b", "..", ".hidden", "con", "Lpt1.x", "x" * 65, "\U0001d41a" * 64, "tab\tname", "a:b"],
)
def test_a_name_that_no_folder_can_have_is_refused(studio: Site, name: str) -> None:
    answer = studio.client.post("/v1/products", json={"name": name})
    assert code(answer) in [(409, "conflict"), (422, "invalid_request")]


def test_names_may_have_letters_of_any_language(studio: Site) -> None:
    assert ask(studio, "POST", "/products", 201, name="Du\u0308bel 8 mm")["name"] == "D\u00fcbel 8 mm"
    answer = studio.client.post("/v1/products", json={"name": "D\u00fcbel 8 mm"})
    assert code(answer) == (409, "conflict")


def test_a_name_is_taken_once_and_a_hidden_product_comes_back(studio: Site) -> None:
    trained(studio)
    assert code(studio.client.post("/v1/products", json={"name": "tiles"})) == (409, "conflict")
    ask(studio, "DELETE", "/products/tiles?reason=sold", 204)
    assert ask(studio, "GET", "/products")["products"] == []
    assert code(studio.score(good(1), model="tiles")) == (404, "unknown_model")
    assert ask(studio, "POST", "/products", 201, name="tiles")["active"] == 1
    assert studio.scored(good(1), model="tiles")[0]["state"] == "done"


def test_names_that_are_one_folder_on_some_systems_are_not_both_taken(studio: Site) -> None:
    made(studio)
    assert code(studio.client.post("/v1/products", json={"name": "Tiles"})) == (409, "conflict")
    ask(studio, "DELETE", "/products/tiles?reason=sold", 204)
    assert code(studio.client.post("/v1/products", json={"name": "TILES"})) == (409, "conflict")


def test_a_hidden_product_comes_back_on_trial_and_without_its_model(studio: Site, tmp_path: Path) -> None:
    trained(studio)
    wait(studio, train(studio, kind="update"), "done")
    ask(studio, "PUT", "/products/tiles/shadow", version=2)
    ask(studio, "DELETE", "/products/tiles?reason=sold", 204)
    ask(studio, "POST", "/products", 201, name="tiles")
    studio.scored(good(1), model="tiles")
    wait_for(lambda: ask(studio, "GET", "/products/tiles/shadow")["compared"] == 1)
    ask(studio, "DELETE", "/products/tiles?reason=sold", 204)
    shutil.rmtree(tmp_path / "data" / "products" / "tiles" / "versions" / "1.twin")
    ask(studio, "POST", "/products", 201, name="tiles")
    assert code(studio.score(good(1), model="tiles")) == (404, "unknown_model")
    ask(studio, "POST", "/products/tiles/versions/2/activate", reason="the other is lost")
    assert studio.scored(good(1), model="tiles")[0]["state"] == "done"


def test_a_served_model_and_a_product_cannot_share_a_name(bundle: Path, tmp_path: Path) -> None:
    with site(bundle, tmp_path / "data", studio=True) as running:
        assert code(running.client.post("/v1/products", json={"name": bundle.stem})) == (409, "conflict")


def test_a_server_without_studio_has_no_products(bundle: Path, tmp_path: Path) -> None:
    with site(bundle, tmp_path / "data") as running:
        assert code(running.client.get("/v1/products")) == (404, "not_found")
        assert ask(running, "GET", "/me")["studio"] is False


def test_two_studios_cannot_share_a_folder(studio: Site, bundle: Path, tmp_path: Path) -> None:
    refused = pytest.raises(ConfigError, match="is used by another studio that runs")
    with refused, site(bundle, tmp_path / "data", models=(), studio=True):
        pass


def test_too_few_photos_are_not_trained_on(studio: Site) -> None:
    made(studio, photos=2)
    answer = studio.client.post("/v1/products/tiles/jobs", json={"minutes": 1})
    assert code(answer) == (409, "conflict")
    assert "3 are needed" in answer.json()["error"]["message"]
    answer = studio.client.post("/v1/products/tiles/jobs", json={"minutes": 1, "kind": "update"})
    assert "train a first one" in answer.json()["error"]["message"]


def test_a_training_is_paused_and_goes_on_where_it_was(
    studio: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STUB_STEPS", "100")
    made(studio)
    job = train(studio)
    versions = tmp_path / "data" / "products" / "tiles" / "versions"
    steps = versions / "1.twin.checkpoint" / "steps"
    wait_for(lambda: steps.exists() and steps.read_text() not in ("", "1"))
    assert code(studio.client.post("/v1/products/tiles/jobs", json={"minutes": 1})) == (409, "conflict")
    ask(studio, "POST", f"/jobs/{job}/pause")
    wait(studio, job, "paused")
    done = int(steps.read_text())
    assert 0 < done < 100
    time.sleep(0.1)
    assert int(steps.read_text()) == done
    assert [one["state"] for one in ask(studio, "GET", "/jobs")["jobs"]] == ["paused"]
    ask(studio, "POST", f"/jobs/{job}/resume")
    wait(studio, job, "done")
    assert (versions / "steps-made").read_text() == "100"


def test_a_cancelled_training_leaves_nothing(
    studio: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STUB_STEPS", "10000")
    made(studio)
    job = train(studio)
    steps = tmp_path / "data" / "products" / "tiles" / "versions" / "1.twin.checkpoint"
    wait_for(steps.exists)
    ask(studio, "POST", f"/jobs/{job}/cancel")
    wait(studio, job, "cancelled")
    wait_for(lambda: not steps.exists())
    assert ask(studio, "GET", "/products/tiles/versions")["versions"] == []
    assert code(studio.client.post(f"/v1/jobs/{job}/resume")) == (409, "conflict")
    monkeypatch.setenv("STUB_STEPS", "1")
    assert wait(studio, train(studio), "done").version == 2


def test_a_paused_training_that_is_cancelled_leaves_nothing(
    studio: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STUB_STEPS", "10000")
    made(studio)
    job = train(studio)
    product = tmp_path / "data" / "products" / "tiles"
    wait_for((product / "versions" / "1.twin.checkpoint").exists)
    ask(studio, "POST", f"/jobs/{job}/pause")
    wait(studio, job, "paused")
    ask(studio, "POST", f"/jobs/{job}/cancel")
    assert [list((product / part).iterdir()) for part in ("versions", "jobs")] == [[], []]


def test_a_training_that_fails_says_why(studio: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUB_ERROR", "the images are all black")
    made(studio)
    assert wait(studio, train(studio), "failed").error == "the images are all black"


def test_a_killed_training_is_started_again(studio: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUB_STEPS", "5")
    monkeypatch.setenv("STUB_DIES", "3")
    made(studio)
    assert wait(studio, train(studio), "done", "failed").state == "done"


def test_a_training_goes_on_without_its_server_and_the_next_one_takes_it_over(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_STEPS", "150")
    with site(bundle, tmp_path / "data", models=(), studio=True) as running:
        made(running)
        job = train(running)
        wait_for(lambda: "child" in (running.context.studio.jobs.get(job).process or {}))
        process = ChildProcess.from_record(running.context.studio.jobs.get(job).process["child"])
    assert process is not None
    assert process.is_running()
    with site(bundle, tmp_path / "data", models=(), studio=True) as running:
        row = running.context.studio.jobs.get(job)
        assert row.state == "running"
        assert row.process["child"]["pid"] == process.pid
        assert wait(running, job, "done").started_at == row.started_at
        assert running.scored(good(3))[0]["model"] == "tiles"


def test_a_training_that_nobody_knows_is_waited_for(studio: Site, tmp_path: Path) -> None:
    """Its server was killed between starting it and noting that: a second one would be refused by its lock."""
    assert trainer.LOCK == checkpoints.LOCK
    folder = tmp_path / "data" / "products" / "tiles" / "versions" / "1.twin.checkpoint"
    made(studio)
    with single_writer(folder, folder / trainer.LOCK):
        job = train(studio)
        wait_for(lambda: studio.context.studio.jobs.get(job).state == "running")
        time.sleep(0.3)
        assert studio.context.studio.jobs.get(job).process is None
    assert wait(studio, job, "done", "failed").state == "done"


def test_versions_are_activated_and_rolled_back(studio: Site, bundle: Path) -> None:
    trained(studio)
    assert wait(studio, train(studio, kind="update"), "done").version == 2
    newest, first = ask(studio, "GET", "/products/tiles/versions")["versions"]
    assert (newest["number"], newest["parent"], newest["active"], first["active"]) == (2, 1, False, True)
    assert ask(studio, "POST", "/products/tiles/versions/2/activate", reason="better")["active"] is True
    assert studio.worker.folder.name == "2.twin"
    answer = studio.client.post("/v1/products/tiles/versions/2/activate", json={"reason": "again"})
    assert code(answer) == (409, "conflict")
    assert code(studio.client.post("/v1/products/tiles/versions/7/activate", json={"reason": "x"})) == (
        404,
        "unknown_version",
    )
    ask(studio, "POST", "/products/tiles/versions/1/activate", reason="worse after all")
    assert studio.worker.folder.name == "1.twin"
    told = [entry.reason for entry in studio.context.store.audit() if entry.action == "activate"]
    assert told == ["worse after all", "better", "the first version"]


def test_two_activations_at_once_agree_on_what_decides(studio: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    trained(studio)
    for _ in range(2):
        wait(studio, train(studio, kind="update"), "done")
    held, activate = studio.context.studio, studio.context.studio.products.activate

    def slow(name: str, number: int, who: str, reason: str) -> Any:
        time.sleep(0.5 if number == 2 else 0)  # the model is loaded, the database does not say so yet
        return activate(name, number, who, reason)

    monkeypatch.setattr(held.products, "activate", slow)
    threads = [Thread(target=held.activate, args=("tiles", number, "anna", "x")) for number in (2, 3)]
    for thread in threads:
        thread.start()
        time.sleep(0.1)
    for thread in threads:
        thread.join()
    assert studio.worker.folder.name == f"{held.products.get('tiles').active_version}.twin"


def test_a_version_that_cannot_be_loaded_is_not_activated(studio: Site, tmp_path: Path) -> None:
    trained(studio)
    wait(studio, train(studio, kind="update"), "done")
    shutil.rmtree(tmp_path / "data" / "products" / "tiles" / "versions" / "2.twin")
    answer = studio.client.post("/v1/products/tiles/versions/2/activate", json={"reason": "x"})
    assert code(answer) == (409, "conflict")
    assert code(studio.client.get("/v1/products/tiles/versions/2/download")) == (404, "unknown_version")
    assert ask(studio, "GET", "/products/tiles")["active"] == 1
    assert studio.scored(good(5))[0]["state"] == "done"


def test_a_report_does_not_tell_where_the_server_keeps_its_files(studio: Site, tmp_path: Path) -> None:
    trained(studio)
    versions = tmp_path / "data" / "products" / "tiles" / "versions"
    wait_for((versions / "1-report" / "report.html").is_file)
    (versions / "1-report" / "report.html").write_text(f"<td>{versions / '1.twin'}</td>")
    answer = studio.client.get("/v1/products/tiles/versions/1/report")
    assert answer.text == f"<td>{Path('versions', '1.twin')}</td>"


def test_a_download_holds_the_model_and_its_exports(studio: Site, bundle: Path) -> None:
    trained(studio)
    job = ask(studio, "POST", "/products/tiles/versions/1/export", 201, to="onnx")["id"]
    wait(studio, job, "done")
    (version,) = ask(studio, "GET", "/products/tiles/versions")["versions"]
    assert version["exports"] == ["onnx-fp32"]
    packed = studio.client.get(version["download_url"])
    with zipfile.ZipFile(io.BytesIO(packed.content)) as archive:
        names = archive.namelist()
        assert archive.read("tiles-1.twin/model.json") == (bundle / "model.json").read_bytes()
    assert "tiles-1.twin/exports/onnx-fp32/export.json" in names


def test_what_was_judged_is_learnt_from_at_the_next_update(studio: Site) -> None:
    trained(studio)
    right, wrong, unsure = studio.scored(good(21), bad(22), good(23))
    for inspection, verdict in ((right, "good"), (wrong, "defect"), (unsure, "unsure")):
        ask(studio, "POST", "/feedback", inspection_id=inspection["id"], verdict=verdict)
    feedback = ask(studio, "GET", "/products/tiles")["feedback"]
    assert (feedback["good"], feedback["defect"], feedback["unsure"]) == (1, 1, 1)
    wait(studio, train(studio, kind="update"), "done")
    photos = ask(studio, "GET", "/products/tiles/photos")["photos"]
    taken = {photo["inspection_id"]: photo["role"] for photo in photos if photo["origin"] == "inspection"}
    assert taken == {right["id"]: "good", wrong["id"]: "defect"}
    assert ask(studio, "GET", "/products/tiles")["feedback"]["good"] == 0


def test_a_drawn_defect_is_kept_with_the_feedback_and_masks_the_report(studio: Site, tmp_path: Path) -> None:
    trained(studio)
    (inspection,) = studio.scored(bad(50))
    look = [[[0.25, 0], [0.75, 0], [0.75, 0.5], [0.25, 0.5]]]
    said = {"inspection_id": inspection["id"], "verdict": "defect", "region": {"look": look}}
    assert ask(studio, "POST", "/feedback", **said)["region"] == {"look": look, "ignore": None}
    answer = studio.client.post("/v1/feedback", json={**said, "region": {"look": [[[0, 0], [9, 0], [1, 1]]]}})
    assert code(answer) == (422, "invalid_request")
    assert ask(studio, "GET", f"/inspections/{inspection['id']}")["feedback"]["region"]["look"] == look

    shown = []
    keep = shutil.rmtree
    folder = tmp_path / "data" / "products" / "tiles" / "jobs" / "2" / "test" / "ground_truth" / "defect"

    def look_first(path: Path, **options: Any) -> None:
        if path.name == "2" and folder.exists():
            shown.extend(np.asarray(Image.open(mask)) for mask in folder.iterdir())
        keep(path, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer.shutil, "rmtree", look_first)
        wait(studio, train(studio, kind="update"), "done")
        wait_for(lambda: bool(shown))
    (mask,) = shown
    expected = np.zeros((48, 48), dtype=np.uint8)
    expected[:24, 12:36] = 255
    assert mask.ndim == 3 or mask.shape == expected.shape
    assert np.array_equal(mask if mask.ndim == 2 else mask[..., 0], expected)


def test_confirmed_false_alarms_are_learnt_from_and_never_calibrated_on(studio: Site, tmp_path: Path) -> None:
    trained(studio)
    inspections = studio.scored(*(bad(seed) for seed in range(40, 48)))
    assert all(inspection["is_anomalous"] for inspection in inspections)
    body = {"inspection_ids": [inspection["id"] for inspection in inspections], "role": "good"}
    ask(studio, "POST", "/products/tiles/photos/from-inspections", **body)
    products = studio.context.studio.products
    photos = products.photos(1)
    write_training_data(
        tmp_path / "job", studio.context.store.archive, products.get("tiles"), photos, products.versions(1)
    )
    alarms = {path.name for path in (tmp_path / "job" / "false-alarms").iterdir()}
    assert len(alarms) == 8
    assert {path.name for path in (tmp_path / "job" / "anew" / "train" / "good").iterdir()} >= alarms
    assert len(list((tmp_path / "job" / "good").iterdir())) == 4


def test_inspected_images_become_photos_when_asked(studio: Site) -> None:
    trained(studio)
    (inspection,) = studio.scored(good(31))
    body = {"inspection_ids": [inspection["id"]], "role": "good"}
    assert len(ask(studio, "POST", "/products/tiles/photos/from-inspections", **body)["photos"]) == 1
    assert len(ask(studio, "POST", "/products/tiles/photos/from-inspections", **body)["duplicates"]) == 1
    answer = studio.client.post(
        "/v1/products/tiles/photos/from-inspections", json={"inspection_ids": [999], "role": "good"}
    )
    assert code(answer) == (404, "unknown_inspection")


def test_a_version_on_trial_scores_what_is_inspected_and_decides_nothing(studio: Site) -> None:
    trained(studio)
    wait(studio, train(studio, kind="update"), "done")
    assert code(studio.client.put("/v1/products/tiles/shadow", json={"version": 1})) == (409, "conflict")
    assert ask(studio, "PUT", "/products/tiles/shadow", version=2)["shadow"] == 2
    inspections = studio.scored(good(1), bad(2))
    wait_for(lambda: ask(studio, "GET", "/products/tiles/shadow")["compared"] == 2)
    answer = ask(studio, "GET", "/products/tiles/shadow")
    # Both versions are copies of one model, so they never differ, and their scores are the same.
    assert answer == {"version": 2, "compared": 2, "differ": []}
    version = studio.context.studio.products.version("tiles", 2)
    with studio.context.store.reading() as connection:
        rows = connection.exec_driver_sql(
            f"select inspection_id, score from shadow_scores where version_id = {version.id}"
        ).all()
    assert dict(map(tuple, rows)) == pytest.approx({row["id"]: row["score"] for row in inspections})


def test_retention_leaves_photos_alone(studio: Site) -> None:
    made(studio)
    removed = Retention(days=0, gigabytes=0).run(studio.context.store)
    assert removed.images == 0
    photos = ask(studio, "GET", "/products/tiles/photos")["photos"]
    assert studio.client.get(photos[0]["url"]).status_code == 200


def test_photos_beyond_the_quota_are_refused(bundle: Path, tmp_path: Path) -> None:
    room = (len(good(1)) + len(good(2)) + 10) / 1e9
    with site(bundle, tmp_path / "data", models=(), studio=True, quota_gigabytes=room) as running:
        ask(running, "POST", "/products", 201, name="tiles")
        add_photos(running, good(1), good(2))
        files = [("images", ("3.png", good(3)))]
        answer = running.client.post("/v1/products/tiles/photos", files=files)
        assert code(answer) == (507, "quota_exceeded")
        assert len(ask(running, "GET", "/products/tiles/photos")["photos"]) == 2


def test_judged_images_count_in_the_quota(bundle: Path, tmp_path: Path) -> None:
    room = (sum(len(good(seed)) for seed in range(4)) + 10) / 1e9
    with site(bundle, tmp_path / "data", models=(), studio=True, quota_gigabytes=room) as running:
        trained(running)
        (inspection,) = running.scored(good(30))
        body = {"inspection_ids": [inspection["id"]], "role": "good"}
        answer = running.client.post("/v1/products/tiles/photos/from-inspections", json=body)
        assert code(answer) == (507, "quota_exceeded")
        ask(running, "POST", "/feedback", inspection_id=inspection["id"], verdict="good")
        answer = running.client.post("/v1/products/tiles/jobs", json={"kind": "update", "minutes": 1})
        assert code(answer) == (507, "quota_exceeded")


def test_a_removed_image_is_refused_beside_the_others(studio: Site) -> None:
    trained(studio)
    first, second = studio.scored(good(30), good(31))
    Retention(days=0, gigabytes=0).run(studio.context.store)
    (third,) = studio.scored(good(32))
    body = {"inspection_ids": [first["id"], third["id"], second["id"]], "role": "good"}
    found = ask(studio, "POST", "/products/tiles/photos/from-inspections", **body)
    assert [photo["inspection_id"] for photo in found["photos"]] == [third["id"]]
    assert [refused["error"]["code"] for refused in found["refused"]] == ["image_removed"] * 2


def test_a_model_with_the_name_of_a_product_is_refused_at_the_start(bundle: Path, tmp_path: Path) -> None:
    with site(bundle, tmp_path / "data", models=(), studio=True) as running:
        made(running, bundle.stem)
    refused = pytest.raises(ConfigError, match=f"a product is called '{bundle.stem}' too")
    with refused, site(bundle, tmp_path / "data", studio=True):
        pass


def test_the_demo_fills_a_product(studio: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask(studio, "GET", "/demo-products")["names"] == list(PRODUCTS)
    assert code(studio.client.post("/v1/products", json={"name": "x", "demo": "shoes"})) == (
        422,
        "invalid_request",
    )
    product = ask(studio, "POST", "/products", 201, name="cups", demo="coffee")
    assert (product["good"], product["defects"]) == (40, 8)


def test_the_check_names_copies_and_odd_sizes(studio: Site) -> None:
    made(studio, photos=9)
    add_photos(studio, png(stripes(50)[:40]))
    photos = studio.context.studio.products.photos(1, "good")
    findings = {one.kind: one for one in check_photos(studio.context.store.archive, photos)}
    assert findings["sizes"].photos == (10,)
    assert "48 x 48" in findings["sizes"].text
    assert findings["too_few"].text.startswith("There are 10 good photos. With 48 or more")
    assert ask(studio, "GET", "/products/tiles/check")["looked"] == 10


def test_a_region_of_interest_goes_with_the_training(studio: Site, tmp_path: Path) -> None:
    made(studio)
    look = [[[0, 0], [1, 0], [1, 0.5]]]
    assert ask(studio, "PUT", "/products/tiles/region", look=look)["region"]["look"] == look
    answer = studio.client.put("/v1/products/tiles/region", json={"look": [[[0, 0], [2, 0], [1, 1]]]})
    assert code(answer) == (422, "invalid_request")
    assert ask(studio, "PUT", "/products/tiles/region", ignore=None)["region"] is None


def test_roles_may_what_they_should(bundle: Path, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.txt"
    secrets = {role: add_token(tokens, f"{role}er:{role}") for role in ("view", "inspect", "train", "admin")}
    with site(bundle, tmp_path / "data", models=(), studio=True, token_file=tokens) as running:

        def status(role: str, verb: str, path: str, **body: Any) -> int:
            headers = {"Authorization": f"Bearer {secrets[role]}"}
            return running.client.request(verb, f"/v1{path}", json=body or None, headers=headers).status_code

        assert status("inspect", "POST", "/products", name="tiles") == 403
        assert status("train", "POST", "/products", name="tiles") == 201
        assert status("view", "GET", "/products/tiles") == 200
        assert status("inspect", "POST", "/products/tiles/jobs", minutes=1) == 403
        assert status("train", "PUT", "/products/tiles/shadow", version=None) == 403
        assert status("train", "DELETE", "/products/tiles?reason=x") == 403
        assert status("admin", "DELETE", "/products/tiles?reason=x") == 204


def test_what_a_version_held_out_no_later_training_learns_from(studio: Site, tmp_path: Path) -> None:
    made(studio, photos=10)
    products = studio.context.studio.products
    photos = products.photos(1)
    kept = tuple(sorted(photo.id for photo in photos)[:3])
    version = SimpleNamespace(figures={"held_out": kept, "newest_photo": 6})
    write_training_data(
        tmp_path / "job", studio.context.store.archive, products.get("tiles"), photos, [version]
    )
    found = {
        split: {photo_id(path.name) for path in (tmp_path / "job" / "anew" / split / "good").iterdir()}
        for split in ("train", "calibration")
    }
    # Of those that no version knew, two of five are drawn by their contents.
    drawn = {photo.id for photo in photos if photo.id > 6 and int(photo.image.sha256[:8], 16) % 5 < 2}
    assert found == {"calibration": {*kept, *drawn}, "train": set(range(1, 11)) - {*kept, *drawn}}
    assert len(list((tmp_path / "job" / "good").iterdir())) == 10


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
