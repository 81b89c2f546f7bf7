"""`twinspect wheels`: a folder of wheels, from which twinspect is installed where there is no network.

pip does the work. Where the other machine has another system or Python, pip's own options choose the files, and
:mod:`twinspect.cli.pip_elsewhere` lets it read the conditions of requirements as they hold there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlparse
from urllib.request import url2pathname

import twinspect
from twinspect._version import __version__
from twinspect.cli.outcome import Outcome
from twinspect.cli.wheel_targets import Target
from twinspect.errors import MissingExtraError, TwinspectError
from twinspect.utils.files import refuse_no_folder

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

STDERR: Final = 2
BUILT_TOGETHER: Final = ("torch", "torchvision")
"""Packages that load only beside each other as they were built; timm needs both."""


def run(options: argparse.Namespace) -> Outcome:
    """Download, check that nothing is missing, and say how to install."""
    if find_spec("pip") is None:
        raise MissingExtraError("pip downloads wheels, and is not installed here; type: python -m ensurepip")
    folder, target = Path(options.folder), Target.of(options.platform, options.python)
    extras = [name.strip() for name in options.extras.split(",") if name.strip()]
    wanted = f"twinspect[{','.join(extras)}]" if extras else "twinspect"
    refuse_no_folder(folder, "wheels")
    folder.mkdir(parents=True, exist_ok=True)
    source = Path(options.source) if options.source else _source()
    if source is not None:
        _pip({}, "wheel", "--no-deps", "--wheel-dir", str(folder), str(source))
    if options.torch:
        _pip(
            target.markers,
            "download",
            "--no-deps",
            *_into(folder, target),
            *BUILT_TOGETHER,
            only=options.torch,
        )
    pinned = _pinned(folder, *(BUILT_TOGETHER if options.torch else ()), *(("twinspect",) if source else ()))
    here = "" if source else f"=={__version__}"
    _pip(
        target.markers,
        "download",
        "--find-links",
        str(folder),
        *_into(folder, target),
        f"{wanted}{here}",
        *pinned,
    )
    _check(folder, target, wanted)
    wheels = sorted(folder.glob("*.whl"))
    command = f"python -m pip install --no-index --find-links {folder.name} '{wanted}'"
    size = sum(path.stat().st_size for path in wheels)
    text = f"{len(wheels)} wheels, {size / 1e6:.0f} MB, in {folder}; copy it, and type there: {command}"
    names = [path.name for path in wheels]
    return Outcome(text, {"out": str(folder), "wheels": names, "bytes": size, "install": command})


def _check(folder: Path, target: Target, wanted: str) -> None:
    """Let pip go through an installation there, from this folder alone."""
    nowhere = ["--target", str(folder / "unused")] if target.options else []
    _pip(
        target.markers,
        *("install", "--dry-run", "--quiet", "--ignore-installed", "--no-index", "--find-links", str(folder)),
        *("--only-binary", ":all:", *target.options, *nowhere, wanted),
    )


def _into(folder: Path, target: Target) -> list[str]:
    return ["--dest", str(folder), "--only-binary", ":all:", *target.options]


def _pinned(folder: Path, *names: str) -> list[str]:
    """Require the very versions that were put into the folder."""
    wheels = {name: folder.glob(f"{name}-*.whl") for name in names}
    newest = {name: max(paths, key=lambda path: path.stat().st_mtime).name for name, paths in wheels.items()}
    return [f"{name}=={file.split('-')[1]}" for name, file in newest.items()]


def _source() -> Path | None:
    """Find what twinspect was installed from, if that was a folder or file of this machine."""
    try:
        record = distribution("twinspect").read_text("direct_url.json")
    except PackageNotFoundError:
        record = None
    url = urlparse(json.loads(record)["url"]) if record else None
    path = (
        Path(url2pathname(url.path)) if url and url.scheme == "file" else Path(twinspect.__file__).parents[2]
    )
    is_checkout = (path / "pyproject.toml").exists() or path.suffix == ".whl"
    return path if is_checkout and path.exists() else None


def _pip(markers: dict[str, str], *arguments: str, only: str = "") -> None:
    """Run pip; what it says goes to standard error.

    Args:
        markers: conditions that hold on the other machine; empty for one like this.
        arguments: of pip.
        only: the one index or folder to look at; empty for those that pip is set to.

    Raises:
        TwinspectError: it failed; what it said stands above.
    """
    runner: Sequence[str] = ("twinspect.cli.pip_elsewhere", json.dumps(markers)) if markers else ("pip",)
    command: list[Any] = [sys.executable, "-m", *runner, *arguments, "--disable-pip-version-check"]
    place = ("INDEX_URL", "EXTRA_INDEX_URL", "FIND_LINKS") if only else ()
    settings = {f"PIP_{name}": only for name in place} | (
        {"PIP_NO_INDEX": "1"} if Path(only or "-").is_dir() else {}
    )
    done = subprocess.run(command, stdout=STDERR, check=False, env=os.environ | settings)  # noqa: S603 - a list, no shell
    if done.returncode:
        raise TwinspectError(f"pip {arguments[0]} failed; what it said stands above")
