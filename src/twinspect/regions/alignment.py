"""Finding the part of a reference image in another image: shifted, and turned if it may lie in any direction.

Both are reduced and filtered, so that edges count and the light does not. The shift is where their cross-correlation
peaks, the angle the one whose peak is highest: searched over the whole circle in small images, then refined.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image
from scipy import fft, ndimage, optimize

from twinspect.errors import ConfigError
from twinspect.regions.placement import AlignmentError, Placement
from twinspect.regions.stored_png import encode_png_text, opened_png_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Edges = NDArray[np.float32]

SHIFT, ROTATION = "shift", "rotation"
KINDS: Final = (SHIFT, ROTATION)
"""What may differ between a part and the reference: its place, or its direction too."""
WORKING_SIDE: Final = 256
"""The longer side of the images that are compared, in pixels."""
COARSE_SIDE: Final = 96
"""The same where the whole circle is searched."""
COARSE_STEP: Final = 4.0
"""Degrees between the angles of that search."""
CANDIDATES: Final = 2
"""How many of its highest peaks are refined."""
FINEST: Final = 0.05
"""Degrees to which the angle is refined."""
BAND: Final = (1.0, 12.0)
"""Details between these standard deviations of a Gaussian are compared, in pixels of the reduced image."""
LEAST_CORRELATION: Final = 0.3
"""With less, what was found may be chance."""
LEAST_SHARE: Final = 0.5
"""The least correlation, as a share of what good images usually have: large defects still align."""
LEAST_SHOWN: Final = 0.25
"""The least share of the reference that an image must show."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """Brings images to the place and direction of a reference.

    Attributes:
        kind: one of :data:`KINDS`.
        reference: (h, w) uint8, grey and reduced.
        size: height and width of the images, in pixels.
        least: the least correlation of an image with the reference, once it is aligned.
    """

    kind: str
    reference: NDArray[np.uint8]
    size: tuple[int, int]
    least: float = LEAST_CORRELATION

    @property
    def turns(self) -> bool:
        """Whether an image may be turned too."""
        return self.kind == ROTATION

    @classmethod
    def to(cls, kind: str, rgb: NDArray[np.uint8]) -> Alignment:
        """Align to an image, (H, W, 3) uint8."""
        return cls(kind, _reduced(rgb, WORKING_SIDE), (rgb.shape[0], rgb.shape[1]))

    def place(self, rgb: NDArray[np.uint8]) -> Placement:
        """Find the part in an image, (H, W, 3) uint8.

        Raises:
            AlignmentError: it is of another size, or not alike enough anywhere.
        """
        placement, correlation = self.find(rgb)
        if correlation < self.least:
            raise AlignmentError(
                f"it does not align with the reference image: correlation {correlation:.2f}, at least "
                f"{self.least:.2f} is needed"
            )
        return placement

    def find(self, rgb: NDArray[np.uint8]) -> tuple[Placement, float]:
        """Find where a part is most alike, and the correlation there, in [-1, 1].

        Raises:
            AlignmentError: it is of another size.
        """
        if rgb.shape[:2] != self.size:
            (height, width), (rows, columns) = rgb.shape[:2], self.size
            raise AlignmentError(f"{width}x{height} pixels do not align with a reference of {columns}x{rows}")
        grey = _reduced(rgb, WORKING_SIDE)
        degrees = self._degrees(grey) if self.turns else 0.0
        image = _edges(grey)
        _, shift = _peak(_turned(self._edges, degrees), image)
        correlation = self._correlation(image, Placement(degrees, shift))
        scale = self.size[0] / grey.shape[0], self.size[1] / grey.shape[1]
        down, across = shift[0] * scale[0], shift[1] * scale[1]
        if not self.turns:  # by whole pixels, which blurs nothing
            down, across = float(round(down)), float(round(across))
        return Placement(degrees, (down, across)), correlation

    def judged_by(self, good: Iterable[NDArray[np.uint8]]) -> Alignment:
        """Take the least correlation from good images, of which each is (H, W, 3) uint8; without any it stays.

        Raises:
            ConfigError: most of them do not align.
        """
        found = [self._likeness(image) for image in good]
        if not found:
            return self
        usual = float(np.median(found))
        if usual < LEAST_CORRELATION:
            raise ConfigError(
                f"the good images are not alike enough to be aligned by {self.kind}: their correlation with the "
                f"first is {usual:.2f} at the median, at least {LEAST_CORRELATION} is needed, and images of "
                "another size have none; leave out --align"
            )
        return replace(self, least=max(LEAST_CORRELATION, LEAST_SHARE * usual))

    def _likeness(self, rgb: NDArray[np.uint8]) -> float:
        """Give the correlation of an image with the reference; 0 for one of another size."""
        return self.find(rgb)[1] if rgb.shape[:2] == self.size else 0.0

    def _degrees(self, grey: NDArray[np.uint8]) -> float:
        small, turned = _edges(_smaller(grey)), self._turned_edges
        spectrum = fft.rfft2(small, s=_padded(small))[None]
        peaks = fft.irfft2(spectrum * turned, s=_padded(small)).reshape(len(turned), -1).max(axis=1)
        highest = np.flatnonzero((peaks >= np.roll(peaks, 1)) & (peaks > np.roll(peaks, -1)))
        tried = highest[np.argsort(-peaks[highest])][:CANDIDATES]
        image = _edges(grey)
        refined = [self._refined(COARSE_STEP * float(number), image) for number in tried]
        return max(refined, default=(0.0, 0.0))[1]

    def _refined(self, near: float, image: Edges) -> tuple[float, float]:
        """Give the highest cross-correlation near an angle, and that angle in degrees."""
        found = optimize.minimize_scalar(
            lambda degrees: -_peak(_turned(self._edges, degrees), image)[0],
            bounds=(near - COARSE_STEP, near + COARSE_STEP),
            method="bounded",
            options={"xatol": FINEST},
        )
        return -float(found.fun), float(found.x)

    def _correlation(self, image: Edges, placement: Placement) -> float:
        """Correlate an image with the reference where it shows that; 0 where it shows too little."""
        shown = placement.is_shown(*image.shape)
        if shown.mean() < LEAST_SHOWN:
            return 0.0
        one, other = placement.align(image)[shown], self._edges[shown]
        lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
        return float(one @ other) / lengths if lengths else 0.0

    @cached_property
    def _edges(self) -> Edges:
        return _edges(self.reference)

    @cached_property
    def _turned_edges(self) -> NDArray[np.complex64]:
        """Conjugate spectra of the small reference, turned to every coarse angle."""
        small = _edges(_smaller(self.reference))
        turned = [_turned(small, degrees) for degrees in np.arange(0, 360, COARSE_STEP)]
        spectra: NDArray[np.complex64] = np.conj(fft.rfft2(np.stack(turned), s=_padded(small)))
        return spectra

    @cached_property
    def digest(self) -> str:
        """Hexadecimal sha256: equal alignments have the same."""
        what = repr((self.kind, self.size, self.reference.shape, round(self.least, 9)))
        return hashlib.sha256(what.encode() + self.reference.tobytes()).hexdigest()

    def to_record(self) -> dict[str, Any]:
        """Return plain JSON values: the reference as a PNG file in base64."""
        png = encode_png_text(self.reference)
        return {"kind": self.kind, "size": list(self.size), "least": self.least, "reference": png}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Alignment:
        """Rebuild from :meth:`to_record`.

        Raises:
            ConfigError: the reference is damaged.
        """
        with opened_png_text(record["reference"], "the reference image of the alignment") as image:
            if image.mode != "L" or max(image.size) > WORKING_SIDE:
                raise ConfigError("the reference image of the alignment is no small grey PNG")
            return cls(record["kind"], np.array(image), tuple(record["size"]), record["least"])


def check_kind(kind: str | None) -> None:
    """Refuse what is none of :data:`KINDS`.

    Raises:
        ConfigError: names them.
    """
    if kind is not None and kind not in KINDS:
        raise ConfigError(f"align must be one of {', '.join(KINDS)}, got {kind!r}")


def _reduced(rgb: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Make a grey image whose longer side is at most so long."""
    image = Image.fromarray(rgb).convert("L")
    scale = min(1.0, side / max(image.size))
    width, height = (max(1, round(scale * length)) for length in image.size)
    return np.asarray(image.resize((width, height), Image.Resampling.BOX))


