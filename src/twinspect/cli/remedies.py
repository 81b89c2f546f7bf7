"""What to type where a folder does not say which of its images are good: what was typed, and what it lacks."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from twinspect.errors import Remedy, UnlabelledError


def with_commands(error: UnlabelledError, options: argparse.Namespace) -> str:
    """Return an error's message with a command for each remedy: the one that was typed and what it lacks.

    Args:
        error: names the remedies.
        options: those of the command, with what was ``typed``.
    """
    if not hasattr(options, "all_good"):  # the verb has no such options
        return f"{error.problem}; name a folder that holds good images only"
    return error.say([_command(remedy, error.source, options.typed) for remedy in error.remedies])


def with_options(error: UnlabelledError) -> str:
    """Return an error's message with options for each remedy, where it is not the command that names the folder."""
    return error.say([_options(remedy) for remedy in error.remedies])


def _options(remedy: Remedy) -> str:
    folder = shlex.quote(remedy.folder)
    return f"give {shlex.join(remedy.options)} with {folder}" if remedy.options else f"name {folder}"


def _command(remedy: Remedy, source: str, typed: list[str]) -> str:
    words = [remedy.folder if _is_path(word, source) else word for word in typed]
    return f"type {shlex.join(('twinspect', *words, *remedy.options))}"


def _is_path(word: str, path: str) -> bool:
    return os.path.abspath(os.path.expanduser(word)) == os.path.abspath(path)  # noqa: PTH100, PTH111 - of any text
