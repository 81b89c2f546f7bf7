"""Loading a detector of any kind from its folder, and choosing what scores."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Final

from twinspect.bundle.export_cache import find_exports
from twinspect.bundle.folder import JOINED, is_on_hub, read_model_record
from twinspect.errors import ConfigError, MissingExtraError, is_installed
from twinspect.inference.runtimes import RUNTIMES, is_for_cpu
from twinspect.utils.progress import announce

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from twinspect.bundle.exports import Export
    from twinspect.errors import BundleError
    from twinspect.inference.base_detector import BaseDetector
    from twinspect.inference.torch_detector import TorchDetector


TORCH, AUTO = "torch", "auto"
CPU: Final = "cpu"
MOST_THREADS: Final = max(64, 16 * (os.cpu_count() or 1))
"""With more, runtimes start up for minutes, or never, and none is faster."""
EXACT: Final = "fp32"
"""The precision of what scores where nobody named a runtime."""
_ACCELERATORS: Final = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""Files that Linux has where torch may find a GPU: of NVIDIA, of Windows below it, of AMD."""


def load(
    path: str | Path, *, device: str = "auto", runtime: str | None = None, threads: int | None = None
) -> BaseDetector:
    """Load a detector that ``Detector.save``, ``twinspect fit`` or ``twinspect join`` wrote.

    Args:
        path: the model folder, or ``hf://owner/name[@revision]`` for one on the Hugging Face hub, which is fetched
            into its cache.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        runtime: what scores. ``None``: on a CPU the fastest fp32 export that is there and can run, else torch; the
            detector is the trained one either way, and can be exported, joined and saved. ``torch``: the networks as
            they were trained. ``onnx``, ``openvino`` or, on an NVIDIA GPU, ``tensorrt``: an export (the most precise
            one, if there are several); the name of an export, such as ``onnx-int8``; or ``auto``, the fastest of all
            exports and torch, as measured when they were exported. With an export named, or where torch is not
            installed, the detector needs no torch, and only scores and calibrates.
        threads: that compute one image; ``None`` for the runtime's choice, all cores. Torch's are set for the whole
            process.

    Raises:
        BundleError: a file is missing, damaged, altered or unknown; names it. A damaged export that nobody named is
            a warning, and torch scores.
        ConfigError: there is no such export; lists the existing ones. Or no such number of threads.
        MissingExtraError: the runtime is not installed.
    """
    check_threads(threads)
    if is_on_hub(path):
        from twinspect.inference.model_hub import fetch_model  # noqa: PLC0415 - rarely needed

        path = fetch_model(path)
    if runtime is None and not is_installed(TORCH):
        runtime = AUTO
    chosen = choose_runtime(path, device) if runtime == AUTO else runtime or TORCH
    # Torch takes two seconds to import, and is not installed where only exported models are scored.
    if chosen == TORCH and not is_installed(TORCH):
        raise MissingExtraError(
            "torch is not installed here, so only exports can be scored, with runtime auto; to score with the "
            "trained networks, type: pip install torch timm"
        )
    announce(f"loading the model {path}")
    if chosen != TORCH:
        from twinspect.inference.exported_detector import ExportedDetector  # noqa: PLC0415 - as below

        return ExportedDetector.from_bundle(path, chosen, device=device, threads=threads)
    detector = _trained(path, device)
    use_threads(threads)
    export = usual_export(path, device) if runtime is None else None
    if export is not None:
        detector.score_by(export, threads)
    return detector


def check_threads(threads: int | None) -> int | None:
    """Refuse a number of threads that is none, or that no runtime here could start.

    Raises:
        ConfigError: it is no whole number, or out of range.
    """
    if threads is None or (type(threads) is int and 1 <= threads <= MOST_THREADS):
        return threads
    raise ConfigError(f"--threads {threads!r}; allowed is 1 to {MOST_THREADS} on this machine")


def use_threads(threads: int | None) -> None:
    """Let torch compute in so many threads, in the whole process; ``None`` leaves their number as it is.

    Raises:
        ConfigError: as for :func:`check_threads`.
    """
    check_threads(threads)
    if threads:
        import torch  # noqa: PLC0415

        torch.set_num_threads(threads)


def _trained(path: str | Path, device: str) -> TorchDetector:
    """Load the networks as they were trained."""
    if read_model_record(Path(path))["method"] == JOINED:
        from twinspect.ensemble.detector import JoinedDetector  # noqa: PLC0415

        return JoinedDetector.from_bundle(path, device=device)
    from twinspect.detector import Detector  # noqa: PLC0415

    return Detector.from_bundle(path, device=device)


def usual_export(
    path: str | Path, device: str, damaged: Callable[[BundleError], None] | None = None
) -> Export | None:
    """Choose what scores where nobody named a runtime: the fastest fp32 export; ``None`` for torch.

    Args:
        path: the model folder.
        device: exports are for a CPU.
        damaged: called with the error of each export that is damaged; warns if not given.

    Raises:
        BundleError: ``model.json`` is missing, damaged or altered.
    """
    folder = Path(path)
    record = read_model_record(folder)
    if not scores_on_cpu(device):
        return None
    exports = find_exports(folder, record, damaged or (lambda error: warnings.warn(str(error), stacklevel=2)))
    # One with a note computes something else than the model, such as maps of another scale.
    return _fastest(
        each
        for each in exports
        if is_for_cpu(each) and each.precision == EXACT and not each.record.get("notes")
    )


def choose_runtime(
    path: str | Path, device: str = AUTO, damaged: Callable[[BundleError], None] | None = None
) -> str:
    """Name the fastest runtime of a model that is installed here: an export's name, or ``torch``.

    Judged by the time per image that was measured for each export and for torch when the export was checked.

    Args:
        path: the model folder.
        device: on ``cpu``, those for a GPU are left out.
        damaged: called with the error of each export that is damaged, which is then left out.

    Raises:
        BundleError: ``model.json`` is missing, damaged or altered, or the record of an export is, and ``damaged`` is
            ``None``.
    """
    folder = Path(path)
    exports = find_exports(folder, read_model_record(folder), damaged)
    fastest = _fastest(export for export in exports if device != CPU or is_for_cpu(export))
    return TORCH if fastest is None else fastest.name


def scores_on_cpu(device: str) -> bool:
    """Tell whether a device is the CPU, without importing torch where nothing suggests another."""
    if device != AUTO or not is_installed(TORCH):
        return device in (CPU, AUTO)
    if sys.platform == "linux" and not any(Path(file).exists() for file in _ACCELERATORS):
        return True
    from twinspect.utils.devices import choose_device  # noqa: PLC0415 - it imports torch

    return choose_device(device).type == CPU


def _fastest(exports: Iterable[Export]) -> Export | None:
    """Choose the fastest export for images of any size that can run here, if torch, where it is there, is slower."""
    usable = [
        export
        for export in exports
        if export.fixed_size is None and export.runtime in RUNTIMES and RUNTIMES[export.runtime].is_installed
    ]
    fastest = min(usable, key=lambda export: export.milliseconds, default=None)
    return None if fastest is None or (is_installed(TORCH) and fastest.slower_than_torch) else fastest
