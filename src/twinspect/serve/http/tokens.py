"""Who may do what: a file with hashes of tokens.

A line is ``name role sha256hex``. A token is 32 random bytes, which cannot be guessed, so a plain hash is enough.
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

ROLES: Final = ("view", "inspect", "train", "admin")
"""Each includes the previous ones: read; score and give feedback; add photos and train; change thresholds, activate
versions and see the server's paths."""
_NAME: Final = re.compile(r"[\w.@-]{1,64}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Actor:
    """The person or program behind a request.

    Attributes:
        name: as it appears in the audit log.
        role: one of :data:`ROLES`.
    """

    name: str
    role: str

    def may(self, role: str) -> bool:
        """Tell whether this actor's role includes another one."""
        return ROLES.index(self.role) >= ROLES.index(role)

    @property
    def sees_paths(self) -> bool:
        """Whether this actor is told where the server keeps its files."""
        return self.may("admin")


LOCAL: Final = Actor("local", ROLES[-1])
"""The actor of every request to a server without tokens, which listens on this machine only."""


@dataclass(frozen=True)
class Tokens:
    """The actors that a token file lists, with the sha256 of each one's token."""

    actors: tuple[tuple[Actor, str], ...]

    def find(self, token: str) -> Actor | None:
        """Return the owner of a token, in a time that does not depend on how much of a wrong one matches."""
        digest, owner = _digest(token), None
        for actor, known in self.actors:  # all of them, even after a match
            if hmac.compare_digest(digest, known):
                owner = actor
        return owner


def read_tokens(path: Path) -> Tokens:
    """Read a token file.

    Raises:
        ConfigError: it is missing or empty, or a line is malformed; the message says what to type.
    """
    remedy = f"add one with: twinspect serve --token-file {path} --add-token NAME:ROLE"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the token file cannot be read ({error}); {remedy}") from None
    rows = [
        (number, line) for number, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")
    ]
    if not rows:
        raise ConfigError(f"{path}: contains no token; {remedy}")
    return Tokens(tuple(_parse_line(line, f"{path}, line {number}") for number, line in rows))


def add_token(path: Path, name_and_role: str) -> str:
    """Add an actor to a token file, which only its owner may read, and return the new token.

    Args:
        path: the token file; created if missing.
        name_and_role: ``NAME`` or ``NAME:ROLE``; without a role, ``inspect``.

    Raises:
        ConfigError: the role does not exist, the name is malformed, or it is taken.
    """
    name, _, role = name_and_role.partition(":")
    actor = _actor(name, role or "inspect", "--add-token")
    known = read_tokens(path).actors if path.exists() and path.read_text(encoding="utf-8").strip() else ()
    if any(actor.name == other.name for other, _ in known):
        raise ConfigError(
            f"{path}: {actor.name!r} has a token already; delete its line to revoke it, or choose another name"
        )
    token = secrets.token_urlsafe(32)
    rows = [*known, (actor, _digest(token))]
    text = "".join(f"{owner.name} {owner.role} {digest}\n" for owner, digest in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    previous = os.umask(0o077)
    try:
        write_atomically(path, text.encode())
    finally:
        os.umask(previous)
    return token


def _parse_line(line: str, source: str) -> tuple[Actor, str]:
    parts = line.split()
    if len(parts) != 3 or not _DIGEST.fullmatch(parts[2]):
        raise ConfigError(f"{source}: expected NAME ROLE SHA256 (64 hexadecimal digits)")
    return _actor(parts[0], parts[1], source), parts[2]


def _actor(name: str, role: str, source: str) -> Actor:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{source}: {name!r} is not a name; allowed are up to 64 letters, digits and . _ @ -, no spaces"
        )
    if role not in ROLES:
        raise ConfigError(f"{source}: no role {role!r}; allowed are {', '.join(ROLES)}")
    return Actor(name, role)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
