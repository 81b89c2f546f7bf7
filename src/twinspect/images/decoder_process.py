"""A child process that decodes images within limits of processor time and memory, and is used again.

A decoder is a C library: a crafted file may keep it busy, fill the memory or end its process. Here that ends the
child, and the image becomes an error. Pixels come back in shared memory. What libraries print goes nowhere.
"""

from __future__ import annotations

import atexit
import math
import mmap
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Final

import msgspec
import numpy as np

from twinspect.errors import ImageError, SeveralPicturesError, TooManyPixelsError
from twinspect.images.decode_limits import DecodeLimits, decode_limits
from twinspect.images.decoding import decode
from twinspect.images.stored_pixels import StoredPixels
from twinspect.utils.allocator import keep_freed_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

IS_LIMITED: Final = sys.platform == "linux"
"""Whether the system has limits of a process's address space and processor time that hold, and shared memory."""
_IDLE: Final = 60.0
"""Seconds after which a child that has nothing to do ends."""
_ENDED: Final = b"ended\n"
"""What such a child answers."""
_LAST_MOMENTS: Final = 5.0
"""Seconds that a child without an answer may take to end."""
_WALL: Final = 10.0
"""How many times the allowed processor time may pass on the clock, for a file system or a lock that never answers."""
_LARGE: Final = 2**26
"""Values of an image, after which a child gives its memory back; otherwise it keeps it for the next."""
_CODE: Final = """\
import sys
sys.path[:] = filter(None, sys.path)  # not the folder where this runs, which may hold anybody's files
from twinspect.images.decoder_process import decode_until_closed
decode_until_closed()
"""
_ERRORS: Final = {kind.__name__: kind for kind in (ImageError, SeveralPicturesError, TooManyPixelsError)}


class DecoderCrashError(ImageError):
    """An image that ended the process which decoded it, or took longer than is allowed."""


class Request(msgspec.Struct):
    """What to decode.

    Attributes:
        path: the file, or the name of what is in memory, as the file system spells it.
        indices: give the entry numbers of a palette image instead of its colours.
        max_pixels: the largest image to decode.
        content_bytes: how many bytes of content follow; ``None`` to read ``path``.
        discard: whether to decode without giving the pixels back.
    """

    path: bytes
    indices: bool
    max_pixels: int
    content_bytes: int | None = None
    discard: bool = False


class _Reply(msgspec.Struct):
    """What came of it: pixels, in the file that this number stands for in the child, or an error."""

    descriptor: int = -1
    shape: tuple[int, ...] = ()
    dtype: str = ""
    full: int = 0
    error: str = ""
    message: bytes = b""
    lossy: bool = False


class _DecoderProcess:
    """One child, which one thread at a time uses."""

    def __init__(self, limits: DecodeLimits) -> None:
        self.limits = limits
        self._child = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", _CODE, str(limits.seconds), str(limits.memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(),
            start_new_session=True,  # an interrupt from the keyboard is the parent's to handle
        )

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return self._child.poll() is None

    def decode(self, request: Request, content: bytes | None) -> StoredPixels | None:
        """Have an image decoded; ``None`` if the child had nothing to do for so long that it ended before.

        Raises:
            ImageError: it cannot be decoded.
            DecoderCrashError: the child died of it.
        """
        answer, late = self._ask(msgspec.json.encode(request) + b"\n", content or b"")
        if answer == _ENDED:
            return None
        if not answer:
            raise self._crash(os.fsdecode(request.path), late=late)
        reply = msgspec.json.decode(answer, type=_Reply)
        if reply.error:
            raise _ERRORS[reply.error](os.fsdecode(reply.message))
        return StoredPixels(self._pixels(reply), reply.full, reply.lossy)

    def close(self) -> None:
        """End the child."""
        self._child.kill()
        with suppress(BrokenPipeError):
            self._child.communicate()

    def _ask(self, line: bytes, content: bytes) -> tuple[bytes, bool]:
        """Send a request; return the answer, empty if the child died, and whether it was ended for being late."""
        patience = self.limits.seconds * _WALL
        began = time.monotonic()
        with _timer(patience, self._child.kill), suppress(BrokenPipeError):
            _pipe(self._child.stdin).write(line + content)
            _pipe(self._child.stdin).flush()
            return _pipe(self._child.stdout).readline(), time.monotonic() - began >= patience
        return b"", False

    def _crash(self, path: str, *, late: bool) -> DecoderCrashError:
        """Tell how the child died."""
        try:
            code = self._child.wait(timeout=_LAST_MOMENTS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            code = self._child.wait()
        if late or code == -getattr(signal, "SIGXCPU", math.inf):
            allowed = f"the {self.limits.seconds:g} s that are allowed to decode"
            how = f"takes more than {allowed}; save it anew, or {self.limits.more_time}"
        else:
            how = f"crashed the process that decoded it ({_death(code)}); it is left out"
        return DecoderCrashError(f"{path}: {how}")

    def _pixels(self, reply: _Reply) -> NDArray[Any]:
        """Map what the child wrote into this process, which is then the only one that has it."""
        dtype = np.dtype(reply.dtype)
        if reply.descriptor < 0:
            return np.empty(reply.shape, dtype)
        with open(f"/proc/{self._child.pid}/fd/{reply.descriptor}", "rb") as file:  # noqa: PTH123
            size = math.prod(reply.shape) * dtype.itemsize
            mapped = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY)
        _pipe(self._child.stdin).write(b"\n")
        _pipe(self._child.stdin).flush()
        return np.frombuffer(mapped, dtype).reshape(reply.shape)


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
                child = self._idle.pop()
                if child.limits == limits and child.is_alive:
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
    path: str,
    *,
    indices: bool = False,
    content: bytes | None = None,
    max_pixels: int,
    discard: bool = False,
) -> StoredPixels:
    """Decode one file like :func:`twinspect.images.decoding.decode`, in a child process within the limits.

    Args:
        path: the file.
        indices: give the entry numbers of a palette image instead of its colours.
        content: what the file would hold, if it is in memory; ``path`` is then only its name.
        max_pixels: the largest image to decode.
        discard: whether to decode without giving the pixels back; elsewhere than on Linux they cannot be.

    Raises:
        ImageError: the file cannot be read as one image; the message is one line that starts with the path.
        DecoderCrashError: decoding it took too long, or ended the child.
    """
    request = Request(
        os.fsencode(path), indices, max_pixels, None if content is None else len(content), discard
    )
    while True:
        child = _POOL.take()
        try:
            stored = child.decode(request, content)
        except BaseException as error:
            is_usable = isinstance(error, ImageError) and not isinstance(error, DecoderCrashError)
            _POOL.put_back(child) if is_usable else child.close()
            raise
        if stored is not None:
            _POOL.put_back(child)
            return stored
        child.close()  # it had nothing to do for long, and ended


