"""What is published: the wheel and the source distribution hold what they should, and the latter's tests pass."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
pytestmark = pytest.mark.slow


def run(*command: object, **options: Any) -> str:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling", reason="pip install 'twinspect[release]'")
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-d", out, cwd=ROOT)
    return out


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has the wheel, and beside it the packages of this one."""
    home = tmp_path_factory.mktemp("clean")
    venv.create(home, with_pip=False)
    python = home / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        wheel.extractall(site)
    ours = [path for path in sys.path if Path(path).name in {"site-packages", "dist-packages"}]
    (site / "others.pth").write_text("\n".join(ours))
    return python


def without_the_checkout() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def test_the_index_would_take_them(built: Path) -> None:
    pytest.importorskip("twine", reason="pip install 'twinspect[release]'")
    checked = run(sys.executable, "-m", "twine", "check", "--strict", *built.iterdir())
    assert checked.count("PASSED") == 2


def test_the_wheel_holds_the_package_and_nothing_else(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
    folders = {name.partition("/")[0] for name in names}
    assert {folder.partition("-")[0] for folder in folders} == {"twinspect"}
    here = {
        f"twinspect/{path.relative_to(ROOT / 'src' / 'twinspect').as_posix()}"
        for path in (ROOT / "src" / "twinspect").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert here <= names
    assert "twinspect/py.typed" in names


def test_tests_pass_from_the_source_distribution_against_the_installed_wheel(
    built: Path, installed: Path, tmp_path: Path
) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        archive.extractall(tmp_path, filter="data")
    source = next(tmp_path.iterdir())
    shutil.rmtree(source / "src" / "twinspect" / "cli")  # were it imported, this would show
    few = [
        "tests/cli/test_version.py",
        "tests/metrics",
        "tests/test_maps.py",
        "tests/packaging/test_citation.py",
    ]
    command = [installed, "-m", "pytest", "-q", "-p", "no:cacheprovider", *few]
    assert " passed" in run(*command, cwd=source, env=without_the_checkout())
    collected = run(*command[: -len(few)], "--collect-only", "tests", cwd=source, env=without_the_checkout())
    assert "error" not in collected.lower().splitlines()[-1]


def test_the_source_distribution_holds_what_the_tests_read(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    tracked = run("git", "ls-files", cwd=ROOT).splitlines() if (ROOT / ".git").exists() else []
    assert not {name for name in tracked if name not in names} - {".gitignore"}


def test_mypy_reads_its_types_where_it_is_installed(installed: Path, tmp_path: Path) -> None:
    if find_spec("mypy") is None:
        pytest.skip("mypy is not installed")
    consumer = shutil.copy(HERE / "consumer.py", tmp_path)
    options = ["--strict", "--python-executable", installed, "--cache-dir", tmp_path / "cache"]
    said = run(sys.executable, "-m", "mypy", *options, consumer, cwd=tmp_path, env=without_the_checkout())
    assert "no issues found" in said


def test_pyright_reads_its_types_where_it_is_installed(installed: Path, tmp_path: Path) -> None:
    beside = Path(sys.executable).parent
    found = [
        path
        for name in ("basedpyright", "pyright")
        if (path := shutil.which(name, path=beside) or shutil.which(name))
    ]
    if not found:
        pytest.skip("pyright is not installed; pip install 'twinspect[release]'")
    consumer = shutil.copy(HERE / "consumer.py", tmp_path)
    said = run(
        found[0],
        "--level",
        "error",
        "--pythonpath",
        installed,
        consumer,
        cwd=tmp_path,
        env=without_the_checkout(),
    )
    assert "0 errors" in said
