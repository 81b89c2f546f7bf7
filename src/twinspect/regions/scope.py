"""Where a detector looks: the same region in every image, or one that comes with each."""

from __future__ import annotations

import hashlib
import shlex
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from twinspect.data.pixels import read_pixels
from twinspect.errors import ConfigError, DataError, ImageError
from twinspect.regions.areas import Region
from twinspect.regions.placement import AlignmentError
from twinspect.utils.even_sampling import evenly_spaced

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from twinspect.data.samples import Sample
    from twinspect.regions.alignment import Alignment
    from twinspect.regions.placement import Placement

VERSION: Final = 1
ALIGNED_VERSION: Final = 2
"""Of a record with an alignment, which earlier versions do not know of."""
COMPARED: Final = 32
"""Good images, spread evenly, that say how alike an image must be to its reference."""
GREY: Final = 128
"""What is painted over the rest of an image."""


@dataclass(frozen=True, eq=False)
class Scope:
    """Where a detector looks.

    Attributes:
        fixed: the region of every image; ``None`` where each comes with its own, :attr:`.Sample.roi`.
        blank: whether the rest is painted over before the networks see it.
        alignment: brings each image to the place where the region is; ``None`` for images as they are.
    """

    fixed: Region | None
    blank: bool = False
    alignment: Alignment | None = None

    @property
    def shared(self) -> Region | None:
        """The region if it is exactly the same in all images; an aligned image does not show all of its reference."""
        return None if self.alignment else self.fixed

    @property
    def turns(self) -> bool:
        """Whether parts lie in any direction, so that those of different images cannot be compared as they are."""
        return self.alignment is not None and self.alignment.turns

    def region_of(self, sample: Sample, shape: tuple[int, int]) -> Region:
        """Give the region of an image.

        Args:
            sample: the image.
            shape: its (height, width).

        Raises:
            ImageError: it should come with one and does not, or the one that came cannot be used.
        """
        if self.fixed is not None:
            return self.fixed
        if sample.roi is None:
            raise ImageError(
                "this model looks at a region that comes with each image, and this one has none; name a mask or "
                "polygons in the manifest's column roi"
            )
        try:
            # At the image's size, as an exported graph gets it.
            return Region(_read(sample.roi, sample.path, shape).at(*shape).copy(), any_size=False)
        except DataError as error:
            raise ImageError(str(error)) from error

    @cached_property
    def digest(self) -> str:
        """Hexadecimal sha256: models that look at the same have the same."""
        what = self.fixed.digest if self.fixed else "each image has its own"
        what += f", aligned {self.alignment.digest}" if self.alignment else ""
        return hashlib.sha256(f"{what}, blank={self.blank}".encode()).hexdigest()

    def describe(self) -> str:
        """Say it in words."""
        region = (
            f"{100 * self.fixed.share:.3g} % of each image" if self.fixed else "a part of each image, its own"
        )
        aligned = f", aligned by {self.alignment.kind}" if self.alignment else ""
        return f"{region}{aligned}{', the rest painted over' if self.blank else ''}"

    def to_record(self) -> dict[str, Any]:
        """Return plain JSON values."""
        region = {"region": self.fixed.to_record()} if self.fixed else {}
        version, aligned = (VERSION, {})
        if self.alignment:
            version, aligned = ALIGNED_VERSION, {"alignment": self.alignment.to_record()}
        return {"version": version, "blank": self.blank, "sha256": self.digest, **region, **aligned}

    @classmethod
    def from_record(cls, record: dict[str, Any] | None) -> Scope | None:
        """Rebuild from :meth:`to_record`; ``None`` of models that look at whole images.

        Raises:
            ConfigError: it is damaged, or of a later version.
        """
        if record is None:
            return None
        if record["version"] not in (VERSION, ALIGNED_VERSION):
            raise ConfigError(
                f"a region of interest of version {record['version']}; upgrade twinspect to read it"
            )
        region, aligned = record.get("region"), record.get("alignment")
        return cls(
            Region.from_record(region) if region else None,
            record["blank"],
            _alignment(aligned) if aligned else None,
        )


