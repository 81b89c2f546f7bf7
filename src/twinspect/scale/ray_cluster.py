"""Ray: an existing cluster, or a private one on this machine that listens on loopback only."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from twinspect.errors import ConfigError, TwinspectError, optional

if TYPE_CHECKING:
    from collections.abc import Iterator

_OBJECT_STORE_BYTES: Final = 256 * 2**20
"""Shared memory of a private cluster, in bytes, in addition to what is put there: summaries are small."""

_ENVIRONMENT: Final = {
    # A cluster that is started here sends no usage statistics.
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray's core would log to our terminal what Ray Data does on purpose.
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}
_QUIET: Final[dict[str, Any]] = {"logging_level": logging.ERROR, "log_to_driver": False}


@contextmanager
def cluster(address: str | None, *, cpus: int, object_bytes: int = 0) -> Iterator[Any]:
    """Connect to Ray and yield the ``ray`` module; a cluster that was started here is shut down at the end.

    Args:
        address: address of a cluster, ``auto`` for the one that this machine belongs to, ``None`` for a private one.
        cpus: least number of CPUs of a private cluster.
        object_bytes: bytes that will be put into shared memory.

    Raises:
        MissingExtraError: Ray is not installed.
        ConfigError: there is no cluster at that address.
        TwinspectError: Ray could not be started.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    logging.getLogger("ray").setLevel(logging.ERROR)
    ray = optional("ray", "scale")
    if ray.is_initialized():
        yield ray
        return
    _connect(ray, address, cpus, object_bytes)
    try:
        yield ray
    finally:
        ray.shutdown()


def _connect(ray: Any, address: str | None, cpus: int, object_bytes: int) -> None:
    size = {
        "num_cpus": max(cpus, os.cpu_count() or 1),
        "object_store_memory": _OBJECT_STORE_BYTES + 2 * object_bytes,
    }
    try:
        if address is None:
            ray.init("local", include_dashboard=False, _node_ip_address="127.0.0.1", **_QUIET, **size)
        else:
            ray.init(address, **_QUIET)
    except ConnectionError as error:
        remedy = "start one with: ray start --head"
        raise ConfigError(f"--address {address}: no Ray cluster there ({error}); {remedy}") from error
    except Exception as error:
        remedy = "is the machine overloaded, or its memory full? --engine local needs no Ray"
        raise TwinspectError(f"Ray did not start: {error} {remedy}") from error
