"""What the environment says of several processes that fit together; known before anything is launched or imported."""

from __future__ import annotations

import os

from twinspect.errors import ConfigError

_TORCHRUN = "TORCHELASTIC_RUN_ID"


def check_torchrun(devices: int, nodes: int) -> None:
    """Refuse a command that torchrun started several times if each would fit the same model.

    A script, unlike the command line, may do so with other images in each process.

    Raises:
        ConfigError: says which options to add.
    """
    started = int(os.environ.get("WORLD_SIZE", "1")) if _TORCHRUN in os.environ else 1
    if started > 1 and devices * nodes == 1:
        raise ConfigError(
            f"torchrun started {started} processes, and each would fit the same model for itself; add --devices "
            "(processes on a machine) and, on several machines, --nodes"
        )


def is_secondary_process() -> bool:
    """Tell from the environment, before anything is launched, whether another process reports."""
    if _TORCHRUN in os.environ:
        return os.environ.get("RANK", "0") != "0"
    if "SLURM_STEP_NUM_TASKS" in os.environ:
        return os.environ.get("SLURM_PROCID", "0") != "0"
    return os.environ.get("NODE_RANK", "0") != "0" or os.environ.get("LOCAL_RANK", "0") != "0"
