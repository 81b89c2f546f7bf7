"""When and on which machine a report was made, in words."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from datetime import datetime, timezone
from pathlib import Path

from twinspect._version import __version__


def describe_scoring(runtime: str) -> str:
    """Say the date, the machine and the versions.

    Args:
        runtime: ``torch``, or the name of the export that scored, such as ``onnx-fp32``.
    """
    date = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    machine = f"{_processor()}, {os.cpu_count()} cores, {platform.system()}"
    package = {"torch": "torch", "onnx": "onnxruntime"}.get(runtime.partition("-")[0], "openvino")
    versions = f"twinspect {__version__}, Python {platform.python_version()}, {package} {_version(package)}"
    return f"Made {date} on {machine}, by {runtime}; {versions}."


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "of an unknown version"


def _processor() -> str:
    """Name the processor; Linux tells its name in a file only."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
