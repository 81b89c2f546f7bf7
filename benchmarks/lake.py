r"""Scoring many small images: plain, in shards by the local engine, and by Ray, with a worker killed on the way.

    python benchmarks/lake.py --images 20000 --growth 2500,5000,10000,20000

Images of Fashion-MNIST become tar files of five hundred each, and PNG files in a folder for plain scoring, which
takes no tar files. Every run is the command line in a process of its own, and *two at once* are two of the local
engine with half of the tar files each, which is what Ray's two workers are to be compared with. *Rate* is images a
second from the first rows on the disk to the last, *CPU* the milliseconds an image that all processes of the command
computed in that time, whatever else the machine did; *whole* is from the command to its end. Memory is what is
resident (peak of samples every 0.2 s), of the driver and of the largest worker. All files that the engines write are
compared.
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
from running.processes import below, cpu_seconds, read, resident

if TYPE_CHECKING:
    from collections.abc import Callable

SHARED = Path(__file__).resolve().parents[2] / "shared"
IN_A_TAR = 500
POLL = 0.2


@dataclass
class Seen:
    """What was seen of a run from outside.

    Attributes:
        seconds: from the command to its end.
        steps: whenever rows were added: the seconds so far, the images done, and the seconds computed.
        driver: most bytes resident in a process of the command line.
        worker: likewise in one that holds a model for Ray.
    """

    seconds: float = 0.0
    steps: list[tuple[float, int, float]] = field(default_factory=list)
    driver: int = 0
    worker: int = 0
    _cpu: dict[int, float] = field(default_factory=dict)

    def look(self, drivers: list[int], seconds: float, done: int) -> list[int]:
        """Look at processes and all below them; name those that hold models for Ray."""
        family = [process for driver in drivers for process in (driver, *below(driver))]
        workers = [process for process in family if b"ray::MapWorker" in read(process, "cmdline")]
        self.driver = max([self.driver, *map(resident, drivers)])
        self.worker = max([self.worker, *map(resident, workers)])
        # Of one that has ended, what it had computed when it was last seen.
        self._cpu |= {process: cpu for process in family if (cpu := cpu_seconds(process))}
        if done and (not self.steps or done > self.steps[-1][1]):
            self.steps.append((seconds, done, sum(self._cpu.values())))
        return workers

    def __str__(self) -> str:
        (first, some, cpu), (last, most, more) = self.steps[0], self.steps[-1]
        rate, each = (most - some) / (last - first), 1000 * (more - cpu) / (most - some)
        memory = f"driver {self.driver / 2**20:5.0f} MiB, worker {self.worker / 2**20:5.0f} MiB"
        return f"{rate:6.1f} images/s, CPU {each:5.2f} ms, whole {self.seconds:6.1f} s, {memory}"


def main() -> None:
    """Make the images, score them in every way, and print a table."""
    options = _options()
    with tempfile.TemporaryDirectory(dir=options.scratch) as temporary:
        scratch = Path(temporary)
        folder, tars = write_images(options, scratch)
        model = untrained(options, folder, scratch / "m.twin")
        local, killed = scratch / "local", scratch / "killed"
        show("local, 1 thread", engine(options, model, [tars], [local], "local"))
        seen = engine(options, model, [tars], [killed], "ray", kill_at=options.images // 3)
        show("ray, 2 workers, one killed", seen)
        check(options.images, local, killed)
        for images in options.growth:
            few, out = tars[: -(-images // IN_A_TAR)], scratch / f"grown-{images}"
            show(f"ray, 2 workers, {len(few) * IN_A_TAR:6}", engine(options, model, [few], [out], "ray"))
        halves, outs = [tars[::2], tars[1::2]], [scratch / "half", scratch / "other"]
        show("local, two at once", engine(options, model, halves, outs, "local"))
        plain = scratch / "plain.csv"
        show(
            f"plain, {os.cpu_count()} cores", watch([[model, folder, "--out", plain]], lambda: _lines(plain))
        )


def check(images: int, local: Path, other: Path) -> None:
    """Compare all files byte by byte, and count the rows."""
    assert _files(other) == _files(local), f"{other} differs from {local}"
    paths = [path for part in (local / "rows").iterdir() for path in pq.read_table(part)["path"].to_pylist()]
    assert len(paths) == len(set(paths)) == images
    print(f"{images} rows, each once; {len(_files(local))} files of each engine, the same bytes", flush=True)


def engine(
    options: argparse.Namespace,
    model: Path,
    inputs: list[list[Path]],
    outs: list[Path],
    name: str,
    *,
    kill_at: int | None = None,
) -> Seen:
    """Run an engine on each of some lists of tar files at the same time."""
    how = ["--engine", name, "--shard-images", options.shard_images]
    how += ["--actors", 2] if name == "ray" else []
    commands = [[model, *tars, "--out", out, *how] for tars, out in zip(inputs, outs, strict=True)]
    return watch(commands, lambda: sum(_shards(out) for out in outs) * options.shard_images, kill_at=kill_at)


def watch(commands: list[list[object]], count: Callable[[], int], *, kill_at: int | None = None) -> Seen:
    """Run `twinspect score`, perhaps several at once, looking at rows and processes now and then."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    seen, began = Seen(), time.perf_counter()
    drivers = [
        subprocess.Popen(
            [sys.executable, "-m", "twinspect", "score", *map(str, command)],
            env=environment,
            stdout=subprocess.DEVNULL,
        )
        for command in commands
    ]
    while any(driver.poll() is None for driver in drivers):
        done = count()
        workers = seen.look([driver.pid for driver in drivers], time.perf_counter() - began, done)
        if kill_at is not None and done >= kill_at:
            os.kill(workers[0], signal.SIGKILL)
            print(f"  killed a worker after {done} images", flush=True)
            kill_at = None
        time.sleep(POLL)
    seen.seconds = time.perf_counter() - began
    assert all(driver.returncode == 0 for driver in drivers), commands
    return seen


