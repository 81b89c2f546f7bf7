"""The server scores images judged good anew: within a drawn region, or to renew threshold and level of regions."""

from __future__ import annotations

import io
import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("fastapi")

from PIL import Image

import twinspect as ts
from serving import Site, bad, code, good, site
from twinspect.bundle.calibration_history import restore_earlier
from twinspect.serve.http.tokens import add_token
from twinspect.serve.scoring.rescoring import export_note

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LEFT = {"look": [[[0, 0], [0.5, 0], [0.5, 1], [0, 1]]]}
PATH = "/v1/models/parts"
SEEDS = range(500, 512)
ASKED = {"region": LEFT, "false_alarm_rate": 0.1, "reason": "the fixture is visible"}


@pytest.fixture
def server(bundle: Path, tmp_path: Path) -> Iterator[Site]:
    shutil.copytree(bundle, tmp_path / "parts.twin")
    with site(tmp_path / "parts.twin", tmp_path / "data") as server:
        yield server


def judge(server: Site, *images: bytes, verdict: str = "good") -> None:
    for row in server.scored(*images):
        server.client.post("/v1/feedback", json={"inspection_id": row["id"], "verdict": verdict})


def calibrate(server: Site, **changes: Any) -> Any:
    return server.client.post(f"{PATH}/calibrate", json={**ASKED, **changes})


def folder_of(server: Site) -> Path:
    folder: Path = server.worker.folder
    return folder


def test_a_drawn_region_takes_effect_as_by_the_command(server: Site, tmp_path: Path) -> None:
    judge(server, *map(good, SEEDS))
    answer = calibrate(server).json()
    assert (answer["images"], answer["looks_at"]) == (12, "50 % of each image")
    served = (
        server.worker.active.calibration
    )  # read now: the server will take up what restore_earlier puts back
    (tmp_path / "roi.json").write_text(json.dumps(LEFT))
    (tmp_path / "good").mkdir()
    for seed in SEEDS:
        (tmp_path / "good" / f"{seed}.png").write_bytes(good(seed))
    restore_earlier(folder_of(server))
    expected = ts.load(folder_of(server), runtime="torch").calibrate(
        tmp_path / "good", roi=tmp_path / "roi.json", false_alarm_rate=0.1
    )
    assert served.scores == pytest.approx(expected.calibration_.scores, rel=1e-6)
    assert served.map_peaks["parts"] == pytest.approx(expected.calibration_.map_peaks[""], rel=1e-6)
    assert answer["calibration"]["threshold"] == pytest.approx(expected.calibration_.threshold, rel=1e-6)


def test_it_is_in_force_at_once_kept_in_the_folder_and_recorded(server: Site) -> None:
    judge(server, *map(good, SEEDS))
    before = server.worker.active.id
    answer = calibrate(server).json()["calibration"]
    (model,) = server.client.get("/v1/models").json()["models"]
    assert (model["calibration"], model["looks_at"]) == (answer, "50 % of each image")
    assert (answer["created_by"], answer["reason"]) == ("local", "the fixture is visible")
    (row,) = server.scored(bad(1))
    assert (row["calibration_id"], row["threshold"]) == (answer["id"], answer["threshold"])
    values = server.client.get(row["map_url"], params={"format": "npz"})
    with np.load(io.BytesIO(values.content), allow_pickle=False) as arrays:
        assert arrays["map"][:, :24].any()
        assert not arrays["map"][:, 24:].any()
    assert ts.load(folder_of(server)).scope_.describe() == "50 % of each image"  # type: ignore[union-attr]
    restore_earlier(folder_of(server))  # twinspect calibrate --undo
    server.context.registry.check_for_changes()
    assert server.worker.active.id == before


def test_a_dry_run_says_what_would_be_used_and_changes_nothing(server: Site) -> None:
    judge(server, *map(good, SEEDS))
    record = (folder_of(server) / "model.json").read_bytes()
    answer = calibrate(server, dry_run=True, reason="").json()
    assert (answer["images"], answer["false_alarm_rate"], answer["calibration"]) == (12, 0.1, None)
    assert (folder_of(server) / "model.json").read_bytes() == record


