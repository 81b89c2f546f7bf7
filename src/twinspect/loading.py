"""Loading a detector of any kind from its folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from twinspect.bundle.exports import list_exports
from twinspect.bundle.folder import JOINED, read_model_record
from twinspect.errors import MissingExtraError, is_installed
from twinspect.inference.runtimes import RUNTIMES
from twinspect.utils.progress import announce

if TYPE_CHECKING:
    from twinspect.inference.base_detector import BaseDetector


TORCH, AUTO = "torch", "auto"


def load(
    path: str | Path, *, device: str = "auto", runtime: str = TORCH, threads: int | None = None
) -> BaseDetector:
    """Load a detector that ``Detector.save``, ``twinspect fit`` or ``twinspect join`` wrote.

    Args:
        path: the model folder.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        runtime: what scores: ``torch``, the networks as they were trained; ``onnx`` or ``openvino``, an export
            (the most precise one, if there are several); the name of an export, such as ``onnx-int8``; or ``auto``,
            the fastest of all that can run here, as measured when they were exported. Only ``torch`` needs torch,
            and only its detector can be exported, joined and saved again.
        threads: number of threads for an export; ``None`` for the runtime's default, all cores. Torch's are set
            for the whole process, by ``torch.set_num_threads``.

    Raises:
        BundleError: a file is missing, damaged, altered or unknown; names it.
        ConfigError: there is no such export; lists the existing ones.
        MissingExtraError: the runtime is not installed.
    """
    chosen = choose_runtime(path) if runtime == AUTO else runtime
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
    from twinspect.detector import Detector  # noqa: PLC0415
    from twinspect.ensemble.detector import JoinedDetector  # noqa: PLC0415

    is_joined = read_model_record(Path(path))["method"] == JOINED
    return (JoinedDetector if is_joined else Detector).from_bundle(path, device=device)


def choose_runtime(path: str | Path) -> str:
    """Name the fastest runtime of a model that is installed here: an export's name, or ``torch``.

    Judged by the time per image that was measured for each export and for torch when the export was checked.

    Raises:
        BundleError: ``model.json``, or the record of an export, is missing, damaged or altered.
    """
    folder = Path(path)
    installed = {name for name, runtime in RUNTIMES.items() if runtime.is_installed}
    usable = [
        export
        for export in list_exports(folder, read_model_record(folder))
        if export.fixed_size is None and export.runtime in installed
    ]
    fastest = min(usable, key=lambda export: export.milliseconds, default=None)
    if fastest is None or (is_installed(TORCH) and fastest.slower_than_torch):
        return TORCH
    return fastest.name
