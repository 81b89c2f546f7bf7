"""Images that kill the process that decodes them: found by decoding in a process that may die.

A decoder is a library in C; what it does with a crafted or damaged file may end the process instead of raising.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from typing import IO, TYPE_CHECKING, BinaryIO

from twinspect.errors import ImageError
from twinspect.images.reading import read_rgb
from twinspect.scale.image_sources import Missing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from twinspect.data.samples import Sample

_DONE = b"\n"


def without_crashes(samples: Sequence[Sample], bits: int | None) -> list[Sample]:
    """Replace the images that kill a process that decodes them by an error that says so.

    Args:
        samples: what is to be scored.
        bits: significant bits of 16-bit files.
    """
    with _DecoderProcess(bits) as taster:
        return [_without_crashes(sample, taster) for sample in samples]


def _without_crashes(sample: Sample, taster: _DecoderProcess) -> Sample:
    try:
        death = taster.taste(sample)
    except ImageError:  # it cannot be fetched, which scoring will say again
        return sample
    return replace(sample, content=Missing(sample.address, death)) if death else sample


class _DecoderProcess:
    """A child process that decodes one image after the other, replaced whenever it dies."""

    def __init__(self, bits: int | None) -> None:
        self._bits = bits
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> _DecoderProcess:  # noqa: PYI034 - nobody derives from it
        return self

    def __exit__(self, *raised: object) -> None:
        if self._child is not None:
            self._leave(self._child)

    def taste(self, sample: Sample) -> str:
        """Have an image decoded; say how the child died of it, or nothing.

        Raises:
            ImageError: it cannot be fetched.
        """
        content = None if sample.content is None else sample.content.read()
        child = self._child = self._child or _begin(self._bits)
        order = {"path": sample.address, "bytes": None if content is None else len(content)}
        try:
            _stream(child.stdin).write(json.dumps(order).encode() + b"\n" + (content or b""))
            _stream(child.stdin).flush()
            alive = _stream(child.stdout).readline() == _DONE
        except BrokenPipeError:
            alive = False
        return "" if alive else self._dead(child)

    def _dead(self, child: subprocess.Popen[bytes]) -> str:
        self._child = None
        code = self._leave(child)
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"killed the process that decoded it ({how}); it is left out"

    @staticmethod
    def _leave(child: subprocess.Popen[bytes]) -> int:
        try:
            child.communicate()
        except BrokenPipeError:
            child.wait()
        return child.returncode


def _begin(bits: int | None) -> subprocess.Popen[bytes]:
    code = "from twinspect.scale.decoder_crashes import decode_until_closed; decode_until_closed()"
    command = [sys.executable, "-c", code, json.dumps(bits)]
    # A worker of a cluster may have its modules from elsewhere than a new interpreter would look.
    places = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=places)  # noqa: S603


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise AssertionError("the child was begun with pipes")
    return stream


def decode_until_closed() -> None:
    """Be the child: decode what comes on standard input, and say that one lives."""
    bits = json.loads(sys.argv[1])
    for path, content in _orders(sys.stdin.buffer):
        with suppress(ImageError):  # an ordinary error, which scoring will tell of
            read_rgb(path, bits=bits, content=content)
        sys.stdout.buffer.write(_DONE)
        sys.stdout.buffer.flush()


def _orders(stream: BinaryIO) -> Iterator[tuple[str, bytes | None]]:
    while line := stream.readline():
        order = json.loads(line)
        yield order["path"], None if order["bytes"] is None else stream.read(order["bytes"])
