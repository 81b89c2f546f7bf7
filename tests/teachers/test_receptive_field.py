"""How far teachers see, against the sizes of their kernels and strides."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from twinspect.teachers import create_teacher
from twinspect.teachers.receptive_field import farthest_seen


class Convolutions(nn.Module):
    """Two levels: a 7 x 7 kernel, and behind it a 5 x 5 kernel at half the resolution."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 7, padding=3), nn.Conv2d(4, 4, 5, stride=2, padding=2)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        first = self.first(images)
        return first, self.second(first)


def test_it_is_what_kernels_and_strides_add_up_to() -> None:
    # A place at column 2k of the second level sees columns 2k - 2 .. 2k + 2 of the first, and these 3 more pixels.
    assert farthest_seen(Convolutions(), 64) == 5  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "layers"), [("test_resnet", (0, 1)), ("test_vit", None)])
def test_a_transformer_sees_the_whole_image(name: str, layers: tuple[int, ...] | None) -> None:
    teacher = create_teacher(name, weights="random", layers=layers, seed=0)
    seen = farthest_seen(teacher, 160)
    assert (seen is None) == (name == "test_vit")
