"""The web page in a real, headless Chromium: the main path of each page, keys, the token, and a silent console."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from browsing import launched, opened
from twinspect.regions.region_file import read_region
from twinspect.utils.spelling import spell
from web_files import WEB
from web_stub import HOSTILE, World, serve_world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def address(world: World) -> Iterator[str]:
    yield from serve_world(world)


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    yield from opened(browser, address)


def files(*names: str) -> list[dict[str, Any]]:
    return [{"name": name, "mimeType": "image/png", "buffer": b"picture"} for name in names]


def test_inspect_from_upload_to_feedback(page: Page, world: World) -> None:
    page.goto("/")
    page.set_input_files("input[type=file]", files("bolt 1.png", "bolt 2 bad.png", "notes.txt"))
    page.get_by_text("3 images, 1 anomalous, 1 not scored.").wait_for()
    page.get_by_role("button", name="bolt 2 bad.png").click()
    shown = page.get_by_role("article", name="bolt 2 bad.png")
    assert "Anomalous" in shown.inner_text()
    assert "A score this high would be seen in 1 of 200 good parts." in shown.inner_text()
    lines = page.locator(".contours path.line")
    lines.first.wait_for(state="attached")
    assert lines.count() == 2
    page.get_by_label("Contours").uncheck()
    assert not page.locator(".contours").is_visible()
    page.get_by_label("Heat map").fill("0")
    assert page.locator(".heat").evaluate("heat => heat.style.opacity") == "0"
    page.keyboard.press("d")
    page.get_by_role("button", name="bolt 2 bad.png Anomalous you: defect").wait_for()
    expected = {"inspection_id": 42, "verdict": "defect", "comment": ""}
    assert world.sent == [("/v1/feedback", expected)]
    page.get_by_role("button", name="notes.txt").click()
    assert "This is no image file" in page.get_by_role("article", name="notes.txt").inner_text()


def test_a_notice_stands_beside_the_verdict_which_stays(page: Page, world: World) -> None:
    notice = "the map's peak is 1.4 times as high as any good image's, though the score is not"
    world.inspections[-1] |= {"name": "leg.png", "is_anomalous": False, "notice": notice}
    page.goto("/#/history")
    page.get_by_role("button", name="leg.png").first.click()
    shown = page.get_by_role("article", name="leg.png")
    shown.get_by_text("The map's peak is 1.4 times as high").wait_for()
    assert "Good" in shown.inner_text()


def test_regions_are_boxes_and_a_list_that_mark_each_other(page: Page, world: World) -> None:
    region = {"box": [96, 60, 20, 12], "area_px": 180, "extent_px": 21.5, "p_value": 0.01}
    world.inspections[-1] |= {"name": "leg.png", "regions": [{**region, "box": [8, 4, 5, 5]}, region]}
    world.inspections[-1]["regions"][0] |= {"words": ["darker", "less texture"], "good_patch": [0, 8, 4]}
    page.goto("/#/history")
    page.get_by_role("button", name="leg.png").first.click()
    shown = page.get_by_role("article", name="leg.png")
    boxes = shown.locator(".boxes rect")
    boxes.last.wait_for(state="attached")
    assert boxes.count() == 2
    assert shown.locator(".regions .words").all_inner_texts() == ["darker, less texture"]
    assert shown.get_by_alt_text("Region 1, and to its right the good patch").count() == 1
    assert shown.locator(".regions .pair").count() == 1
    entry = shown.get_by_role("button", name="180 pixels, 21.5 px long").last
    entry.hover()
    assert boxes.last.evaluate("box => box.classList.contains('marked')")
    entry.click()
    assert shown.locator(".stage.full").count() == 1
    shown.get_by_label("Boxes").uncheck()
    assert not shown.locator(".boxes").is_visible()


def test_a_region_that_is_drawn_is_a_file_for_roi(page: Page, tmp_path: Path) -> None:
    page.goto("/#/region")
    paper = page.get_by_label("Drawing")
    paper.wait_for()
    page.locator("svg.paper[viewBox='0 0 128 96']").wait_for()

    def at(x: float, y: float) -> tuple[float, float]:
        box = paper.bounding_box()
        assert box
        scale = min(box["width"] / 128, box["height"] / 96)
        left, top = box["x"] + (box["width"] - 128 * scale) / 2, box["y"] + (box["height"] - 96 * scale) / 2
        return left + x * scale, top + y * scale

    def drag(*points: tuple[float, float]) -> None:
        page.mouse.move(*at(*points[0]))
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*at(*point))
        page.mouse.up()

    keep = page.get_by_role("button", name="Keep as roi.json")
    assert keep.is_disabled()
    drag((32, 24), (96, 72))
    page.get_by_role("button", name="Ignore", exact=True).click()
    page.get_by_role("button", name="Polygon").click()
    for corner in ((40, 30), (60, 60), (60, 30), (40, 60)):  # crosses itself
        page.mouse.click(*at(*corner))
    page.keyboard.press("Enter")
    page.get_by_text("This outline crosses itself").wait_for()
    page.keyboard.press("Escape")
    for corner in ((40, 30), (60, 30), (60, 60)):
        page.mouse.click(*at(*corner))
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Brush").click()
    drag((70, 40), (80, 40), (90, 40))
    page.get_by_role("button", name="Look here").click()
    page.get_by_role("button", name="Add rectangle").click()
    page.get_by_text("2 areas").first.wait_for()
    page.get_by_role("button", name="Undo").click()
    with page.expect_download() as waiting:
        keep.click()
    waiting.value.save_as(tmp_path / waiting.value.suggested_filename)
    region = read_region(tmp_path / "roi.json").at(96, 128)
    rows, columns = np.mgrid[:96, :128]
    inside = (columns >= 32) & (columns < 96) & (rows >= 24) & (rows < 72)
    triangle = (columns < 60) & (rows >= 30) & (rows - 30 < 1.5 * (columns - 40))
    brush = (abs(rows + 0.5 - 40) < 4) & (columns >= 68) & (columns < 92)  # 5 % of the shorter side
    expected = inside & ~triangle & ~brush
    assert (region & ~inside).sum() <= 160  # a pixel along each edge: the mouse moves by whole pixels
    assert (region & expected).sum() >= 0.93 * expected.sum()
    assert (region & triangle).sum() <= 0.15 * triangle.sum()
    assert not region[40, 72:88].any()


def test_a_frame_that_cannot_be_inspected_is_neither_good_nor_anomalous(page: Page, world: World) -> None:
    reason = "far darker than any good image"
    world.inspections[-1] |= {
        "name": "dark.png",
        "is_anomalous": False,
        "is_inspectable": False,
        "not_inspectable": reason,
        "in_words": None,
    }
    page.goto("/#/history")
    page.get_by_role("button", name="dark.png").first.click()
    shown = page.get_by_role("article", name="dark.png")
    shown.wait_for()
    assert "Not inspectable" in shown.inner_text()
    assert f"Neither good nor anomalous: {reason}." in shown.inner_text()


def test_contours_lie_on_the_heat_map(page: Page) -> None:
    """The stub's spot is round about (80, 35) of 128 x 96 for inspection 1; the line must be too."""
    page.goto("/")
    page.set_input_files("input[type=file]", files("bolt.png"))
    page.locator(".contours path.line").first.wait_for(state="attached")
    box = page.locator(".contours path.line").first.evaluate(
        "line => (({x, y, width, height}) => [x, y, width, height])(line.getBBox())"
    )
    number = 41
    assert box[0] + box[2] / 2 == pytest.approx(80.5, abs=0.5)
    assert box[1] + box[3] / 2 == pytest.approx(30.5 + 5 * (number % 6), abs=0.5)
    # the opacity is that of place 1/2 where exp(-r^2 / 300) = 1/2
    assert box[2] / 2 == pytest.approx((300 * 0.6931) ** 0.5, abs=0.5)
    stage, line = (
        page.locator(".part").bounding_box(),
        page.locator(".contours path.line").first.bounding_box(),
    )
    assert stage
    assert line
    scale = min(stage["width"] / 128, stage["height"] / 96)
    assert line["x"] + line["width"] / 2 == pytest.approx(
        stage["x"] + stage["width"] / 2 + scale * (80.5 - 64), abs=2
    )


