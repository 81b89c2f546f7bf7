"""Images that are brought to the place of a reference: against shifts and turns that were made, and in every verb."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import ndimage

import twinspect as ts
from drawn_parts import blemish, quick
from twinspect.cli import main
from twinspect.data.samples import DataSet, Sample
from twinspect.errors import ConfigError
from twinspect.regions.alignment import Alignment
from twinspect.regions.placement import AlignmentError, Placement

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twinspect.data.samples import Split


def part(seed: int, degrees: float = 0.0, shift: tuple[float, float] = (0, 0)) -> NDArray[np.uint8]:
    """A bracket with two holes on a plain table, (72, 96, 3) uint8, with grain of its own."""
    image = np.full((72, 96), 60.0)
    image[20:52, 24:40] = image[36:52, 24:72] = 180
    for row, column, radius in ((28, 32, 4), (44, 62, 6)):
        rows, columns = np.mgrid[:72, :96]
        image[(rows - row) ** 2 + (columns - column) ** 2 <= radius**2] = 90
    moved = _moved(image, degrees, shift)
    grain = np.random.default_rng(seed).normal(0, 3, (72, 96, 3))
    return (moved[..., None] * np.array([1.0, 0.9, 0.8]) + grain).clip(0, 255).astype(np.uint8)


def _moved(image: NDArray[Any], degrees: float, shift: tuple[float, float]) -> NDArray[Any]:
    turned = ndimage.rotate(image, degrees, axes=(0, 1), reshape=False, order=1, mode="nearest")
    moved: NDArray[Any] = ndimage.shift(turned, shift + (0,) * (image.ndim - 2), order=1, mode="nearest")
    return moved


def samples(images: list[NDArray[np.uint8]], split: Split = "test", categories: str = "a") -> DataSet:
    return DataSet(
        "parts",
        None,
        tuple(
            Sample(Path(f"{n}"), f"{n}", split, pixels=image, category=categories[n % len(categories)])
            for n, image in enumerate(images)
        ),
    )


@pytest.mark.parametrize("shift", [(0, 0), (-12, 9)])
@pytest.mark.parametrize("degrees", [0.0, 2.0, 137.0])
def test_shift_and_angle_are_found(degrees: float, shift: tuple[float, float]) -> None:
    alignment = Alignment.to("rotation", part(0))
    placement, correlation = alignment.find(part(1, degrees, shift))
    difference = (placement.degrees - degrees + 180) % 360 - 180
    assert abs(difference) < 0.5
    np.testing.assert_allclose(placement.shift, shift, atol=0.5)
    assert correlation > 0.9
    aligned = placement.align(part(1, degrees, shift))[20:52, 24:72]
    assert (
        np.abs(aligned.astype(int) - part(1)[20:52, 24:72]).mean() < 8
    )  # grain of 3, and edges interpolated twice


def test_a_shift_is_of_whole_pixels_and_blurs_nothing() -> None:
    image = part(1, 0, (7, -5))
    placement, _ = Alignment.to("shift", part(0)).find(image)
    assert placement == Placement(0.0, (7.0, -5.0))
    np.testing.assert_array_equal(placement.align(image)[:65, 5:], image[7:, :-5])
    shown = placement.is_shown(72, 96)
    assert shown[:65, 5:].all()
    assert not shown[65:].any()
    assert not shown[:, :5].any()


@pytest.mark.parametrize("degrees", [0.0, 30.0, 90.0, 200.0])
def test_what_is_found_comes_back_to_where_it_is(degrees: float) -> None:
    """The middle of the image turns by hand: a spot at a distance d to the right lies d (cos, -sin) from it."""
    placement = Placement(degrees, (3.0, -4.0))
    found = np.zeros((61, 81), np.float32)
    found[29:32, 59:62] = 1  # 20 to the right of the middle, (30, 40)
    row, column = ndimage.center_of_mass(placement.to_image(found))
    turned = math.radians(degrees)
    np.testing.assert_allclose(
        (row, column), (30 - 20 * math.sin(turned) + 3, 40 + 20 * math.cos(turned) - 4), atol=0.2
    )


def test_what_is_not_alike_does_not_align() -> None:
    alignment = Alignment.to("rotation", part(0)).judged_by([part(n, 10 * n) for n in range(4)])
    assert 0.4 < alignment.least < 0.5
    noise = np.random.default_rng(0).integers(0, 256, (72, 96, 3), dtype=np.uint8)
    for other in (noise, np.full_like(noise, 90)):
        with pytest.raises(AlignmentError, match="it does not align with the reference image: correlation"):
            alignment.place(other)
    with pytest.raises(AlignmentError, match="60x72 pixels do not align with a reference of 96x72"):
        alignment.place(part(1)[:, :60])
    with pytest.raises(ConfigError, match="the good images are not alike enough to be aligned by rotation"):
        Alignment.to("rotation", part(0)).judged_by([noise])


def test_it_is_kept_in_a_record() -> None:
    alignment = Alignment.to("rotation", part(0)).judged_by([part(1)])
    again = Alignment.from_record(json.loads(json.dumps(alignment.to_record())))
    assert again.digest == alignment.digest
    assert again.find(part(2, 33)) == alignment.find(part(2, 33))
    for damage in ({"reference": "no"}, {"reference": ""}):
        with pytest.raises(ConfigError, match="damaged"):
            Alignment.from_record({**alignment.to_record(), **damage})


def poses(count: int, seed: int) -> list[tuple[float, tuple[float, float]]]:
    random = np.random.default_rng(seed)
    return [(random.uniform(-180, 180), tuple(random.uniform(-6, 6, 2))) for _ in range(count)]  # type: ignore[misc]


@pytest.fixture(scope="module")
def detector() -> ts.Detector:
    """A model of parts that lie in any direction."""
    good = [part(n, *pose) for n, pose in enumerate([(0.0, (0.0, 0.0)), *poses(15, 1)])]
    return ts.Detector("patchcore", **{**quick("patchcore"), "align": "rotation"}).fit(samples(good, "train"))


def test_a_defect_is_found_in_any_direction_and_shown_where_it_is(detector: ts.Detector) -> None:
    for number, (degrees, shift) in enumerate(poses(4, 2)):
        clean = part(100 + number, degrees, shift)
        dirty = _moved(blemish(part(100 + number), 40, 42), degrees, shift)
        found = detector.score(samples([clean, dirty]))
        assert found.image[1] > found.image[0]
        spot = np.zeros((72, 96))
        spot[40:52, 42:54] = 1
        true = _moved(spot, degrees, shift) > 0.5
        row, column = np.unravel_index(found.map[1].argmax(), (72, 96))  # type: ignore[index]
        assert ndimage.binary_dilation(true, iterations=4)[row, column]


def test_what_does_not_align_is_not_inspectable(detector: ts.Detector) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (72, 96, 3), dtype=np.uint8)
    (row,) = detector.stream(samples([noise]))
    assert row.not_inspectable.startswith("it does not align with the reference image")
    assert not row.is_anomalous
    assert not row.is_inspectable


def test_saved_exported_and_calibrated_it_aligns_as_before(detector: ts.Detector, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="pip install 'twinspect[onnx]'")
    pytest.importorskip("openvino", reason="pip install 'twinspect[openvino]'")
    from traced_once import export_for_both

    detector.save(tmp_path / "m.twin")
    images = samples([_moved(blemish(part(200 + n), 40, 42), *pose) for n, pose in enumerate(poses(3, 3))])
    expected = detector.score(images)
    export_for_both(tmp_path / "m.twin")
    for runtime in ("torch", "onnx", "openvino"):
        found = ts.load(tmp_path / "m.twin", runtime=runtime).score(images)
        np.testing.assert_allclose(found.image, expected.image, rtol=1e-4)
        np.testing.assert_allclose(found.map, expected.map, atol=1e-4 * float(np.max(expected.map)))
    again = ts.load(tmp_path / "m.twin", runtime="torch")
    again.calibrate(samples([part(300 + n, *pose) for n, pose in enumerate(poses(20, 4))], "train"))
    assert again.scope_ is not None
    assert again.scope_.alignment is not None
    np.testing.assert_array_equal(
        again.score(images).image, ts.load(tmp_path / "m.twin", runtime="torch").score(images).image
    )


def test_a_region_stays_on_the_part(detector: ts.Detector, tmp_path: Path) -> None:
    roi = tmp_path / "roi.json"
    roi.write_text(json.dumps({"look": [[[0.2, 0.2], [0.8, 0.2], [0.8, 0.8], [0.2, 0.8]]]}))
    detector.save(tmp_path / "m.twin")
    model = ts.load(tmp_path / "m.twin")
    model.calibrate(samples([part(300 + n, *pose) for n, pose in enumerate(poses(20, 4))], "train"), roi=roi)
    degrees, shift = 90.0, (4.0, -3.0)
    found = model.score(samples([part(400, degrees, shift)])).map[0]  # type: ignore[index]
    square = np.zeros((72, 96))
    square[14:58, 19:77] = 1
    looked_at = _moved(square, degrees, shift)
    assert (found[looked_at < 0.01] == 0).all()
    assert (found[ndimage.binary_erosion(looked_at > 0.99, iterations=2)] != 0).mean() > 0.95


def test_tiles_and_joins_align_by_a_shift() -> None:
    good = samples([part(n, 0, (n % 5, -n % 7)) for n in range(16)], "train")
    settings = quick("patchcore")
    tiled = ts.Detector("patchcore", **settings, tile=48, overlap=16, align="shift").fit(good)
    one, other = (ts.Detector("patchcore", **settings, seed=n, align="shift").fit(good) for n in (0, 1))
    joined = ts.noisy_or([one, other], good=samples([part(50 + n) for n in range(10)], "train"))
    image = _moved(blemish(part(100), 40, 42), 0, (-8, 9))
    for detector in (tiled, joined):
        (row,) = detector.stream(samples([image]))
        assert row.map is not None
        found = np.unravel_index(row.map.argmax(), (72, 96))
        np.testing.assert_allclose(found, (46 - 8, 48 + 9), atol=4)
        assert not row.map[66:].any()  # there the image shows what the reference does not
    with pytest.raises(ConfigError, match="the detectors align images differently"):
        ts.noisy_or([one, ts.Detector("patchcore", **settings, seed=1).fit(good)])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"align": "mirror"}, "align must be one of shift, rotation, got 'mirror'"),
        ({"align": 3}, "align: expected `str"),
    ],
)
def test_other_alignments_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        ts.Detector("patchcore", **{**quick("patchcore"), **settings}).fit(
            "no such folder"
        )  # before it is read


def test_parts_of_several_categories_have_no_one_reference() -> None:
    several = samples([part(n) for n in range(40)], "train", categories="ab")
    with pytest.raises(
        ConfigError, match="align has one reference image, and these are of several categories"
    ):
        ts.Detector("patchcore", **quick("patchcore"), align="shift").fit(several)


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from drawn_parts import AS_ARGUMENTS, write_image

    for number, pose in enumerate(poses(24, 5)):
        write_image(tmp_path / "good" / f"{number}.png", part(number, *pose))
    fit = [
        "fit",
        str(tmp_path / "good"),
        "--out",
        str(tmp_path / "m.twin"),
        "--method",
        "patchcore",
        "--size",
        "64",
    ]
    assert main([*fit, "--calibration", "split", *AS_ARGUMENTS, "--align", "rotation"]) == 0
    assert "aligned by rotation" in capsys.readouterr().out
    assert main(["inspect", str(tmp_path / "m.twin")]) == 0
    assert "aligned by rotation" in capsys.readouterr().out
