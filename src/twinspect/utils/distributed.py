"""The processes that fit one model together, on one machine or on several, as Lightning Fabric starts or finds them.

Each holds all networks and learns from its part of every batch; gradients are averaged, so that all hold the same
weights at every step. What may happen in one process alone, such as an unreadable file or a Ctrl-C, is shared with
the others before the next exchange; otherwise they would wait forever for a process that has stopped.
"""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch

from twinspect.errors import ConfigError, ElsewhereError, TwinspectError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lightning_fabric import Fabric
    from lightning_fabric.plugins import Precision
    from torch import Tensor

T = TypeVar("T")

STRATEGIES = ("auto", "ddp")
"""``ddp`` is torch's DistributedDataParallel; ``auto`` chooses it where there are several processes."""
_DEPRECATION = "torch.distributed.nn.functional.all_gather is deprecated"
"""Torch's warning about how Fabric gathers; only Fabric can fix it."""


@dataclass(frozen=True)
class ProcessGroup:
    """The processes of one training, seen from one of them.

    Attributes:
        fabric: launched; ``None`` for a process that does not train.
    """

    fabric: Fabric | None = None

    @property
    def rank(self) -> int:
        """Which process this is, from 0."""
        return self.fabric.global_rank if self.fabric else 0

    @property
    def count(self) -> int:
        """How many processes there are."""
        return self.fabric.world_size if self.fabric else 1

    @property
    def device(self) -> torch.device:
        """The device of this process."""
        return self.fabric.device if self.fabric else torch.device("cpu")

    @property
    def precision(self) -> Precision:
        """What scales gradients in fp16, and does nothing in other precisions."""
        assert self.fabric is not None  # noqa: S101 - launched before training
        return self.fabric.strategy.precision

    @property
    def is_first(self) -> bool:
        """Whether this is the process that reports and writes files."""
        return self.rank == 0

    def local_slice(self, items: int) -> slice:
        """Return this process's consecutive share of ``items`` items; shares differ by at most one item.

        >>> ProcessGroup().local_slice(5)
        slice(0, 5, None)
        """
        return slice(items * self.rank // self.count, items * (self.rank + 1) // self.count)

    def local_weight(self, items: int) -> float:
        """Return the weight of this process's slice that makes the mean over processes the mean over items.

        >>> ProcessGroup().local_weight(5)
        1.0
        """
        local = self.local_slice(items)
        return float((local.stop - local.start) * self.count / items)

    def local_items(self, items: Sequence[T], chunk_size: int) -> list[T]:
        """Return this process's items where chunks of items are dealt out to the processes in turn."""
        return [item for index, item in enumerate(items) if index // chunk_size % self.count == self.rank]

    def sum(self, values: Tensor) -> Tensor:
        """Add up tensors of one shape over all processes."""
        return self._exchange("all_reduce", values, reduce_op="sum")

    def gather(self, values: Tensor) -> Tensor:
        """Stack the tensors of all processes, which have one shape: (processes, …)."""
        return self._exchange("all_gather", values).reshape(self.count, *values.shape)

    def mean(self, number: float) -> float:
        """Average a number over all processes."""
        return self.sum(torch.tensor(number, dtype=torch.float64)).item() / self.count

    def any(self, *flags: bool) -> list[bool]:
        """Tell for each flag whether it is set in any process."""
        if self.count == 1:
            return list(flags)
        return [bool(total) for total in self.sum(torch.tensor(flags, dtype=torch.float32)).tolist()]

    @contextmanager
    def propagate_errors(self) -> Iterator[None]:
        """End the block in all processes if a user's mistake ends it in some of them.

        Raises:
            ElsewhereError: the mistake occurred in another process, not in this one.
        """
        error: TwinspectError | None = None
        try:
            yield
        except TwinspectError as local:
            error = local
        (failed,) = self.any(error is not None)
        if error:
            raise error
        if failed:
            raise ElsewhereError(
                "another process of this training could not go on; its error is reported above"
            )

    def _exchange(self, operation: str, values: Tensor, **options: Any) -> Tensor:
        if self.fabric is None or self.count == 1:
            return values
        exchanged: Tensor = getattr(self.fabric, operation)(
            values.clone(memory_format=torch.contiguous_format), **options
        )
        return exchanged.to(values.device)


SINGLE_PROCESS = ProcessGroup()
"""A process that fits alone, or does not fit at all."""


def launch(
    device: torch.device, precision: str, *, devices: int = 1, nodes: int = 1, strategy: str = "auto"
) -> ProcessGroup:
    """Start the other processes of this machine, or join those that torchrun or Slurm have started.

    Fabric starts a process by running the same command again, so everything before this call is repeated in each.

    Args:
        device: the kind of device; each process has one of its own.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        devices: processes on each machine.
        nodes: machines.
        strategy: one of ``STRATEGIES``.

    Raises:
        ConfigError: numbers that do not match each other, this machine, or the processes that were started.
    """
    check_process_counts(device, devices, nodes, strategy)
    from lightning_fabric import Fabric  # noqa: PLC0415 - half a second that scoring does not need

    from twinspect.utils.mixed_precision import MixedPrecision  # noqa: PLC0415 - likewise

    # Fabric announces its processes as if they were warnings.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=_DEPRECATION)
    try:
        fabric = Fabric(
            accelerator=device.type,
            devices=devices if (index := _index(device)) is None else [index],
            num_nodes=nodes,
            strategy="ddp" if devices * nodes > 1 else "auto",
            plugins=[] if precision == "fp32" else [MixedPrecision(precision, device.type)],
        )
        fabric.launch()
    except ValueError as error:  # Slurm or torchrun started another number of processes
        raise ConfigError(f"--devices {devices} --nodes {nodes}: {error}") from error
    return ProcessGroup(fabric)


def check_process_counts(device: torch.device, devices: int, nodes: int, strategy: str) -> None:
    """Refuse impossible numbers of processes, before anything is read.

    Raises:
        ConfigError: see :func:`launch`.
    """
    if strategy not in STRATEGIES:
        raise unknown_name("strategy", strategy, STRATEGIES)
    if devices < 1 or nodes < 1:
        raise ConfigError(f"devices is {devices} and nodes is {nodes}; allowed: 1 or more of each")
    has_index = _index(device) is not None
    if devices > 1 and (has_index or device.type == "mps"):
        remedy = "name the kind alone, such as --device cuda" if has_index else "use --devices 1"
        raise ConfigError(f"--device {device} is one device, and --devices asks for {devices}; {remedy}")
    if device.type == "cuda" and devices > torch.cuda.device_count():
        raise ConfigError(f"--devices {devices}: this machine has {torch.cuda.device_count()} CUDA devices")


def _index(device: torch.device) -> int | None:
    return cast("int | None", device.index)  # torch declares it as a number, but "cuda" alone has none
