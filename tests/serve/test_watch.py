"""Watching: each file exactly once, whole files only, through restarts and kills; cameras likewise."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import forked
import twinspect as ts
from drawn_parts import TEACHER, blemish, stripes, write_image
from twinspect.cli import main
from twinspect.errors import MissingExtraError
from twinspect.images.statistics import ImageStatistics, image_statistics
from twinspect.serve.sources.folder_scan import Arrival, UnfinishedFiles, scan_folder
from twinspect.utils.spelling import unspell

pytest.importorskip("sqlalchemy")

from twinspect.serve.scoring.model_registry import ModelRegistry
from twinspect.serve.scoring.model_worker import ModelVersion, load_version
from twinspect.serve.sources.camera import Camera, open_capture
from twinspect.serve.sources.watcher import CameraWatch, FolderWatch, Intake, Tally, watch
from twinspect.serve.store import Filter, Store
from twinspect.serve.store.text import storable_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WHOLE = stripes(1)


@pytest.fixture(scope="module")
def model(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has learnt next to nothing: what is tested is whose image is scored, and how often."""
    quick = {**TEACHER, "size": 64, "steps": 1, "batch_size": 2, "device": "cpu", "workers": 0}
    path = tmp_path_factory.mktemp("models") / "line.twin"
    ts.Detector("rd", **quick, keep_images=0).fit(parts).save(path)
    return path


@pytest.fixture(scope="module")
def version(model: Path) -> ModelVersion:
    """The same, loaded once."""
    return load_version(model, "torch", "cpu")


class Line:
    """A watcher of a folder, with a clock that is set by hand."""

    def __init__(self, folder: Path, model: Path, data: Path) -> None:
        self.folder, self.now, self.tally, self.stop = folder, 0.0, Tally(), threading.Event()
        self.store = Store(None, data)
        self.registry = ModelRegistry(
            [model], self.store, runtime="torch", device="cpu", on_results=self.tally.count
        )
        self.worker = next(iter(self.registry))
        self.intake = Intake(self.store, self.worker, "", self.stop, self.tally.count)
        self.watch = FolderWatch(self.intake, folder, leave_out=[data], grace=30, clock=lambda: self.now)
        self.registry.start()

    def poll(self, seconds: float = 2.0) -> int:
        self.now += seconds
        return self.watch.poll()

    def end(self) -> None:
        self.registry.stop()
        self.store.close()

    def rows(self) -> list[Any]:
        return sorted(self.store.search(Filter(), None, 1000).rows, key=lambda row: row.name)


@pytest.fixture
def line(
    model: Path, version: ModelVersion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Line]]:
    """Start watchers of one folder and one store; all are ended."""
    monkeypatch.setattr("twinspect.serve.scoring.model_worker.load_version", lambda *_, **__: version)
    lines: list[Line] = []
    (tmp_path / "in").mkdir()

    def start() -> Line:
        lines.append(Line(tmp_path / "in", model, tmp_path / "data"))
        return lines[-1]

    yield start
    for line in lines:
        line.end()


# Listing and unfinished ------------------------------------------------------------------------------------------


