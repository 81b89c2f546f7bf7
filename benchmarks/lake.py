r"""Scoring many small images: plain, in shards by the local engine, and by Ray, with a worker killed on the way.

    python benchmarks/lake.py --images 20000 --growth 2500,5000,10000,20000

Images of Fashion-MNIST become PNG files in a folder, and tar files of five hundred each. Every run is the command
line in a process of its own. *Rate* is images a second between the first rows on the disk and the last, *whole* from
the command to its end, with everything that starts before. Memory is what is resident (peak of samples every 0.2 s),
of the driver and of the largest worker; for growing numbers of images it is measured on the tar files, which are
listed as they are read. All files that the engines write are compared.
"""

from __future__ import annotations

import argparse
import io
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

import twinspect as ts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHARED = Path(__file__).resolve().parents[2] / "shared"
IN_A_TAR = 500
POLL = 0.2


@dataclass
class Seen:
    """What was seen of a run from outside."""

    command: float = 0.0
    times: list[tuple[float, int]] = field(default_factory=list)
    driver: int = 0
    worker: int = 0

    @property
    def rate(self) -> float:
        """Images a second between the first rows and the last."""
        (first, some), (last, all_) = self.times[0], self.times[-1]
        return (all_ - some) / (last - first) if last > first else float("nan")


def main() -> None:
    """Make the images, score them in every way, and print a table."""
    options = _options()
    with tempfile.TemporaryDirectory(dir=options.scratch) as temporary:
        scratch = Path(temporary)
        folder, tars = write_images(options.data, scratch, options.images)
        model = untrained(options, folder, scratch / "m.twin")
        compare(options, scratch, model, folder)
        grow(options, scratch, model, tars)


def compare(options: argparse.Namespace, scratch: Path, model: Path, folder: Path) -> None:
    """Score one folder in turns: plain, by the local engine, by Ray, and by Ray with a worker killed."""
    plain, local, ray, killed = (scratch / name for name in ("plain.csv", "local", "ray", "killed"))
    show(f"plain, {os.cpu_count()} cores", watch([model, folder, "--out", plain], lambda: _lines(plain)))
    shards = ["--shard-images", options.shard_images]
    command = [model, folder, *shards, "--engine", "local", "--out", local]
    show("--engine local, 1 thread", watch(command, lambda: _rows(local, options.shard_images)))
    for out in (ray, killed):
        command = [model, folder, *shards, "--engine", "ray", "--actors", options.actors, "--out", out]
        at = options.images // 3 if out == killed else None
        seen = watch(command, lambda out=out: _rows(out, options.shard_images), kill_at=at)  # type: ignore[misc]
        show(f"--engine ray, {options.actors} workers{', one killed' if at else ''}", seen)
    show(
        "plain again",
        watch([model, folder, "--out", scratch / "again.csv"], lambda: _lines(scratch / "again.csv")),
    )
    check(options.images, local, ray, killed)


def check(images: int, local: Path, *others: Path) -> None:
    """Compare all files byte by byte, and count the rows."""
    for other in others:
        assert _files(other) == _files(local), f"{other} differs from {local}"
    paths = [path for part in (local / "rows").iterdir() for path in pq.read_table(part)["path"].to_pylist()]
    assert len(paths) == len(set(paths)) == images
    print(f"{images} rows, each once; {len(_files(local))} files of each engine, the same bytes", flush=True)


