"""Saying that a large package is imported before it is: that takes seconds, and much longer from a cold disk."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from twinspect.utils.progress import interlude

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

LARGE: Final = (
    "torch",
    "timm",
    "lightning_fabric",
    "matplotlib",
    "nncf",
    "onnx",
    "onnxruntime",
    "openvino",
    "pyarrow",
    "ray",
    "scipy.stats",
    "sklearn",
    "uvicorn",
)
"""Packages that take more than a fifth of a second."""


class _Announcer:
    """A finder that finds large packages as usual, and says so before their code runs."""

    def __init__(self) -> None:
        self._is_announced = False

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a large package; others are left to the finders after this one."""
        if name not in LARGE or self._is_announced:  # those that a large package imports are part of it
            return None
        others = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self)
        spec = next(filter(None, others), None)
        if spec is not None and spec.loader is not None:
            run = partial(self._announce_and_run, name.partition(".")[0], spec.loader.exec_module)
            spec.loader.exec_module = run  # type: ignore[method-assign]
        return spec

    def _announce_and_run(self, package: str, run: Callable[[ModuleType], None], module: ModuleType) -> None:
        self._is_announced = True
        try:
            with interlude(f"loading {package}"):
                run(module)
        finally:
            self._is_announced = False


@contextmanager
def announced_imports() -> Iterator[None]:
    """Announce imports of large packages while in the block."""
    announcer = _Announcer()
    sys.meta_path.insert(0, announcer)
    try:
        yield
    finally:
        sys.meta_path.remove(announcer)
