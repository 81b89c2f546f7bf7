"""Graphs look where their model looks: a region of all images is a part of them, one of each image an input."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import twinspect as ts
from drawn_parts import blemish, quick, stripes, write_image
from traced_once import export_for_both
from twinspect.bundle.exports import list_exports
from twinspect.bundle.folder import read_record
from twinspect.data.samples import DataSet, Sample
from twinspect.errors import ConfigError
from twinspect.regions.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Callable

pytest.importorskip("onnxruntime", reason="pip install 'twinspect[onnx]'")
pytest.importorskip("openvino", reason="pip install 'twinspect[openvino]'")

from twinspect.export import export

IMAGES = np.stack([stripes(300), blemish(stripes(301)), blemish(stripes(302), 34, 2)])


@pytest.fixture(scope="module")
def detector(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> ts.Detector:
    roi = tmp_path_factory.mktemp("roi") / "roi.json"
    roi.write_text(json.dumps({"look": [[[0.4, 0], [1, 0], [1, 0.6], [0.4, 0.6]]]}))
    return ts.Detector("stfpm", **quick("stfpm", 10), roi=roi, roi_blank=True).fit(parts)


@pytest.fixture(scope="module")
def saved(detector: ts.Detector, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The detector with its exports for both runtimes, made once; tests must not change it."""
    path = tmp_path_factory.mktemp("saved") / "m.twin"
    detector.save(path)
    export_for_both(path)
    return path


@pytest.fixture
def copied(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "m.twin"))


@pytest.mark.parametrize("method", ["stfpm", "hybrid"])
def test_a_fixed_region_is_a_part_of_the_graph(
    detector: ts.Detector, method: str, saved: Path, parts: Path, tmp_path: Path
) -> None:
    if method != "stfpm":
        detector = ts.Detector(method, **quick(method, 10), roi=detector.roi, roi_blank=True).fit(parts)
        saved = tmp_path / "m.twin"
        detector.save(saved)
        export_for_both(saved)
    for runtime in ("onnx", "openvino"):
        exported = ts.load(saved, runtime=runtime)
        for images in (IMAGES, np.stack([stripes(1, 90)[:70], blemish(stripes(2, 90)[:70], 4, 60)])):
            expected, found = detector.score(images), exported.score(images)
            np.testing.assert_allclose(found.image, expected.image, rtol=1e-4)
            np.testing.assert_allclose(found.map, expected.map, atol=1e-4 * float(np.max(expected.map)))
            np.testing.assert_array_equal(np.equal(found.map, 0), np.equal(expected.map, 0))
            np.testing.assert_array_equal(found.is_anomalous, expected.is_anomalous)


def test_an_export_of_another_region_is_not_the_models(copied: Path, tmp_path: Path) -> None:
    mask = np.full((48, 48), 255, np.uint8)
    mask[:9] = 0
    loaded = ts.load(copied)
    roi = write_image(tmp_path / "roi.png", mask)
    more = np.stack([stripes(n) for n in range(600, 620)])
    with pytest.raises(ConfigError, match="under torch"):
        ts.load(copied, runtime="onnx").calibrate(more, roi=roi)
    loaded.calibrate(more, roi=roi).save_calibration(copied)
    with pytest.raises(ConfigError, match="no export 'onnx'"):
        ts.load(copied, runtime="onnx")
    with pytest.raises(ConfigError, match="--fixed-size 48x48"):
        export(copied, "onnx", fixed_size=(60, 60))
    export(copied, "onnx")
    np.testing.assert_allclose(
        ts.load(copied, runtime="onnx").score(IMAGES).image,
        loaded.score(IMAGES).image,
        rtol=1e-4,
    )


def test_calibrating_for_another_region_takes_torch_where_an_export_is_usual(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Callable[..., tuple[int, str, str]]
) -> None:
    made = next(each for each in list_exports(copied, read_record(copied)) if each.name == "onnx-fp32")
    usual = "twinspect.cli.model_loading.usual_export"
    monkeypatch.setattr(usual, lambda *_: made)  # whether or not it is the faster one here
    rows = ["path,roi"]
    mask = np.full((48, 48), 255, np.uint8)
    mask[:9] = 0
    for number in range(12):
        write_image(tmp_path / "good" / f"{number}.png", stripes(600 + number))
        rows.append(f"good/{number}.png,roi.png")
    roi = write_image(tmp_path / "roi.png", mask)
    (tmp_path / "own.csv").write_text("\n".join(rows))
    for more in ((tmp_path / "good", "--roi", roi), (tmp_path / "own.csv",)):
        code, out, said = run("calibrate", copied, *more)
        assert (code, "scored by" in said) == (0, False)
        assert "looks at" in out
    assert run("calibrate", copied, tmp_path / "good", "--roi", roi, "--runtime", "onnx")[0] == 2


def test_a_region_of_each_image_is_a_second_input(detector: ts.Detector, tmp_path: Path) -> None:
    before, detector.scope_ = detector.scope_, Scope(None, blank=True)
    detector.save(tmp_path / "m.twin")
    export_for_both(tmp_path / "m.twin")
    samples = []
    for number, image in enumerate(IMAGES):
        mask = np.zeros((48, 48), np.uint8)
        mask[: 20 + 9 * number, 7 * number :] = 255
        path = write_image(tmp_path / f"{number}.png", mask)
        samples.append(Sample(Path(f"{number}"), f"{number}", pixels=image, roi=path))
    data = DataSet("own", None, tuple(samples))
    expected = detector.score(data)
    detector.scope_ = before
    for runtime in ("onnx", "openvino"):
        found = ts.load(tmp_path / "m.twin", runtime=runtime).score(data)
        assert found.errors == ("",) * 3
        np.testing.assert_allclose(found.image, expected.image, rtol=1e-4)
        np.testing.assert_allclose(found.map, expected.map, atol=1e-4 * float(np.max(expected.map)))
