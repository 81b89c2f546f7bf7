"""Command lines in processes of their own, forked from one that has imported torch: a start costs no seconds.

What starts Python itself, such as torchrun or `python -m`, is tested with processes that start as a user's do.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from multiprocessing.context import ForkServerProcess

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        "twinspect.cli",
        "twinspect.detector",
        "twinspect.teachers.backbones",
        "lightning_fabric",
        "torch._dynamo",
    ]
)


def start(
    arguments: Sequence[object],
    *,
    module: str = "twinspect.cli",
    first: str = "",
    errors: Path | str = os.devnull,
    environment: Mapping[str, str] | None = None,
) -> ForkServerProcess:
    """Start a command line, with nowhere to print to; the process has a ``pid``, and an ``exitcode`` once it ends.

    Args:
        arguments: of the command.
        module: whose ``main`` takes them.
        first: Python source that the process executes before.
        errors: file that what it says as errors goes to.
        environment: variables that are added.
    """
    words = [str(argument) for argument in arguments]
    # Those of the process that they are forked from are of the test that started it, whose folder may be gone.
    here = Path.cwd(), {**os.environ, **(environment or {})}
    process = _FORKS.Process(target=_work, args=(words, module, first, str(errors), *here))
    process.start()
    return process


def _work(
    arguments: list[str], module: str, first: str, errors: str, folder: Path, environment: dict[str, str]
) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for stream, path in ((1, os.devnull), (2, errors)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), stream)
    exec(first, {})
    sys.exit(importlib.import_module(module).main(arguments))


def end(process: ForkServerProcess, seconds: float = 300) -> int | None:
    """Wait for the end of a process, and give its exit code: below 0 that of a signal, None where it goes on."""
    process.join(seconds)
    return process.exitcode
