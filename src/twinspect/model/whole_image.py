"""The one path from pixels to raw score: resize and normalise, teacher and student, map.

What is trained, saved, exported and served is this module; nothing else resizes, normalises or blurs.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from twinspect import maps
from twinspect.methods import method_class
from twinspect.methods.config import make_config, to_record
from twinspect.model.base import ScoringModel
from twinspect.model.preprocessing import Preprocessing, check_rgb
from twinspect.teachers.backbones import TokenMaps
from twinspect.teachers.rebuilding import teacher_from_spec

if TYPE_CHECKING:
    from twinspect.methods.base import Method, Output
    from twinspect.methods.config import MethodConfig
    from twinspect.teachers.base import Teacher


class Model(ScoringModel):
    """A method with its preprocessing.

    Args:
        method: networks and loss.
        preprocessing: how pixels become the method's input.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, method: Method[Any], preprocessing: Preprocessing) -> None:
        super().__init__()
        method.teacher.check_size(preprocessing.side, preprocessing.side)
        method.check_size(preprocessing.side, preprocessing.side)
        for network in method.modules():
            if isinstance(network, TokenMaps):
                network.fit_to(preprocessing.side, preprocessing.side)
        self.method = method
        self.preprocessing = preprocessing
        self.register_buffer("mean", torch.tensor(preprocessing.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(preprocessing.std).view(3, 1, 1), persistent=False)

    @classmethod
    def build(cls, method: str, config: MethodConfig, teacher: Teacher) -> Model:
        """Put a method's networks on a teacher; what learns is initialised from torch's random state."""
        model = cls(method_class(method)(teacher, config), Preprocessing.of(config, teacher)).eval()
        return model.to(memory_format=torch.channels_last)  # twice as fast

    def prepare(self, rgb: Tensor) -> Tensor:
        """Resize and normalise.

        Args:
            rgb: (B, 3, H, W) uint8, or float of the same range 0..255.

        Returns:
            (B, 3, side, side) float32.
        """
        check_rgb(rgb)
        size = (self.preprocessing.size, self.preprocessing.size)
        images = rgb.float()
        if tuple(images.shape[-2:]) != size:
            images = F.interpolate(images, size=size, mode="bilinear", antialias=True, align_corners=False)
        margin, side = self.preprocessing.margin, self.preprocessing.side
        images = images[..., margin : margin + side, margin : margin + side]
        return self.normalise(images)

    def normalise(self, images: Tensor) -> Tensor:
        """Turn (B, 3, H, W) float in 0..255 into what the teacher sees, where they are: reading stays on the CPU."""
        how = self.preprocessing
        mean, std = (images.new_tensor(values).view(3, 1, 1) for values in (how.mean, how.std))
        return (images / 255 - mean) / std

    def to_rgb(self, images: Tensor) -> Tensor:
        """Turn prepared images (..., 3, H, W) back into uint8, where they are."""
        values = (images * self.std.to(images) + self.mean.to(images)) * 255
        return values.round().clamp(0, 255).to(torch.uint8)

    def infer(self, images: Tensor) -> Output:
        """Score prepared images; the map has their size."""
        # The layout in which the networks are twice as fast.
        output: Output = self.method(images.contiguous(memory_format=torch.channels_last))
        return output

    def enlarge(self, scores: Tensor, size: tuple[int, int]) -> Tensor:
        """Bring maps of prepared images to the size of the images they came from.

        What a crop cut off was never looked at: there the map repeats its nearest value.

        Args:
            scores: (B, side, side) float32.
            size: height and width of the original image, in pixels.
        """
        margin = self.preprocessing.margin
        rest = self.preprocessing.size - self.preprocessing.side - margin if margin else 0
        if margin or rest:
            scores = F.pad(scores[:, None], (margin, rest, margin, rest), mode="replicate")[:, 0]
        return maps.enlarge(scores, size)

    def exportable(self) -> tuple[Model, tuple[str, ...]]:
        """Give what a graph without gradients can compute, and in words what differs."""
        method, difference = self.method.exportable()
        if method is self.method:
            return self, ()
        model = Model(method, self.preprocessing).eval()
        return model, (difference,)

    def record(self) -> dict[str, Any]:
        """Describe the model in plain JSON values, enough for :meth:`from_record` to rebuild it."""
        return {
            "config": to_record(self.method.config),
            "teacher": self.method.teacher.spec(),
            "preprocessing": asdict(self.preprocessing),
        }

    @classmethod
    def from_record(cls, method: str, record: dict[str, Any]) -> Model:
        """Rebuild the networks that :meth:`record` described, without any weights."""
        teacher = teacher_from_spec(record["teacher"])
        config = make_config(method_class(method).Config, None, record["config"])
        return cls.build(method, config, teacher)
