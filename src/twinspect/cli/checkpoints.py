"""The folder beside a model in which a training keeps its checkpoints, one training at a time."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from twinspect.errors import ConfigError
from twinspect.utils.locks import single_writer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMPARED: Final = "comparison"
"""A folder in it, where `--method auto` compares until it has a winner."""
LOCK: Final = ".lock"
"""A file in it: one training at a time writes a model."""


def checkpoints_of(out: Path, *, resume: bool, restart: bool) -> Path:
    """Name the folder of the checkpoints of a model.

    Raises:
        ConfigError: it holds an interrupted training, and nobody said what is to become of it.
    """
    checkpoints = out.with_name(out.name + ".checkpoint")
    if is_interrupted(checkpoints) and not (resume or restart):
        raise ConfigError(
            f"{checkpoints} holds an interrupted training; add --resume to go on, or --restart to throw it away"
        )
    return checkpoints


def is_interrupted(checkpoints: Path) -> bool:
    """Tell whether there is something to go on from."""
    return any(checkpoints.glob("*.safetensors")) or (checkpoints / COMPARED).exists()


@contextmanager
def only_training(out: Path, checkpoints: Path, *, restart: bool) -> Iterator[None]:
    """Let no other training write the model while in the block, and leave no empty folder behind."""
    lock = checkpoints / LOCK
    with single_writer(out, lock):
        try:
            if restart:
                clear(checkpoints)
            yield
        finally:  # while it is locked: a fit that was refused must leave the lock of the other
            if all(path == lock for path in checkpoints.iterdir()):
                shutil.rmtree(checkpoints, ignore_errors=True)


@contextmanager
def naming_resume(checkpoints: Path) -> Iterator[None]:
    """Say how to go on with a training that is interrupted in the block, once there is a checkpoint."""
    try:
        yield
    except KeyboardInterrupt as interruption:
        if is_interrupted(checkpoints):
            raise KeyboardInterrupt("go on with the same command and --resume") from interruption
        raise


def clear(checkpoints: Path) -> None:
    """Remove what an interrupted training has left, whether it compared methods or not."""
    for checkpoint in checkpoints.glob("*.safetensors"):
        checkpoint.unlink()
    shutil.rmtree(checkpoints / COMPARED, ignore_errors=True)
