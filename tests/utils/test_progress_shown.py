"""Progress of calls from Python: in notebooks unasked, in scripts if asked, in logs as few plain lines."""

from __future__ import annotations

import itertools
import re
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import twinspect as ts
from drawn_parts import QUICK, stripes
from twinspect.errors import ConfigError
from twinspect.utils import notebook_bar, progress_bar
from twinspect.utils.notebook_bar import NotebookBar
from twinspect.utils.progress import announce, report_to, tracked, watched

if TYPE_CHECKING:
    from pathlib import Path

SHORT: dict[str, Any] = {**QUICK, "steps": 3}


class Notebook:
    """What a stub of IPython was asked to display, and by what it was replaced."""

    def __init__(self) -> None:
        self.pages: list[str] = []

    def display(self, page: str, display_id: Any) -> Notebook:
        self.pages.append(page)
        return self

    update = __call__ = lambda self, page: self.pages.append(page)


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    shown = Notebook()
    stub = SimpleNamespace(
        get_ipython=lambda: SimpleNamespace(kernel=object()),
        display=SimpleNamespace(display=shown.display, HTML=str),
    )
    monkeypatch.setitem(sys.modules, "IPython", stub)
    return shown


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_notebook_shows_bars_once_work_takes_long(notebook: Notebook) -> None:
    clock = Clock()
    with NotebookBar(clock) as bar:
        bar.start("read <b>", 10)
        for _ in range(10):
            clock.now += 0.15
            bar.advance()
        bar.finish()
        assert notebook.pages == []
        bar.start("distil", 8)
        for _ in range(4):
            clock.now += 1.0
            bar.advance(0.5)
        assert '<progress max="8" value="4"></progress> 4/8, loss 0.5000, 4 s, 4 s left' in notebook.pages[-1]
        shown = len(notebook.pages)
        for _ in range(4):
            clock.now += notebook_bar.BETWEEN / 4
            bar.advance(0.25)
        assert len(notebook.pages) == shown + 1
    assert "<progress" not in notebook.pages[-1]
    assert "distil 8/8, loss 0.2500" in notebook.pages[-1]
    assert "read" not in notebook.pages[-1]


def test_names_in_a_notebook_are_escaped(notebook: Notebook) -> None:
    clock = Clock()
    with NotebookBar(clock) as bar:
        clock.now = 3.0
        bar.start("listing the images of <script>\n", 0)
    assert "&lt;script&gt;\\u000a" in notebook.pages[0]


def test_fit_and_score_show_themselves_in_a_notebook_and_nowhere_else(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(notebook_bar, "LONG", 0.0)
    images = [stripes(seed) for seed in range(24)]
    detector = ts.Detector("mkd", **SHORT).fit(images)
    assert any("distil" in page for page in notebook.pages)
    assert capfd.readouterr() == ("", "")
    notebook.pages.clear()
    detector.score(images[:2])
    assert "score 2/2" in notebook.pages[-1]
    notebook.pages.clear()
    detector.score(images[:2], progress=False)
    assert notebook.pages == []
    monkeypatch.delitem(sys.modules, "IPython")
    detector.score(images[:2])
    assert capfd.readouterr() == ("", "")
    detector.score(images[:2], progress=True)
    assert capfd.readouterr().err == "twinspect: score, 0/2\n"


def test_evaluate_counts_its_images(
    notebook: Notebook, fitted: ts.Detector, parts: Path, monkeypatch
) -> None:
    monkeypatch.setattr(notebook_bar, "LONG", 0.0)
    ts.evaluate(fitted, parts)
    assert any("evaluate 12/12" in page for page in notebook.pages)


def test_inside_what_is_shown_already_nothing_is_shown_again(notebook: Notebook) -> None:
    clock = Clock()
    with NotebookBar(clock) as outer, report_to(outer), watched("auto") as inner:
        assert inner is None


def test_an_object_is_told_of_all_stages() -> None:
    told: list[Any] = []

    class Listener:
        def start(self, stage: str, total: int, done: int) -> None:
            told.append((stage, total, done))

        def advance(self, loss: float | None = None, *, steps: int = 1) -> None:
            told.append(steps)

        def finish(self) -> None:
            told.append("over")

    with watched(Listener()):
        announce("listing")
        assert list(tracked("count", "ab", total=2)) == ["a", "b"]
    assert told == [("listing", 0, 0), ("count", 2, 0), 1, 1, "over"]


def test_another_word_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"progress='yes'; allowed are 'auto', True, False"), watched("yes"):
        pass


@pytest.mark.parametrize(
    ("tty", "variables", "drawn"),
    [
        (True, {"TERM": "xterm"}, True),
        (True, {"TERM": "dumb"}, False),
        (True, {"TERM": "xterm", "CI": "true"}, False),
        (False, {"TERM": "xterm"}, False),
    ],
)
def test_where_nobody_looks_nothing_is_drawn(
    tty: bool, variables: dict[str, str], drawn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(isatty=lambda: tty))
    assert progress_bar.is_drawn() == drawn


def test_a_log_gets_a_line_every_ten_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock()
    monkeypatch.setattr(progress_bar, "time", SimpleNamespace(monotonic=clock))
    with progress_bar.Bar() as bar:
        bar.start("distil", 600)
        for _ in range(600):
            clock.now += 1.0
            bar.advance(0.1)
    lines = capsys.readouterr().err.splitlines()
    seconds = [int(re.match(r"distil (\d+)/600 loss 0.1000 \d+ s left$", line)[1]) for line in lines[1:]]  # type: ignore[index]
    assert seconds[:4] == [2, 5, 10, 17]
    assert {later - earlier for earlier, later in itertools.pairwise(seconds[4:])} == {10}
    assert all(line.isprintable() for line in lines)
