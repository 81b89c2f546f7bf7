"""The report: one page that holds everything, opens anywhere and loads nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twinspect._version import __version__
from twinspect.report.defect_type_section import kinds, objects
from twinspect.report.false_alarm_section import promise
from twinspect.report.formatting import Rate, decimal, false_alarms, finds, percent, plural
from twinspect.report.image_section import pictures
from twinspect.report.markup import NOTHING, Html, element, framed, table
from twinspect.report.metric_sections import between, curves, defects, metrics, scores, unreadable
from twinspect.report.training_section import Learning, learning
from twinspect.report.tsne_section import embedding

if TYPE_CHECKING:
    from twinspect.calibration.conformal import Calibration
    from twinspect.evaluation.evaluation import Evaluation, Interval
    from twinspect.evaluation.patch_features import Patches
    from twinspect.report.gallery import Gallery


@dataclass(frozen=True)
class Report:
    """What a page tells of.

    Attributes:
        model: what was evaluated, as in ``metrics.json``.
        data: what the test images are called.
        calibration: the promise, and the scores it was made from.
        evaluation: what was found.
        gallery: the images to show.
        learning: what the training left besides weights.
        bits: significant bits of 16-bit image files, to read those images again.
        patches: features to lay out on a plane; None where nobody asked.
    """

    model: dict[str, Any]
    data: str
    calibration: Calibration
    evaluation: Evaluation
    gallery: Gallery
    learning: Learning
    bits: int | None = None
    patches: Patches | None = None


def render(report: Report) -> str:
    """Build the page: HTML with its style, charts and pictures inside; the same bytes for the same report.

    Raises:
        ImageError: an image to show cannot be read again.
    """
    found, calibration = report.evaluation, report.calibration
    parts = [
        _head(report),
        _headline(found),
        promise(calibration, found),
        metrics(found),
        scores(calibration, found),
        curves(found),
        defects(found),
        kinds(found.defect_types),
        objects(found.objects),
        pictures(report.gallery, calibration, report.bits),
        unreadable(found),
        learning(report.learning),
        embedding(report.patches) if report.patches else NOTHING,
        _making(report),
    ]
    return framed(f"Evaluation of {_name(report)} on {report.data}", parts)


def _head(report: Report) -> Html:
    model, found = report.model, report.evaluation
    good, anomalous = false_alarms(found.rows).images, finds(found.rows).images
    failed = sum(bool(row.error) for row in found.rows)
    counts = f"{plural(good, 'good image')} and {plural(anomalous, 'anomalous image')}"
    among = f" in {len(found.categories)} categories" if len(found.categories) > 1 else ""
    unread = f"; {plural(failed, 'more image')} could not be read" if failed else ""
    words = f"{_what(model)}. Tested on {counts}{among}{unread}."
    title = element("h1", "Evaluation of ", element("em", _name(report)), " on ", element("em", report.data))
    return element("header", title, element("p", words, class_="lead"))


def _what(model: dict[str, Any]) -> str:
    """Say how it works: a method on its teacher, or several of them."""
    if "members" not in model:
        return f"Method {model['method']} on teacher {model['teacher']['name']}"
    members = [f"{own['method']} on teacher {own['teacher']['name']}" for own in model["members"]]
    return f"Method {model['method']} of {', '.join(members)}"


def _headline(found: Evaluation) -> Html:
    among = len(found.categories)
    of = f"mean of {among} categories" if among > 1 else "1 is perfect, 0.5 is chance"
    cards = [
        _card("Image AUROC", decimal(found.mean["image_auroc"]), _sureness(found.intervals.mean, of)),
        _card("Pixel AUROC", decimal(found.mean["pixel_auroc"]), of) if found.pixels else NOTHING,
        _card("AUPRO, limit 0.3", decimal(found.mean["aupro_30"]), of if among > 1 else "1 is perfect")
        if found.pixels
        else NOTHING,
        _rate_card("False alarms", false_alarms(found.rows), "good images"),
        _rate_card("Misses", finds(found.rows).others(), "anomalous images"),
    ]
    return element("dl", *cards, class_="cards", aria_label="Main figures")


def _sureness(ends: Interval, of: str) -> str:
    return f"95 % interval {between(ends)}; {of}" if ends else of


def _rate_card(name: str, rate: Rate, of: str) -> Html:
    if not rate.images:
        return _card(name, "–", f"no {of} in the test")
    return _card(name, percent(rate.share), f"{rate.flagged} of {rate.images} {of}")


def _card(name: str, value: str, note: str) -> Html:
    return element(
        "div", element("dt", name), element("dd", value, class_="value"), element("dd", note, class_="note")
    )


def _making(report: Report) -> Html:
    """List what is needed to repeat the evaluation."""
    model = report.model
    facts = {
        "Model": model["path"],
        **_facts(model),
        "Test data": report.data,
        "Pixels compared at": report.evaluation.resolution,
        "twinspect": __version__,
        **_settings(model),
    }
    for number, member in enumerate(model.get("members", ()), start=1):
        own = {**_facts(member), **_settings(member)}
        facts |= {f"Member {number}: {name}": value for name, value in own.items()}
    rows = [(name, str(value)) for name, value in facts.items() if value is not None]
    grid = table(("What", "Value"), rows, "Model, data and settings", wrapped=True)
    return element("details", element("summary", "How this was made"), grid, class_="block")


def _facts(model: dict[str, Any]) -> dict[str, Any]:
    return {
        "Method": model["method"],
        "Teacher": model["teacher"]["name"],
        "Teacher weights, sha256": model["teacher"]["sha256"],
        "Seed": model["seed"],
        "Training data, fingerprint": model["data"]["fingerprint"],
    }


def _settings(model: dict[str, Any]) -> dict[str, Any]:
    return {f"Setting: {name}": value for name, value in model["config"].items()}


def _name(report: Report) -> str:
    return Path(report.model["path"]).name
