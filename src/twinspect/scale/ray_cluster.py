"""Ray: a cluster that is there, or one of its own on this machine that listens on loopback alone."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from twinspect.errors import ConfigError, TwinspectError, optional

if TYPE_CHECKING:
    from collections.abc import Iterator

_STORE: Final = 256 * 2**20
"""Bytes of shared memory of a cluster of its own, beside what is put there: summaries are small."""

_ENVIRONMENT: Final = {
    # Of a cluster that is begun here nothing is told to anybody.
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray's core writes to our terminal about what Ray Data does on purpose.
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}
_QUIET: Final[dict[str, Any]] = {"logging_level": logging.ERROR, "log_to_driver": False}


@contextmanager
def cluster(address: str | None, *, cpus: int, put: int = 0) -> Iterator[Any]:
    """Give ``ray``, connected; what was begun here ends here.

    Args:
        address: of a cluster, or ``auto`` for the one that this machine is part of; ``None`` for one of its own.
        cpus: that a cluster of its own should have at least.
        put: bytes that will be put into shared memory.

    Raises:
        MissingExtraError: Ray is not installed.
        ConfigError: there is no cluster at that address.
        TwinspectError: none could be started.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    logging.getLogger("ray").setLevel(logging.ERROR)
    ray = optional("ray", "scale")
    if ray.is_initialized():
        yield ray
        return
    _connect(ray, address, cpus, put)
    try:
        yield ray
    finally:
        ray.shutdown()


def _connect(ray: Any, address: str | None, cpus: int, put: int) -> None:
    own = {"num_cpus": max(cpus, os.cpu_count() or 1), "object_store_memory": _STORE + 2 * put}
    try:
        if address is None:
            ray.init("local", include_dashboard=False, _node_ip_address="127.0.0.1", **_QUIET, **own)
        else:
            ray.init(address, **_QUIET)
    except ConnectionError as error:
        remedy = "start one with: ray start --head"
        raise ConfigError(f"--address {address}: no Ray cluster there ({error}); {remedy}") from error
    except Exception as error:
        remedy = "is the machine overloaded, or its memory full? --engine local needs no Ray"
        raise TwinspectError(f"Ray did not start: {error} {remedy}") from error
