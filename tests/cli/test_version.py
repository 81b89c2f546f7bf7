"""`twinspect --version`, and all that a report of a bug needs."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from twinspect import __version__
from twinspect.cli import main

if TYPE_CHECKING:
    import pytest


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["--version", *arguments]) == 0
    return capsys.readouterr().out


def test_the_version_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys) == f"twinspect {__version__}\n"
    assert json.loads(told(capsys, "--json")) == {"twinspect": __version__}


def test_all_that_is_installed_without_private_paths(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = importlib.metadata.EntryPoint("theirs", "their_package:Method", "twinspect.methods")
    real = importlib.metadata.entry_points

    def entry_points(**wanted: str) -> Any:
        return [entry] if wanted == {"group": "twinspect.methods"} else real(**wanted)

    monkeypatch.setattr("twinspect.cli.installation.entry_points", entry_points)
    record = json.loads(told(capsys, "--verbose", "--json"))
    assert record["twinspect"] == __version__
    assert record["torch"] == torch.__version__
    assert record["python"].startswith(platform.python_version())
    assert any(package.startswith("timm ") for package in record["packages"])
    assert record["methods of other packages"] == ["theirs"]
    assert "pocket" in record["teachers without a network"]
    assert record["processors"].split(", ")[1] == torch.backends.cpu.get_cpu_capability()
    text = told(capsys, "--verbose")
    assert "theirs" in text
    for private in (str(Path.home()), str(Path.cwd()), platform.node()):
        assert private not in text.split()
        assert len(private) < 6 or private not in text


def test_a_verb_is_not_run_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version", "methods"]) == 0
    assert capsys.readouterr().out == f"twinspect {__version__}\n"