def _smaller(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return _reduced(np.repeat(grey[..., None], 3, axis=2), COARSE_SIDE)


def _edges(grey: NDArray[np.uint8]) -> Edges:
    """Keep details of :data:`BAND`; (h, w) float32 of length 1, or 0 where there are none."""
    values = grey.astype(np.float32)
    fine, coarse = (ndimage.gaussian_filter(values, sigma, mode="nearest") for sigma in BAND)
    return _normalized(fine - coarse, least=1.0)


def _turned(edges: Edges, degrees: float) -> Edges:
    """Turn edges; interpolation weakens them, which must not favour the angle 0."""
    return _normalized(ndimage.rotate(edges, degrees, reshape=False, order=1)) if degrees else edges


def _normalized(edges: Edges, least: float = 0.0) -> Edges:
    """Scale to a length of 1; 0 if they are no longer than the least."""
    length = float(np.linalg.norm(edges))
    return edges / length if length > least else np.zeros_like(edges)


def _padded(image: Edges) -> tuple[int, int]:
    """Give sides at which nothing that is shifted comes in again on the other side."""
    height, width = (fft.next_fast_len(2 * side, real=True) for side in image.shape)
    return height, width


def _peak(reference: Edges, image: Edges) -> tuple[float, tuple[float, float]]:
    """Find the highest cross-correlation, and the shift of the image there, in fractions of a pixel."""
    size = _padded(image)
    spectrum = fft.rfft2(image, s=size) * np.conj(fft.rfft2(reference, s=size))
    correlation = fft.irfft2(spectrum, s=size)
    row, column = np.unravel_index(int(correlation.argmax()), size)
    shift = (
        _between(correlation[:, column], int(row)),
        _between(correlation[row], int(column)),
    )
    return float(correlation[row, column]), shift


def _between(values: NDArray[np.float32], at: int) -> float:
    """Give the place of a peak by the parabola through it and its neighbours; values go round."""
    before, peak, after = (float(values[(at + step) % len(values)]) for step in (-1, 0, 1))
    bend = before - 2 * peak + after
    place = at if at <= len(values) // 2 else at - len(values)
    return place + (0.5 * (before - after) / bend if bend < 0 else 0.0)
