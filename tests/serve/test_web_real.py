"""The page on the real server, with a small model and a store: the main path of each page in headless Chromium."""

from __future__ import annotations

import csv
import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("fastapi")

from browsing import launched, opened
from prefix_proxy import PREFIX, proxied
from serving import Site, bad, good, listening, site
from twinspect.drawing.heatmaps import BEGIN, GROWTH, STRONGEST
from twinspect.serve.http.request_guard import SECURITY_HEADERS
from twinspect.serve.http.tokens import add_token
from twinspect.serve.store import Filter
from web_files import WEB
from web_stub import CSP

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture
def server(bundle: Path, tmp_path: Path) -> Iterator[Site]:
    shutil.copytree(bundle, tmp_path / "parts.twin")  # some tests change it
    with site(tmp_path / "parts.twin", tmp_path / "data") as server:
        yield server


@pytest.fixture
def page(browser: Browser, server: Site) -> Iterator[Page]:
    with listening(server) as address:
        yield from opened(browser, address)


def file(name: str, data: bytes) -> dict[str, Any]:
    return {"name": name, "mimeType": "image/png", "buffer": data}


def test_inspect_to_history(page: Page, server: Site) -> None:
    page.goto("/")
    given = [file("good 1.png", good(301)), file("bad.png", bad(302)), file("good 2.png", good(303))]
    page.set_input_files("input[type=file]", [*given, file("notes.txt", b"no picture")])
    page.get_by_text(re.compile(r"^4 images, \d anomalous, 1 not scored\.$")).wait_for()
    page.get_by_role("button", name="notes.txt").click()
    refused = page.get_by_role("article", name="notes.txt").get_by_role("alert").inner_text()
    assert "PNG" in refused

    page.get_by_role("button", name="bad.png").click()
    shown = page.get_by_role("article", name="bad.png")
    rows = {row["name"]: row for row in server.client.get("/v1/inspections").json()["inspections"]}
    assert sorted(rows) == ["bad.png", "good 1.png", "good 2.png"]
    row = rows["bad.png"]
    assert row["source"] == "web"
    assert f"A score this high {row['in_words']}." in shown.inner_text()
    assert ("Anomalous" in shown.inner_text()) == row["is_anomalous"]
    page.locator(".contours path.line").first.wait_for(state="attached")
    assert page.locator(".heat").evaluate(HEAT) == [48, 48, True]
    page.get_by_label("Comment").fill("a scratch")
    page.get_by_label("Comment").press("Tab")
    page.keyboard.press("d")
    page.get_by_text("Marked defect by local").wait_for()
    feedback = server.client.get(f"/v1/inspections/{row['id']}").json()["feedback"]
    assert (feedback["verdict"], feedback["comment"], feedback["by"]) == ("defect", "a scratch", "local")

    page.get_by_role("link", name="History").click()
    page.get_by_text("1 to 3 of 3 images").wait_for()
    page.get_by_label("Source").select_option("watch")
    page.get_by_text("No image fits").wait_for()
    page.get_by_label("Source").select_option("web")
    page.get_by_text("1 to 3 of 3 images").wait_for()
    page.get_by_label("Feedback").select_option("defect")
    page.get_by_text("1 to 1 of 1 image").wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export CSV").click()
    with download.value.path().open(newline="") as table:
        lines = list(csv.DictReader(table))
    assert [(line["name"], line["feedback"], line["comment"]) for line in lines] == [
        ("bad.png", "defect", "a scratch")
    ]
    assert float(lines[0]["score"]) == row["score"]
    page.locator("img.mini[src]").first.wait_for()


HEAT = """heat => {
    const canvas = new OffscreenCanvas(heat.naturalWidth, heat.naturalHeight);
    const pen = canvas.getContext("2d");
    pen.drawImage(heat, 0, 0);
    const {data} = pen.getImageData(0, 0, canvas.width, canvas.height);
    return [canvas.width, canvas.height, data.some((value, place) => place % 4 === 3 && value > 0)];
}"""


