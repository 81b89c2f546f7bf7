"""A perceptual hash: 128 bits that nearly stay when a picture is saved again, resized or made brighter.

It is the difference hash, of more bits than usual: is each block of the picture brighter than its left neighbour? A
digest of all pixels follows it, by which copies without any loss are found also where all pictures look alike.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

ROWS: Final = 16
COLUMNS: Final = 9
_BYTES: Final = ROWS * (COLUMNS - 1) // 8
_DIGEST_BYTES: Final = 8
BYTES: Final = _BYTES + _DIGEST_BYTES
_PIXELS_PER_BLOCK: Final = 16
"""Rows and columns that are taken of a block at most, evenly spread: a hash costs little beside decoding."""
MOST_BITS: Final = 6
"""Copies differ in fewer bits than this; most pictures of different textures in about half of all."""
_SAMPLE: Final = 2000
"""Pictures from which the usual distance between different ones is estimated."""
_AT_ONCE: Final = 256


def perceptual_hash(rgb: NDArray[np.uint8]) -> bytes:
    """Hash one image.

    Args:
        rgb: (H, W, 3) uint8 RGB.

    Returns:
        ``BYTES`` bytes; those of earlier versions are 16, without the digest.
    """
    down, across = (
        max(1, length // (blocks * _PIXELS_PER_BLOCK))
        for length, blocks in zip(rgb.shape[:2], (ROWS, COLUMNS), strict=True)
    )
    red, green, blue = rgb[::down, ::across].transpose(2, 0, 1).astype(np.float32)
    grey = red + green + blue
    blocks = _block_means(_block_means(grey, ROWS).T, COLUMNS).T
    digest = hashlib.blake2b(rgb.tobytes(), digest_size=_DIGEST_BYTES, key=repr(rgb.shape).encode())
    return np.packbits(blocks[:, 1:] > blocks[:, :-1]).tobytes() + digest.digest()


def near_duplicates(hashes: Sequence[bytes], others: Sequence[bytes]) -> list[bool]:
    """Tell which pictures are the same as one of some other pictures, or nearly.

    Parts before a fixed camera differ little from each other. So copies with losses must be closer than half the
    usual distance of different pictures: the median distance from one of the others to the nearest of the rest. Of
    such parts many a changed copy is taken for another part.

    Args:
        hashes: of the pictures in question.
        others: of the pictures they are compared with.
    """
    if not others or not hashes:
        return [False] * len(hashes)
    known = _signs(others)
    limit = min(MOST_BITS, _usual_distance(known[:: max(1, len(known) // _SAMPLE)]) / 2)
    same = {value[_BYTES:] for value in others} - {b""}
    near = _distances(_signs(hashes), known) < limit
    return [bool(close) or value[_BYTES:] in same for close, value in zip(near, hashes, strict=True)]


def duplicate_pairs(hashes: Sequence[bytes]) -> list[tuple[int, int]]:
    """Pair each picture that is the same as an earlier one, or nearly, with the nearest of those; see above.

    Args:
        hashes: of the pictures.

    Returns:
        Numbers of an earlier and a later picture, in the order of the later ones.
    """
    signs = _signs(hashes)
    limit = min(MOST_BITS, _usual_distance(signs[:: max(1, len(signs) // _SAMPLE)]) / 2)
    first_with = {value[_BYTES:]: number for number, value in reversed(list(enumerate(hashes)))}
    pairs = []
    for number in range(1, len(signs)):
        agreement = signs[:number] @ signs[number]
        nearest = int(agreement.argmax())
        digest = hashes[number][_BYTES:]
        if digest and first_with[digest] < number:
            pairs.append((first_with[digest], number))
        elif (signs.shape[1] - agreement[nearest]) / 2 < limit:
            pairs.append((nearest, number))
    return pairs


def _block_means(values: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Average the rows of an array within so many blocks of them."""
    starts = np.arange(count) * len(values) // count
    sizes = np.maximum(1, np.diff(np.append(starts, len(values))))
    means: NDArray[np.float64] = np.add.reduceat(values, starts, axis=0) / sizes[:, None]
    return means.astype(np.float32)


def _usual_distance(signs: NDArray[np.float32]) -> float:
    """Return the median distance to the nearest other picture; infinite for a single one."""
    if len(signs) < 2:
        return np.inf
    return float(np.median(_distances(signs, signs, apart_from_itself=True)))


def _distances(
    signs: NDArray[np.float32], others: NDArray[np.float32], *, apart_from_itself: bool = False
) -> NDArray[np.float32]:
    """Return in how many bits each picture differs from the nearest of the others, (N,)."""
    nearest = []
    for start in range(0, len(signs), _AT_ONCE):
        agreement = signs[start : start + _AT_ONCE] @ others.T
        if apart_from_itself:
            rows = np.arange(len(agreement))
            agreement[rows, start + rows] = -np.inf
        nearest.append((signs.shape[1] - agreement.max(axis=1)) / 2)
    return np.concatenate(nearest)


def _signs(hashes: Sequence[bytes]) -> NDArray[np.float32]:
    """Return the bits as (N, 128) numbers, 1 or -1, whose products count in how many bits two hashes agree."""
    signs = b"".join(value[:_BYTES] for value in hashes)
    bits = np.unpackbits(np.frombuffer(signs, dtype=np.uint8).reshape(-1, _BYTES), axis=1)
    return bits.astype(np.float32) * 2 - 1
