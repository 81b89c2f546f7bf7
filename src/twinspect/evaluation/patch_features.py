"""A teacher's features of single patches of labelled test images, for display only and never for model selection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import torch

from twinspect import maps
from twinspect.data import open_data
from twinspect.data.pixels import read_pixels, read_truth
from twinspect.detector import Detector
from twinspect.errors import ConfigError, DataError, ImageError
from twinspect.model.preprocessing import as_batch
from twinspect.model.whole_image import Model

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from twinspect.data import DataSource
    from twinspect.data.samples import Sample
    from twinspect.inference.base_detector import BaseDetector
    from twinspect.model.preprocessing import Preprocessing
    from twinspect.teachers.feature_levels import Level

PATCHES_PER_IMAGE = 40
"""Most normal, and most anomalous, patches taken from one image."""


@runtime_checkable
class AmplifiesFeatures(Protocol):
    """A method that changes its teacher's features before it compares them, as AAND does."""

    def amplified(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """Change one (B, C, h, w) map a level."""
        ...


@dataclass(frozen=True)
class Patches:
    """Features of patches at one level.

    Attributes:
        level: its name.
        vanilla: (n, C) float32, the teacher's features.
        amplified: (n, C) float32, the same after the method's amplification; None if it has none.
        is_anomalous: (n,) bool, by the masks.
    """

    level: str
    vanilla: NDArray[np.float32]
    amplified: NDArray[np.float32] | None
    is_anomalous: NDArray[np.bool_]


def require_single_teacher(detector: BaseDetector) -> Detector:
    """Check that a detector has features to show: those of a single teacher on whole images.

    Raises:
        ConfigError: it has none, or those of several teachers.
    """
    if isinstance(detector, Detector) and not isinstance(detector.model_, Model):
        raise ConfigError(
            "features are shown of whole images, and this detector works on tiles; leave --features out"
        )
    if isinstance(detector, Detector):
        return detector
    if detector.export_name:
        raise ConfigError(
            f"{detector.export_name} gives no features; leave --features out, or type: --runtime torch"
        )
    raise ConfigError(
        f"features are shown of one teacher at a time, and this detector is {detector.method_name}; "
        "leave --features out, or evaluate its members one by one"
    )


def sample_levels(detector: Detector, data: DataSource, *, each: int = 400, seed: int = 0) -> list[Patches]:
    """Draw normal and anomalous patches at every level of a detector's teacher but those without anomalous ones.

    Args:
        detector: fitted, of a single teacher.
        data: a data set whose test images have masks.
        each: most normal, and most anomalous, patches of a level.
        seed: of the draw.

    Raises:
        DataError: no test image with a mask can be read, or defects are too small for patches of any level.
    """
    found, problem = list[Patches](), None
    for level in range(len(detector.model_.method.teacher.levels)):
        try:
            found.append(sample_patches(detector, data, each=each, seed=seed, level=level))
        except DataError as error:  # noqa: PERF203 - defects may be too small for the patches of a coarse level
            problem = error
    if problem and not found:
        raise problem
    return found


def sample_patches(
    detector: Detector, data: DataSource, *, each: int = 400, seed: int = 0, level: int | None = None
) -> Patches:
    """Draw normal and anomalous patches at one level of the detector's teacher.

    Args:
        detector: fitted, of a single teacher.
        data: a data set whose test images have masks.
        each: most normal, and most anomalous, patches.
        seed: of the draw.
        level: its number, fine to coarse; ``None`` for the middle one.

    Raises:
        DataError: no test image with a mask can be read.
    """
    random = np.random.default_rng(seed)
    samples = [s for s in open_data(data, split="test").split("test") if s.mask is not None or s.is_good]
    order = random.permutation(len(samples))
    drawn: dict[bool, list[Tensor]] = {False: [], True: []}
    level = len(detector.model_.method.teacher.levels) // 2 if level is None else level
    for patches in _image_patches(detector, [samples[index] for index in order], random, level):
        for is_anomalous, parts in drawn.items():
            parts.append(patches[is_anomalous])
        if all(sum(map(len, parts)) >= each for parts in drawn.values()):
            break
    normal, anomalous = (torch.cat(parts)[:each] if parts else torch.empty(0) for parts in drawn.values())
    if not len(normal) or not len(anomalous):
        raise DataError(
            "patches can be compared only where masks mark some of them; put masks into ground_truth/<defect>/"
        )
    return _split(
        detector.model_.method.teacher.levels[level], torch.cat([normal, anomalous]), len(anomalous)
    )


def _split(level: Level, rows: Tensor, anomalous: int) -> Patches:
    """Separate vanilla and amplified features, which are concatenated."""
    both = rows.numpy()
    vanilla, amplified = both[:, : level.channels], both[:, level.channels :]
    marked = np.arange(len(both)) >= len(both) - anomalous
    changed = amplified if not np.array_equal(vanilla, amplified) else None
    return Patches(level.name, vanilla, changed, marked)


def _image_patches(
    detector: Detector, samples: Sequence[Sample], random: np.random.Generator, number: int
) -> Iterator[dict[bool, Tensor]]:
    """Draw normal and anomalous patches of every image, at the level of a number.

    Gives (n, 2 C) float32, vanilla and amplified features concatenated.
    """
    model = detector.model_
    assert isinstance(model, Model)  # noqa: S101 - require_single_teacher refuses tiles
    for sample in samples:
        try:
            rgb = read_pixels(sample, bits=detector.bits)
            images = model.preprocessing.apply(as_batch(rgb)).to(next(model.parameters()).device)
        except ImageError:  # the table of scores already names it
            continue
        with torch.inference_mode():
            features = torch.cat(_level_features(model.method, images, number), dim=1)[0].cpu()
        share = _mask_share(
            sample, rgb.shape[:2], model.preprocessing, (features.shape[1], features.shape[2])
        )
        inside = model.preprocessing.inside(None, (rgb.shape[0], rgb.shape[1]))
        seen = True if inside is None else maps.inside_at(inside[None], (share.shape[0], share.shape[1]))[0]
        masks = {False: (share == 0) & seen, True: share > maps.ANOMALOUS_SHARE}
        yield {key: features[:, _subsample(mask, random)].T.clone() for key, mask in masks.items()}


def _level_features(method: Any, images: Tensor, number: int) -> list[Tensor]:
    levels = method.teacher(images)
    amplified = method.amplified(levels) if isinstance(method, AmplifiesFeatures) else levels
    return [levels[number], amplified[number]]


def _mask_share(
    sample: Sample, size: tuple[int, int], preprocessing: Preprocessing, level: tuple[int, int]
) -> Tensor:
    """Return the share of every patch that the mask covers: (h, w) float."""
    mask = preprocessing.to_input(read_truth(sample, size))
    return maps.covered(mask[None], level)[0]


def _subsample(mask: Tensor, random: np.random.Generator) -> Tensor:
    """Draw at most :data:`PATCHES_PER_IMAGE` of a mask's positions, as a mask."""
    positions = mask.flatten().nonzero()[:, 0].numpy()
    chosen = torch.zeros(mask.numel(), dtype=torch.bool)
    chosen[random.permutation(positions)[:PATCHES_PER_IMAGE]] = True
    return chosen.view(mask.shape)
