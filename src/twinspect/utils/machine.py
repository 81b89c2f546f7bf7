"""What this machine and its packages are called."""

from __future__ import annotations

import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def processor_name() -> str:
    """Name the processor; Linux tells its name in a file only."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def package_version(package: str) -> str | None:
    """Return the version of an installed package, or of its build for GPUs; ``None`` if it is not installed."""
    for name in (package, f"{package}-gpu"):
        with suppress(PackageNotFoundError):
            return version(name)
    return None
