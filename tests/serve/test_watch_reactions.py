"""What a watch does with its verdicts: lines, moved files and commands; nothing overwritten, nothing stopped."""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import twinspect as ts
from drawn_parts import TEACHER, stripes, write_image
from twinspect.cli import main

pytest.importorskip("sqlalchemy")

from store_data import accept, calibration, inspect, register
from twinspect.serve.sources.folder_scan import find_arrival, scan_folder
from twinspect.serve.sources.moving import move_without_overwriting
from twinspect.serve.sources.reactions import Reactions, ReactionThread
from twinspect.serve.store import Finished, Store

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = """
import json, os, sys, time
mode, out, path = sys.argv[1:]
if mode == "sleep":
    time.sleep(60)
with open(out, "a") as file:
    file.write(json.dumps([path, os.environ["TWINSPECT_IMAGE"], os.environ["TWINSPECT_SCORE"]]) + "\\n")
sys.exit(7 if mode == "fail" else 0)
"""
ODD = "a b; touch 'x' $(id) \n.png"


class Line:
    """A folder with a store, and reactions whose lines are kept."""

    def __init__(self, store: Store, folder: Path, **options: Any) -> None:
        self.lines: list[str] = []
        self.store, self.folder, self.model = store, folder, register(store)
        self.reactions = Reactions(store, folder, self.lines.append, **options)
        folder.mkdir(exist_ok=True)

    def finish(self, name: str, times: float) -> Finished:
        """A file arrives and is scored so many times the threshold."""
        write_image(self.folder / name, stripes(1))
        key = next(arrival.key for arrival in scan_folder(self.folder) if arrival.path.endswith(name))
        score = times * self.store.active(self.model.id).calibration.threshold
        row = inspect(
            self.store, self.model, [score], len(self.lines), source="watch", source_key=key, name="x"
        )[0]
        return Finished(row.id)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Store]:
    with Store(None, tmp_path / "data") as store:
        yield store


def program(tmp_path: Path, mode: str) -> list[str]:
    (tmp_path / "program.py").write_text(PROGRAM)
    return [sys.executable, str(tmp_path / "program.py"), mode, str(tmp_path / "calls.jsonl")]


def calls(tmp_path: Path) -> list[Any]:
    path = tmp_path / "calls.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


# Lines -----------------------------------------------------------------------------------------------------------


def test_a_line_says_time_name_verdict_and_times_the_threshold(opened: Store, tmp_path: Path) -> None:
    line = Line(opened, tmp_path / "in")
    for name, times in (("sub/bad.png", 2.3), (ODD, 0.5)):
        line.reactions.react(line.finish(name, times))
    bad, good = line.lines
    assert re.fullmatch(r"\d\d:\d\d:\d\d  sub/bad\.png  anomalous  2\.30 × threshold", bad)
    assert re.fullmatch(r"\d\d:\d\d:\d\d  a b; .* \\u000a\.png  good  0\.50 × threshold", good)


def test_what_could_not_be_scored_says_why(opened: Store, tmp_path: Path) -> None:
    line = Line(opened, tmp_path / "in", command=program(tmp_path, "note"))
    row = accept(opened, line.model, 1)
    opened.finish([Finished(row.id, error="it is no image")])
    line.reactions.react(Finished(row.id))
    assert line.lines[0].endswith("part 1.png  unreadable: it is no image")
    assert calls(tmp_path) == []


# Moving ----------------------------------------------------------------------------------------------------------


def test_anomalous_images_are_moved_with_their_folders_and_good_ones_stay(
    opened: Store, tmp_path: Path
) -> None:
    line = Line(opened, tmp_path / "in", move_to=tmp_path / "bad")
    line.reactions.react(line.finish("sub/bad.png", 2))
    line.reactions.react(line.finish("good.png", 0.5))
    assert [path.name for path in (tmp_path / "bad" / "sub").iterdir()] == ["bad.png"]
    assert list((tmp_path / "in" / "sub").iterdir()) == []
    assert (tmp_path / "in" / "good.png").is_file()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    for number in range(3):
        source = tmp_path / "in" / "a.png"
        source.parent.mkdir(exist_ok=True)
        source.write_bytes(b"%d" % number)
        move_without_overwriting(source, tmp_path / "bad" / "a.png")
    found = {path.name: path.read_bytes() for path in (tmp_path / "bad").iterdir()}
    assert found == {"a.png": b"0", "a-2.png": b"1", "a-3.png": b"2"}
    assert list((tmp_path / "in").iterdir()) == []


@pytest.mark.parametrize("is_link", [False, True])
def test_a_file_is_copied_to_another_disk_and_a_link_by_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_link: bool
) -> None:
    source, rename = tmp_path / "a.png", Path.replace
    (tmp_path / "photo").write_bytes(b"1")
    if is_link:
        source.symlink_to("photo")
    else:
        source.write_bytes(b"1")

    def refuse(self: Path, target: Path) -> Path:
        if self == source:
            raise OSError(errno.EXDEV, "another disk")
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    moved = move_without_overwriting(source, tmp_path / "bad" / "a.png")
    assert moved.read_bytes() == b"1"
    assert not moved.is_symlink()
    assert not os.path.lexists(source)
    assert [path.name for path in moved.parent.iterdir()] == ["a.png"]


def test_a_file_that_cannot_be_moved_stays_and_is_named(
    opened: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "bad").write_text("in the way")
    line = Line(opened, tmp_path / "in", move_to=tmp_path / "bad")
    line.reactions.react(line.finish("a.png", 2))
    assert (tmp_path / "in" / "a.png").is_file()
    assert "a.png could not be moved" in caplog.text


