"""The machines that `twinspect wheels` downloads for: how pip chooses their files, and what conditions hold there."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from typing import Final

from twinspect.errors import ConfigError, unknown_name

NEWEST_GLIBC: Final = 28
"""Minor version of the C library that wheels for Linux may ask for: of distributions since 2019."""


@dataclass(frozen=True)
class Platform:
    """A system that wheels are for.

    Attributes:
        tags: those of its wheels, the best first.
        markers: what conditions of requirements hold there.
    """

    tags: tuple[str, ...]
    markers: dict[str, str]


def _linux(machine: str) -> Platform:
    glibc = [f"manylinux_2_{minor}_{machine}" for minor in range(NEWEST_GLIBC, 4, -1)]
    older = [f"{name}_{machine}" for name in ("manylinux2014", "manylinux2010", "manylinux1", "linux")]
    markers = {
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "platform_machine": machine,
    }
    return Platform((*glibc, *older), markers)


PLATFORMS: Final = {
    "linux-x86_64": _linux("x86_64"),
    "linux-aarch64": _linux("aarch64"),
    "windows-x86_64": Platform(
        ("win_amd64",),
        {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt", "platform_machine": "AMD64"},
    ),
    "macos-arm64": Platform(
        ("macosx_14_0_arm64",),
        {
            "sys_platform": "darwin",
            "platform_system": "Darwin",
            "os_name": "posix",
            "platform_machine": "arm64",
        },
    ),
}


@dataclass(frozen=True)
class Target:
    """The other machine.

    Attributes:
        platform: its system; ``None`` for one like this.
        python: its Python, ``3.12``; ``None`` for one like this.
    """

    platform: Platform | None
    python: str | None

    @classmethod
    def of(cls, name: str | None, python: str | None) -> Target:
        """Read it as it is typed.

        Raises:
            ConfigError: an unknown platform, or no version of Python.
        """
        if name is not None and name not in PLATFORMS:
            raise unknown_name("platform", name, PLATFORMS)
        major, _, minor = (python or "3.11").partition(".")
        if major != "3" or not minor.isdigit():
            raise ConfigError(f"--python {python}: write its version as 3.12")
        return cls(PLATFORMS[name] if name else None, python)

    @property
    def options(self) -> list[str]:
        """Options by which pip chooses files for it."""
        system = self.platform or (PLATFORMS.get(_this_platform()) if self.python else None)
        tags = [option for tag in (system.tags if system else ()) for option in ("--platform", tag)]
        python = self.python or (_this_python() if self.platform else None)
        return tags + (["--python-version", python, "--implementation", "cp"] if python else [])

    @property
    def markers(self) -> dict[str, str]:
        """Conditions that hold there and may not hold here."""
        python = (
            {"python_version": self.python, "python_full_version": f"{self.python}.0"} if self.python else {}
        )
        return {**(self.platform.markers if self.platform else {}), **python}


def _this_platform() -> str:
    systems = {"Linux": "linux", "Windows": "windows", "Darwin": "macos"}
    machine = platform.machine().replace("AMD64", "x86_64")
    return f"{systems.get(platform.system(), '')}-{machine}"


def _this_python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"