def show(name: str, seen: Seen) -> None:
    """Print one line."""
    print(f"{name:28} {seen}, load {os.getloadavg()[0]:.1f}", flush=True)


def write_images(options: argparse.Namespace, scratch: Path) -> tuple[Path, list[Path]]:
    """Write the images into tar files, and the first of them as files."""
    count = options.images
    with np.load(options.data, allow_pickle=False) as arrays:
        pixels = arrays["x_train"] if "x_train" in arrays else arrays[arrays.files[0]]
    folder = scratch / "images"
    folder.mkdir()
    tars = [scratch / f"images-{number:04}.tar" for number in range(-(-count // IN_A_TAR))]
    for number, path in enumerate(tars):
        with tarfile.open(path, "w") as tar:
            for image in range(number * IN_A_TAR, min(count, (number + 1) * IN_A_TAR)):
                content = _png(np.roll(pixels[image % len(pixels)], image // len(pixels), axis=1))
                if image < options.plain:
                    (folder / f"{image:06}.png").write_bytes(content)
                member = tarfile.TarInfo(f"{image:06}.png")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return folder, tars


def untrained(options: argparse.Namespace, folder: Path, path: Path) -> Path:
    """Save a model that has hardly learnt anything: it takes the time of any other."""
    how = {"teacher": "pocket", "size": options.size, "steps": 2, "batch_size": 8, "device": "cpu"}
    ts.Detector(options.method, **how).fit(sorted(folder.iterdir())[:40]).save(path)
    return path


def _png(pixels: np.ndarray) -> bytes:  # type: ignore[type-arg]
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue()


def _lines(path: Path) -> int:
    return max(0, path.read_bytes().count(b"\n") - 1) if path.is_file() else 0


def _shards(out: Path) -> int:
    folder = out / "rows"
    return sum(path.suffix == ".parquet" for path in folder.iterdir()) if folder.is_dir() else 0


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
    add("--plain", type=int, default=2000, help="images of plain scoring")
    add(
        "--growth",
        type=lambda text: [int(part) for part in text.split(",")],
        default=[2500, 5000, 10_000, 20_000],
    )
    add("--method", default="mkd", help="of the model")
    add("--size", type=int, default=32, help="what the teacher sees, in pixels")
    add("--shard-images", type=int, default=200, help="should divide the images of every run")
    add("--scratch", type=Path, help="where images and rows go; default: the system's temporary folder")
    return parser.parse_args()


if __name__ == "__main__":
    main()
