"""Mistyped verbs, options, methods, presets and settings: named with what was meant, before torch is imported."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING

import pytest

from messages import error_lines
from twinspect.cli import main
from twinspect.errors import ConfigError
from twinspect.methods import method_class, methods
from twinspect.methods.config import field_help, hints
from twinspect.methods.settings import _read_config, config_class

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
from twinspect.cli import main
sys.exit(main(sys.argv[1:]))
"""
FIT = ("fit", "DATA", "--out", "m.twin")


def test_a_decimal_comma_is_no_point(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "m.twin", "a.png", "--mm-per-px", "0,05"]) == 2
    assert "--mm-per-px: '0,05' is no number; write 0.05; all options: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (("scroe", "m.twin"), "'score'"),
        (("fti",), "'fit'"),
        (("fit-mnay",), "'fit-many'"),
        (("--verison",), "--version"),
        ((*FIT, "--mehtod", "rd"), "--method"),
        ((*FIT, "--epoch_s", "3"), "--epochs"),
        ((*FIT, "-steps", "3"), "--steps"),
        ((*FIT, "--seeed=3"), "--seed"),
        ((*FIT, "--method", "rdd"), "'rd'"),
        ((*FIT, "--method", "rd", "--sigam", "3"), "--sigma"),
        ((*FIT, "--method", "aand", "--preset", "papre"), "'paper'"),
        (("score", "--hlep"), "--help"),
        (("score", "m.twin", "a.png", "--mapps", "maps"), "--maps"),
        (("evaluate", "m.twin", "DATA", "--ot", "report"), "--out"),
        (("serve", "m.twin", "--prot", "80"), "--port"),
        (("methods", "aadn"), "'aand'"),
    ],
)
def test_what_was_meant_is_suggested(
    typed: tuple[str, ...], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(typed) == 2
    error = capsys.readouterr().err
    assert f"did you mean {meant}?" in error
    assert error_lines(error) == 1


def test_what_is_like_nothing_is_refused_without_a_guess(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*FIT, "--xyzzy"]) == 2
    error = capsys.readouterr().err
    assert "twinspect fit has no option --xyzzy; all options: twinspect fit --help" in error


def test_a_setting_of_another_method_is_said_to_be_that(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "parts", "--out", "m.twin", "--coreset", "0.5"]) == 2
    error = capsys.readouterr().err
    assert "has no option --coreset; methods that have it, by --method: patchcore; all options" in error
    assert main([*FIT, "--method", "rd", "--neighbourhood", "3"]) == 2
    assert "methods that have it, by --method: hybrid, patchcore;" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        (*FIT, "--sed", "1", "--see"),  # abbreviations that argparse completes, and one that it does not
        (*FIT, "--method", "dual", "--tail", "uniform"),
        (*FIT, "--method", "dual", "--clip", "much"),
        ("methods", "dula"),
    ],
)
def test_mistakes_are_found_without_torch(arguments: tuple[str, ...], tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_TORCH, *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ran.returncode == 2, ran.stderr
    assert "error: " in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("fit", "", "--out", "m.twin"), "DATA"),
        (("fit", "DATA", "--out", "m.twin", "--roi", ""), "--roi"),
        (("score", "m.twin", "a.png", "", "b.png"), "IMAGES"),
        (("score", "m.twin", "a.png", "--masks", ""), "--masks"),
        (("score", "m.twin", "a.png", "--out="), "--out"),
        (("score", "", "a.png"), "M.twin"),
        (("evaluate", "m.twin", "", "--out", "e"), "DATA"),
        (("calibrate", "m.twin", ""), "GOOD"),
        (("join", "a.twin", "", "--out", "j.twin"), "M.twin"),
        (("serve", "m.twin", "--data", ""), "--data"),
    ],
)
def test_an_empty_path_is_not_the_current_folder(
    arguments: tuple[str, ...], name: str, run: Callable[..., tuple[int, str, str]]
) -> None:
    code, _, said = run(*arguments)
    assert code == 2
    assert f"{name} is empty; name a file or folder, or . for the current folder" in said


def test_settings_are_listed_without_torch() -> None:
    command = [sys.executable, "-c", WITHOUT_TORCH, "methods", "aand", "--json"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert '"focal_gamma": 2.0' in ran.stdout, ran.stderr


def test_abbreviations_numbers_and_names_after_two_dashes_are_no_mistakes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["score", "nowhere.twin", "--max", "3"]) == 2  # neither an option nor the beginning of one
    assert "has no option --max" in capsys.readouterr().err
    assert main(["score", "nowhere.twin", "--overw", "--", "--odd-name.png"]) == 2
    assert "nowhere.twin" in capsys.readouterr().err
    assert main([*FIT, "--seed", "-1", "--method", "rd", "--sigma", "-.5"]) == 2
    assert "has no option" not in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(methods()))
def test_settings_read_from_the_source_are_those_of_the_class(name: str) -> None:
    own = method_class(name).Config
    read = _read_config(*methods()[name].target.split(":"))
    assert hints(read) == hints(own)
    assert list(hints(read)) == list(hints(own))
    assert [each.default for each in fields(read)] == [each.default for each in fields(own)]
    assert MISSING not in [each.default for each in fields(read)]
    assert field_help(read) == field_help(own)
    assert all(field_help(own).values())
    assert (read.PRESETS, read.TEACHERS, read.PAPER_TEACHER) == (own.PRESETS, own.TEACHERS, own.PAPER_TEACHER)


SOURCE = """
from dataclasses import dataclass
from twinspect.methods.config import MethodConfig

@dataclass(frozen=True)
class OwnConfig(MethodConfig):
    depth: int = {default}
    '''how deep'''

class Own:
    Config = OwnConfig
"""


@pytest.mark.parametrize("default", ["3", "1 + 2"])
def test_a_method_of_another_package(default: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where its source says more than can be read, the method is imported."""
    module = f"own_method_{len(default)}"
    (tmp_path / f"{module}.py").write_text(SOURCE.format(default=default))
    monkeypatch.syspath_prepend(tmp_path)
    info = next(iter(methods().values()))
    other = type(info)("own", "", "", f"{module}:Own")
    monkeypatch.setattr(sys.modules["twinspect.methods"], "methods", lambda: {"own": other})
    config = config_class("own")
    assert config().depth == 3  # type: ignore[attr-defined]
    assert field_help(config)["depth"] == "how deep"
    assert (module in sys.modules) == (default != "3")
    with pytest.raises(ConfigError, match="depth must be int"):
        config(depth="deep")  # type: ignore[call-arg]
