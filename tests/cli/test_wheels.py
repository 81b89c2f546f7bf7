"""Wheels for another machine, from a folder of small wheels that stands for pip's index."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from twinspect._version import __version__
from twinspect.cli.wheel_targets import PLATFORMS, Target

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("pip")
REQUIRES = (
    "always",
    "torch",
    "for-windows; sys_platform == 'win32'",
    "for-linux; platform_system == 'Linux'",
    "for-old; python_version < '3.11'",
    "for-new; python_version >= '3.11'",
    "for-serve; extra == 'serve'",
)


def wheel(
    folder: Path, name: str, version: str, requires: tuple[str, ...] = (), tag: str = "py3-none-any"
) -> Path:
    """Write a wheel that holds nothing but a module of its name."""
    folder.mkdir(parents=True, exist_ok=True)
    safe = name.replace("-", "_")
    info = f"{safe}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nProvides-Extra: serve\n"
    path = folder / f"{safe}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(f"{safe}.py", "")
        file.writestr(f"{info}/METADATA", metadata + "".join(f"Requires-Dist: {each}\n" for each in requires))
        file.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        file.writestr(f"{info}/RECORD", f"{safe}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What pip finds; it asks no network."""
    folder = tmp_path / "index"
    for name in ("always", "for-windows", "for-linux", "for-old", "for-new", "for-serve"):
        wheel(folder, name, "1.0")
    for tag in ("cp312-cp312-win_amd64", "cp310-cp310-manylinux_2_28_aarch64", "py3-none-any"):
        wheel(folder, "torch", "2.5", tag=tag)
    for name, value in (("NO_INDEX", "1"), ("FIND_LINKS", str(folder)), ("CONFIG_FILE", "/dev/null")):
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    return folder


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    return wheel(tmp_path / "ours", "twinspect", __version__, REQUIRES)


def names(folder: Path) -> set[str]:
    return {path.name.rsplit("-", 3)[0] for path in folder.glob("*.whl")}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            ("--platform", "windows-x86_64", "--python", "3.12", "--extras", "serve"),
            {"torch-2.5", "for_windows-1.0", "for_new-1.0", "for_serve-1.0"},
        ),
        pytest.param(
            ("--platform", "linux-aarch64", "--python", "3.10"),
            {"torch-2.5", "for_linux-1.0", "for_old-1.0"},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_another_machine_gets_what_it_needs_and_no_more(
    options: tuple[str, ...], expected: set[str], run: Any, index: Path, ours: Path, tmp_path: Path
) -> None:
    code, out, err = run("wheels", tmp_path / "out", "--source", ours, "--json", *options)
    assert code == 0, err
    record = json.loads(out)
    assert names(tmp_path / "out") == {f"twinspect-{__version__}", "always-1.0", *expected}
    assert len(record["wheels"]) == len(names(tmp_path / "out"))
    wanted = "twinspect[serve]" if "serve" in options else "twinspect"
    assert record["install"] == f"python -m pip install --no-index --find-links out '{wanted}'"
    assert not (tmp_path / "out" / "unused").exists()


def test_torch_may_come_from_a_place_of_its_own(run: Any, index: Path, ours: Path, tmp_path: Path) -> None:
    """An older torch without CUDA is taken although the index has a newer one."""
    wheel(tmp_path / "cpu", "torch", "2.4+cpu")
    wheel(tmp_path / "cpu", "torchvision", "0.19+cpu", ("torch==2.4",))
    code, _, err = run("wheels", tmp_path / "out", "--source", ours, "--torch", tmp_path / "cpu")
    assert code == 0, err
    assert "torch-2.4+cpu" in names(tmp_path / "out")
    assert "torchvision-0.19+cpu" in names(tmp_path / "out")
    assert "torch-2.5" not in names(tmp_path / "out")


def test_what_no_index_has_is_said_by_pip(run: Any, index: Path, ours: Path, tmp_path: Path) -> None:
    (index / "always-1.0-py3-none-any.whl").unlink()
    code, out, err = run("wheels", tmp_path / "out", "--source", ours)
    assert (code, out) == (2, "")
    assert "pip download failed; what it said stands above" in err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--platform", "windows"), "did you mean 'windows-x86_64'"),
        (("--python", "12"), "write its version as 3.12"),
    ],
)
def test_mistakes_are_named_before_anything_is_downloaded(
    options: tuple[str, ...], words: str, run: Any, tmp_path: Path
) -> None:
    code, _, err = run("wheels", tmp_path / "out", *options)
    assert code == 2
    assert words in err
    assert not (tmp_path / "out").exists()


def test_a_file_is_no_folder_for_wheels(run: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        code, out, err = run("wheels", place)
        assert (code, out) == (2, "")
        assert f"wheels {place}: {tmp_path / 'file'} is not a folder; choose another place" in err


def test_a_machine_like_this_one_needs_no_options() -> None:
    assert Target.of(None, None).options == []
    assert Target.of(None, None).markers == {}
    assert all(Target.of(name, "3.12").options for name in PLATFORMS)


@pytest.mark.slow
def test_it_is_installed_from_the_folder_alone(run: Any, index: Path, ours: Path, tmp_path: Path) -> None:
    assert run("wheels", tmp_path / "out", "--source", ours, "--extras", "serve")[0] == 0
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "clean"], check=True)
    for path in index.iterdir():
        path.unlink()
    python = tmp_path / "clean" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    install = ["install", "--no-index", "--find-links", str(tmp_path / "out"), "twinspect[serve]"]
    subprocess.run([python, "-m", "pip", *install], check=True, capture_output=True)
    subprocess.run([python, "-c", "import twinspect, torch, for_serve"], check=True)