def test_a_watched_folder_shows_its_own_images(bundle: Path, browser: Browser, tmp_path: Path) -> None:
    folders = [tmp_path / "north", tmp_path / "south"]
    for number, folder in enumerate(folders):
        folder.mkdir()
        (folder / f"part {number}.png").write_bytes(good(number))
    with site(bundle, tmp_path / "data", watched=tuple(folders)) as server, listening(server) as address:
        server.scored(good(7))
        for page in opened(browser, address):
            page.goto("/")
            page.get_by_label("Watched folder").select_option("south")
            page.get_by_text(re.compile(r"^south: 1 image, \d anomalous\.$")).wait_for()
            page.get_by_role("button", name="part 1.png").wait_for()
            assert page.locator(".tile").count() == 1


@pytest.mark.parametrize(("root_path", "strips"), [("", True), (PREFIX, False)])
def test_the_page_works_behind_a_prefix(
    bundle: Path, browser: Browser, tmp_path: Path, root_path: str, strips: bool
) -> None:
    tokens = tmp_path / "tokens.txt"
    token = add_token(tokens, "anna:admin")
    with (
        site(bundle, tmp_path, root_path=root_path, token_file=tokens) as server,
        listening(server, root_path=root_path, token_file=tokens) as upstream,
        proxied(upstream, strips=strips) as address,
    ):
        for page in opened(browser, address):
            outside: list[str] = []
            page.on(
                "request",
                lambda request, found=outside: (
                    None if request.url.startswith((address, "blob:")) else found.append(request.url)
                ),
            )
            page.goto(address)
            page.get_by_role("textbox", name="Token").fill(token)
            page.get_by_role("button", name="Continue").click()
            page.set_input_files("input[type=file]", [file("bad.png", bad(302))])
            page.locator(".contours path.line").first.wait_for(state="attached")
            page.keyboard.press("d")
            page.get_by_text("Marked defect by anna").wait_for()
            page.get_by_role("link", name="History").click()
            page.locator("img.mini[src]").first.wait_for()
            with page.expect_download():
                page.get_by_role("button", name="Export CSV").click()
            for name in ("Threshold", "Drift", "Feedback"):
                page.get_by_role("link", name=name).click()
                page.locator(f".page.{name.lower()}").wait_for()
            assert outside == []


def test_threshold_and_back(page: Page, server: Site) -> None:
    server.scored(*(good(500 + seed) for seed in range(6)), *(bad(600 + seed) for seed in range(3)))
    first = server.worker.active
    page.goto("/#/threshold")
    page.get_by_label("False-alarm rate").press("End")
    page.get_by_text("Decisions that change").wait_for()
    rate = float(re.search(r"[\d.]+", page.locator("output.big").inner_text())[0]) / 100  # type: ignore[index]
    whatif = server.client.get("/v1/models/parts/whatif", params={"rate": rate}).json()
    assert f"{whatif['anomalous_recent']} of 9" in page.locator(".outcome").inner_text()
    page.get_by_role("button", name="Apply as a new record").click()
    page.get_by_label("Reason, for the record").fill("new lamp")
    page.get_by_role("button", name="Apply", exact=True).click()
    page.get_by_role("cell", name="local: new lamp").wait_for()
    second = server.worker.active
    assert second.parent_id == first.id
    assert second.calibration.false_alarm_rate == pytest.approx(rate, abs=1e-3)
    assert second.calibration.threshold < first.calibration.threshold
    page.get_by_role("button", name=f"Roll back to record {first.id}").click()
    page.get_by_label("Reason, for the record").fill("too many alarms")
    page.get_by_role("button", name="Roll back", exact=True).click()
    page.get_by_role("cell", name="local: too many alarms").wait_for()
    assert server.worker.active.calibration == first.calibration
    actions = [row.action for row in server.context.store.audit(server.worker.id, 10)]
    assert len(actions) == 3


