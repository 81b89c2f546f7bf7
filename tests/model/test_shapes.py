"""What every method must do with images that keep their shape and inputs that are no squares."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import twinspect as ts
from drawn_parts import blemish, quick, stripes
from twinspect.bundle.folder import read_record, rewrite_record
from twinspect.cli import main
from twinspect.data.samples import DataSet, Sample
from twinspect.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHAPE = {"size": "32x64", "resize": "letterbox"}


def strip(seed: int) -> NDArray[np.uint8]:
    """A good part of 3:1, which fills 21 of 32 rows."""
    return stripes(seed, 96)[:32]


GOOD = np.stack([strip(n) for n in range(8)])
MIXED = [strip(40), strip(41).swapaxes(0, 1).copy(), stripes(42, 32), stripes(43, 90)[:20]]


def samples(images: list[NDArray[np.uint8]]) -> DataSet:
    named = [Sample(Path(f"{n}"), f"{n}", pixels=image) for n, image in enumerate(images)]
    return DataSet("shapes", None, tuple(named))


@pytest.mark.parametrize("method", sorted(ts.methods()))
def test_every_method_scores_images_of_any_shape_each_for_itself(method: str) -> None:
    detector = ts.Detector(method, **{**quick(method, 2), **SHAPE}).fit(GOOD)
    together = detector.score(samples(MIXED))
    assert together.errors == ("",) * len(MIXED)
    assert np.isfinite(together.image).all()
    assert [each.shape for each in together.map] == [image.shape[:2] for image in MIXED]  # type: ignore[union-attr]
    for number in (1, 3):
        alone = detector.score(samples(MIXED[number : number + 1]))
        np.testing.assert_allclose(alone.image[0], together.image[number], rtol=1e-4)
        np.testing.assert_allclose(alone.map[0], together.map[number], rtol=1e-3, atol=1e-5)  # type: ignore[index]


def test_a_transformer_sees_what_is_no_square() -> None:
    settings = {**quick("dinomaly", 2), **SHAPE, "teacher": "test_vit", "layers": None}
    found = ts.Detector("dinomaly", **settings).fit(GOOD).score(samples(MIXED))
    assert found.errors == ("",) * len(MIXED)
    assert np.isfinite(found.image).all()


@pytest.mark.parametrize(
    ("method", "settings", "said"),
    [
        ("rd", {"size": "50x100"}, "multiple of 8, got 50x100; type: --size 48x96$"),
        (
            "rd",
            {"teacher": "vit_tiny_patch16_224", "size": "64x100"},
            "multiples of 16 pixels, got 64x100; nearest",
        ),
        ("efficientad", {"size": "16x64"}, "a size of 32 or more, got 16x64"),
    ],
)
def test_sizes_that_networks_cannot_take_are_refused(
    method: str, settings: dict[str, Any], said: str
) -> None:
    teacher = {"layers": None} if "teacher" in settings else {}
    with pytest.raises(ConfigError, match=said):
        ts.Detector(method, **{**quick(method, 2), **teacher, **settings}).fit(GOOD)


@pytest.fixture(scope="module")
def wide() -> ts.Detector:
    """A model of parts of 3:1."""
    settings = {**quick("patchcore"), "size": 96, "resize": "letterbox"}
    return ts.Detector("patchcore", **settings).fit(np.stack([stripes(n, 144)[:48] for n in range(12)]))


def test_a_defect_is_found_where_it_is_in_the_photograph(wide: ts.Detector) -> None:
    clean = [stripes(300 + n, 144)[:48] for n in range(4)]
    dirty = [blemish(image, 20, 8 + 30 * n) for n, image in enumerate(clean)]
    good, bad = wide.score(samples(clean)), wide.score(samples(dirty))
    assert (bad.image > good.image).all()
    for number, found in enumerate(bad.map):  # type: ignore[arg-type]
        row, column = np.unravel_index(found.argmax(), found.shape)
        assert 18 <= row < 34
        assert 6 + 30 * number <= column < 22 + 30 * number


def test_padding_counts_in_nothing(wide: ts.Detector) -> None:
    """Whatever the map says of padding, the score is that of the image; and no patch of it is remembered."""
    members = wide.model_.method.memory.members
    prepared = wide.model_.preprocessing.apply(
        torch.from_numpy(stripes(1, 144)[None, :48]).permute(0, 3, 1, 2)
    )
    assert (prepared[:, :, :32] == 0).all()
    with torch.no_grad():
        black = torch.zeros_like(prepared)
        of_black = wide.model_.method._features(wide.model_.method.targets(black))[0, :, 4, 4]
    assert (members - of_black).norm(dim=1).min() > 0
    inside = wide.model_.preprocessing.inside(None, (48, 144))
    assert inside is not None
    output = wide.model_.method(prepared)
    lifted = output._replace(
        context=(output.context[0] + 100 * ~_places(inside, output), *output.context[1:])
    )
    scores = [wide.model_.method.image_score(each, inside[None]) for each in (output, lifted)]
    assert torch.equal(*scores)


def _places(inside: torch.Tensor, output: Any) -> torch.Tensor:
    from twinspect import maps

    return maps.inside_at(inside[None], tuple(output.context[0].shape[-2:]))  # type: ignore[arg-type]


def test_saved_and_loaded_it_scores_the_same(wide: ts.Detector, tmp_path: Path) -> None:
    wide.save(tmp_path / "m.twin")
    record = json.loads((tmp_path / "m.twin" / "model.json").read_text())
    assert (record["config"]["resize"], record["preprocessing"]["resize"]) == ("letterbox", "letterbox")
    np.testing.assert_array_equal(
        ts.load(tmp_path / "m.twin").score(samples(MIXED)).image, wide.score(samples(MIXED)).image
    )


def test_a_model_that_called_the_interpolation_resize_scores_as_before(tmp_path: Path) -> None:
    made = ts.Detector("stfpm", **quick("stfpm", 2), resize="bicubic").fit(GOOD)
    assert made.model_.preprocessing.interpolation == "bicubic"
    made.save(tmp_path / "m.twin")
    record = read_record(tmp_path / "m.twin")
    for part in (record["config"], record["preprocessing"]):
        part["resize"] = part.pop("interpolation")
    rewrite_record(tmp_path / "m.twin", record)
    loaded = ts.load(tmp_path / "m.twin")
    assert loaded.model_.preprocessing == made.model_.preprocessing
    np.testing.assert_array_equal(loaded.score(samples(MIXED)).image, made.score(samples(MIXED)).image)


def test_a_region_is_where_it_is_in_the_photograph(wide: ts.Detector, tmp_path: Path) -> None:
    roi = tmp_path / "roi.json"
    roi.write_text(json.dumps({"look": [[[0.5, 0], [1, 0], [1, 1], [0.5, 1]]]}))
    wide.save(tmp_path / "m.twin")
    right = ts.load(tmp_path / "m.twin").calibrate(
        np.stack([stripes(200 + n, 144)[:48] for n in range(20)]), roi=roi
    )
    image = blemish(stripes(300, 144)[:48], 20, 10)  # on the left, where nothing counts
    found = right.score(samples([image, blemish(image, 20, 100)]))
    assert (found.map[0][:, :72] == 0).all()  # type: ignore[index]
    assert (found.map[0][:, 72:] != 0).all()  # type: ignore[index]
    assert found.image[1] > found.image[0]


def test_members_of_one_shape_are_joined_and_others_refused(wide: ts.Detector) -> None:
    good = np.stack([stripes(n, 144)[:48] for n in range(12)])
    smaller = ts.Detector("padim", **{**quick("padim"), "resize": "letterbox"}).fit(good)
    joined = ts.noisy_or([wide, smaller], good=np.stack([stripes(100 + n, 144)[:48] for n in range(12)]))
    image = blemish(stripes(300, 144)[:48], 20, 100)
    (found,) = joined.score(samples([image])).map  # type: ignore[misc]
    row, column = np.unravel_index(found.argmax(), found.shape)
    assert found.shape == (48, 144)
    assert 18 <= row < 34
    assert 98 <= column < 114
    squashed = ts.Detector("padim", **quick("padim")).fit(good)
    with pytest.raises(ConfigError, match=r"letterbox 96, squash 64\), so their maps cannot be joined"):
        ts.noisy_or([wide, squashed])


def test_tiles_have_no_shape_to_keep() -> None:
    with pytest.raises(ConfigError, match="resize=letterbox is for whole images, got tile=32 too"):
        ts.Detector("rd", **quick("rd"), resize="letterbox", tile=32).fit(GOOD)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["--size", "64*128"], "size must be in 1..65536, or HEIGHTxWIDTH such as 256x512"),
        (["--resize", "pad"], "resize must be one of 'squash', 'letterbox', got 'pad'"),
        (["--size", "64x128", "--crop", "96"], "crop must be at most size, which is 64x128, got 96"),
        (["--resize", "letterbox", "--tile", "64"], "leave out one of --resize letterbox and --tile"),
    ],
)
def test_what_is_typed_wrong_is_one_line(
    typed: list[str], said: str, parts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(["fit", str(parts), "--out", str(tmp_path / "m.twin"), "--method", "rd", *typed])
    except SystemExit as stopped:
        code = stopped.code
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert code == 2
    assert said in line
