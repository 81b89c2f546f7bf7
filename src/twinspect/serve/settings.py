"""A server's settings from the command line, checked before anything is loaded."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from twinspect.errors import ConfigError
from twinspect.images.reading import MAX_PIXELS
from twinspect.serve.http.request_guard import is_loopback
from twinspect.serve.uploads.checks import Limits

if TYPE_CHECKING:
    from pathlib import Path

_URL: Final = re.compile(r"https?://[^\s/?#@]+(?:/[^\s?#]*)?")


@dataclass(frozen=True)
class Settings:
    """A server's settings.

    Attributes:
        models: model folders.
        data: folder of the database and the images.
        db: the database's URL; ``None`` for SQLite in ``data``.
        host: the address it listens on.
        port: the port it listens on; 0 for any free one.
        token_file: who may do what; required if other machines can connect, by the address or by a proxy in front.
        allow_hosts: further host names under which it answers.
        trusted_proxies: addresses whose X-Forwarded-For says who connects.
        root_path: the path under which a proxy shows the server, without a slash at its end; empty for none.
        watched: folders that are watched for images.
        allowed_folders: folders in which admins may have images taken from, and results written to.
        public_url: where people reach this server, for links in results; empty for the path alone.
        studio: whether products can be made and trained.
        quota_gigabytes: how much space the photos of products may take, in 10⁹ bytes; ``None`` for no limit.
        runtime: as for :func:`twinspect.load`.
        device: as for :func:`twinspect.load`.
        threads: as for :func:`twinspect.load`.
        limits: of uploads.
        queue: how many images may wait, for each model.
        rate_limit: requests per second of one client; 0 for no limit.
        keep_days: how many days images are kept; ``None`` for ever.
        keep_gigabytes: how much space they may take, in 10⁹ bytes; ``None`` for no limit.
    """

    models: tuple[str, ...]
    data: Path
    db: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    token_file: Path | None = None
    allow_hosts: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    root_path: str = ""
    watched: tuple[Path, ...] = ()
    allowed_folders: tuple[Path, ...] = ()
    public_url: str = ""
    studio: bool = False
    quota_gigabytes: float | None = None
    runtime: str = "auto"
    device: str = "auto"
    threads: int | None = None
    limits: Limits = field(default_factory=Limits)
    queue: int = 256
    rate_limit: float = 100.0
    keep_days: float | None = None
    keep_gigabytes: float | None = None

    def __post_init__(self) -> None:
        """Refuse settings that cannot work, or that admit other machines without tokens.

        Raises:
            ConfigError: the message says what to type.
        """
        if not self.models and not self.studio:
            raise ConfigError("no model to serve; type: twinspect serve M.twin, or: twinspect studio DIR")
        if self.watched and not self.models:
            raise ConfigError(
                "--watch needs a model that scores what arrives; name one, or add a source on the page"
            )
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"--port is {self.port}; allowed are 1 to 65535, or 0 for any that is free")
        if self.queue < 1 or self.rate_limit < 0 or self.limits.images < 1 or self.limits.image_bytes < 1:
            raise ConfigError(
                "--queue, --max-batch and --max-image-mb must be above 0, --rate-limit 0 or more"
            )
        if not 1 <= self.limits.pixels <= MAX_PIXELS:
            raise ConfigError(f"--max-pixels is {self.limits.pixels:,}; allowed are 1 to {MAX_PIXELS:,}")
        if self.public_url and not _URL.fullmatch(self.public_url):
            raise ConfigError(
                f"--public-url is {self.public_url!r}; give one such as https://plant.local/inspect"
            )
        for folder in self.allowed_folders:
            if not folder.is_dir():
                raise ConfigError(f"--allow-folder {folder}: there is no such folder; make it first")
        if self.token_file is None and (reason := self._why_tokens()):
            start = f"studio {self.data}" if self.studio else f"serve {' '.join(self.models)}"
            command = f"twinspect {start} {self._exposing()} --token-file tokens.txt"
            raise ConfigError(
                f"{reason}, so tokens are required; type: twinspect serve --token-file tokens.txt "
                f"--add-token NAME:admin, note the token that it prints, and then: {command}"
            )

    def _why_tokens(self) -> str:
        """Say why others can connect, each of whom would be an admin without tokens; empty where none can."""
        if not is_loopback(self.host):
            return f"--host {self.host} lets other machines connect"
        options = self._exposing()
        return f"{options}: a proxy in front lets others connect" if options else ""

    def _exposing(self) -> str:
        """Return the options by which others can connect, as they are typed."""
        given = [("--host", self.host)] if not is_loopback(self.host) else []
        given += [("--allow-host", name) for name in self.allow_hosts]
        given += [("--trusted-proxy", address) for address in self.trusted_proxies]
        given += [("--root-path", self.root_path)] if self.root_path else []
        return " ".join(f"{option} {value}" for option, value in given)
