"""Scores as tables, as text, and as pictures in notebooks."""

from __future__ import annotations

import base64
import io
import re
import subprocess
import sys
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from drawn_parts import blemish, stripes, write_image
from twinspect.errors import ConfigError, MissingExtraError
from twinspect.inference import scores_page
from twinspect.inference.score_table import COLUMNS
from twinspect.inference.scores_page import NAMED, SHOWN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import twinspect as ts

HOSTILE = "<script>alert(1)</script>&\"'\n$x$.png"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for number in range(4):
        write_image(folder / f"good{number}.png", stripes(300 + number))
    write_image(folder / HOSTILE.replace("/", "∕"), blemish(stripes(400)))
    write_image(folder / "dark.png", np.zeros((48, 48, 3), dtype=np.uint8))
    (folder / "torn.png").write_bytes(b"no image")
    return folder


@pytest.fixture(scope="module")
def scores(fitted: ts.Detector, images: Path) -> ts.Scores:
    return fitted.score(images)


class Page(HTMLParser):
    """The tags, texts and addresses of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.images: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        assert not any(name.startswith("on") for name in given)
        if tag == "img":
            self.images.append(given["src"] or "")

    def handle_data(self, data: str) -> None:
        self.text += data


def test_text_says_how_many_and_which_are_worst(scores: ts.Scores) -> None:
    first, heads, worst, *_ = repr(scores).splitlines()
    assert first == "Scores: 1 of 7 images anomalous, 1 unreadable, 1 not inspectable; regions in 1"
    assert heads.split() == ["verdict", "score", "image"]
    assert re.match(r" +anomalous +\d\.\d\d × threshold +/.*script", worst)
    assert len(repr(scores).splitlines()) == 8
    assert str(scores) == repr(scores)


def test_a_notebook_shows_the_worst_first_and_names_what_was_not_decided(scores: ts.Scores) -> None:
    page = Page(scores._repr_html_() or "")
    assert not {"script", "iframe", "link"} & set(page.tags)
    assert scores.calibration is not None
    assert scores.calibration.promise() in page.text
    assert page.text.index("alert(1)") < page.text.index("dark.png") < page.text.index("good0.png")
    assert "torn.png" in page.text.split("Not decided on")[1]
    assert "dark.png: not inspectable: far darker" in page.text.split("Not decided on")[1]
    assert len(page.images) == 2 * 6
    for address in page.images:
        kind, _, content = address.partition(",")
        assert kind == "data:image/jpeg;base64"
        with Image.open(io.BytesIO(base64.b64decode(content))) as picture:
            assert max(picture.size) <= scores_page.SIDE


def test_of_many_images_few_are_drawn_and_only_when_shown(
    fitted: ts.Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []
    real = scores_page.result_panels

    def counted(row, *rest, **options):
        drawn.append(row.sample.name)
        return real(row, *rest, **options)

    monkeypatch.setattr(scores_page, "result_panels", counted)
    noise = np.random.default_rng(0).integers(0, 256, (3, 700, 500, 3), dtype=np.uint8)
    scores = fitted.score([*noise, *(stripes(500 + n) for n in range(30))])
    assert drawn == []
    page = scores._repr_html_() or ""
    assert len(drawn) == SHOWN
    assert len(page) < 2 * SHOWN * 20_000
    undecided = int((~scores.is_inspectable).sum())
    assert f"and {33 - SHOWN} more" in page
    assert undecided <= NAMED


def test_images_given_as_arrays_are_shown_and_not_copied(fitted: ts.Detector) -> None:
    pixels = np.stack([stripes(600), blemish(stripes(601))])
    scores = fitted.score(pixels)
    assert all(np.shares_memory(row.sample.pixels, pixels) for row in scores.results)
    assert all(row.map is None for row in scores.results)
    assert len(Page(scores._repr_html_() or "").images) == 4


def test_images_that_are_gone_or_changed_since_are_said_so(fitted: ts.Detector, tmp_path: Path) -> None:
    for name in ("gone", "other"):
        write_image(tmp_path / f"{name}.png", stripes(700))
    scores = fitted.score(tmp_path)
    (tmp_path / "gone.png").unlink()
    write_image(tmp_path / "other.png", np.zeros((50, 70, 3), dtype=np.uint8))
    page = Page(scores._repr_html_() or "")
    assert page.images == []
    assert "gone.png: no such file" in page.text
    assert "an image of shape" in page.text


def test_without_maps_images_are_shown_alone(fitted: ts.Detector, images: Path) -> None:
    scores = fitted.score(images, maps=False)
    assert len(Page(scores._repr_html_() or "").images) == 6
    assert scores.plot(0)[1].images


def test_the_tables_are_that_of_the_score_verb(scores: ts.Scores, fitted: ts.Detector, images: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    from twinspect.cli.score_files import ParquetTable
    from twinspect.inference.score_table import to_row

    table = ParquetTable(images.parent / "table.parquet")
    table.append([to_row(row) for row in scores.results])
    table.finish()
    assert scores.to_arrow().equals(pq.read_table(table.path))
    assert tuple(scores.to_arrow().column_names) == COLUMNS


def test_a_pandas_table_has_nullable_decisions(scores: ts.Scores) -> None:
    pytest.importorskip("pandas")
    frame = scores.to_pandas()
    assert tuple(frame.columns) == COLUMNS
    assert frame.score.to_numpy() == pytest.approx(scores.image, nan_ok=True)
    assert frame[frame.is_anomalous].path.str.contains("script").tolist() == [True]
    assert frame.is_anomalous.isna().tolist() == [bool(error) for error in scores.errors]


@pytest.mark.parametrize(("package", "table"), [("pandas", "to_pandas"), ("pyarrow", "to_arrow")])
def test_a_missing_package_is_named(
    scores: ts.Scores, monkeypatch: pytest.MonkeyPatch, package: str, table: str
) -> None:
    monkeypatch.setattr("twinspect.inference.scores.is_installed", lambda name: name != package)
    with pytest.raises(MissingExtraError, match=f"pip install {package}"):
        getattr(scores, table)()


def test_a_notebook_without_what_draws_gets_text(scores: ts.Scores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twinspect.inference.scores.is_installed", lambda name: name != "matplotlib")
    assert scores._repr_html_() is None


@pytest.fixture
def _no_display(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MPLBACKEND", "Agg")
    from matplotlib import pyplot as plt

    yield
    plt.close("all")


@pytest.mark.usefixtures("_no_display")
def test_plot_draws_image_map_and_regions(scores: ts.Scores) -> None:
    worst = int(scores.is_anomalous.argmax())
    image, heat = scores.plot(worst)
    assert image.images[0].get_array().shape == (48, 48, 3)
    assert heat.get_title().startswith("anomalous: ")
    assert "\\$x\\$" in image.get_title()
    assert scores.regions is not None
    region = (scores.regions[worst] or ())[0]
    line = heat.lines[-1].get_xydata()
    assert line[:-1] == pytest.approx(np.array(region.polygon))
    image.figure.savefig(io.BytesIO())  # a name is no formula


@pytest.mark.usefixtures("_no_display")
def test_plot_takes_axes_and_counts_from_the_end(scores: ts.Scores) -> None:
    from matplotlib.figure import Figure

    axes = Figure().subplots(1, 2)
    assert scores.plot(-1, axes=axes) is axes
    torn = next(place for place, path in enumerate(scores.paths) if path.endswith("torn.png"))
    image, heat = scores.plot(torn)
    assert heat.get_title() == "unreadable"
    assert "torn.png" in image.texts[0].get_text()
    for index in (7, -8):
        with pytest.raises(ConfigError, match=r"allowed are 0 to 6, or -1 to -7"):
            scores.plot(index)
    assert scores.plot(np.int64(0), axes=list(axes))


@pytest.mark.parametrize("index", [1.5, "a", True, None])
def test_plot_refuses_what_is_no_number_of_an_image(scores: ts.Scores, index: Any) -> None:
    with pytest.raises(ConfigError, match="is a whole number"):
        scores.plot(index)


def test_plot_refuses_other_than_two_axes(scores: ts.Scores) -> None:
    from matplotlib.figure import Figure

    for axes in (Figure().subplots(), Figure().subplots(2, 2), Figure().subplots(1, 3)):
        with pytest.raises(ConfigError, match="two axes are needed"):
            scores.plot(0, axes=axes)


def test_scores_are_equal_to_themselves_alone_and_can_be_keys(scores: ts.Scores) -> None:
    from dataclasses import replace

    assert scores == scores  # noqa: PLR0124 - that is what is asked
    assert scores != replace(scores)
    assert scores in {scores}


def test_text_and_page_outline_no_regions(scores: ts.Scores, monkeypatch: pytest.MonkeyPatch) -> None:
    """The records of outlines are nearly all the work of a table of thousands of images."""
    shown = repr(scores), scores._repr_html_()
    monkeypatch.delattr("twinspect.regions.finding.FoundRegion.to_record")
    assert (repr(scores), scores._repr_html_()) == shown


def test_a_table_and_a_text_load_nothing_that_draws() -> None:
    code = (
        "import sys, numpy as np\nfrom twinspect.inference.scores import Scores\n"
        "repr(Scores.collect([]))\nprint({'matplotlib', 'jinja2', 'pandas', 'pyarrow', 'IPython'} & set(sys.modules))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "set()\n"