def test_images_are_listed_below_folders_and_links_and_nothing_else(tmp_path: Path) -> None:
    for name in ("a.png", "b.JPG", "c.txt", ".d.png", "sub/e.tif", ".hidden/f.png", "own/g.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"12345")
    (tmp_path / "sub" / "circle").symlink_to(tmp_path)
    arrivals = list(scan_folder(tmp_path, leave_out=[tmp_path / "own"]))
    expected = [str(tmp_path / name) for name in ("a.png", "b.JPG", "sub/e.tif")]
    assert sorted(arrival.path for arrival in arrivals) == expected
    stat = (tmp_path / "a.png").stat()
    first = min(arrivals, key=lambda arrival: arrival.path)
    assert first.key == f"{tmp_path}/a.png|{stat.st_mtime_ns}|5"
    assert list(scan_folder(tmp_path / "missing")) == []
    assert storable_text("a\udcff") == "a\\udcff"


def test_a_file_is_tried_when_two_scans_agree_and_once_more_at_the_end_of_its_grace() -> None:
    unfinished = UnfinishedFiles(grace=10)
    growing, grown = Arrival("/a.png", 1, 5), Arrival("/a.png", 2, 9)
    assert unfinished.select_ready([growing], 0) == []
    assert unfinished.select_ready([grown], 1) == []  # it changed
    assert unfinished.select_ready([grown], 2) == [grown]
    unfinished.mark_tried(grown)
    assert unfinished.select_ready([grown], 5) == []
    assert not unfinished.is_over(grown, 5)
    assert unfinished.select_ready([grown], 11) == [grown]
    assert unfinished.is_over(grown, 11)
    unfinished.remove(grown)
    assert unfinished.waiting == 0
    assert unfinished.select_ready([], 12) == []


def test_the_oldest_comes_first() -> None:
    unfinished = UnfinishedFiles(grace=10)
    arrivals = [Arrival("/new.png", 9, 1), Arrival("/old.png", 3, 1)]
    unfinished.select_ready(arrivals, 0)
    assert [arrival.path for arrival in unfinished.select_ready(arrivals, 1)] == ["/old.png", "/new.png"]


# A folder --------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_names_are_spelled_and_stay_different(line: Any) -> None:
    first = line()
    names = [b"bad\nname\x1b[2J.png", b"a\\b.png", b"tab\t.png"]
    names += [] if sys.platform == "darwin" else [b"\xe4.png", b"\xf6.png"]
    for name in names:
        write_image(first.folder / os.fsdecode(name), WHOLE)
    (first.folder / "not\r.png").write_bytes(b"no image")
    names.append(b"not\r.png")
    while len(first.rows()) < len(names):
        first.poll()
        first.now += 31
    first.end()
    told = [row.name for row in first.rows()]
    assert sorted(os.fsencode(unspell(name)) for name in told) == sorted(names)
    assert all(name.isprintable() for name in told)


def test_files_are_scored_once_with_statistics_and_are_left_alone(line: Any, version: ModelVersion) -> None:
    first = line()
    write_image(first.folder / "good.png", WHOLE)
    write_image(first.folder / "sub" / "bad.png", blemish(stripes(2)))
    before = {path: (path.read_bytes(), path.stat()) for path in first.folder.rglob("*.png")}
    assert [first.poll(), first.poll(), first.poll()] == [0, 2, 0]
    first.end()
    bad, good = first.rows()
    assert [bad.name, bad.state, good.name, good.state] == ["bad.png", "done", "good.png", "done"]
    assert good.source == "watch"
    assert good.statistics == image_statistics(WHOLE)._asdict()
    assert set(good.statistics) == set(ImageStatistics._fields)
    expected = version.detector.score([first.folder / "good.png", first.folder / "sub" / "bad.png"]).image
    np.testing.assert_allclose([good.score, bad.score], expected, rtol=1e-4)
    assert (first.tally.scored, first.tally.failed) == (2, 0)
    assert {path: (path.read_bytes(), path.stat()) for path in before} == before


def test_a_restart_knows_what_was_done_and_a_file_written_again_is_new(line: Any) -> None:
    first = line()
    path = write_image(first.folder / "a.png", WHOLE)
    first.poll(), first.poll()
    first.end()
    second = line()
    assert [second.poll(), second.poll(), second.poll()] == [0, 0, 0]
    write_image(path, stripes(9))
    os.utime(path, ns=(1, 1))
    assert [second.poll(), second.poll()] == [0, 1]
    second.end()
    assert [row.state for row in second.rows()] == ["done", "done"]


def test_what_was_accepted_and_not_scored_is_scored_at_the_next_start(
    line: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = line()
    with monkeypatch.context() as patch:
        patch.setattr(
            first.worker.queue, "put", lambda *_: first.worker.queue.release(1)
        )  # killed in between
        write_image(first.folder / "a.png", WHOLE)
        first.poll(), first.poll()
    assert [row.state for row in first.rows()] == ["queued"]
    first.end()
    second = line()
    assert [second.poll(), second.poll()] == [0, 0]
    second.end()
    assert [row.state for row in second.rows()] == ["done"]


def test_a_truncated_file_waits_and_counts_when_it_is_completed(line: Any, tmp_path: Path) -> None:
    whole = write_image(tmp_path / "whole.png", WHOLE).read_bytes()
    watched = line()
    path = watched.folder / "slow.png"
    path.write_bytes(whole[: len(whole) // 2])
    assert [watched.poll(), watched.poll(), watched.poll()] == [0, 0, 0]
    assert not watched.watch.is_idle
    path.write_bytes(whole)
    assert [watched.poll(), watched.poll()] == [0, 1]
    assert watched.watch.is_idle
    watched.end()
    assert [row.state for row in watched.rows()] == ["done"]


@pytest.mark.parametrize("content", [b"", b"no image at all", None])
def test_what_never_becomes_an_image_fails_once_with_its_reason(
    line: Any, tmp_path: Path, content: bytes | None
) -> None:
    whole = write_image(tmp_path / "whole.png", WHOLE).read_bytes()
    watched = line()
    (watched.folder / "broken.png").write_bytes(whole[:-40] if content is None else content)
    assert [watched.poll(), watched.poll(), watched.poll(29), watched.poll(2)] == [0, 0, 1, 0]
    (row,) = watched.rows()
    assert row.state == "failed"
    assert row.error
    assert str(watched.folder) not in row.error
    assert watched.tally.failed == 1
    again = line()
    assert [again.poll(), again.poll(60)] == [0, 0]


def test_a_store_that_does_not_answer_is_tried_again(
    line: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    watched = line()
    write_image(watched.folder / "a.png", WHOLE)
    watched.poll()
    with monkeypatch.context() as patch:
        patch.setattr(watched.store, "accept", lambda *_, **__: (_ for _ in ()).throw(OSError("disk full")))
        assert watched.poll() == 0
    (said,) = (record for record in caplog.records if "not accepted" in record.message)
    assert "(disk full)" in said.message
    assert said.exc_info is None  # one line
    assert watched.poll() == 1
    watched.end()
    assert [row.state for row in watched.rows()] == ["done"]


def test_two_watchers_of_one_folder_share_it(line: Any) -> None:
    one, other = line(), line()
    write_image(one.folder / "a.png", WHOLE)
    one.poll(), other.poll(), one.poll(), other.poll()
    one.end()
    assert [row.state for row in one.rows()] == ["done"]
    assert one.tally.scored + other.tally.scored == 1


def test_many_known_files_cost_one_query_and_no_reading(line: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = line()
    for number in range(300):
        (first.folder / f"{number}.png").write_bytes(b"x")
    first.watch._known = {arrival.key for arrival in scan_folder(first.folder)}
    monkeypatch.setattr(
        "twinspect.serve.sources.watcher._read_file", lambda _: pytest.fail("a known file was read")
    )
    monkeypatch.setattr(first.store, "accept", lambda *_, **__: pytest.fail("the store was asked"))
    assert [first.poll(), first.poll()] == [0, 0]


# The verb ----------------------------------------------------------------------------------------------------------


def command(folder: Path, model: Path, data: Path, *more: str) -> list[str]:
    fast = ["--every", "0.1", "--runtime", "torch", "--device", "cpu"]
    return ["watch", str(folder), "--model", str(model), "--data", str(data), *fast, *more]


def test_killed_again_and_again_each_file_is_scored_exactly_once(model: Path, tmp_path: Path) -> None:
    folder, data = tmp_path / "in", tmp_path / "data"
    for number in range(24):
        write_image(folder / f"{number % 3}" / f"{number}.png", stripes(number))
    for enough in (1, 12):
        process = forked.start(command(folder, model, data))
        wait_for(lambda: accepted(data) >= enough)  # noqa: B023 - called within this turn
        process.kill()
        forked.end(process)
    assert main(command(folder, model, data, "--once")) == 0
    with Store(None, data) as store:
        rows = store.search(Filter(), None, 1000).rows
    assert Counter(row.name for row in rows) == Counter(f"{number}.png" for number in range(24))
    assert {row.state for row in rows} == {"done"}


def accepted(data: Path) -> int:
    if not (data / "store.db").exists():
        return 0
    try:
        with Store(None, data) as store:
            return len(store.search(Filter(), None, 1000).rows)
    except Exception:  # noqa: BLE001 - it is being made
        return 0


def wait_for(condition: Callable[[], bool], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def test_once_says_what_became_of_everything(model: Path, tmp_path: Path, capsys: Any) -> None:
    write_image(tmp_path / "in" / "a.png", WHOLE)
    (tmp_path / "in" / "b.png").write_bytes(b"nothing")
    code = main(command(tmp_path / "in", model, tmp_path / "in" / "data", "--once", "--grace", "0.3"))
    assert code == 3
    assert "1 images scored" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--model", "M.twin"], "takes a folder or a camera"),
        (["in", "--camera", "0", "--model", "M.twin"], "takes a folder or a camera"),
        (["--camera", "0", "--once", "--model", "M.twin"], "a camera has no end"),
        (["in", "--model", "M.twin", "--every", "0"], "--every is 0"),
        (["in", "--model", "missing.twin"], "missing.twin"),
    ],
)
def test_mistakes_are_one_line(
    more: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["watch", *more]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_an_unknown_category_is_refused(model: Path, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "in").mkdir()
    assert main(command(tmp_path / "in", model, tmp_path / "data", "--category", "screw")) == 2
    assert "no category 'screw'" in capsys.readouterr().err


# A camera ----------------------------------------------------------------------------------------------------------


class Capture:
    """Reads as cv2.VideoCapture does."""

    def __init__(self, frames: list[Any]) -> None:
        self.frames, self.released = frames, False

    def read(self) -> tuple[bool, Any]:
        frame = self.frames.pop(0) if self.frames else None
        return frame is not None, frame

    def release(self) -> None:
        self.released = True


def test_a_camera_gives_rgb_and_is_opened_again_when_it_fails() -> None:
    captures = [Capture([WHOLE[..., ::-1], None]), Capture([WHOLE[..., 0]])]
    opened = iter(captures)
    camera = Camera("rtsp://line", lambda _: next(opened))
    np.testing.assert_array_equal(camera.grab(), WHOLE)
    assert camera.grab() is None
    assert captures[0].released
    np.testing.assert_array_equal(camera.grab(), np.repeat(WHOLE[..., :1], 3, axis=-1))
    camera.close()
    assert captures[1].released


def test_every_picture_of_a_camera_is_an_inspection(line: Any) -> None:
    watched = line()
    pictures = [WHOLE, blemish(stripes(2)), WHOLE]
    camera = Camera("0", lambda _: Capture([picture[..., ::-1] for picture in pictures]))
    source = CameraWatch(watched.intake, camera, "camera 0")
    assert [source.poll() for _ in range(4)] == [1, 1, 1, 0]
    watched.end()
    rows = watched.rows()
    assert [row.name for row in rows] == ["camera 0 1.png", "camera 0 2.png", "camera 0 3.png"]
    assert rows[0].statistics == image_statistics(WHOLE)._asdict()
    assert rows[0].score == pytest.approx(rows[2].score, rel=1e-5)  # their batches may differ in size
    assert rows[0].image_sha256 == rows[2].image_sha256


def test_watching_ends_when_it_is_stopped() -> None:
    class Source:
        is_idle = True
        polls = 0

        def poll(self) -> int:
            self.polls += 1
            stop.set()
            return 0

    stop, source = threading.Event(), Source()
    watch(source, stop, every=60)  # type: ignore[arg-type]
    assert source.polls == 1


def test_without_opencv_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingExtraError, match="pip install opencv-python-headless"):
        open_capture("0")
