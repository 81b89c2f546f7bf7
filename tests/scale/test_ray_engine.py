"""Scoring in shards by Ray, on a cluster of this machine's: the same bytes, whatever dies on the way."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from shard_data import CRASHING, crashing_decoder, files_of, score, write_folder
from twinspect.errors import ConfigError, TwinspectError
from twinspect.scale.ray_cluster import cluster
from twinspect.scale.ray_engine import RayEngine
from twinspect.scale.run_folder import LocalRunFolder
from twinspect.scale.shard_plan import part_name
from twinspect.utils.progress import NoProgress

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.importorskip("ray")
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="finds workers in /proc"),
    # Ray's own; a cluster leaves sockets and files to the end of the process.
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayEngine]:
    """An engine of two processes, which a crashing image kills."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", crashing_decoder(tmp_path_factory.mktemp("site")))
        with cluster(None, cpus=2):
            yield RayEngine(2, 2)


def workers() -> set[int]:
    """The processes below this one that hold models."""
    return {process for process in below(os.getpid()) if b"ray::MapWorker" in proc_file(process, "cmdline")}


def below(process: int) -> Iterator[int]:
    for task in Path(f"/proc/{process}/task").glob("*"):
        for child in proc_file(process, f"task/{task.name}/children").split():
            yield int(child)
            yield from below(int(child))


def proc_file(process: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{process}/{name}").read_bytes()
    except OSError:  # it has ended
        return b""


class KillOneWorker(NoProgress):
    """Kills one worker when the first shard is finished."""

    def __init__(self) -> None:
        self.killed: set[int] = set()
        self.steps = 0

    def advance(self, loss: float | None = None, *, steps: int = 1) -> None:
        self.steps += steps
        if not self.killed:
            self.killed = {min(workers())}  # of this test, and of nobody else
            os.kill(min(self.killed), signal.SIGKILL)


def test_every_row_is_written_once_though_workers_die(
    bundle: Path, two_workers: RayEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, progress = write_folder(tmp_path / "today", 61), KillOneWorker()
    (folder / "text.png").write_text("not an image")
    (folder / "009x.png").write_bytes(CRASHING)
    manifest = score(
        bundle, tmp_path / "ray", folder, shard_images=8, engine=two_workers.run, progress=progress
    )
    assert progress.killed
    assert not progress.killed & workers()
    assert progress.steps == manifest["rows"] == manifest["images"] == 63
    assert manifest["unreadable"] == 2

    here = LocalRunFolder(tmp_path / "here")
    for attempt in (1, 2):  # as two runs leave it that died while scoring the second shard
        here.write(f"attempts/{part_name(1)}.{attempt}", b"")
    monkeypatch.syspath_prepend(crashing_decoder(tmp_path).partition(os.pathsep)[0])
    score(bundle, tmp_path / "here", folder, shard_images=8)
    written = files_of(tmp_path / "ray")
    # A worker that is killed while it writes leaves a hidden partial file behind.
    complete = {name: content for name, content in written.items() if "/." not in name}
    assert complete == files_of(tmp_path / "here")


@pytest.mark.slow
def test_an_error_in_a_worker_is_raised_here(bundle: Path, two_workers: RayEngine, tmp_path: Path) -> None:
    folder, out = write_folder(tmp_path / "today", 8), tmp_path / "out"
    out.mkdir()
    (out / "errors").write_text("a file where a folder should be")
    (folder / "text.png").write_text("not an image")
    with pytest.raises(TwinspectError, match="errors"):
        score(bundle, out, folder, engine=two_workers.run)


@pytest.mark.parametrize("wrong", [{"min_size": 0}, {"min_size": 2, "max_size": 1}, {"gpus": -1.0}])
def test_impossible_pools_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="--actors"):
        RayEngine(**wrong)


def test_a_pool_is_no_larger_than_its_work_or_its_cluster() -> None:
    class Ray:
        @staticmethod
        def cluster_resources() -> dict[str, float]:
            return {"CPU": 8.0, "GPU": 2.0}

    assert RayEngine()._pool_size(Ray, 2, 100)["max_size"] == 4
    assert RayEngine(gpus=0.5)._pool_size(Ray, 1, 100)["max_size"] == 4
    assert RayEngine(2, 6)._pool_size(Ray, 1, 3) | {"min_size": 2} == RayEngine(2, 6)._pool_size(Ray, 1, 3)
    assert RayEngine(2, 6)._pool_size(Ray, 1, 3)["max_size"] == 3
    assert RayEngine(2, 6)._pool_size(Ray, 1, 1)["min_size"] == 1