def test_the_threshold_page_says_what_the_model_would_find(browser: Browser) -> None:
    world = World()
    world.usable = False
    for address in serve_world(world):
        for page in opened(browser, address):
            page.goto("/#/threshold")
            page.get_by_text("synthetic defects, not real ones").wait_for()
            page.get_by_text("Not usable yet").wait_for()


def test_a_role_that_may_only_look_sees_why(browser: Browser) -> None:
    world = World(role="view")
    for address in serve_world(world):
        for page in opened(browser, address):
            page.goto("/")
            page.get_by_text(
                "Scoring images needs the role inspect; the token of ann has the role view."
            ).wait_for()
            assert page.get_by_role("button", name="Choose images").is_disabled()
            page.goto("/#/feedback")
            page.get_by_text("Saying so needs the role inspect").wait_for()
            assert page.get_by_role("button", name="Defect").is_disabled()
            page.keyboard.press("d")
            page.goto("/#/threshold")
            page.get_by_label("Rank against").select_option("confirmed+calibration")
            page.get_by_text("that is a biased sample").wait_for()
            assert page.get_by_role("button", name="Apply as a new record").is_disabled()
            page.get_by_text("Applying a new record needs the role admin").wait_for()
            assert not page.get_by_role("button", name="Roll back").is_visible()
            assert [body["dry_run"] for _, body in world.sent] == [True]


