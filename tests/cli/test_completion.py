"""Completion of command lines: what may come next, and real shells that ask."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from twinspect.cli import main
from twinspect.cli.completing import FILES, FOLDERS, candidates
from twinspect.cli.completion import SCRIPTS
from twinspect.cli.parser import VERBS
from twinspect.methods import methods

if TYPE_CHECKING:
    from pathlib import Path


def words(*typed: str) -> list[str]:
    return [word for word, _ in candidates(typed)]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (("",), [verb.name for verb in VERBS]),
        (("fi",), ["fit", "fit-many"]),
        (("--ver",), ["--version", "--verbose"]),
        (("fit", "--method", "pa"), ["padim", "patchcore"]),
        (("fit", "--method", ""), list(methods())),
        (("fit", "parts", "--teacher", "poc"), ["pocket"]),
        (("fit", "--length", ""), ["quick", "paper"]),
        (("fit", "--align", "s"), ["shift"]),
        (("fit", "--out", ""), [FOLDERS]),
        (("fit", "--weights", ""), [FILES]),
        (("fit", ""), [FILES]),
        (("fit", "--seed", ""), []),
        (("score", ""), [FOLDERS]),
        (("score", "m.twin", ""), [FILES]),
        (("score", "m.twin", "a.png", "b"), [FILES]),
        (("score", "m.twin", "a.png", "--map-format", "n"), ["npy"]),
        (("score", "m.twin", "--maps", "out", "a"), [FILES]),
        (("fit", "--method", "padim", "--si"), ["--size", "--sigma"]),
        (("methods", "hyb"), ["hybrid"]),
        (("benchmark", "mvtec"), None),
        (("completion", ""), ["bash", "zsh", "fish"]),
        (("calibrate", "--roi", ""), [FILES]),
        (("no-such-verb", ""), []),
        (("fit", "--method=pa"), ["--method=padim", "--method=patchcore"]),
        (("fit", "--teacher=poc"), ["--teacher=pocket"]),
        (("fit", "--out="), [FOLDERS]),
        (("fit", "--nonsense="), []),
        (("fit", "--method", "hybrid", "--imitate-s"), ["--imitate-steps", "--imitate-share"]),
        (("fit", "--method", "hybrid", "--imitate_"), []),
        (("fit", "--method", "no-such-method", "--see"), ["--seed"]),
        (("fit", "--config", "no-such-file.toml", "--see"), ["--seed"]),
    ],
)
def test_what_may_come_next(typed: tuple[str, ...], expected: list[str] | None) -> None:
    found = words(*typed)
    if expected is None:
        assert found
        assert all(word.startswith(typed[-1]) for word in found)
    elif typed[-1] == "--si":
        assert set(expected) <= set(found)
    else:
        assert found == expected


def test_every_option_of_every_verb_is_offered_and_never_fails() -> None:
    for verb in VERBS:
        assert "--json" in words(verb.name, "--js")
        assert "--help" in words(verb.name, "--")


def test_words_come_with_a_text() -> None:
    assert dict(candidates(["sco"]))["score"].startswith("score images")


def test_the_script_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    for shell, script in SCRIPTS.items():
        assert main(["completion", shell]) == 0
        assert capsys.readouterr().out == script
    assert main(["completion", "csh"]) == 2
    assert "invalid choice" in capsys.readouterr().err


def test_asking_imports_nothing_heavy() -> None:
    code = (
        "import sys; from twinspect.cli.completing import candidates; candidates(['fit', '--method', 'h'])\n"
        "print([name for name in ('torch', 'numpy', 'PIL', 'rich') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a model, images, and twinspect on the path."""
    program = tmp_path / "bin" / "twinspect"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m twinspect "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "here" / "parts a.twin").mkdir(parents=True)
    (tmp_path / "here" / "photo.png").touch()
    return tmp_path / "here"


