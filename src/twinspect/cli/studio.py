"""`twinspect studio`: the server of `serve` with products that are trained on its page; its backups."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from twinspect.cli.outcome import Outcome
from twinspect.cli.serve import add_token_of, settings_of
from twinspect.errors import ConfigError
from twinspect.serve import check_installed

if TYPE_CHECKING:
    import argparse

BACKUP, RESTORE = "backup", "restore"
_USAGE = "type: twinspect studio DIR; twinspect studio backup DIR FILE.tar; or twinspect studio restore FILE.tar DIR"


def run(options: argparse.Namespace) -> Outcome:
    """Serve until interrupted, or make or restore a backup."""
    if options.add_token is not None:
        return add_token_of(options)
    check_installed()
    if options.words and options.words[0] in (BACKUP, RESTORE) and len(options.words) > 1:
        return _copy(options)
    if len(options.words) != 1:
        raise ConfigError(f"studio takes one folder, got {len(options.words)}; {_USAGE}")
    from twinspect.serve.server import run as serve

    folder = Path(options.words[0])
    serve(
        settings_of(
            options, models=tuple(options.model), data=folder, studio=True, quota_gigabytes=options.quota_gb
        )
    )
    return Outcome(
        "stopped; everything that was accepted is scored, and a training goes on by itself",
        {"data": str(folder)},
    )


def _copy(options: argparse.Namespace) -> Outcome:
    from twinspect.serve.products.backup import back_up, restore

    verb, *places = options.words
    if len(places) != 2:
        raise ConfigError(f"{verb} takes two places, got {len(places)}; {_USAGE}")
    source, target = map(Path, places)
    if verb == BACKUP:
        files, size = back_up(source, target, options.db)
        text = f"{target}: {files} files of {source}, {size / 1e6:.1f} MB"
    else:
        files, size = restore(source, target)
        text = f"{target}: {files} files of {source}; now: twinspect studio {target}"
    return Outcome(text, {"from": str(source), "to": str(target), "files": files, "bytes": size})