def test_uploads_in_chunks_wait_while_the_server_is_busy(page: Page, world: World) -> None:
    world.busy = 1
    page.goto("/")
    page.set_input_files("input[type=file]", files(*(f"{number}.png" for number in range(19))))
    page.get_by_text("the server is busy, next try in 1 s").wait_for()
    page.get_by_text("19 images, 0 anomalous.").wait_for()
    assert page.locator(".tile").count() == 19


def test_what_a_proxy_refuses_says_so_beside_the_name_as_the_server_spells_it(page: Page) -> None:
    page.route("**/v1/score*", lambda route: route.fulfill(status=413, body="<html>Too large</html>"))
    page.goto("/")
    name = "tab\t漢😀 \u202e.png"
    page.set_input_files("input[type=file]", files(name))
    page.get_by_role("button", name=spell(name)).click()
    refused = page.get_by_role("article", name=spell(name)).get_by_role("alert").inner_text()
    assert "of a proxy in front of the server: it may allow smaller files only" in refused


def test_a_drop_and_a_paste_are_scored(page: Page) -> None:
    page.goto("/")
    page.get_by_role("heading", name="Inspect").wait_for()
    for kind, holder in (("drop", "dataTransfer"), ("paste", "clipboardData")):
        page.evaluate(
            """([kind, holder]) => {
                const transfer = new DataTransfer();
                transfer.items.add(new File(["picture"], `${kind}.png`, {type: "image/png"}));
                const event = new Event(kind, {bubbles: true, cancelable: true});
                Object.defineProperty(event, holder, {value: transfer});
                document.querySelector(".page").dispatchEvent(event);
            }""",
            [kind, holder],
        )
        page.get_by_role("button", name=re.compile(f"^{kind}")).wait_for()


def test_a_watched_folder_fills_the_grid(page: Page, world: World) -> None:
    world.add("from the line.png", 4.0, source="watch")
    page.goto("/")
    page.get_by_label("Watched folder").select_option("line 1")
    page.get_by_text("line 1: 1 image, 1 anomalous.").wait_for()


def test_history_filters_pages_and_exports(page: Page, world: World) -> None:
    page.goto("/#/history")
    page.get_by_text("1 to 25 of 40 images").wait_for()
    assert page.get_by_role("button", name=HOSTILE).is_visible()  # as text, not as a picture
    page.get_by_role("button", name="Older").click()
    page.get_by_text("26 to 40 of 40 images").wait_for()
    page.get_by_role("button", name="Newer").click()
    page.get_by_text("1 to 25 of 40 images").wait_for()
    page.get_by_label("Decision").select_option("anomalous")
    flagged = sum(row["is_anomalous"] for row in world.inspections)
    page.get_by_text(f"1 to {flagged} of {flagged} images").wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export CSV").click()
    assert download.value.suggested_filename == "parts inspections.csv"
    assert world.sent == [("/v1/inspections", {"model": "parts", "decision": "anomalous", "format": "csv"})]
    page.get_by_label("Name contains").fill("nothing like this")
    page.keyboard.press("Enter")
    page.get_by_text("No image fits").wait_for()