def grow(options: argparse.Namespace, scratch: Path, model: Path, tars: list[Path]) -> None:
    """Score more and more tar files by Ray, and look at the memory."""
    for images in options.growth:
        out = scratch / f"grown-{images}"
        uris = [f"file://{tar}" for tar in tars[: -(-images // IN_A_TAR)]]
        command = [model, *uris, "--engine", "ray", "--actors", options.actors, "--out", out]
        command += ["--shard-images", options.shard_images]
        show(
            f"ray, {len(uris) * IN_A_TAR} images in tar",
            watch(command, lambda out=out: _rows(out, options.shard_images)),
        )  # type: ignore[misc]


def watch(arguments: list[object], count: Callable[[], int], *, kill_at: int | None = None) -> Seen:
    """Run `twinspect score`, looking at its rows and its memory now and then."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    command = [sys.executable, "-m", "twinspect", "score", *map(str, arguments)]
    seen, began = Seen(), time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as driver:
        while driver.poll() is None:
            done = count()
            if done and (not seen.times or done > seen.times[-1][1]):
                seen.times.append((time.perf_counter() - began, done))
            workers = list(_workers())
            seen.driver = max(seen.driver, _resident(driver.pid))
            seen.worker = max([seen.worker, *map(_resident, workers)])
            if kill_at is not None and done >= kill_at:
                os.kill(workers[0], signal.SIGKILL)
                print(f"  killed a worker after {done} images", flush=True)
                kill_at = None
            time.sleep(POLL)
    seen.command = time.perf_counter() - began
    assert driver.returncode == 0, command
    return seen


def show(name: str, seen: Seen) -> None:
    """Print one line."""
    print(
        f"{name:36} {seen.rate:7.1f} images/s, whole {seen.command:6.1f} s, first rows {seen.times[0][0]:5.1f} s, "
        f"driver {seen.driver / 2**20:5.0f} MiB, worker {seen.worker / 2**20:5.0f} MiB",
        flush=True,
    )


def write_images(data: Path, scratch: Path, count: int) -> tuple[Path, list[Path]]:
    """Write the images twice: as files, and into tar files."""
    with np.load(data, allow_pickle=False) as arrays:
        pixels = arrays["x_train"] if "x_train" in arrays else arrays[arrays.files[0]]
    folder = scratch / "images"
    folder.mkdir()
    tars = [scratch / f"images-{number:04}.tar" for number in range(-(-count // IN_A_TAR))]
    for number, path in enumerate(tars):
        with tarfile.open(path, "w") as tar:
            for image in range(number * IN_A_TAR, min(count, (number + 1) * IN_A_TAR)):
                content = _png(np.roll(pixels[image % len(pixels)], image // len(pixels), axis=1))
                (folder / f"{image:06}.png").write_bytes(content)
                member = tarfile.TarInfo(f"{image:06}.png")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return folder, tars


def untrained(options: argparse.Namespace, folder: Path, path: Path) -> Path:
    """Save a model that has hardly learnt anything: it takes the time of any other."""
    how = {"teacher": "pocket", "size": options.size, "steps": 2, "batch_size": 8, "device": "cpu"}
    ts.Detector("rd", **how).fit(sorted(folder.iterdir())[:40]).save(path)
    return path


def _png(pixels: np.ndarray) -> bytes:  # type: ignore[type-arg]
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue()


def _workers() -> Iterator[int]:
    for folder in Path("/proc").glob("[0-9]*"):
        if b"ray::MapWorker" in _read(folder / "cmdline"):
            yield int(folder.name)


def _resident(process: int) -> int:
    for line in _read(Path(f"/proc/{process}/status")).splitlines():
        if line.startswith(b"VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # the process has ended
        return b""


def _lines(path: Path) -> int:
    return max(0, _read(path).count(b"\n") - 1)


def _rows(out: Path, shard: int) -> int:
    folder = out / "rows"
    return shard * sum(path.suffix == ".parquet" for path in folder.iterdir()) if folder.is_dir() else 0


def _files(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--data", type=Path, default=SHARED / "data" / "fashion_mnist.npz", help="an .npz of (N, H, W) images"
    )
    add("--images", type=int, default=20_000)
    add(
        "--growth",
        type=lambda text: [int(part) for part in text.split(",")],
        default=[2500, 5000, 10_000, 20_000],
    )
    add("--size", type=int, default=64, help="what the teacher sees, in pixels")
    add("--actors", type=int, default=2)
    add("--shard-images", type=int, default=256)
    add("--scratch", type=Path, help="where images and rows go; default: the system's temporary folder")
    return parser.parse_args()


if __name__ == "__main__":
    main()
