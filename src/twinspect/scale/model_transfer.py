"""Sending a model to workers: its folder as bytes, so that they need no access to its disk."""

from __future__ import annotations

import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from twinspect.bundle.exports import FOLDER
from twinspect.bundle.folder import IMAGES, LEARNT, RECORD, read_model_record
from twinspect.inference.runtimes import find_export
from twinspect.loading import TORCH, load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twinspect.inference.base_detector import BaseDetector


def export_name(model: Path, runtime: str) -> str:
    """Name the export that a runtime stands for; empty for the networks as they were trained.

    Raises:
        BundleError: the model is missing or damaged.
        ConfigError: there is no such export.
    """
    record = read_model_record(model)
    return "" if runtime == TORCH else find_export(model, record, runtime).name


def pack(model: Path, export: str) -> dict[str, bytes]:
    """Read what scoring needs of a model folder.

    Args:
        model: the folder.
        export: the name of the export that is to score; empty for the networks as they were trained.

    Returns:
        The contents of files, by their paths within the folder.

    Raises:
        OSError: a file cannot be read.
    """
    weights = () if export else model.glob("*.safetensors")
    own = [model / RECORD, model / LEARNT, *(model / IMAGES).glob("*"), *weights]
    needed = {path.relative_to(model).as_posix(): path for path in own}
    if export:  # it may lie in the user's cache
        folder = find_export(model, read_model_record(model), export).folder
        needed |= {f"{FOLDER}/{export}/{path.name}": path for path in folder.iterdir()}
    return {name: path.read_bytes() for name, path in sorted(needed.items()) if path.is_file()}


def unpack(files: Mapping[str, bytes], *, device: str, export: str, threads: int) -> BaseDetector:
    """Load a packed model, through a temporary folder that is deleted before this returns.

    Args:
        files: what :func:`pack` returned.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        export: as for :func:`pack`.
        threads: threads that it computes with.

    Raises:
        BundleError: a file is damaged.
        MissingExtraError: the runtime is not installed here.
    """
    # On Windows a memory-mapped file of weights stays until the process ends.
    with tempfile.TemporaryDirectory(prefix="twinspect-", ignore_cleanup_errors=True) as temporary:
        for name, content in files.items():
            path = Path(temporary, *PurePosixPath(name).parts)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return load_model(Path(temporary), device=device, export=export, threads=threads)


def load_model(model: Path, *, device: str, export: str, threads: int) -> BaseDetector:
    """Load a model that computes with so many threads, in any runtime: the last bits of a score depend on it."""
    return load(model, device=device, runtime=export or TORCH, threads=threads)
