"""Tokens: hashed at rest, shown once, compared in full."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from twinspect.cli import main
from twinspect.errors import ConfigError
from twinspect.serve.http.tokens import Actor, add_token, read_tokens

if TYPE_CHECKING:
    from pathlib import Path


def test_a_token_is_shown_once_and_kept_as_a_hash(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "keys" / "tokens.txt"
    assert main(["serve", "--token-file", str(file), "--add-token", "anna:admin"]) == 0
    token = capsys.readouterr().out.split()[0]
    assert token not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0
    other = add_token(file, "ben")
    tokens = read_tokens(file)
    assert tokens.find(token) == Actor("anna", "admin")
    assert tokens.find(other) == Actor("ben", "inspect")
    assert tokens.find(token[:-1]) is None
    assert tokens.find("") is None
    with pytest.raises(ConfigError, match="already"):
        add_token(file, "anna")


@pytest.mark.parametrize("name_and_role", ["", "a b", "x:king", "../x", "x" * 65])
def test_odd_names_and_roles_are_refused(tmp_path: Path, name_and_role: str) -> None:
    with pytest.raises(ConfigError, match="allowed"):
        add_token(tmp_path / "tokens.txt", name_and_role)


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "anna admin\n", "anna admin xyz\n", "anna king " + "0" * 64]
)
def test_damaged_files_are_named_with_their_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "tokens.txt"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"tokens\.txt"):
        read_tokens(file)


def test_a_role_may_do_what_lower_ones_may() -> None:
    assert [Actor("a", "inspect").may(role) for role in ("view", "inspect", "admin")] == [True, True, False]
