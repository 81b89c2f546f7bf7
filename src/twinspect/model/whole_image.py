"""The one path from pixels to raw score: resize and normalise, teacher and student, map.

What is trained, saved, exported and served is this module; nothing else resizes, normalises or blurs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from twinspect.methods import method_class
from twinspect.methods.config import config_of_record, to_record
from twinspect.methods.networks.gathered_buffers import GatheredBuffers
from twinspect.model.base import RawOutput, ScoringModel
from twinspect.model.preprocessing import Preprocessing
from twinspect.teachers.feature_maps import TokenMaps
from twinspect.teachers.rebuilding import teacher_from_spec

if TYPE_CHECKING:
    from torch import Tensor

    from twinspect.methods.base import Method, Output
    from twinspect.methods.config import MethodConfig
    from twinspect.teachers.base import Teacher


class Model(ScoringModel):
    """A method with its preprocessing.

    Args:
        method: networks and loss.
        preprocessing: how pixels become the method's input.
    """

    preprocessing: Preprocessing

    def __init__(self, method: Method[Any], preprocessing: Preprocessing) -> None:
        super().__init__()
        method.teacher.check_size(*preprocessing.input_sides)
        method.check_size(*preprocessing.input_sides)
        for network in method.modules():
            if isinstance(network, TokenMaps):
                network.set_input_size(*preprocessing.input_sides)
        self.method = method
        self.preprocessing = preprocessing

    @classmethod
    def build(cls, method: str, config: MethodConfig, teacher: Teacher) -> Model:
        """Put a method's networks on a teacher; what learns is initialised from torch's random state."""
        model = cls(method_class(method)(teacher, config), Preprocessing.of(config, teacher)).eval()
        return model.to(memory_format=torch.channels_last)  # twice as fast

    def infer(self, images: Tensor, inside: Tensor | None = None) -> RawOutput:
        """Score prepared images; the map has their size, and so has what is inside, (B, *input_sides) bool."""
        # The layout in which the networks are twice as fast.
        output: Output = self.method(images.contiguous(memory_format=torch.channels_last))
        # Methods of earlier versions know of no region.
        score = self.method.image_score(output, *(() if inside is None else (inside,)))
        return RawOutput(output.map, score)

    def check_region(self, *, blank: bool) -> None:
        """Refuse a region of interest that the method's score cannot be confined to."""
        self.method.check_region(blank=blank)

    def check_gathered(self) -> None:
        """Score a black image if buffers have taken whatever shapes the file had that they were loaded from.

        Raises:
            RuntimeError: shapes that do not fit, or values without a finite score.
        """
        if not any(isinstance(module, GatheredBuffers) for module in self.method.modules()):
            return
        try:
            with torch.no_grad():
                score = self.infer(torch.zeros(1, 3, *self.preprocessing.input_sides)).score
        except (IndexError, ValueError) as error:
            raise RuntimeError(str(error)) from error
        if not score.isfinite().all():
            raise RuntimeError("a black image has no finite score")

    def exportable(self) -> tuple[Model, tuple[str, ...]]:
        """Give what a graph without gradients can compute, and in words what differs."""
        method, difference = self.method.exportable()
        if method is self.method:
            return self, ()
        model = Model(method, self.preprocessing).eval()
        return model, (difference,)

    def left_out(self, images: int) -> Model | None:
        """Give what scores an image of the fit as if it had been left out, see :meth:`.Method.left_out`."""
        method = self.method.left_out(images)
        return Model(method, self.preprocessing).eval() if method else None

    def record(self) -> dict[str, Any]:
        """Describe the model in plain JSON values, enough for :meth:`from_record` to rebuild it."""
        return {
            "config": to_record(self.method.config),
            "teacher": self.method.teacher.spec(),
            "preprocessing": self.preprocessing.record(),
        }

    @classmethod
    def from_record(cls, method: str, record: dict[str, Any]) -> Model:
        """Rebuild the networks that :meth:`record` described, without any weights."""
        teacher = teacher_from_spec(record["teacher"])
        config = config_of_record(method_class(method).Config, record["config"])
        return cls.build(method, config, teacher)
