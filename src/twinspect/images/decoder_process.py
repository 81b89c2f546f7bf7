"""A child process that decodes images within limits of processor time and memory, and is used again.

A decoder is a C library: a crafted file may keep it busy, fill the memory or end its process. Here that ends the
child, and the image becomes an error. Pixels come back through a file in memory that parent and child share. What
libraries print goes nowhere.
"""

from __future__ import annotations

import atexit
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Final

import msgspec
import numpy as np

from twinspect.errors import ImageError, SeveralPicturesError, TooManyPixelsError
from twinspect.images.decode_limits import DecodeLimits, decode_limits
from twinspect.images.decoding import decode
from twinspect.images.stored_pixels import StoredPixels

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

IS_LIMITED: Final = sys.platform == "linux"
"""Whether the system has limits of a process's address space and processor time that hold."""
_IDLE: Final = 60.0
"""Seconds after which a child that has nothing to do ends."""
_WALL: Final = 10.0
"""How many times the allowed processor time may pass on the clock, for a file system or a lock that never answers."""
_KEPT: Final = 64 * 2**20
"""Bytes of shared memory that an idle child keeps."""
_ERRORS: Final = {kind.__name__: kind for kind in (ImageError, SeveralPicturesError, TooManyPixelsError)}


class DecoderCrashError(ImageError):
    """An image that ended the process which decoded it, or took longer than is allowed."""


class Request(msgspec.Struct):
    """What to decode.

    Attributes:
        path: the file, or the name of what is in memory, as the file system spells it.
        indices: give the entry numbers of a palette image instead of its colours.
        max_pixels: the largest image to decode.
        content_bytes: how many bytes the parent has written into the shared memory; ``None`` to read ``path``.
    """

    path: bytes
    indices: bool
    max_pixels: int
    content_bytes: int | None = None


class _Reply(msgspec.Struct):
    """What came of it: pixels in the shared memory, or an error."""

    shape: tuple[int, ...] = ()
    dtype: str = ""
    full: int = 0
    lossy: bool = False
    error: str = ""
    message: bytes = b""


