"""Hostile input, drawn from a seed: altered records, damaged bytes, texts with pieces of others, headers, names."""

from __future__ import annotations

import copy
import random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

VALUES: tuple[Any, ...] = (
    *(
        None,
        0,
        -1,
        1,
        2**70,
        1e308,
        float("nan"),
        float("inf"),
        "",
        "x",
        "a" * 5000,
        [],
        {},
        [None],
        {"a": 1},
    ),
    *(True, 10**9, 0.5, "../../x", "\x00", [[[[1]]]]),
)
SHOWN = 3
"""Entries of a list that are altered; the others are like them."""


def altered(record: Any, seed: int) -> Any:
    """Alter a copy of plain JSON values in one to three places."""
    rng, changed = random.Random(seed), copy.deepcopy(record)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        paths = [path for path in _paths(changed) if path]
        if not paths:
            break
        *above, last = rng.choice(paths)
        place = changed
        for key in above:
            place = place[key]
        chance = rng.random()
        if chance < 0.15:
            del place[last]
        elif chance < 0.25 and isinstance(place[last], list):
            place[last] = place[last] * 2 if chance < 0.2 else place[last][:1]
        else:
            place[last] = copy.deepcopy(rng.choice(VALUES))  # or altering it again would alter it for all
    return changed


def flipped(content: bytes, seed: int) -> bytes:
    """Flip a bit, cut the end off, or put bytes in."""
    rng, data = random.Random(seed), bytearray(content)
    at = rng.randrange(len(data))
    chance = rng.random()
    if chance < 0.5:
        data[at] ^= 1 << rng.randrange(8)
    elif chance < 0.75:
        del data[at:]
    else:
        data[at:at] = rng.randbytes(rng.randrange(1, 40))
    return bytes(data)


def spliced(content: bytes, pieces: Sequence[bytes], seed: int) -> bytes:
    """Put pieces in, in place of others or besides them, or double or leave out what is there; one to three times."""
    rng, data = random.Random(seed), bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 3])):
        at = rng.randrange(len(data) + 1)
        end = min(len(data), at + rng.choice([0, 0, 1, 4, 20, 200]))
        chance = rng.random()
        if chance < 0.65:
            data[at:end] = rng.choice(pieces)
        elif chance < 0.8:
            data[at:at] = data[at:end] * rng.choice([1, 2, 50])
        elif chance < 0.95:
            del data[at:end]
        else:
            del data[at:]
    return bytes(data)


_ENDS = (
    b"\r",
    b"\n",
    b"\r\n",
    b"\x0b",
    b"\x0c",
    b"\x1c",
    b"\x1e",
    b"\xc2\x85",
    b"\xe2\x80\xa8",
    b"\xe2\x80\xa9",
)
"""What some program takes for the end of a line."""
_UNSAFE = (b"\xff", b"\xfe\xff", b"\xed\xa0\x80", b"\xed\xb3\xbf", b"\xc0\xaf", b"\x7f", b"\x01", b"\x1b[2J")
"""What is no UTF-8, or moves a cursor."""
_MARKS = (
    b'"',
    b"'",
    b",",
    b";",
    b"\t",
    b" ",
    b"..",
    b"\\",
    b"\\u000a",
    b"%00",
    b"%s%n",
    b"&amp;",
    b"<b>",
    b"{}",
    b"#",
)
TEXTS: tuple[bytes, ...] = (
    *(*_ENDS, *_UNSAFE, *_MARKS, b"\x00", b"/", b"../../x", b"/etc/passwd", b"[", b"{", b"="),
    *(
        b"nan",
        b"-1",
        b"1e999",
        b"9" * 400,
        b"true",
        b"null",
        b"a" * 140_000,
        b"\xef\xbb\xbf",
        b"\xe2\x80\xae",
    ),
)
"""Pieces of texts that parsers trip over."""
_NAMES: tuple[bytes, ...] = (
    *(*_ENDS, *_UNSAFE, *_MARKS, b"~", b"-", b"--out", b"=1+1", b"$(x)", b"*"),
    *(text.encode() for text in ("e\u0301", "\u00e9", "\u6f22", "\U0001f600", "\ufeff", "\u202e", "\u2066")),
)


def file_name(seed: int, suffix: bytes = b".png") -> bytes:
    """Draw the name of a file as a disk may have it: any bytes but a slash and NUL, at most 255."""
    rng = random.Random(seed)
    parts = [rng.choice([*_NAMES, b"a", b"B7"]) for _ in range(rng.choice([1, 1, 2, 3, 5, 120]))]
    stem = b"".join(parts) if rng.random() < 0.8 else rng.randbytes(9).replace(b"/", b"").replace(b"\0", b"")
    return b"%d" % seed + stem[: 240 - len(suffix)] + suffix


def tar_header(content: bytes, seed: int) -> bytes:
    """Alter fields of a header of a tar file and make its checksum anew."""
    rng, data = random.Random(seed), bytearray(content)
    starts = [at for at in range(0, len(data) - 511, 512) if data[at + 257 : at + 262] == b"ustar"]
    at = rng.choice(starts)
    for _ in range(rng.choice([1, 1, 2])):
        offset, length, values = rng.choice(_TAR_FIELDS)
        value = rng.choice(values)[:length]
        data[at + offset : at + offset + length] = value.ljust(length, b"\0")
    data[at + 148 : at + 156] = b" " * 8
    data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + 512])
    return bytes(data)


_NUMBERS = (
    b"77777777777",
    b"-0000000001",
    b"\x80" + b"\xff" * 11,
    b"\xff" * 12,
    b"\x80" + b"\x7f" * 11,
    b"xyz",
    b"",
)
_TAR_FIELDS: tuple[tuple[int, int, tuple[bytes, ...]], ...] = (
    (
        0,
        100,
        (b"../../x.png", b"/x.png", b"a/" * 49, b"", b"\xff\xfe.png", b"x\n.png", b"C:\\x", b"a/../../x"),
    ),
    (124, 12, _NUMBERS),
    (136, 12, _NUMBERS),
    (156, 1, tuple(bytes([value]) for value in (*range(48, 56), 0, *b"gxLKSVMND", 200))),
    (157, 100, (b"../../x", b"/etc/passwd", b"a.png", b"")),
    (345, 155, (b"..", b"/", b"p" * 155)),
    (386, 97, (b"0" * 96, b"7" * 96, b"\xff" * 97)),
    (482, 13, (b"\x01" + b"7" * 12, b"\x01")),
)
"""Offset and length of a field, and what to write there: names, sizes, times, types, links, maps of sparse files."""


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    entries = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value[:SHOWN])
        if isinstance(value, list)
        else ()
    )
    for key, entry in entries:
        yield from _paths(entry, (*path, key))