def test_without_a_region_threshold_and_level_are_renewed(server: Site) -> None:
    judge(server, *map(good, SEEDS))
    peaks = server.worker.active.calibration.map_peaks
    answer = calibrate(server, region=None).json()
    assert answer["looks_at"] is None
    renewed = server.worker.active.calibration
    assert len(renewed.map_peaks["parts"]) == 12
    assert renewed.map_peaks != peaks
    assert ts.load(folder_of(server)).scope_ is None


def test_too_few_images_say_how_many_are_needed_and_what_to_type(server: Site) -> None:
    judge(server, good(2), good(500))  # the first is one of the training images
    judge(server, bad(3), verdict="defect")
    answer = calibrate(server, false_alarm_rate=0.05)
    assert code(answer) == (422, "cannot_promise")
    assert answer.json()["error"]["message"] == (
        "1 of 2 images judged good can be scored anew (not those learnt from or removed), and at most 5 % false "
        "alarms takes 19: judge 18 more, or type: twinspect calibrate parts.twin GOOD --roi roi.json"
    )


def test_what_cannot_be_is_refused_before_anything_is_scored(server: Site) -> None:
    judge(server, *map(good, SEEDS))
    crossing = {"look": [[[0, 0], [1, 1], [1, 0], [0, 1]]]}
    answer = calibrate(server, region=crossing)
    assert code(answer) == (422, "invalid_request")
    assert "the region, look, polygon 1: its sides" in answer.json()["error"]["message"]
    assert code(calibrate(server, region={"ignore": [[[0, 0], [1, 0], [1, 1], [0, 1]]]}))[0] == 422
    assert code(calibrate(server, reason=" ")) == (422, "invalid_request")
    assert code(server.client.get(f"{PATH}/reference")) == (404, "not_found")


def test_a_large_drawing_is_taken(server: Site) -> None:
    judge(server, *map(good, SEEDS))
    square = [[0.123456, 0.123456], [0.823456, 0.123456], [0.823456, 0.823456], [0.123456, 0.823456]]
    assert calibrate(server, region={"look": [square] * 1500}, dry_run=True).status_code == 200


def test_only_the_role_of_recalibration_may(bundle: Path, tmp_path: Path) -> None:
    token = add_token(tmp_path / "tokens", "ann:inspect")
    with site(bundle, tmp_path / "data", token_file=tmp_path / "tokens") as server:
        server.client.headers["Authorization"] = f"Bearer {token}"
        assert code(calibrate(server, dry_run=True)) == (403, "role_too_low")


def test_a_region_is_drawn_on_the_reference_of_an_aligned_model(parts: Path, tmp_path: Path) -> None:
    detector = ts.Detector("padim", teacher="pocket", size=64, align="shift", workers=0).fit(parts)
    detector.save(tmp_path / "parts.twin")
    with site(tmp_path / "parts.twin", tmp_path / "data") as server:
        (model,) = server.client.get("/v1/models").json()["models"]
        drawn_on = Image.open(io.BytesIO(server.client.get(model["reference_url"]).content))
        assert drawn_on.size == (48, 48)
        judge(server, *map(good, SEEDS))
        assert calibrate(server).json()["looks_at"] == "50 % of each image, aligned by shift"


def test_what_would_not_be_in_force_is_refused(server: Site) -> None:
    judge(server, *map(good, SEEDS))
    record = (folder_of(server) / "model.json").read_bytes()
    with server.worker._calibrating:
        assert "is being calibrated already" in calibrate(server).json()["error"]["message"]
    server.worker._runtime = "onnx"
    answer = calibrate(server)
    assert code(answer) == (409, "conflict")
    assert "and then twinspect export parts.twin" in answer.json()["error"]["message"]
    assert (folder_of(server) / "model.json").read_bytes() == record


def test_an_export_that_will_not_score_any_more_is_told_before() -> None:
    assert export_note("onnx-fp32", "parts", LEFT) == (
        "the export onnx-fp32 looks where it did when it was made, so torch scores from then on; for another export "
        "type: twinspect export parts.twin"
    )
    assert export_note("onnx-fp32", "parts", None) == export_note("torch", "parts", LEFT) == ""