def test_a_proposal_from_images_that_people_called_good(page: Page, server: Site) -> None:
    for row in server.scored(*(good(500 + seed) for seed in range(12))):
        feedback = {"inspection_id": row["id"], "verdict": "good"}
        assert server.client.post("/v1/feedback", json=feedback).status_code == 200
    page.goto("/#/threshold")
    page.get_by_label("Rank against").select_option("confirmed+calibration")
    images = 12 + len(server.worker.active.calibration.scores)
    page.get_by_text(f"From {images} good images").wait_for()


def test_drift_before_a_window_is_full_and_after(page: Page, server: Site) -> None:
    page.goto("/#/drift")
    page.get_by_text("No window is full yet").wait_for()
    server.scored(*(good(700 + seed) for seed in range(20)))
    page.get_by_role("combobox", name="Window").select_option("20")
    page.get_by_text("If nothing had changed, at most").wait_for()
    page.locator("figure svg").first.wait_for()


def test_feedback_and_disagreements(page: Page, server: Site) -> None:
    rows = server.scored(good(801), good(802))
    page.goto("/#/feedback")
    page.get_by_role("article", name="1.png").wait_for()
    verdict = "g" if rows[1]["is_anomalous"] else "d"
    page.keyboard.press(verdict)
    page.get_by_role("article", name="0.png").wait_for()
    page.get_by_role("button", name="Disagreements").click()
    page.get_by_text("This contradicts the model").wait_for()
    assert [row.id for row in server.context.store.search(Filter(feedback="disagree")).rows] == [
        rows[1]["id"]
    ]


def test_tokens_of_a_file_and_what_their_roles_allow(bundle: Path, browser: Browser, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.txt"
    token = add_token(tokens, "ann:view")
    with site(bundle, tmp_path / "data", token_file=tokens) as server, listening(server) as address:
        for page in opened(browser, address):
            page.goto("/#/threshold")
            field, go = page.get_by_role("textbox", name="Token"), page.get_by_role("button", name="Continue")
            field.fill("wrong")
            go.click()
            page.get_by_text("The server does not know this token").wait_for()
            field.fill(token)
            go.click()
            page.get_by_text("the token of ann has the role view").first.wait_for()
            page.get_by_label("Rank against").select_option("confirmed")
            page.locator(".sheet > .problem").wait_for()  # nobody called anything good yet


def test_the_page_knows_how_the_server_colours_maps() -> None:
    text = (WEB / "contours.js").read_text(encoding="utf-8")
    assert float(re.search(r"STRONGEST = ([\d.]+);", text)[1]) == STRONGEST  # type: ignore[index]
    assert float(re.search(r"BEGIN = ([\d.]+);", text)[1]) == BEGIN  # type: ignore[index]
    assert float(re.search(r"GROWTH = ([\d.]+);", text)[1]) == GROWTH  # type: ignore[index]


def test_the_stub_keeps_the_servers_policy() -> None:
    def parts(policy: str) -> set[str]:
        return set(policy.split("; "))

    assert parts(SECURITY_HEADERS["Content-Security-Policy"]) == parts(CSP)


def test_a_drawn_region_is_applied_with_a_confirmation(page: Page, server: Site) -> None:
    rows = server.scored(*map(good, range(500, 530)))
    page.goto("/#/region")
    page.get_by_role("button", name="Score anew where it looks now").click()
    page.get_by_text("0 images judged good can be scored anew").wait_for()
    for row in rows:
        server.client.post("/v1/feedback", json={"inspection_id": row["id"], "verdict": "good"})
    page.get_by_label("Right").fill("60")
    page.get_by_role("button", name="Add rectangle").click()
    page.get_by_role("button", name="Look there from now on").click()
    page.get_by_text("30 images judged good are scored anew").wait_for()
    page.get_by_text("The model then looks at 40.1 % of each image").wait_for()
    page.get_by_label("Reason, for the record").fill("only the left")
    page.get_by_role("button", name="Score and apply").click()
    page.get_by_text("The model looks at 40.1 % of each image.").wait_for()
    assert len(server.worker.active.calibration.scores) == 30