class _DecoderProcess:
    """One child, which one thread at a time uses."""

    def __init__(self, limits: DecodeLimits) -> None:
        self.limits = limits
        descriptor, self._path = _shared_memory()
        self._shared = os.fdopen(descriptor, "r+b", buffering=0)
        code = "from twinspect.images.decoder_process import decode_until_closed as run; run()"
        inherited = () if self._path else (descriptor,)
        self._child = subprocess.Popen(  # noqa: S603
            [
                sys.executable,
                "-c",
                code,
                self._path or str(descriptor),
                str(limits.seconds),
                str(limits.memory),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(),
            pass_fds=inherited,
            start_new_session=True,  # an interrupt from the keyboard is the parent's to handle
        )

    def decode(self, request: Request, content: bytes | None) -> StoredPixels | None:
        """Have an image decoded; ``None`` if the child had ended before it was asked.

        Raises:
            ImageError: it cannot be decoded.
            DecoderCrashError: the child died of it.
        """
        if content is not None:
            self._shared.seek(0)
            _write(self._shared, content)
        answered, late = self._ask(msgspec.json.encode(request) + b"\n")
        if not answered:
            return self._died(os.fsdecode(request.path), late=late)
        reply = msgspec.json.decode(answered, type=_Reply)
        if reply.error:
            raise _ERRORS[reply.error](os.fsdecode(reply.message))
        return StoredPixels(self._pixels(reply), reply.full, reply.lossy)

    def close(self) -> None:
        """End the child."""
        self._child.kill()
        with suppress(BrokenPipeError):
            self._child.communicate()
        self._shared.close()
        if self._path:
            os.unlink(self._path)  # noqa: PTH108

    def _ask(self, line: bytes) -> tuple[bytes, bool]:
        """Send a request; return the answer, empty if the child died, and whether it was ended for being late."""
        timer = threading.Timer(self.limits.seconds * _WALL, self._child.kill)
        timer.daemon = True
        timer.start()
        began = time.monotonic()
        try:
            _pipe(self._child.stdin).write(line)
            _pipe(self._child.stdin).flush()
            return _pipe(
                self._child.stdout
            ).readline(), time.monotonic() - began >= self.limits.seconds * _WALL
        except BrokenPipeError:
            return b"", False
        finally:
            timer.cancel()

    def _died(self, path: str, *, late: bool) -> None:
        code = self._child.wait()
        if code == 0:
            return
        if late or code == -getattr(signal, "SIGXCPU", math.inf):
            how = f"takes more than {self.limits.seconds:g} s to decode, which is allowed; save it anew"
        else:
            how = f"crashed the process that decoded it ({_death(code)}); it is left out"
        raise DecoderCrashError(f"{path}: {how}")

    def _pixels(self, reply: _Reply) -> NDArray[Any]:
        values = np.empty(reply.shape, np.dtype(reply.dtype))
        self._shared.seek(0)
        rest = memoryview(values).cast("B")
        while len(rest):
            rest = rest[self._shared.readinto(rest) :]
        if values.nbytes > _KEPT:
            self._shared.truncate(0)
        return values


class _Pool:
    """Children that wait for work; as many as there were threads that decoded at once."""

    def __init__(self) -> None:
        self._idle: list[_DecoderProcess] = []
        if hasattr(os, "register_at_fork"):  # not on Windows
            os.register_at_fork(after_in_child=self._idle.clear)
        atexit.register(self.close)

    def take(self) -> _DecoderProcess:
        limits = decode_limits()
        with suppress(IndexError):
            while True:
                if (child := self._idle.pop()).limits == limits:
                    return child
                child.close()
        return _DecoderProcess(limits)

    def put_back(self, child: _DecoderProcess) -> None:
        self._idle.append(child)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()


_POOL: Final = _Pool()


def decode_in_child(
    path: str, *, indices: bool = False, content: bytes | None = None, max_pixels: int
) -> StoredPixels:
    """Decode one file like :func:`twinspect.images.decoding.decode`, in a child process within the limits.

    Args:
        path: the file.
        indices: give the entry numbers of a palette image instead of its colours.
        content: what the file would hold, if it is in memory; ``path`` is then only its name.
        max_pixels: the largest image to decode.

    Raises:
        ImageError: the file cannot be read as one image; the message is one line that starts with the path.
        DecoderCrashError: decoding it took too long, or ended the child.
    """
    request = Request(os.fsencode(path), indices, max_pixels, None if content is None else len(content))
    while True:
        child = _POOL.take()
        try:
            stored = child.decode(request, content)
        except DecoderCrashError:
            child.close()
            raise
        except BaseException as error:
            _POOL.put_back(child) if isinstance(error, ImageError) else child.close()
            raise
        if stored is not None:
            _POOL.put_back(child)
            return stored
        child.close()  # it had nothing to do for long, and ended


def decode_until_closed() -> None:
    """Run as the child: decode what is asked for on standard input until it is closed."""
    target, seconds, memory = sys.argv[1:]
    limit = _limit_resources(float(seconds), int(memory))
    shared = open(int(target) if target.isdecimal() else target, "r+b", buffering=0)  # noqa: PTH123, SIM115
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    for descriptor in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
    while line := _next_line(sys.stdin.buffer):
        limit()
        reply = _answer(msgspec.json.decode(line, type=Request), shared)
        answers.write(msgspec.json.encode(reply) + b"\n")


def _answer(request: Request, shared: IO[bytes]) -> _Reply:
    shared.seek(0)
    content = None if request.content_bytes is None else shared.read(request.content_bytes)
    try:
        stored = decode(
            os.fsdecode(request.path), indices=request.indices, content=content, max_pixels=request.max_pixels
        )
    except ImageError as error:
        return _Reply(error=type(error).__name__, message=os.fsencode(str(error)))
    values = np.ascontiguousarray(stored.values)
    shared.seek(0)
    _write(shared, memoryview(values).cast("B"))
    return _Reply(values.shape, values.dtype.str, stored.full, stored.lossy)


def _limit_resources(seconds: float, memory: int) -> Callable[[], object]:
    """Limit the address space of this process; return what grants the next image its processor time."""
    if not IS_LIMITED:
        return lambda: None
    import resource  # noqa: PLC0415 - not on Windows

    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - not a file of a user's
        taken = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + memory, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]

    def grant() -> None:
        # The system counts whole seconds.
        soft = math.ceil(time.process_time() + seconds)
        resource.setrlimit(resource.RLIMIT_CPU, (soft if hard < 0 else min(soft, hard), hard))

    return grant


def _next_line(stream: BinaryIO) -> bytes:
    """Wait for a request; a process that waits for long ends."""
    timer = threading.Timer(_IDLE, os._exit, (0,))
    timer.daemon = True
    timer.start()
    line = stream.readline()
    timer.cancel()
    return line


def _shared_memory() -> tuple[int, str]:
    """Open a file in memory, which ends with its processes; elsewhere than on Linux, one on disk, with its path."""
    if sys.platform == "linux":
        return os.memfd_create("twinspect-pixels", os.MFD_CLOEXEC), ""
    return tempfile.mkstemp(prefix="twinspect-pixels-")


def _environment() -> dict[str, str]:
    # A cluster's worker may import from places where a new interpreter would not look. Threads would each reserve
    # address space.
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    return {**os.environ, **one_thread, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def _write(file: IO[bytes], data: bytes | memoryview) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise AssertionError("the child was started with pipes")
    return stream


def _death(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
