"""When and on which machine a report was made, in words."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timezone

from twinspect._version import __version__
from twinspect.utils.machine import package_version, processor_name


def describe_scoring(runtime: str) -> str:
    """Say the date, the machine and the versions.

    Args:
        runtime: ``torch``, or the name of the export that scored, such as ``onnx-fp32``.
    """
    date = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    machine = f"{processor_name()}, {os.cpu_count()} cores, {platform.system()}"
    package = {"torch": "torch", "openvino": "openvino"}.get(runtime.partition("-")[0], "onnxruntime")
    found = package_version(package) or "of an unknown version"
    versions = f"twinspect {__version__}, Python {platform.python_version()}, {package} {found}"
    return f"Made {date} on {machine}, by {runtime}; {versions}."
