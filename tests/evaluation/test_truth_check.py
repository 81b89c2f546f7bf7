"""Masks that do not fit are all said at once, and before anything is scored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from drawn_parts import blemish, stripes, write_image
from twinspect.data import open_data
from twinspect.errors import DataError
from twinspect.evaluation.evaluation import evaluate
from twinspect.evaluation.truth_check import check_truth

if TYPE_CHECKING:
    from pathlib import Path

    import twinspect as ts


def one_with_mask(root: Path, number: int, side: int) -> None:
    write_image(root / "test" / "spot" / f"{number}.png", blemish(stripes(number)))
    mask = np.full((side, 48), 255, dtype=np.uint8)
    write_image(root / "ground_truth" / "spot" / f"{number}_mask.png", mask)


def test_all_masks_that_do_not_fit_are_one_line(tmp_path: Path, fitted: ts.Detector) -> None:
    write_image(tmp_path / "test" / "good" / "0.png", stripes(9))
    for number in range(6):
        one_with_mask(tmp_path, number, side=48 if number == 2 else 30)
    seen: list[object] = []
    with pytest.raises(DataError) as error:
        evaluate(fitted, tmp_path, watch=lambda image, mask: seen.append((image, mask)))
    said = str(error.value)
    assert said.startswith("5 of 6 marked images have masks that cannot be used: ")
    assert [f"{number}_mask.png: the mask is 48 x 30 pixels" in said for number in range(6)] == [
        *(True, True, False),
        *(True, False, False),
    ]
    assert said.endswith("; and 2 more, which twinspect doctor lists")
    assert "\n" not in said
    assert not seen


def test_one_mask_is_named_alone_and_torn_images_are_none(tmp_path: Path) -> None:
    one_with_mask(tmp_path, 0, side=48)
    one_with_mask(tmp_path, 1, side=30)
    (tmp_path / "test" / "spot" / "1.png").write_bytes(b"torn")
    check_truth(open_data(tmp_path, split="test"))
    one_with_mask(tmp_path, 2, side=30)
    with pytest.raises(DataError, match=r"^\S+2_mask\.png: the mask is 48 x 30 pixels, its image 48 x 48"):
        check_truth(open_data(tmp_path, split="test"))