def test_a_history_is_ordered_and_has_an_address(page: Page, world: World) -> None:
    ranked = sorted(world.inspections, key=lambda row: -row["score"])
    page.goto("/#/history?decision=anomalous&sort=score&order=desc")
    assert page.get_by_label("Decision").input_value() == "anomalous"
    page.locator("tbody tr").first.get_by_text(ranked[0]["name"]).wait_for()
    assert page.locator("th[aria-sort=descending]").inner_text().startswith("Score")
    page.get_by_label("Decision").select_option("")
    page.get_by_label("Order").select_option("name asc")
    page.get_by_text("1 to 25 of 40 images").wait_for()
    page.get_by_role("button", name="Score").press("Enter")  # a head: the worst first
    page.locator("tbody tr").first.get_by_text(ranked[0]["name"]).wait_for()
    assert page.evaluate("location.hash") == "#/history?sort=score&order=desc"
    page.get_by_role("button", name="Next page").click()
    page.locator("tbody tr").first.get_by_text(ranked[25]["name"]).wait_for()
    page.locator("tbody tr").first.get_by_role("cell").nth(1).click()  # anywhere on the row
    page.get_by_role("link", name=f"Inspection {ranked[25]['id']}").click()
    page.get_by_role("heading", name=f"Inspection {ranked[25]['id']}").wait_for()
    assert page.get_by_role("article", name=ranked[25]["name"]).is_visible()


def test_the_map_is_read_under_the_pointer(page: Page) -> None:
    page.goto("/#/inspection/7")
    page.get_by_role("img", name="Colours stand for values from 0.42").wait_for()
    page.locator(".boxes").wait_for(state="attached")
    stage = page.locator(".stage").bounding_box()
    assert stage
    scale = min(stage["width"] / 128, stage["height"] / 96)
    left, top = (
        stage["x"] + (stage["width"] - 128 * scale) / 2,
        stage["y"] + (stage["height"] - 96 * scale) / 2,
    )
    with page.expect_response("**/map?format=f32*"):
        page.mouse.move(left + 40 * scale, top + 40 * scale)
    page.mouse.move(left + 112.5 * scale, top + 80.5 * scale, steps=3)  # in the last of 4 columns and 3 rows
    page.get_by_text("Map at 112, 80: 1, 1.818 × threshold").wait_for()


def test_a_batch_is_ordered_and_filtered(page: Page) -> None:
    page.goto("/")
    page.set_input_files("input[type=file]", files("a.png", "b bad.png", "c.png", "notes.txt"))
    page.get_by_text("4 images, 1 anomalous, 1 not scored.").wait_for()
    page.get_by_label("Order").select_option("worst")
    assert page.locator(".tile-name").all_inner_texts() == ["b bad.png", "a.png", "c.png", "notes.txt"]
    page.get_by_label("Result").select_option("good")
    assert page.locator(".tile-name").all_inner_texts() == ["a.png", "c.png"]
    page.get_by_text("2 of 4 images shown").wait_for()
    page.get_by_label("Name contains").fill("B")
    page.get_by_text("None of them fits").wait_for()


def test_nothing_to_judge_is_said_where_nothing_was_scored(browser: Browser) -> None:
    for address in serve_world(World(images=0)):
        for page in opened(browser, address):
            page.goto("/#/feedback")
            page.get_by_text("Nothing to judge yet").wait_for()


def test_an_image_of_the_history_opens_and_the_focus_comes_back(page: Page, world: World) -> None:
    page.goto("/#/history")
    page.get_by_role("button", name="part 039.png").press("Enter")
    page.get_by_role("article", name="part 039.png").wait_for()
    page.keyboard.press("ArrowRight")
    page.get_by_role("article", name=HOSTILE).wait_for()
    page.keyboard.press("u")
    page.locator(".remark").get_by_text("Marked unsure").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("cell", name="unsure").wait_for()
    assert world.inspections[38]["feedback"]["verdict"] == "unsure"
    page.locator("button:focus", has_text="part 039.png").wait_for()