def decode_until_closed() -> None:
    """Run as the child: decode what is asked for on standard input until it is closed."""
    seconds, memory = sys.argv[1:]
    grant_time = _limit_resources(float(seconds), int(memory))
    while (nowhere := os.open(os.devnull, os.O_WRONLY)) <= 2:
        pass  # the parent had closed its standard error
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb", buffering=0)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)

    def end() -> None:
        answers.write(_ENDED)
        os._exit(0)

    while _answer_until_large(requests, answers, grant_time, end):
        pass


def _answer_until_large(
    requests: BinaryIO, answers: IO[bytes], grant_time: Callable[[], object], end: Callable[[], object]
) -> bool:
    """Answer requests, up to a large image, after which memory is given back; whether there may be more.

    Without a request for long, ``end`` is called.
    """
    with keep_freed_memory():
        while line := _next_line(requests, end):
            grant_time()
            reply = _answer(msgspec.json.decode(line, type=Request), requests)
            answers.write(msgspec.json.encode(reply) + b"\n")
            if reply.descriptor >= 0:
                requests.readline()  # the parent has mapped it
                os.close(reply.descriptor)
            if math.prod(reply.shape) > _LARGE:
                return True
    return False


def _answer(request: Request, requests: BinaryIO) -> _Reply:
    content = None if request.content_bytes is None else requests.read(request.content_bytes)
    path = os.fsdecode(request.path)
    try:
        stored = decode(path, indices=request.indices, content=content, max_pixels=request.max_pixels)
        values = np.ascontiguousarray(stored.values)
    except ImageError as error:
        return _refusal(error)
    except MemoryError:
        return _refusal(TooManyPixelsError(f"{path}: {decode_limits().out_of_memory}"))
    descriptor = -1 if request.discard else _shared(values.data.cast("B"))
    return _Reply(descriptor, values.shape, values.dtype.str, stored.full, lossy=stored.lossy)


def _refusal(error: ImageError) -> _Reply:
    return _Reply(error=type(error).__name__, message=os.fsencode(str(error)))


def _shared(data: memoryview) -> int:
    """Write bytes into a new file in memory, which ends when nobody has it open."""
    descriptor = os.memfd_create("twinspect-pixels")
    while len(data):
        data = data[os.write(descriptor, data) :]
    return descriptor


def _limit_resources(seconds: float, memory: int) -> Callable[[], object]:
    """Limit the address space of this process; return what grants the next image its processor time."""
    if not IS_LIMITED:
        return lambda: None
    import resource  # noqa: PLC0415 - not on Windows

    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - not a file of a user's
        taken = int(file.read().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_lower(taken + memory, hard), hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, most_time = resource.getrlimit(resource.RLIMIT_CPU)

    def grant_time() -> None:
        # The system counts whole seconds.
        soft = math.ceil(time.process_time() + seconds)
        resource.setrlimit(resource.RLIMIT_CPU, (_lower(soft, most_time), most_time))

    return grant_time


def _lower(wanted: int, hard: int) -> int:
    """Return a limit that is allowed; a negative one means that there is none."""
    return wanted if hard < 0 else min(wanted, hard)


def _next_line(stream: BinaryIO, end: Callable[[], object]) -> bytes:
    with _timer(_IDLE, end):
        return stream.readline()


@contextmanager
def _timer(seconds: float, action: Callable[[], object]) -> Iterator[None]:
    """Act if the block takes longer."""
    timer = threading.Timer(seconds, action)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _environment() -> dict[str, str]:
    # A cluster's worker may import from places where a new interpreter would not look. Threads would each reserve
    # address space.
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    return {**os.environ, **one_thread, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise AssertionError("the child was started with pipes")
    return stream


def _death(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
