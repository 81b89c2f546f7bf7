"""The environment that a run was made in: versions, commit and machine."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import torch

from twinspect._version import __version__
from twinspect.utils.devices import choose_device

_PACKAGE = Path(__file__).resolve().parents[1]


@cache
def describe_environment(device: str) -> dict[str, Any]:
    """Describe this installation and machine; keys are columns of the table of runs.

    Args:
        device: the one that computes: ``auto``, ``cpu``, ``cuda`` or ``mps``.
    """
    chosen = choose_device(device)
    processor = platform.processor() or platform.machine()
    return {
        "version": __version__,
        "git_commit": git_commit(_PACKAGE),
        "device": torch.cuda.get_device_name(chosen)
        if chosen.type == "cuda"
        else f"{chosen.type}, {processor}",
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def git_commit(folder: Path) -> str | None:
    """Return the commit that a package runs from, ``-dirty`` if files differ; ``None`` outside a git checkout.

    A package that is installed below another project's checkout does not belong to it.
    """
    if _git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    return _git(folder, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


def _git(folder: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(folder), *arguments]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError:  # git is not installed
        return None
    return result.stdout.strip() if result.returncode == 0 else None