def test_the_threshold_moves_by_keys_and_by_dragging_and_is_applied_with_a_reason(
    page: Page, world: World
) -> None:
    page.goto("/#/threshold")
    page.get_by_label("False-alarm rate").press("ArrowRight")
    page.get_by_text("at most 1.5 % false alarms").first.wait_for()
    page.get_by_text("Decisions that change").wait_for()
    line = page.locator(".handle circle").bounding_box()
    assert line
    page.mouse.move(line["x"] + 7, line["y"] + 7)
    page.mouse.down()
    page.mouse.move(line["x"] - 150, line["y"] + 40, steps=4)
    page.mouse.up()
    rate = page.get_by_label("False-alarm rate")
    above = int(rate.input_value())
    assert above > 10
    assert f"threshold {world.calibration_scores[-above]:.4g}" in (rate.get_attribute("aria-valuetext") or "")
    page.get_by_role("button", name="Apply as a new record").click()
    page.get_by_label("Reason, for the record").fill("new lamp")
    page.get_by_role("button", name="Apply", exact=True).click()
    page.get_by_role("cell", name="loopback: new lamp").wait_for()
    path, body = world.sent[-1]
    assert path == "/v1/models/parts/recalibrate"
    assert body == {
        "use": "calibration",
        "false_alarm_rate": above / 200,
        "reason": "new lamp",
        "dry_run": False,
    }


def test_a_record_is_rolled_back_only_with_a_reason(page: Page, world: World) -> None:
    world.change("rate", 0.05, "looser")
    page.goto("/#/threshold")
    page.get_by_role("button", name="Roll back to record 1").click()
    page.get_by_role("button", name="Roll back", exact=True).click()  # the empty reason keeps the window open
    page.get_by_label("Reason, for the record").fill("too many alarms")
    page.get_by_role("button", name="Roll back", exact=True).click()
    page.get_by_role("rowheader", name="3, rolled back").wait_for()
    assert world.sent == [("/v1/models/parts/rollback", {"calibration_id": 1, "reason": "too many alarms"})]


def test_a_proposal_from_confirmed_images_shows_its_warnings(page: Page, world: World) -> None:
    page.goto("/#/threshold")
    page.get_by_label("Rank against").select_option("confirmed+calibration")
    page.get_by_text("that is a biased sample").wait_for()
    assert [body["dry_run"] for _, body in world.sent] == [True]
    page.get_by_role("button", name="Look at them").click()
    page.get_by_role("article", name="part 002.png").wait_for()


def test_drift_in_words_and_charts(page: Page) -> None:
    page.goto("/#/drift")
    page.get_by_text("brighter than in calibration: median 140 instead of 100").wait_for()
    page.get_by_text("If nothing had changed, at most 1 % of windows would, by chance alone.").wait_for()
    page.get_by_text("production no longer looks like the calibration images").wait_for()
    page.get_by_text(
        "Medians outside the grey bands are noticed 9 times out of 10; 30 % of images"
    ).wait_for()
    page.get_by_role("img", name="Brightness over 12 windows, alarm").wait_for()
    page.get_by_role("img", name="Score, median over 12 windows, no alarm").wait_for()
    page.get_by_role("img", name="Sharpness over 12 windows, too few images to tell").wait_for()
    assert page.locator(".band").count() == 3  # not that of sharpness
    assert page.locator(".badge.anomalous").count() == 1  # as many cards alarm as the verdict says
    assert page.locator(".dot.alarm").count() == 1
    page.get_by_role("combobox", name="Window").select_option("200")
    page.get_by_text("No window is full yet").wait_for()


