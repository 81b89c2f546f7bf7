"""What is odd about a product's good photos, in plain words: as ``twinspect doctor --suspects`` finds it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from twinspect.calibration.conformal import smallest_rate
from twinspect.data.samples import Sample
from twinspect.serve.products.figures import photos_needed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from twinspect.serve.store.archive import Archive
    from twinspect.serve.store.product_records import PhotoRow

SECONDS: Final = 20.0
"""How long it may take, about: of more photos than there is time for, evenly spaced ones are looked at."""
GOOD_START: Final = 0.05
"""A false-alarm rate that few photos can promise and many people can live with."""


@dataclass(frozen=True)
class Finding:
    """Something odd.

    Attributes:
        kind: ``too_few``, ``removed``, ``unreadable``, ``sizes``, ``duplicates`` or ``suspects``.
        text: what it is and what to do, in plain words.
        photos: ids of the photos that it is about.
    """

    kind: str
    text: str
    photos: tuple[int, ...] = ()


def check_photos(archive: Archive, photos: Sequence[PhotoRow]) -> list[Finding]:
    """Look at all good photos of a product.

    Args:
        archive: where the images are.
        photos: the good ones.
    """
    from twinspect.evaluation.suspects import find_suspects  # noqa: PLC0415 - it needs torch

    there = [photo for photo in photos if photo.image.removed_at is None]
    samples = [Sample(archive.path(photo.image.sha256), str(photo.id)) for photo in there]
    missing = [photo.id for photo in photos if photo not in there]
    found = find_suspects(samples, seconds=SECONDS)
    pairs = [tuple(map(int, pair)) for pair in found.duplicates]
    return [
        *_too_few(len(photos)),
        *_about("removed", missing, "cannot be found any more; take them out"),
        *_about("unreadable", map(int, found.unreadable), "cannot be read; take them out"),
        *_odd_sizes(photos),
        *_about(
            "duplicates",
            [photo for pair in pairs for photo in pair],
            "show the same as another one: a promise that counts an image twice is too good. Keep one of each pair",
        ),
        *_about(
            "suspects",
            map(int, found.names),
            "look unlike the others. What is not a good part should be taken out, or moved to the defects",
        ),
    ]


def _about(kind: str, photos: Iterable[int], what: str) -> list[Finding]:
    ids = tuple(dict.fromkeys(photos))
    words = what if len(ids) != 1 else _singular(what)
    return (
        [Finding(kind, f"{len(ids)} {'photos' if len(ids) != 1 else 'photo'} {words}.", ids)] if ids else []
    )


def _singular(words: str) -> str:
    verbs = {"show ": "shows ", "look ": "looks ", "have ": "has "}
    for plural, single in verbs.items():
        if words.startswith(plural):
            return single + words.removeprefix(plural)
    return words


def _too_few(count: int) -> list[Finding]:
    enough = photos_needed(GOOD_START)
    if count >= enough:
        return []
    text = (
        f"There are {count} good photos. With {enough} or more, a version can promise that at most "
        f"{100 * GOOD_START:g} % of good parts are called defective"
    )
    if held_out := 2 * count // 5:
        text += f"; with {count} it is {100 * smallest_rate(held_out):.0f} % at best"
    return [Finding("too_few", f"{text}.")]


def _odd_sizes(photos: Sequence[PhotoRow]) -> list[Finding]:
    sizes = Counter((photo.image.width, photo.image.height) for photo in photos)
    if len(sizes) < 2:
        return []
    (width, height), _ = sizes.most_common(1)[0]
    odd = [photo.id for photo in photos if (photo.image.width, photo.image.height) != (width, height)]
    return _about(
        "sizes",
        odd,
        f"have another size than most, {width} x {height}: taken with another camera, or cut? One size is best",
    )