class Seen(NamedTuple):
    """What is seen of an image.

    Attributes:
        painted: the pixels that the networks see, (H, W, 3) uint8.
        pixels: the same, with what is painted over.
        region: where to look; ``None`` for everywhere.
        inside: the same at the image's size, (H, W) bool.
        placement: how it was aligned; ``None`` if it was not.
    """

    painted: NDArray[np.uint8]
    pixels: NDArray[np.uint8]
    region: Region | None = None
    inside: NDArray[np.bool_] | None = None
    placement: Placement | None = None

    @property
    def inside_image(self) -> NDArray[np.bool_] | None:
        """Where the image is looked at that was given, (H, W) bool; ``None`` for everywhere."""
        if self.inside is None or self.placement is None:
            return self.inside
        return self.placement.mask_to_image(self.inside)


def look(scope: Scope | None, sample: Sample, rgb: NDArray[np.uint8]) -> Seen:
    """Align an image, (H, W, 3) uint8, and confine it to its region; without a scope it stays as it is.

    Raises:
        AlignmentError: it does not align.
        ImageError: it has no region, or one that does not fit it.
    """
    if scope is None:
        return Seen(rgb, rgb)
    shape = rgb.shape[0], rgb.shape[1]
    region, placement = scope.region_of(sample, shape), None
    inside = region.at(*shape)
    if scope.alignment:
        placement = scope.alignment.place(rgb)
        rgb, inside = placement.align(rgb), inside & placement.is_shown(*shape)
        if not inside.any():
            raise AlignmentError("once it is aligned, it shows nothing of the region of interest")
        region = Region(inside.copy(), any_size=False)
    painted = np.where(inside[..., None], rgb, np.uint8(GREY)) if scope.blank else rgb
    return Seen(painted, rgb, region, inside, placement)


def check_align(kind: str | None) -> None:
    """Refuse a way to align that there is not.

    Raises:
        ConfigError: names those that there are.
    """
    if kind is not None:
        from twinspect.regions.alignment import check_kind  # noqa: PLC0415 - with what few models need of scipy

        check_kind(kind)


def aligned(
    scope: Scope | None, kind: str | None, samples: Sequence[Sample], bits: int | None
) -> Scope | None:
    """Let a detector align images to the good one whose name comes first, before it looks at them.

    Args:
        scope: where it looks.
        kind: one of :data:`.alignment.KINDS`; ``None`` for images as they are.
        samples: good images; some of them say how alike an image must be.
        bits: significant bits of 16-bit files.

    Raises:
        ConfigError: there is no such kind, the images show several products or have regions of their own, or most of
            them are not alike; single ones that are not are left out when they are read.
    """
    if kind is None:
        return scope
    from twinspect.regions.alignment import Alignment  # noqa: PLC0415 - with what few models need of scipy

    check_align(kind)
    if len({sample.category for sample in samples}) > 1:
        raise ConfigError(
            "align has one reference image, and these are of several categories; fit a model for each"
        )
    if scope is not None and scope.fixed is None:
        raise ConfigError(
            "align needs one region for all images, and these have regions of their own (column roi)"
        )
    by_name = sorted(samples, key=lambda sample: sample.name)
    images = _readable(evenly_spaced(by_name, COMPARED), bits)
    first = next(images, None)
    if first is None:
        raise ConfigError("align has no reference image: none of the good images that were tried can be read")
    alignment = Alignment.to(kind, first).judged_by(images)
    whole = Region(np.ones((1, 1), np.bool_), any_size=True)
    return replace(scope or Scope(whole), alignment=alignment)


def _readable(samples: Iterable[Sample], bits: int | None) -> Iterator[NDArray[np.uint8]]:
    """Read images, passing over those that cannot be read: a fit says so of each."""
    for sample in samples:
        with suppress(ImageError):
            yield read_pixels(sample, bits=bits)