def test_a_defect_is_shown_by_drawing_it(page: Page, world: World) -> None:
    page.goto("/#/inspection/3")
    page.get_by_role("heading", name="Inspection 3").wait_for()
    page.get_by_text("Defect: show where").click()
    page.locator("svg.paper[viewBox]").wait_for()
    page.get_by_role("button", name="Add rectangle").click()
    page.get_by_role("button", name="Mark as a defect there").click()
    page.get_by_text("The place is marked.").wait_for()
    path, body = world.sent[-1]
    assert (path, body["verdict"]) == ("/v1/feedback", "defect")
    assert body["region"] == {"look": [[[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]]}


def test_feedback_by_keys_alone(page: Page, world: World) -> None:
    """From the address to a judged image and the disagreements without a pointer."""
    page.goto("/")
    page.get_by_role("heading", name="Inspect").wait_for()
    page.keyboard.press("5")
    page.get_by_role("article", name="part 039.png").wait_for()
    page.keyboard.press("d")
    page.get_by_role("article", name=HOSTILE).wait_for()
    page.keyboard.press("ArrowRight")
    page.get_by_role("article", name="part 037.png").wait_for()
    page.keyboard.press("g")
    page.get_by_role("article", name="part 036.png").wait_for()
    assert [body["verdict"] for _, body in world.sent] == ["defect", "good"]
    page.get_by_role("button", name="Disagreements").press("Enter")
    page.get_by_text("This contradicts the model").wait_for()
    assert page.locator(".tile").count() == 1


def test_help_lists_the_keys_and_can_switch_them_off(page: Page) -> None:
    page.goto("/#/feedback")
    page.get_by_role("article").wait_for()
    page.keyboard.press("?")
    window = page.get_by_role("dialog", name="Keys")
    assert "Mark as good" in window.inner_text()
    assert "Feedback page" in window.inner_text()
    page.get_by_label("One-key commands are on").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("4")
    assert page.url.endswith("#/feedback")


def test_letters_typed_into_a_field_are_no_commands(page: Page, world: World) -> None:
    page.goto("/#/feedback")
    page.get_by_label("Comment").press_sequentially("good glue")
    assert world.sent == []


def test_a_token_is_asked_for_once_and_sent_with_pictures(browser: Browser) -> None:
    world = World(token="secret")
    for address in serve_world(world):
        for page in opened(browser, address):
            page.goto("/#/history")
            page.get_by_text("Paste your token.").wait_for()
            page.get_by_role("textbox", name="Token").fill("wrong")
            page.get_by_role("button", name="Continue").click()
            page.get_by_text("The server does not know this token.").wait_for()
            page.get_by_role("textbox", name="Token").fill("secret")
            page.get_by_role("button", name="Continue").click()
            page.get_by_text("1 to 25 of 40 images").wait_for()
            assert (
                page.locator("img.mini[src]").first.evaluate(
                    "image => image.decode().then(() => image.naturalWidth)"
                )
                == 128
            )
            assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
            page.reload()
            page.get_by_text("1 to 25 of 40 images").wait_for()


def test_without_a_token_the_page_says_why(browser: Browser) -> None:
    for address in serve_world(World(token="secret")):
        for page in opened(browser, address):
            page.goto("/")
            page.get_by_role("button", name="Cancel").click()
            page.get_by_role("alert").get_by_text("sign in to see it").wait_for()
            assert page.get_by_role("button", name="Try again").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_and_fits_a_phone(browser: Browser, address: str, scheme: Any) -> None:
    size: Any = {"width": 360, "height": 740}
    for page in opened(browser, address, viewport=size, color_scheme=scheme):
        for name in ("inspect", "history", "threshold", "drift", "feedback"):
            page.goto(f"/#/{name}")
            page.locator(f".page.{name} :is(.zone, tbody tr, figure svg, .tile)").first.wait_for()
            assert page.evaluate("document.documentElement.scrollWidth") <= 360, name
            assert page.evaluate(LOWEST_CONTRAST) >= 4.5, name
        page.get_by_role(
            "button", name="Use light colours" if scheme == "dark" else "Use dark colours"
        ).click()
        assert page.evaluate("document.documentElement.dataset.theme") != scheme


LOWEST_CONTRAST = """() => {
    const pen = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
    const rgb = (colours) => {
        pen.fillStyle = "#fff";
        for (const colour of colours) { pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1); }
        return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const luminance = (parts) => parts.map((part) => part / 255)
        .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
        .reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
    const behind = (node) => node ? [...behind(node.parentElement), getComputedStyle(node).backgroundColor] : [];
    const ratios = [...document.querySelectorAll("body *")]
        .filter((node) => node.checkVisibility({opacityProperty: true}) && !node.closest(":disabled, svg"))
        .filter((node) => [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim()))
        .map((node) => {
            const back = behind(node);
            const [a, b] = [luminance(rgb(back)), luminance(rgb([...back, getComputedStyle(node).color]))];
            return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        });
    return Math.min(...ratios);
}"""


def test_nothing_of_the_page_is_parsed_as_html_or_run_from_text() -> None:
    for path in WEB.rglob("*.js"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text
        ), path
    index = (WEB / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", index)
    assert not re.search(r"""(?:src|href)=["'](?!static/|#)""", index)


def test_every_module_is_imported_by_one_that_exists() -> None:
    imported = {
        (path.parent / place).resolve()
        for path in WEB.rglob("*.js")
        for place in re.findall(r'from "(\.[^"]+)"', path.read_text(encoding="utf-8"))
    }
    modules = {path.resolve() for path in WEB.rglob("*.js")} - {WEB / "app.js", WEB / "theme.js"}
    assert imported == modules
