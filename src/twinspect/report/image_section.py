"""The parts of a report that show images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twinspect.report import charts
from twinspect.report.formatting import p_words
from twinspect.report.markup import NOTHING, Html, element

if TYPE_CHECKING:
    from twinspect.calibration.conformal import Calibration
    from twinspect.inference.results import ImageScore
    from twinspect.report.gallery import Exhibit, Gallery, Panel

VERDICTS: Final = {
    (True, False): ("passed", "fine"),
    (True, True): ("false alarm", "poor"),
    (False, True): ("found", "fine"),
    (False, False): ("missed", "poor"),
}
"""What a decision is called and whether it was right, by whether the image is good and was flagged."""


def pictures(gallery: Gallery, calibration: Calibration, bits: int | None) -> Html:
    """Show the images that are worth a look, with the colours explained first.

    Raises:
        ImageError: an image cannot be read again.
    """
    shelves = (
        (
            "Anomalous images with the lowest scores",
            "Misses, if there are any, come first.",
            gallery.anomalous,
        ),
        ("Good images with the highest scores", "False alarms, if there are any, come first.", gallery.good),
        ("Surest finds", "Anomalous images with the highest scores.", gallery.hits),
    )
    shown = [
        _shelf(title, words, exhibits, calibration, bits) for title, words, exhibits in shelves if exhibits
    ]
    if not shown:
        return NOTHING
    return element("section", element("h2", "Images"), _colours(calibration), *shown)


def _colours(calibration: Calibration) -> Html:
    words = (
        "One colour means the same raw value on every image. A typical good pixel is left as it is; the more "
        "anomalous, the more colour covers the image. A cyan line surrounds what lies above the peaks "
        "of nine in ten held-out good images, a white line with a black rim the ground truth."
    )
    return element("figure", charts.legend(calibration.map_range), element("figcaption", words))


def _shelf(
    title: str, words: str, exhibits: list[Exhibit], calibration: Calibration, bits: int | None
) -> Html:
    panels = [exhibit.panels(calibration.map_range, bits) for exhibit in exhibits]
    cards = [_card(exhibit.row, own, calibration) for exhibit, own in zip(exhibits, panels, strict=True)]
    columns = max(len(own) for own in panels)
    grid = element("div", *cards, class_=f"exhibits of{columns}")
    return element("section", element("h3", title), element("p", words, class_="note"), grid)


def _card(row: ImageScore, panels: list[Panel], calibration: Calibration) -> Html:
    where = ", ".join(part for part in (row.sample.category, row.sample.label) if part)
    own = calibration.of(row.sample.category)
    chance = f"{p_words(row.p_value, len(own.scores))} (p = {row.p_value:.3g})."
    caption = element(
        "figcaption",
        element("p", _badge(row), " ", element("strong", row.sample.name), f" ({where})"),
        element("p", f"Raw score {row.score:.4g}, threshold {own.threshold:.4g}: {chance}", class_="note"),
    )
    shown = element("div", *[_panel(panel, row.sample.name) for panel in panels], class_="panels")
    return element("figure", shown, caption, class_="exhibit")


def _panel(panel: Panel, name: str) -> Html:
    height, width = panel.rgb.shape[:2]
    image = element("img", src=panel.data_url(), alt=f"{name}: {panel.title}", width=width, height=height)
    return element("div", image, element("span", panel.title))


def _badge(row: ImageScore) -> Html:
    words, class_ = VERDICTS[row.sample.is_good, row.is_anomalous]
    return element("span", words, class_=f"badge {class_}")