def scope_of(roi: str | Path | Region | None, samples: Iterable[Sample], *, blank: bool) -> Scope | None:
    """Decide where a detector looks that is fitted or calibrated.

    Args:
        roi: a region for all images, or its file; ``None`` for those that come with images, if any.
        samples: the images.
        blank: whether the rest is painted over.

    Raises:
        ConfigError: there is no region to paint around; a region for all images and one of an image; or only some
            images come with one.
        DataError: the file cannot be read, or leaves nothing to look at.
    """
    with_own = [sample for sample in samples if sample.roi is not None]
    if roi is not None:
        if with_own:
            raise ConfigError(
                f"{with_own[0].address} comes with a region of its own (column roi), and roi={str(roi)!r} is for all "
                "images; leave one of them out"
            )
        return Scope(_read(Path(roi)) if isinstance(roi, str | Path) else roi, blank)
    if with_own:
        return Scope(None, blank)
    if blank:
        raise ConfigError("roi_blank paints over what lies outside of a region; give one too: --roi FILE")
    return None


def changed_scope(
    scope: Scope | None, roi: str | Path | Region | None, samples: Sequence[Sample], *, blank: bool | None
) -> Scope | None:
    """Decide where a detector looks that has been fitted and is calibrated again.

    Args:
        scope: where it looked so far.
        roi: as for :func:`scope_of`; ``None`` to leave it as it is, unless images come with regions of their own.
        samples: good images.
        blank: whether the rest is painted over; ``None`` to leave that as it is.

    Raises:
        TwinspectError: as for :func:`scope_of`.
    """
    blank = (scope is not None and scope.blank) if blank is None else blank
    if scope is not None and roi is None and not any(sample.roi for sample in samples):
        return replace(scope, blank=blank)
    changed = scope_of(roi, samples, blank=blank)
    if changed is None or scope is None or scope.alignment is None:
        return changed
    if changed.fixed is None:
        raise ConfigError("the model aligns images, so it takes no regions of single images (column roi)")
    return replace(changed, alignment=scope.alignment)


def check_same_region(scope: Scope | None, roi: str | Path, model: str = "M.twin") -> None:
    """Refuse a file of another region than the one that a detector looks at.

    Args:
        scope: where that looks; ``None`` for whole images.
        roi: the file.
        model: what its folder is called, for the command to type.

    Raises:
        ConfigError: it is another, or there is none.
        DataError: the file cannot be read.
    """
    known = scope.fixed.digest if scope and scope.fixed else None
    if _read(Path(roi)).digest == known:
        return
    if known:
        now = "another region of interest"
    else:
        now = "the region that comes with each image" if scope else "whole images"
    typed = shlex.join(["twinspect", "calibrate", model, "GOOD", "--roi", str(roi)])
    raise ConfigError(
        f"{roi}: the model was calibrated with {now}, and its threshold means nothing for this one; calibrate it "
        f"anew: {typed}"
    )


def refuse_own_regions(samples: Iterable[Sample]) -> None:
    """Refuse images that come with regions of their own where a detector was calibrated without.

    Raises:
        ConfigError: names one.
    """
    for sample in samples:
        if sample.roi is not None:
            raise ConfigError(
                f"{sample.address} comes with a region of interest of its own (column roi), and the model was "
                "calibrated without such; leave the column out, or calibrate it anew with good images that have it: "
                "twinspect calibrate M.twin MANIFEST"
            )


def _read(path: Path, image: Path | None = None, shape: tuple[int, int] | None = None) -> Region:
    """Read a region; see :func:`.region_file.read_region`."""
    from twinspect.regions.region_file import read_region  # noqa: PLC0415 - with all formats, which few models need

    return read_region(path, image, shape)


def _alignment(record: dict[str, Any]) -> Alignment:
    """Rebuild an alignment; see :meth:`.Alignment.from_record`."""
    from twinspect.regions.alignment import Alignment  # noqa: PLC0415 - with what few models need of scipy

    return Alignment.from_record(record)
