"""The pages Products and Product in a real, headless Chromium, over a stub of the studio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from browsing import launched, opened
from studio_stub import Studio, source
from web_stub import World, serve_world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

CAMERA = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched(*CAMERA) as browser:
        yield browser


@pytest.fixture
def world() -> World:
    world = World()
    world.studio = Studio(names=["bolts"])
    return world


@pytest.fixture
def studio(world: World) -> Studio:
    assert world.studio is not None
    return world.studio


@pytest.fixture
def page(browser: Browser, world: World) -> Iterator[Page]:
    for address in serve_world(world):
        yield from opened(browser, address, permissions=["camera"])


def files(*names: str) -> list[dict[str, Any]]:
    return [{"name": name, "mimeType": "image/png", "buffer": b"picture"} for name in names]


def test_from_an_empty_studio_to_a_trained_version(page: Page, world: World, studio: Studio) -> None:
    studio.names.clear()
    page.goto("/#/products")
    page.get_by_role("button", name="brick").click()
    page.get_by_role("radio", name="1 minute").check()
    page.get_by_role("button", name="Start training").click()
    page.get_by_text("Training: 25 % done, about 45 s left").last.wait_for()
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Pause").wait_for()
    studio.end()
    page.get_by_role("heading", name="Version 1").wait_for()
    page.get_by_text("At most 5.88 % false alarms").wait_for()
    page.get_by_role("row", name="at most 1 % false alarms 248 208").wait_for()
    assert (
        page.get_by_role("link", name="Open the report").get_attribute("href")
        == "v1/products/bolts/versions/1/report"
    )
    assert [(path, body.get("minutes")) for path, body in world.sent] == [
        ("/v1/products", None),
        ("/v1/products/brick/jobs", 1),
        ("/v1/jobs/7/pause", None),
        ("/v1/jobs/7/resume", None),
    ]


def test_a_new_product_gets_photos_of_every_kind(page: Page, world: World, studio: Studio) -> None:
    studio.names.clear()
    page.goto("/#/products")
    page.get_by_role("button", name="New product").click()
    page.get_by_label("Name of the product").fill("bolts")
    page.get_by_role("button", name="Create").click()
    page.get_by_text("No good photos yet").wait_for()
    page.set_input_files("input[type=file] >> nth=0", files("a.png", "b.png", "c.png", "notes.txt"))
    page.get_by_text("3 photos added. 1 was not taken:").wait_for()
    page.get_by_role("heading", name="3 good photos").wait_for()
    page.get_by_label("defects: kept to test").check()
    page.set_input_files("input[type=file] >> nth=0", files("scratch.png"))
    page.get_by_role("heading", name="1 photo of a defect").wait_for()
    page.get_by_role("button", name="is a defect a.png").click()
    page.get_by_role("heading", name="2 good photos").wait_for()
    page.get_by_role("button", name="Check the photos").click()
    page.get_by_text("1 photo looks unlike the others.").wait_for()
    page.get_by_label("good parts: the model learns").check()
    page.get_by_role("button", name="From inspected images").click()
    page.get_by_label("Which").select_option("")
    page.get_by_role("checkbox", name="part 039.png").check()
    page.get_by_role("button", name="Add those chosen").click()
    page.get_by_role("heading", name="3 good photos").wait_for()
    assert world.sent[-1][1] == {"inspection_ids": [40], "role": "good"}


def test_photos_are_taken_with_a_camera(page: Page, studio: Studio) -> None:
    page.goto("/#/product/bolts/photos")
    page.get_by_role("button", name="Take with a camera").click()
    page.get_by_role("button", name="Take a photo").click()
    page.get_by_text("1 photo taken").wait_for()
    page.get_by_role("button", name="Finish").click()
    page.get_by_text("1 photo added.").wait_for()
    assert studio.photos[0]["name"].startswith("camera ")


def test_a_region_is_drawn_on_a_photo(page: Page, studio: Studio) -> None:
    studio.photo("a.png", "good")
    page.goto("/#/product/bolts/photos")
    page.get_by_text("Where to look (optional)").click()
    page.locator("svg.paper[viewBox='0 0 128 96']").wait_for()
    page.get_by_role("button", name="Add rectangle").click()
    page.get_by_role("button", name="Look there").click()
    page.get_by_text("Trainings look at a drawn region.").wait_for()
    assert studio.region == {"look": [[[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]], "ignore": None}


def test_an_update_is_compared_before_it_decides_and_is_rolled_back(
    page: Page, world: World, studio: Studio
) -> None:
    studio.version()
    studio.version("update", worse=True)
    studio.active = 1
    page.goto("/#/product/bolts/versions")
    page.get_by_text("Judged and not learnt yet: 3 good (2 of them false alarms), 1 defects").wait_for()
    second = page.get_by_role("region", name="Version 2")
    second.get_by_text("Worse than the version before").wait_for()
    assert second.get_by_role("row", name="Defects missed 2 of 8 3 of 8").is_visible()
    second.get_by_role("button", name="Put on trial").click()
    page.get_by_text("It would have decided otherwise on 1 of 20 images.").wait_for()
    second.get_by_role("button", name="Let it decide").click()
    page.get_by_text("On images that both know it does worse").wait_for()
    page.get_by_label("Reason, for the record").fill("fewer false alarms")
    page.get_by_role("button", name="Let it decide", exact=True).or_(
        page.get_by_role("dialog").get_by_role("button", name="Let it decide")
    ).last.click()
    second.get_by_text("Decides", exact=True).wait_for()
    first = page.get_by_role("region", name="Version 1")
    first.get_by_text("onnx is in the download").wait_for()
    first.get_by_role("button", name="Roll back to it").click()
    page.get_by_label("Reason, for the record").fill("it missed one")
    page.get_by_role("dialog").get_by_role("button", name="Let it decide").click()
    first.get_by_text("Decides", exact=True).wait_for()
    reasons = [body["reason"] for path, body in world.sent if path.endswith("/activate")]
    assert reasons == ["fewer false alarms", "it missed one"]


def test_results_go_to_the_line_and_images_come_from_cameras(
    page: Page, world: World, studio: Studio
) -> None:
    studio.sources.append(source())
    studio.active = 1
    page.goto("/#/product/bolts/line")
    page.get_by_text("a target does not answer").wait_for()
    page.get_by_role("article", name="camera left").get_by_text("What it sees").click()
    page.locator("img.frame[src]").wait_for()
    page.get_by_role("button", name="Add a target").click()
    page.get_by_label("Address").fill("https://plant.local/hook")
    page.get_by_label("Which results").select_option("anomalous")
    page.get_by_role("button", name="Add", exact=True).click()
    card = page.get_by_role("article", name="Webhook (HTTP) plant.local")
    card.get_by_text("connection refused").wait_for()
    card.get_by_role("button", name="Send a test").click()
    page.get_by_text("The test arrived, in 12.3 ms.").wait_for()
    target = {"kind": "webhook", "url": "https://plant.local/hook"}
    assert world.sent[0] == ("/v1/models/bolts/sinks", {"target": target, "results": "anomalous"})


def test_a_product_without_a_version_has_a_line_that_stands(page: Page) -> None:
    red = {"light": "red", "reasons": [], "is_inspecting": False, "since": None, "version": None}
    page.route("**/health", lambda route: route.fulfill(json={**red, "last_image": None}))
    page.goto("/#/product/bolts/line")
    page.get_by_text("It does not inspect.").wait_for()


def test_a_newer_version_that_does_not_decide_says_so_in_its_result(page: Page, studio: Studio) -> None:
    studio.version()
    studio.version("update")
    studio.active = 1
    studio.photos += [studio.photo(name, "good") for name in ("a.png", "b.png")]
    page.goto("/#/product/bolts/result")
    page.get_by_text("4 judged images are not learnt from yet: update the model.").wait_for()
    page.get_by_text("Version 1 decides. This newer one does once you let it").wait_for()


def test_a_product_is_taken_out_with_a_reason(page: Page, world: World) -> None:
    page.goto("/#/product/bolts/photos")
    page.get_by_role("button", name="Take this product out").click()
    page.get_by_label("Reason, for the record").fill("no longer made")
    page.get_by_role("button", name="Take it out").click()
    page.get_by_role("heading", name="Products").wait_for()
    assert world.sent == [("/v1/products/bolts", {"reason": "no longer made"})]


def test_a_server_that_only_inspects_says_so(browser: Browser) -> None:
    for address in serve_world(World()):
        for page in opened(browser, address):
            page.goto("/#/products")
            page.get_by_text("This server only inspects.").wait_for()
            assert page.get_by_role("link", name="parts").get_attribute("href") == "#/product/parts/line"


def test_a_product_without_a_version_says_that_it_does_not_inspect(page: Page, studio: Studio) -> None:
    page.goto("/#/product/bolts/line")
    page.get_by_text("It does not inspect.").wait_for()
    page.get_by_text("there is no version yet").wait_for()
    page.get_by_role("button", name="Add a target").wait_for()
