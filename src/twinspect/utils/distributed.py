"""The processes that fit one model together, on one machine or on several, as Lightning Fabric starts or finds them.

Each holds all networks and learns from its part of every batch; gradients are averaged, so that all hold the same
weights at every step. Whatever one process alone can come upon, an unreadable file or a Ctrl-C, is agreed upon
before the next exchange, for a process that is waited for and does not come would hold up all others.
"""

from __future__ import annotations

import logging
import os
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch

from twinspect.errors import ConfigError, ElsewhereError, TwinspectError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lightning_fabric import Fabric
    from torch import Tensor

T = TypeVar("T")

STRATEGIES = ("auto", "ddp")
"""``ddp`` is torch's DistributedDataParallel; ``auto`` is that where there are several processes."""
_TORCHRUN = "TORCHELASTIC_RUN_ID"
_OLD = "torch.distributed.nn.functional.all_gather is deprecated"
"""What torch says of how Fabric gathers, which is for Fabric to mend."""


@dataclass(frozen=True)
class ProcessGroup:
    """The processes of one training, seen from one of them.

    Attributes:
        fabric: launched; ``None`` for a process that does not train.
    """

    fabric: Fabric | None = None

    @property
    def number(self) -> int:
        """Which process this is, from 0."""
        return self.fabric.global_rank if self.fabric else 0

    @property
    def count(self) -> int:
        """How many there are."""
        return self.fabric.world_size if self.fabric else 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that talks and writes."""
        return self.number == 0

    def part(self, items: int) -> slice:
        """Say which of so many items are this process's: as many as others have, or one more, side by side.

        >>> Ranks().part(5)
        slice(0, 5, None)
        """
        return slice(items * self.number // self.count, items * (self.number + 1) // self.count)

    def weight(self, items: int) -> float:
        """Say how much this process's part counts, so that the mean over processes is the mean over items.

        >>> Ranks().weight(5)
        1.0
        """
        part = self.part(items)
        return float((part.stop - part.start) * self.count / items)

    def local_share(self, items: Sequence[T], together: int) -> list[T]:
        """Take this process's share of items that are dealt out in turns, so many at a time."""
        return [item for place, item in enumerate(items) if place // together % self.count == self.number]

    def sum(self, values: Tensor) -> Tensor:
        """Add up a tensor of the same shape over all processes."""
        return self._exchange("all_reduce", values, reduce_op="sum")

    def gather(self, values: Tensor) -> Tensor:
        """Lay the tensors of all processes, of one shape, side by side: (processes, …)."""
        return self._exchange("all_gather", values).reshape(self.count, *values.shape)

    def any(self, *flags: bool) -> list[bool]:
        """Say of each flag whether any process raises it."""
        if self.count == 1:
            return list(flags)
        return [bool(raised) for raised in self.sum(torch.tensor(flags, dtype=torch.float32)).tolist()]

    @contextmanager
    def raise_in_all(self) -> Iterator[None]:
        """Let a user's mistake that only some processes meet end the block in all of them.

        Raises:
            ElsewhereError: this one met none, another did.
        """
        error: TwinspectError | None = None
        try:
            yield
        except TwinspectError as met:
            error = met
        (failed,) = self.any(error is not None)
        if error:
            raise error
        if failed:
            raise ElsewhereError(
                "another process of this training could not go on; what it met is said above"
            )

    def _exchange(self, how: str, values: Tensor, **options: Any) -> Tensor:
        if self.fabric is None or self.count == 1:
            return values
        exchanged: Tensor = getattr(self.fabric, how)(
            values.clone(memory_format=torch.contiguous_format), **options
        )
        return exchanged.to(values.device)


SINGLE_PROCESS = ProcessGroup()
"""A process that fits by itself, or does not fit."""


def launch(
    device: torch.device, precision: str, *, devices: int = 1, nodes: int = 1, strategy: str = "auto"
) -> ProcessGroup:
    """Start the other processes of this machine, or find those that torchrun or Slurm have started, and join them.

    Fabric starts a process by running the same command again, so everything before this call is repeated in each.

    Args:
        device: the kind of device; each process has one of its own.
        precision: Fabric's name of it.
        devices: processes on each machine.
        nodes: machines.
        strategy: one of ``STRATEGIES``.

    Raises:
        ConfigError: numbers that do not fit each other, this machine, or what was started.
    """
    check(device, devices, nodes, strategy)
    from lightning_fabric import Fabric  # noqa: PLC0415 - half a second that scoring does not need

    # It announces the precision as a warning would be; what was chosen is for the caller to say.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=_OLD)
    try:
        fabric = Fabric(
            accelerator=device.type,
            devices=devices if (index := _index(device)) is None else [index],
            num_nodes=nodes,
            strategy="ddp" if devices * nodes > 1 else "auto",
            precision=precision,  # type: ignore[arg-type]
        )
        fabric.launch()
    except ValueError as error:  # what Slurm or torchrun started is something else
        raise ConfigError(f"--devices {devices} --nodes {nodes}: {error}") from error
    return ProcessGroup(fabric)


def check(device: torch.device, devices: int, nodes: int, strategy: str) -> None:
    """Refuse numbers of processes that cannot be, before anything is read.

    Raises:
        ConfigError: see :func:`launch`.
    """
    if strategy not in STRATEGIES:
        raise unknown_name("strategy", strategy, STRATEGIES)
    if devices < 1 or nodes < 1:
        raise ConfigError(f"devices is {devices} and nodes is {nodes}; allowed: 1 or more of each")
    named = _index(device) is not None
    if devices > 1 and (named or device.type == "mps"):
        remedy = "name the kind alone, such as --device cuda" if named else "use --devices 1"
        raise ConfigError(f"--device {device} is one device, and --devices asks for {devices}; {remedy}")
    if device.type == "cuda" and devices > torch.cuda.device_count():
        raise ConfigError(f"--devices {devices}: this machine has {torch.cuda.device_count()} CUDA devices")


def check_torchrun(devices: int, nodes: int) -> None:
    """Refuse a command that torchrun started several times, and that would fit the same model each time.

    A script may well do so, with other images in each process.

    Raises:
        ConfigError: with what to add.
    """
    started = int(os.environ.get("WORLD_SIZE", "1")) if _TORCHRUN in os.environ else 1
    if started > 1 and devices * nodes == 1:
        raise ConfigError(
            f"torchrun started {started} processes, and each would fit the same model for itself; add --devices "
            "(processes on a machine) and, on several machines, --nodes"
        )


def is_follower() -> bool:
    """Tell from the environment, before anything is launched, whether another process is the one that talks."""
    if _TORCHRUN in os.environ:
        return os.environ.get("RANK", "0") != "0"
    if "SLURM_STEP_NUM_TASKS" in os.environ:
        return os.environ.get("SLURM_PROCID", "0") != "0"
    return os.environ.get("NODE_RANK", "0") != "0" or os.environ.get("LOCAL_RANK", "0") != "0"


def _index(device: torch.device) -> int | None:
    return cast("int | None", device.index)  # torch declares it as a number, but "cuda" alone has none
