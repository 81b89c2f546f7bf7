"""Which images a model was learnt from, so that it is not tested on them: a file of hashes in its folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from twinspect.bundle.checksummed_json import dump_checksummed, load_checksummed
from twinspect.bundle.folder import LEARNT, read_listed_file
from twinspect.bundle.schema import LearntRecord, validate
from twinspect.data.fingerprint import readable_digests

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from pathlib import Path

    from twinspect.data.samples import Sample

_DIGITS: Final = 16
"""Hexadecimal digits that are kept of a SHA-256: by chance, two of a million images share them once in 10^7 sets."""


@dataclass(frozen=True)
class Generation:
    """The images that came with one version of a model, by the beginnings of their content digests.

    Attributes:
        learnt: those that it learnt from.
        held_out: those that it held out, and that no later version learns from.
    """

    learnt: frozenset[str] = frozenset()
    held_out: frozenset[str] = frozenset()

    def to_record(self) -> dict[str, list[str]]:
        """Return plain JSON values."""
        return {"learnt": sorted(self.learnt), "held_out": sorted(self.held_out)}


@dataclass(frozen=True)
class LearntImages:
    """The images that a model was learnt from.

    Attributes:
        digests: the beginning of each image's content digest, see :func:`shorten`.
        perceptual_hashes: of all images of the fit, those included that its threshold was calibrated on; see
            :func:`twinspect.images.perceptual_hash.perceptual_hash`.
        generations: what came with each version, the first one first; empty for a model that was never updated.
    """

    digests: frozenset[str] = frozenset()
    perceptual_hashes: tuple[bytes, ...] = ()
    generations: tuple[Generation, ...] = ()

    @classmethod
    def union(cls, parts: Iterable[LearntImages]) -> LearntImages:
        """Join the images of several models."""
        given = list(parts)
        hashes = {value for part in given for value in part.perceptual_hashes}
        return cls(frozenset().union(*(part.digests for part in given)), tuple(sorted(hashes)))

    def to_bytes(self) -> bytes:
        """Return the content of the file: sorted, so that it does not tell which image has which hash."""
        hashes = sorted(value.hex() for value in self.perceptual_hashes)
        record: dict[str, Any] = {"sha256_starts": sorted(self.digests), "perceptual_hashes": hashes}
        if self.generations:
            record["generations"] = [generation.to_record() for generation in self.generations]
        return dump_checksummed(record)

    @classmethod
    def read(cls, folder: Path, record: dict[str, Any]) -> LearntImages | None:
        """Read the file of a model folder; ``None`` for models of earlier versions, which have none.

        Raises:
            BundleError: it is missing, damaged or altered.
        """
        content = read_listed_file(folder, LEARNT, record.get("learnt_images"))
        if content is None:
            return None
        loaded = load_checksummed(content, folder / LEARNT)
        validate(loaded, LearntRecord, folder / LEARNT)
        hashes = tuple(bytes.fromhex(value) for value in loaded["perceptual_hashes"])
        generations = tuple(
            Generation(frozenset(each["learnt"]), frozenset(each["held_out"]))
            for each in loaded.get("generations", [])
        )
        return cls(frozenset(loaded["sha256_starts"]), hashes, generations)


def shorten(digest: str) -> str:
    """Keep the beginning of a digest."""
    return digest[:_DIGITS]


def split_known(
    samples: Sequence[Sample], known: Collection[str]
) -> tuple[list[Sample], list[Sample], dict[str, str]]:
    """Tell apart the images whose contents are known, whatever their names are now.

    Args:
        samples: the images.
        known: short digests.

    Returns:
        The others, the known ones, and the short digest of every image by name; empty for an unreadable one.
    """
    digests = {
        sample.name: shorten(digest)
        for sample, digest in zip(samples, readable_digests(samples), strict=True)
    }
    others = [sample for sample in samples if digests[sample.name] not in known]
    return others, [sample for sample in samples if digests[sample.name] in known], digests