def ask(shell: str, code: str, folder: Path) -> list[str]:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    plain = {"bash": ["--norc", "--noprofile"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    done = subprocess.run(
        [shell, *plain, "-c", code], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert not done.stderr, done.stderr
    return done.stdout.splitlines()


CASES = [
    (("fi",), ["fit", "fit-many"]),
    (("fit", "--method", "pa"), ["padim", "patchcore"]),
    (("score", ""), ["parts a.twin"]),
    (("score", "m", "p"), ["parts a.twin", "photo.png"]),
]


@pytest.mark.parametrize(("typed", "expected"), CASES)
def test_bash(typed: tuple[str, ...], expected: list[str], folder: Path) -> None:
    assert sorted(ask_bash(" ".join(("twinspect", *typed)), ("twinspect", *typed), folder)) == expected


@pytest.mark.parametrize(
    ("typed", "broken", "expected"),
    [
        ("fit --method=pa", ("fit", "--method", "=", "pa"), ["padim", "patchcore"]),
        ("fit --teacher=", ("fit", "--teacher", "="), None),
        ("fit --out=pa", ("fit", "--out", "=", "pa"), ["parts a.twin"]),
        ("score x=1:", ("score", "x", "=", "1", ":"), ["5.twin"]),
        ("score x=1:5.twin p", ("score", "x", "=", "1", ":", "5.twin", "p"), ["parts a.twin", "photo.png"]),
        (
            "fit  --method=padim  --out  pa",
            ("fit", "--method", "=", "padim", "--out", "pa"),
            ["parts a.twin"],
        ),
    ],
)
def test_bash_breaks_words_and_they_are_joined_again(
    typed: str, broken: tuple[str, ...], expected: list[str] | None, folder: Path
) -> None:
    (folder / "x=1:5.twin").mkdir()
    found = sorted(ask_bash(f"twinspect {typed}", ("twinspect", *broken), folder))
    assert "pocket" in found if expected is None else found == expected


def ask_bash(line: str, broken: tuple[str, ...], folder: Path) -> list[str]:
    words = " ".join(f"'{word}'" for word in broken)
    code = (
        f"{SCRIPTS['bash']}\ncompopt() {{ :; }}\nCOMP_WORDS=({words}); COMP_CWORD={len(broken) - 1}\n"
        f"COMP_LINE='{line}'; COMP_POINT={len(line)}; COMP_WORDBREAKS=$' \\t\\n\"\\'><=;|&(:'\n"
        "$(complete -p twinspect | sed 's/.*-F \\([^ ]*\\).*/\\1/') twinspect\nprintf '%s\\n' \"${COMPREPLY[@]}\""
    )
    return ask("bash", code, folder)


@pytest.mark.parametrize(("typed", "expected"), CASES)
def test_fish(typed: tuple[str, ...], expected: list[str], folder: Path) -> None:
    code = f"{SCRIPTS['fish']}\ncomplete -C 'twinspect {' '.join(typed)}'"
    found = [line.partition("\t")[0].rstrip("/").replace("\\", "") for line in ask("fish", code, folder)]
    assert sorted(found) == expected


@pytest.mark.parametrize(("typed", "expected"), CASES)
def test_zsh(typed: tuple[str, ...], expected: list[str], folder: Path) -> None:
    """The function gives zsh the candidates; what zsh then shows is its own."""
    tail = "''" if not typed[-1] else ""
    line = " ".join(("twinspect", *typed))
    stubs = (
        'compadd() { print -rl -- "${values[@]}" }\n'
        "_files() { [[ $1 = -/ ]] && print -rl -- *(/N) || print -rl -- ${words[CURRENT]}*(N) }\n"
    )
    code = f"compdef() {{ :; }}\n{SCRIPTS['zsh']}\n{stubs}words=({line} {tail}); CURRENT={len(typed) + 1}; _twinspect"
    assert sorted(ask("zsh", code, folder)) == expected


def test_zsh_takes_the_script_as_it_is(folder: Path) -> None:
    code = f"autoload -Uz compinit && compinit -D -u\n{SCRIPTS['zsh']}\nprint $_comps[twinspect]"
    assert ask("zsh", code, folder) == ["_twinspect"]
