"""Images that crash the process that decodes them: found by decoding in a child process.

Decoders are C libraries; a crafted or damaged file may end the process instead of raising an error.
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
from twinspect.scale.image_sources import MissingImage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from twinspect.data.samples import Sample

_DONE = b"\n"


def without_crashes(samples: Sequence[Sample], bits: int | None) -> list[Sample]:
    """Replace the images that crash the process that decodes them by an error that says so.

    Args:
        samples: images to be scored.
        bits: significant bits of 16-bit files.
    """
    with _DecoderProcess(bits) as decoder:
        return [_replace_if_it_crashes(sample, decoder) for sample in samples]


def _replace_if_it_crashes(sample: Sample, decoder: _DecoderProcess) -> Sample:
    try:
        message = decoder.decode(sample)
    except ImageError:  # it cannot be fetched, which scoring will report
        return sample
    return replace(sample, content=MissingImage(sample.address, message)) if message else sample


class _DecoderProcess:
    """A child process that decodes one image after the other, and is replaced whenever it dies."""

    def __init__(self, bits: int | None) -> None:
        self._bits = bits
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> _DecoderProcess:  # noqa: PYI034 - nobody derives from it
        return self

    def __exit__(self, *raised: object) -> None:
        if self._child is not None:
            self._wait(self._child)

    def decode(self, sample: Sample) -> str:
        """Have an image decoded; return how that killed the child, or an empty string.

        Raises:
            ImageError: it cannot be fetched.
        """
        content = None if sample.content is None else sample.content.read()
        child = self._child = self._child or _start_decoder(self._bits)
        request = {"path": sample.address, "bytes": None if content is None else len(content)}
        try:
            _pipe(child.stdin).write(json.dumps(request).encode() + b"\n" + (content or b""))
            _pipe(child.stdin).flush()
            alive = _pipe(child.stdout).readline() == _DONE
        except BrokenPipeError:
            alive = False
        return "" if alive else self._crash_message(child)

    def _crash_message(self, child: subprocess.Popen[bytes]) -> str:
        self._child = None
        code = self._wait(child)
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"crashed the process that decoded it ({how}); it is left out"

    @staticmethod
    def _wait(child: subprocess.Popen[bytes]) -> int:
        try:
            child.communicate()
        except BrokenPipeError:
            child.wait()
        return child.returncode


def _start_decoder(bits: int | None) -> subprocess.Popen[bytes]:
    code = "from twinspect.scale.decoder_crashes import decode_until_closed; decode_until_closed()"
    command = [sys.executable, "-c", code, json.dumps(bits)]
    # A cluster's worker may import from places where a new interpreter would not look.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)  # noqa: S603


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise AssertionError("the child was started with pipes")
    return stream


def decode_until_closed() -> None:
    """Run as the child: decode what comes on standard input, and confirm each image."""
    bits = json.loads(sys.argv[1])
    for path, content in _requests(sys.stdin.buffer):
        with suppress(ImageError):  # an ordinary error, which scoring will report
            read_rgb(path, bits=bits, content=content)
        sys.stdout.buffer.write(_DONE)
        sys.stdout.buffer.flush()


def _requests(stream: BinaryIO) -> Iterator[tuple[str, bytes | None]]:
    while line := stream.readline():
        request = json.loads(line)
        yield request["path"], None if request["bytes"] is None else stream.read(request["bytes"])
