"""Fingerprints: whether two lists of images are the same images."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from twinspect.data.prefetching import default_workers, prefetch
from twinspect.errors import ImageError
from twinspect.utils.files import sha256_of_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from twinspect.data.samples import Sample


def fingerprint(samples: Sequence[Sample]) -> str:
    """Hash the names and contents of images, whatever their order.

    It is the SHA-256 of what ``sha256sum`` prints for the files, sorted by name: one line ``<sha256 of
    the file>  <name>`` each. For pixels in memory the shape, as ``HxWxC:``, and the bytes are hashed.

    Returns:
        64 hexadecimal digits.

    Raises:
        ImageError: a file cannot be read.
    """
    ordered = sorted(samples, key=lambda sample: sample.name)
    digests = prefetch(ordered, _digest, workers=default_workers(), ahead=32)
    total = hashlib.sha256()
    for sample, digest in zip(ordered, digests, strict=True):
        total.update(f"{digest}  {sample.name}\n".encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def _digest(sample: Sample) -> str:
    if sample.pixels is None:
        return _file_digest(sample.path)
    shape = "x".join(str(length) for length in sample.pixels.shape)
    return hashlib.sha256(f"{shape}:".encode() + sample.pixels.tobytes()).hexdigest()


def _file_digest(path: Path) -> str:
    try:
        return sha256_of_file(path)
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {error.strerror}") from error
