"""What a teacher says of single patches of labelled test images, to be looked at: never to choose anything by."""

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
from twinspect.model.whole_image import Model

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from twinspect.data import DataSource
    from twinspect.data.samples import Sample
    from twinspect.inference.base_detector import BaseDetector
    from twinspect.model.preprocessing import Preprocessing

PATCHES_PER_IMAGE = 40
"""Most patches of each kind that one image gives."""


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
        vanilla: (n, C) float32, what the teacher says.
        amplified: (n, C) float32, what the method makes of it; None if it leaves it as it is.
        is_anomalous: (n,) bool, by the masks.
    """

    level: str
    vanilla: NDArray[np.float32]
    amplified: NDArray[np.float32] | None
    is_anomalous: NDArray[np.bool_]


def require_single_teacher(judge: BaseDetector) -> Detector:
    """Give back a detector that has features to look at: one of a single teacher.

    Raises:
        ConfigError: it is no such detector.
    """
    if isinstance(judge, Detector) and not isinstance(judge.model_, Model):
        raise ConfigError(
            "features are laid out of whole images, and this detector looks at tiles; leave --features out"
        )
    if isinstance(judge, Detector):
        return judge
    if judge.by:
        raise ConfigError(
            f"{judge.by} gives scores and maps, no features; leave --features out, or type: --runtime torch"
        )
    raise ConfigError(
        f"features are laid out of one teacher at a time, and this detector is {judge.method}; "
        "leave --features out, or evaluate its members one by one"
    )


def sample_patches(detector: Detector, data: DataSource, *, each: int = 400, seed: int = 0) -> Patches:
    """Draw patches of both kinds at the middle level of the detector's teacher.

    Args:
        detector: fitted.
        data: a data set whose test images have masks.
        each: how many patches of each kind at most.
        seed: of the draw.

    Raises:
        DataError: no test image with a mask can be read.
    """
    random = np.random.default_rng(seed)
    samples = [s for s in open_data(data, split="test").split("test") if s.mask is not None or s.is_good]
    order = random.permutation(len(samples))
    kinds: dict[bool, list[Tensor]] = {False: [], True: []}
    for rows in _of_images(detector, [samples[place] for place in order], random):
        for kind, drawn_so_far in kinds.items():
            drawn_so_far.append(rows[kind])
        if all(sum(map(len, drawn)) >= each for drawn in kinds.values()):
            break
    normal, anomalous = (torch.cat(drawn)[:each] if drawn else torch.empty(0) for drawn in kinds.values())
    if not len(normal) or not len(anomalous):
        raise DataError(
            "patches can be compared only where masks mark some of them; put masks into ground_truth/<defect>/"
        )
    return _split(detector, torch.cat([normal, anomalous]), len(anomalous))


def _split(detector: Detector, rows: Tensor, anomalous: int) -> Patches:
    """Take vanilla and amplified features, which lie side by side, apart again."""
    levels = detector.model_.method.teacher.levels
    level = levels[len(levels) // 2]
    both = rows.numpy()
    vanilla, amplified = both[:, : level.channels], both[:, level.channels :]
    marked = np.arange(len(both)) >= len(both) - anomalous
    changed = amplified if not np.array_equal(vanilla, amplified) else None
    return Patches(level.name, vanilla, changed, marked)


def _of_images(
    detector: Detector, samples: Sequence[Sample], random: np.random.Generator
) -> Iterator[dict[bool, Tensor]]:
    """Give some normal and some anomalous patches of every image: (n, 2 C), vanilla beside amplified."""
    model = detector.model_
    assert isinstance(model, Model)  # noqa: S101 - one_teacher refuses what looks at tiles
    for sample in samples:
        try:
            image = model.prepare_image(rgb := read_pixels(sample, bits=detector.bits))
        except ImageError:  # it has its row in the table of scores already
            continue
        with torch.inference_mode():
            features = torch.cat(
                _described(model.method, image[None].to(next(model.parameters()).device)), dim=1
            )[0].cpu()
        share = _covered(sample, rgb.shape[:2], model.preprocessing, (features.shape[1], features.shape[2]))
        kinds = {False: share == 0, True: share > maps.ANOMALOUS_SHARE}
        yield {kind: features[:, _some(where, random)].T.clone() for kind, where in kinds.items()}


def _described(method: Any, images: Tensor) -> list[Tensor]:
    levels = method.teacher(images)
    amplified = method.amplified(levels) if isinstance(method, AmplifiesFeatures) else levels
    middle = len(levels) // 2
    return [levels[middle], amplified[middle]]


def _covered(
    sample: Sample, size: tuple[int, int], preprocessing: Preprocessing, level: tuple[int, int]
) -> Tensor:
    """Give the share of every patch that the mask covers: (h, w) float."""
    mask = preprocessing.to_input(read_truth(sample, size))
    return maps.covered(mask[None], level)[0]


def _some(where: Tensor, random: np.random.Generator) -> Tensor:
    """Draw places that are true, as a mask."""
    places = where.flatten().nonzero()[:, 0].numpy()
    chosen = torch.zeros(where.numel(), dtype=torch.bool)
    chosen[random.permutation(places)[:PATCHES_PER_IMAGE]] = True
    return chosen.view(where.shape)
