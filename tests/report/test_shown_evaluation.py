"""An evaluation shows itself: in a notebook, and as the page that it opens."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import twinspect as ts
from twinspect.metrics import DEFINITIONS
from twinspect.report import shown_evaluation, write_evaluation

if TYPE_CHECKING:
    from pathlib import Path

    from twinspect.report.shown_evaluation import EvaluationReport


@pytest.fixture(autouse=True)
def _desktop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":0")


@pytest.fixture(scope="module")
def evaluated(fitted: ts.Detector, parts: Path) -> EvaluationReport:
    return ts.evaluate(fitted, parts)


def test_a_notebook_shows_metrics_with_definitions_and_the_worst_images(evaluated: EvaluationReport) -> None:
    page = evaluated._repr_html_()
    assert DEFINITIONS["image_auroc"][:40] in page
    assert "<script" not in page
    assert page.count("<img") == 2 * shown_evaluation.SHOWN
    assert len(page) < 2 * shown_evaluation.SHOWN * 20_000
    assert repr(evaluated).startswith("Evaluation of 12 images: image_auroc ")


def test_it_opens_the_report_in_a_browser(
    evaluated: EvaluationReport, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda page: opened.append(page) or True)
    path = evaluated.show()
    assert path is not None
    assert opened == [path.as_uri()]
    assert evaluated.show() == path
    assert capsys.readouterr().out == ""
    assert path.read_text(encoding="utf-8") == evaluated.to_html()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a desktop needs no display")
def test_without_a_desktop_it_only_says_where_the_page_is(
    evaluated: EvaluationReport, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    path = evaluated.show()
    assert path is not None
    assert path.exists()
    assert opened == []
    assert capsys.readouterr().out == f"{path}\n"


def test_it_opens_the_page_that_was_written(
    fitted: ts.Detector, parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda page: opened.append(page) or True)
    written = write_evaluation(fitted, parts, tmp_path / "out", model="m.twin")
    assert written.show() == tmp_path / "out" / "report.html"
    assert opened == [(tmp_path / "out" / "report.html").as_uri()]


def test_in_a_notebook_the_report_is_framed(
    evaluated: EvaluationReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []

    def display(content: str, display_id: Any) -> None:
        shown.append(content)

    stub = SimpleNamespace(
        get_ipython=lambda: SimpleNamespace(kernel=object()),
        display=SimpleNamespace(display=display, HTML=lambda text: text),
    )
    monkeypatch.setitem(sys.modules, "IPython", stub)
    assert evaluated.show() is None
    assert '<iframe srcdoc="&lt;!DOCTYPE html&gt;' in shown[0]
