"""Fingerprints: whether two lists of images are the same images."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from twinspect.data.prefetching import ReadFailure, default_workers, prefetch, read_samples
from twinspect.errors import ImageError
from twinspect.utils.files import sha256_of_file
from twinspect.utils.progress import tracked

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
    return fingerprint_of([sample.name for sample in samples], content_digests(samples))


def fingerprint_of(names: Sequence[str], digests: Sequence[str]) -> str:
    """Compute the same from the names and :func:`content_digests` of images."""
    total = hashlib.sha256()
    for name, digest in sorted(zip(names, digests, strict=True)):
        total.update(f"{digest}  {name}\n".encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def content_digests(samples: Sequence[Sample]) -> list[str]:
    """Hash what each image holds, whatever its name: SHA-256 of the file, or of shape and pixels in memory.

    Files are hashed, not their pixels: a decoder's version does not matter, and it costs little beside decoding.

    Returns:
        64 hexadecimal digits each.

    Raises:
        ImageError: a file cannot be read.
    """
    digests = prefetch(samples, _digest, workers=default_workers(), ahead=32)
    return list(tracked("hash images", digests, total=len(samples)))


def readable_digests(samples: Sequence[Sample]) -> list[str]:
    """Hash as :func:`content_digests` does; the digest of a file that cannot be read is empty."""
    results = tracked("hash images", read_samples(samples, _digest, ahead=32), total=len(samples))
    return ["" if isinstance(result, ReadFailure) else result for result in results]


def _digest(sample: Sample) -> str:
    if sample.content is not None:
        return hashlib.sha256(sample.content.read()).hexdigest()
    if sample.pixels is None:
        return _file_digest(sample.path)
    shape = "x".join(str(length) for length in sample.pixels.shape)
    return hashlib.sha256(f"{shape}:".encode() + sample.pixels.tobytes()).hexdigest()


def _file_digest(path: Path) -> str:
    try:
        return sha256_of_file(path)
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {error.strerror}") from error
