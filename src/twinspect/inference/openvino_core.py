"""OpenVINO's core, one for the process, and the signal stack that it must not leave in ruins.

Every core gives the thread that makes it a stack to handle signals on, and on its end restores the one from before.
Where a second core outlives the first, that one is gone: the next Ctrl-C, whose handler Python asks to be run there,
ends the process with a segmentation fault (seen with OpenVINO 2026.4 on Linux). NNCF makes cores of its own, too.
"""

from __future__ import annotations

import ctypes
import sys
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from twinspect.errors import optional

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Stack(ctypes.Structure):
    """``stack_t`` of Linux."""

    _fields_ = (("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@cache
def openvino_core() -> Any:
    """Give the process's ``openvino.Core``.

    Raises:
        MissingExtraError: OpenVINO is not installed.
    """
    openvino = optional("openvino", "openvino")
    with kept_signal_stack():
        core = openvino.Core()
        core.get_property("CPU", "FULL_DEVICE_NAME")  # loads the processor's plugin, whose stack it is
    return core


@contextmanager
def kept_signal_stack() -> Iterator[None]:
    """Put the thread's signal stack back afterwards; a core that ends later leaves it alone."""
    if sys.platform != "linux":
        yield
        return
    change, before = ctypes.CDLL(None).sigaltstack, _Stack()
    change(None, ctypes.byref(before))
    try:
        yield
    finally:
        change(ctypes.byref(before), None)
