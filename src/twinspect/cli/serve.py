"""`twinspect serve`: a web server with a page, or a new token for one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from twinspect.cli.outcome import Outcome
from twinspect.errors import ConfigError
from twinspect.loading import check_threads
from twinspect.serve import check_installed

if TYPE_CHECKING:
    import argparse

    from twinspect.serve.settings import Settings


def run(options: argparse.Namespace) -> Outcome:
    """Serve until interrupted; with --add-token, create a token and print it once."""
    if options.add_token is not None:
        return add_token_of(options)
    check_installed()
    from twinspect.serve.server import run as serve

    settings = _settings(options)
    serve(settings)
    return Outcome(
        "stopped; everything that was accepted is scored",
        {"models": list(settings.models), "data": options.data},
    )


def add_token_of(options: argparse.Namespace) -> Outcome:
    """Create the token that the options name, and print it once."""
    from twinspect.serve.http.tokens import add_token

    if options.token_file is None:
        raise ConfigError("--add-token needs --token-file FILE, where the token's hash is stored")
    token = add_token(Path(options.token_file), options.add_token)
    text = f"{token}\n\nThis token is shown only once; {options.token_file} contains its hash. Restart the server."
    return Outcome(text, {"token": token, "token_file": options.token_file})


def _settings(options: argparse.Namespace) -> Settings:
    return settings_of(options, models=tuple(options.models), data=Path(options.data))


def settings_of(options: argparse.Namespace, **rest: Any) -> Settings:
    """Turn the options of :func:`twinspect.cli.options.serve.server_options` into settings.

    Args:
        options: as parsed.
        rest: further settings.
    """
    from twinspect.serve.http.root_path import check_root_path
    from twinspect.serve.settings import Settings
    from twinspect.serve.uploads.checks import Limits

    limits = Limits(
        image_bytes=round(options.max_image_mb * 2**20),
        images=options.max_batch,
        pixels=Limits.pixels if options.max_pixels is None else options.max_pixels,
        body_bytes=round(options.max_body_mb * 2**20),
    )
    return Settings(
        db=options.db,
        host=options.host,
        port=options.port,
        token_file=Path(options.token_file) if options.token_file else None,
        allow_hosts=tuple(options.allow_host),
        trusted_proxies=tuple(options.trusted_proxy),
        root_path=check_root_path(options.root_path),
        watched=tuple(Path(folder) for folder in options.watch),
        allowed_folders=tuple(Path(folder) for folder in options.allow_folder),
        public_url=options.public_url.rstrip("/"),
        runtime=options.runtime,
        device=options.device,
        threads=check_threads(options.threads),
        limits=limits,
        queue=options.queue,
        rate_limit=options.rate_limit,
        keep_days=options.keep_days,
        keep_gigabytes=options.keep_gb,
        **rest,
    )
