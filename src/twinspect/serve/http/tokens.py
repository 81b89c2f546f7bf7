"""Who may do what: a file of tokens, of which only hashes are kept.

A line is ``name role sha256hex``. A token is 32 random bytes, so a plain hash is enough: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from twinspect.errors import ConfigError
from twinspect.utils.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

ROLES: Final = ("view", "inspect", "admin")
"""Each may do what those before it may: read; score and judge; change thresholds."""
_NAME: Final = re.compile(r"[\w.@-]{1,64}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Actor:
    """Who asks.

    Attributes:
        name: what the audit trail calls them.
        role: one of :data:`ROLES`.
    """

    name: str
    role: str

    def may(self, role: str) -> bool:
        """Tell whether a role is enough for what asks for another."""
        return ROLES.index(self.role) >= ROLES.index(role)


LOCAL: Final = Actor("local", ROLES[-1])
"""Whoever asks a server that listens on this machine alone and has no token file."""


@dataclass(frozen=True)
class Tokens:
    """The actors that a token file lists, with the sha256 of each one's token."""

    actors: tuple[tuple[Actor, str], ...]

    def find(self, token: str) -> Actor | None:
        """Give whom a token belongs to, in a time that says nothing about how near a wrong one came."""
        digest, found = _digest(token), None
        for actor, known in self.actors:  # to the end, whether or not it was found
            if hmac.compare_digest(digest, known):
                found = actor
        return found


def read_tokens(path: Path) -> Tokens:
    """Read a token file.

    Raises:
        ConfigError: it is missing or empty, or a line is none; says what to type.
    """
    remedy = f"add one with: twinspect serve --token-file {path} --add-token NAME:ROLE"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: no token file that can be read ({error}); {remedy}") from None
    rows = [
        (number, line) for number, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")
    ]
    if not rows:
        raise ConfigError(f"{path}: holds no token; {remedy}")
    return Tokens(tuple(_entry(line, f"{path}, line {number}") for number, line in rows))


def add_token(path: Path, wanted: str) -> str:
    """Write a new actor into a token file, which only its owner may read, and give the token.

    Args:
        path: made if missing.
        wanted: ``NAME`` or ``NAME:ROLE``; without a role, ``inspect``.

    Raises:
        ConfigError: no such role, not a name, or the name is taken.
    """
    name, _, role = wanted.partition(":")
    actor = _actor(name, role or "inspect", "--add-token")
    known = read_tokens(path).actors if path.exists() and path.read_text(encoding="utf-8").strip() else ()
    if any(actor.name == each.name for each, _ in known):
        raise ConfigError(
            f"{path}: has a token of {actor.name!r} already; delete its line to withdraw it, or take another name"
        )
    token = secrets.token_urlsafe(32)
    rows = [*known, (actor, _digest(token))]
    text = "".join(f"{each.name} {each.role} {digest}\n" for each, digest in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    previous = os.umask(0o077)
    try:
        write_atomically(path, text.encode())
    finally:
        os.umask(previous)
    return token


def _entry(line: str, place: str) -> tuple[Actor, str]:
    parts = line.split()
    if len(parts) != 3 or not _DIGEST.fullmatch(parts[2]):
        raise ConfigError(f"{place}: expected NAME ROLE SHA256 (64 hexadecimal digits)")
    return _actor(parts[0], parts[1], place), parts[2]


def _actor(name: str, role: str, place: str) -> Actor:
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{place}: {name!r} is no name; allowed are up to 64 letters, digits and . _ @ -")
    if role not in ROLES:
        raise ConfigError(f"{place}: no role {role!r}; allowed are {', '.join(ROLES)}")
    return Actor(name, role)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