def test_a_file_that_was_written_again_is_another_and_stays(opened: Store, tmp_path: Path) -> None:
    line = Line(opened, tmp_path / "in", move_to=tmp_path / "bad")
    result = line.finish("a.png", 2)
    write_image(tmp_path / "in" / "a.png", stripes(2, side=40))
    line.reactions.react(result)
    assert (tmp_path / "in" / "a.png").is_file()


def test_what_a_killed_run_left_behind_is_moved_at_the_next_start(opened: Store, tmp_path: Path) -> None:
    line = Line(opened, tmp_path / "in", move_to=tmp_path / "bad")
    line.finish("bad.png", 2)
    line.finish("good.png", 0.5)
    line.reactions.move_left_behind(line.model.id)
    assert [path.name for path in (tmp_path / "bad").iterdir()] == ["bad.png"]
    assert len(line.lines) == 1
    line.reactions.move_left_behind(line.model.id)
    assert len(line.lines) == 1


def test_a_file_is_found_by_its_key_even_if_its_name_is_not_unicode(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"a\xff|1.png")
    path.write_bytes(b"1")
    (arrival,) = scan_folder(tmp_path)
    assert find_arrival(arrival.key) == path
    path.unlink()
    assert find_arrival(arrival.key) is None


# Commands --------------------------------------------------------------------------------------------------------


def test_a_command_gets_the_path_as_it_is_and_no_shell_reads_it(opened: Store, tmp_path: Path) -> None:
    line = Line(opened, tmp_path / "in", command=program(tmp_path, "note"), move_to=tmp_path / "bad")
    line.reactions.react(line.finish(ODD, 2))
    line.reactions.react(line.finish("good.png", 0.5))
    ((path, again, score),) = calls(tmp_path)
    assert path == again == str(tmp_path / "bad" / ODD)
    assert float(score) == pytest.approx(2 * calibration().threshold)


def test_a_command_that_fails_or_hangs_is_said_and_stops_nothing(
    opened: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    began = time.monotonic()
    Line(opened, tmp_path / "in", command=["/no/such/program"]).reactions.react(
        Line(opened, tmp_path / "in").finish("a.png", 2)
    )
    for number, mode in enumerate(("fail", "sleep")):
        line = Line(opened, tmp_path / f"in{number}", command=program(tmp_path, mode), timeout=3)
        line.reactions.react(line.finish("a.png", 2))
    assert "could not be started" in caplog.text
    assert "ended with code 7" in caplog.text
    assert "it took more than 3 s" in caplog.text
    assert time.monotonic() - began < 30


def test_a_thread_reacts_in_order_and_survives_an_error(
    opened: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    line = Line(opened, tmp_path / "in")
    results = [line.finish(f"{number}.png", 2) for number in range(2)]
    thread = ReactionThread(line.reactions)
    thread.add([results[0], Finished(10**6), results[1]])
    thread.close()
    assert [text.split()[1] for text in line.lines] == ["0.png", "1.png"]
    assert "could not be handled" in caplog.text


# The verb --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def strict(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model to which every image is anomalous."""
    quick = {**TEACHER, "size": 64, "steps": 1, "batch_size": 2, "device": "cpu", "workers": 0}
    path = tmp_path_factory.mktemp("models") / "strict.twin"
    detector = ts.Detector("rd", **quick, keep_images=0).fit(parts)
    tiny = (1e-9,) * len(detector.calibration_.scores)
    detector.calibration_ = replace(detector.calibration_, scores=tiny)
    detector.save(path)
    return path


def watch(folder: Path, model: Path, data: Path, *more: str) -> int:
    fast = ["--every", "0.1", "--runtime", "torch", "--device", "cpu", "--once", "--grace", "0.3"]
    return main(["watch", str(folder), "--model", str(model), "--data", str(data), *fast, *more])


def test_the_verb_prints_moves_and_runs(
    strict: Path, tmp_path: Path, capsys: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    folder = tmp_path / "in"
    for number in range(3):
        write_image(folder / f"{number}.png", 255 - stripes(number))
    command = " ".join(program(tmp_path, "note"))
    more = ("--move", str(folder / "bad"), "--on-anomaly", command)
    assert watch(folder, strict, tmp_path / "data", *more) == 0
    *lines, summary = capsys.readouterr().out.splitlines()
    moved = sorted(path.name for path in (folder / "bad").iterdir())
    assert all(re.match(r"\d\d:\d\d:\d\d  \d\.png  anomalous  \d+ × threshold", text) for text in lines)
    assert moved == sorted(text.split()[1] for text in lines) == ["0.png", "1.png", "2.png"]
    assert "3 images scored, 3 anomalous" in summary
    assert sorted(Path(path).name for path, *_ in calls(tmp_path)) == moved
    assert not [record for record in caplog.records if record.name.startswith("alembic")]
    assert watch(folder, strict, tmp_path / "data", "--json", *more) == 0
    assert json.loads(capsys.readouterr().out)["scored"] == 0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--move", "."), "images would arrive again"),
        (("--move", "in"), "images would arrive again"),
        (("--on-anomaly", "no-such-program-here"), "there is no such program"),
        (("--on-anomaly", "'"), "--on-anomaly"),
        (("--on-anomaly", ""), "there is no such program"),
    ],
)
def test_mistakes_are_one_line(
    more: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    assert watch(Path("in"), Path("missing.twin"), Path("data"), *more) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not Path("data").exists()


def test_a_camera_has_no_files_to_move(capsys: Any) -> None:
    assert main(["watch", "--camera", "0", "--model", "m.twin", "--move", "bad"]) == 2
    assert "a camera has none" in capsys.readouterr().err
