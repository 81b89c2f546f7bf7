"""How many functions of twinspect an image passes on its way from the file to the decision.

Scores one PNG in one thread, with a model that was hardly trained, under a profiler. A function is on the way if it
runs (has been called and has not returned) while one of four things happens: the image file is opened, its pixels are
resized, the network is called, or a p-value is asked for. Functions that such a one merely calls for help are not on
the way; their number is printed beside it. Never counted are comprehensions, lambdas, what dataclasses write by
themselves, and what methods and teachers do among themselves (`methods`, `nets`, `teachers`).

Run: python benchmarks/path_length.py (another checkout: PYTHONPATH=<checkout>/src python benchmarks/path_length.py)
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from torch.nn.functional import interpolate

import twinspect as ts

if TYPE_CHECKING:
    from types import FrameType

PACKAGE = Path(ts.__file__).parent
NETWORKS = ("methods", "nets", "teachers")


def module_of(frame: FrameType) -> str:
    """Name the module of the package that a frame runs in; empty for other packages and generated code."""
    file = frame.f_code.co_filename
    if not file.startswith(f"{PACKAGE}{os.sep}"):
        return ""
    return Path(file).relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".")


def is_network(frame: FrameType) -> bool:
    """Whether a frame runs in a method or a teacher."""
    return module_of(frame).split(".")[0] in NETWORKS


def stack_of(frame: FrameType | None) -> list[FrameType]:
    """Give a frame and its callers, the outermost first."""
    frames = []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames[::-1]


class Recorder:
    """Notes functions of the package while an image is scored.

    Attributes:
        called: module and qualified name of every function that was called, in the order of the first call.
        passed: those of them that are on the way.
    """

    def __init__(self, image: Path) -> None:
        self.called: dict[str, None] = {}
        self.passed: set[str] = set()
        self._image = str(image)

    def profile(self, frame: FrameType, event: str, _: Any) -> None:
        """Take an event of the profiler."""
        if event != "call":
            return
        if not is_network(frame):
            self._add(self.called, frame)
        code = frame.f_code
        if code is interpolate.__code__ or is_network(frame) or code.co_name == "p_values":
            self._pass(frame.f_back)

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take an event of the interpreter: the opening of the image counts."""
        if event == "open" and str(arguments[0]) == self._image:
            self._pass(sys._getframe())  # noqa: SLF001 - the documented way to one's callers

    def _pass(self, frame: FrameType | None) -> None:
        for caller in stack_of(frame):
            if is_network(caller):
                return
            self._add(self.called, caller)
            self.passed.update(self._names(caller))

    def _add(self, names: dict[str, None], frame: FrameType) -> None:
        names.update(dict.fromkeys(self._names(frame)))

    @staticmethod
    def _names(frame: FrameType) -> list[str]:
        """Name a function of the package, and nothing else."""
        module, code = module_of(frame), frame.f_code
        qualified = getattr(code, "co_qualname", code.co_name)  # Python 3.10 has no qualified names
        return [f"{module}.{qualified}"] if module and "<" not in code.co_name else []


def write_images(folder: Path, count: int) -> list[Path]:
    """Write small images of noise."""
    random = np.random.default_rng(0)
    paths = [folder / f"{number}.png" for number in range(count)]
    for path in paths:
        Image.fromarray(random.integers(0, 256, (48, 48, 3), dtype=np.uint8)).save(path)
    return paths


def record(*, maps: bool) -> Recorder:
    """Fit a detector, and note what it calls to score a file."""
    with TemporaryDirectory() as folder:
        paths = write_images(Path(folder), 12)
        detector = ts.Detector(
            "mkd", teacher="pocket", size=64, steps=1, batch_size=4, device="cpu", workers=0
        ).fit(paths)
        detector.score(paths[0])  # what is done once in a process is done
        recorder = Recorder(paths[0])
        sys.addaudithook(recorder.audit)
        sys.setprofile(recorder.profile)
        try:
            detector.score(paths[0], maps=maps)
        finally:
            sys.setprofile(None)
    return recorder


def main() -> None:
    """Print the functions on the way, in the order of their first call, and their number."""
    for maps in (False, True):
        recorder = record(maps=maps)
        way = [name for name in recorder.called if name in recorder.passed]
        print(
            f"{'with' if maps else 'without'} a map: {len(way)} functions in a row; "
            f"{len(recorder.called)} were called in all"
        )
        for number, name in enumerate(way, start=1):
            print(f"{number:4} {name}")


if __name__ == "__main__":
    main()
