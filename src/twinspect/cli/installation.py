"""What is installed on this machine, for `doctor` and for reports of bugs: versions and names, no paths."""

from __future__ import annotations

import os
import platform
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any, Final

from twinspect._version import __version__
from twinspect.methods import ENTRY_POINTS as METHODS
from twinspect.teachers import teachers
from twinspect.teachers.plugins import ENTRY_POINTS as TEACHERS
from twinspect.utils.machine import package_version, processor_name

EXTRAS: Final = {
    "onnx": "onnxruntime",
    "openvino": "openvino",
    "serve": "fastapi",
    "line": "paho",
    "scale": "ray",
    "plots": "sklearn",
    "formats": "pi_heif",
    "trackers": "mlflow",
    "wandb": "wandb",
}
"""The module by which an extra is known to be installed."""
PACKAGES: Final = (
    "timm",
    "numpy",
    "scipy",
    "pillow",
    "scikit-image",
    "pyarrow",
    "lightning-fabric",
    "safetensors",
    "onnxruntime",
    "openvino",
    "tensorrt",
    "fastapi",
    "ray",
)
"""Packages whose versions are told, those of them that are installed."""


def describe_machine() -> dict[str, Any]:
    """Say in a few rows what computes here, and what is installed."""
    import torch

    cuda = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "twinspect": __version__,
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "torch": torch.__version__,
        "processors": f"{os.cpu_count()}, {torch.backends.cpu.get_cpu_capability()}",
        "cuda": cuda or "no",
        "mps": "yes" if torch.backends.mps.is_available() else "no",
        "extras present": [name for name, module in EXTRAS.items() if find_spec(module)],
        "teachers without a network": [name for name, info in teachers().items() if info.offline],
    }


def describe_installation() -> dict[str, Any]:
    """Say all that a report of a bug needs: :func:`describe_machine` and versions, builds, threads and plug-ins."""
    import torch

    build = torch.version.cuda or torch.version.hip or "no CUDA"
    return {
        **describe_machine(),
        "python build": f"{platform.python_implementation()} {platform.python_build()[0]}",
        "system": platform.platform(),
        "processor": processor_name(),
        "threads": f"{torch.get_num_threads()} (OMP_NUM_THREADS {os.environ.get('OMP_NUM_THREADS', 'not set')})",
        "torch build": f"{build}, {'MKL' if torch.backends.mkl.is_available() else 'no MKL'}, "  # type: ignore[no-untyped-call]
        f"{'oneDNN' if torch.backends.mkldnn.is_available() else 'no oneDNN'}",  # type: ignore[no-untyped-call]
        "packages": [f"{name} {found}" for name in PACKAGES if (found := package_version(name))],
        "methods of other packages": _plugins(METHODS),
        "teachers of other packages": _plugins(TEACHERS),
    }


def _plugins(group: str) -> list[str]:
    """Name what other packages provide, with the package that does."""
    return [
        f"{entry.name} ({entry.dist.name} {entry.dist.version})" if entry.dist else entry.name
        for entry in entry_points(group=group)
    ]
