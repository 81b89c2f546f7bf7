"""What is asked of ONNX Runtime for TensorRT, and what is said where it is missing; tests/gpu has the GPU."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import twinspect as ts
from mean_export import add_export, mean_of_pixels
from stub_tensorrt import CPU, CUDA, TENSORRT, StubTensorRT, stub_tensorrt
from twinspect.bundle.exports import Export
from twinspect.errors import ConfigError, ExportError, MissingExtraError
from twinspect.export import export, exporter
from twinspect.inference.pipeline import SCORE_BATCH
from twinspect.inference.tensorrt_engine import BATCH, engine_folder
from twinspect.loading import choose_runtime, usual_export

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture
def copied(bundle: Path, tmp_path: Path) -> Path:
    """A model with an export for TensorRT, whose scores are means of pixels."""
    model = Path(shutil.copytree(bundle, tmp_path / "m.twin"))
    add_export(model, "tensorrt-fp32", runtime="tensorrt", milliseconds=0.1)
    return model


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> StubTensorRT:
    return stub_tensorrt(monkeypatch, tmp_path / "cache")


def images(count: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(0, 256, (count, 40, 50, 3), dtype=np.uint8)


def test_engines_are_built_for_one_image_and_for_most(copied: Path, stub: StubTensorRT) -> None:
    detector = ts.load(copied, runtime="tensorrt")
    assert stub.batches == [1, BATCH]
    assert BATCH == SCORE_BATCH
    scores = detector.score(images(BATCH + 3)).image
    assert scores == pytest.approx(images(BATCH + 3).mean((1, 2, 3)), rel=1e-5)
    assert stub.batches[2:] == [BATCH, 3]
    scores, maps = detector._engine().run(images(2 * BATCH + 1))
    assert stub.batches[4:] == [BATCH, BATCH, 1]
    assert (len(scores), maps.shape) == (2 * BATCH + 1, (2 * BATCH + 1, 40, 50))


def test_a_graph_of_one_size_needs_one_engine(copied: Path, stub: StubTensorRT) -> None:
    add_export(copied, "tensorrt-fp32-50x40", runtime="tensorrt", fixed_size=[40, 50])
    ts.load(copied, runtime="tensorrt-fp32-50x40")
    assert stub.batches == [1]


@pytest.mark.parametrize(("precision", "half"), [("fp32", False), ("fp16", True)])
def test_floats_are_those_that_were_asked_for(
    copied: Path, stub: StubTensorRT, precision: str, half: bool
) -> None:
    add_export(copied, f"tensorrt-{precision}", runtime="tensorrt")
    ts.load(copied, runtime=f"tensorrt-{precision}", device="cuda:1")
    assert list(stub.sessions[-1]) == [TENSORRT, CUDA, CPU]
    assert stub.sessions[-1][CUDA] == {"device_id": 1, "use_tf32": 0}
    assert (stub.options["device_id"], stub.options["trt_fp16_enable"]) == (1, half)
    assert os.environ.get("NVIDIA_TF32_OVERRIDE") == (None if half else "0")


def test_engines_are_kept_by_graph_precision_and_versions(
    copied: Path, stub: StubTensorRT, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ts.load(copied, runtime="tensorrt")
    folder = Path(stub.options["trt_engine_cache_path"])
    assert folder.parent == tmp_path / "cache" / "twinspect" / "tensorrt"
    assert folder.is_dir()
    assert stub.options["trt_timing_cache_path"] == str(folder)
    record = {"precision": "fp32", "files": [{"sha256": "0" * 64}]}
    places = {engine_folder(Export(copied, record), onnxruntime)}
    for changed in ({"precision": "fp16"}, {"files": [{"sha256": "1" * 64}]}):
        places.add(engine_folder(Export(copied, {**record, **changed}), onnxruntime))
    monkeypatch.setattr(sys.modules["tensorrt"], "__version__", "10.10.0")
    places.add(engine_folder(Export(copied, record), onnxruntime))
    monkeypatch.setattr(onnxruntime, "__version__", "1.99.0")
    places.add(engine_folder(Export(copied, record), onnxruntime))
    assert len(places) == 5


def test_without_a_place_for_them_engines_are_built_anew(
    copied: Path, stub: StubTensorRT, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("in the way")
    ts.load(copied, runtime="tensorrt")
    assert "trt_engine_cache_enable" not in stub.options


def test_another_device_is_refused(copied: Path, stub: StubTensorRT) -> None:
    for device in ("cpu", "mps"):
        with pytest.raises(ConfigError, match=f"no device '{device}' for TensorRT; allowed: auto, cuda"):
            ts.load(copied, runtime="tensorrt", device=device)
    with pytest.raises(ConfigError, match="'cuda:x'"):
        ts.load(copied, runtime="tensorrt", device="cuda:x")


def test_nothing_takes_its_place(copied: Path, stub: StubTensorRT) -> None:
    stub.loaded = [CUDA, CPU]
    with pytest.raises(ConfigError, match=r"could not be loaded.*pip install onnxruntime-gpu tensorrt"):
        ts.load(copied, runtime="tensorrt")
    stub.error = "CUDA failure 35: driver version is insufficient"
    with pytest.raises(ConfigError, match=r"tensorrt-fp32: TensorRT cannot run it .*CUDA failure 35"):
        ts.load(copied, runtime="tensorrt")


def test_scores_that_differ_are_refused(
    copied: Path, stub: StubTensorRT, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporter, "to_onnx", lambda *_: onnx.load_from_string(mean_of_pixels()))
    shutil.rmtree(copied / "exports")
    with pytest.raises(ExportError, match="tensorrt-fp32 was not written, because its results differ"):
        export(copied, "tensorrt")
    assert not (copied / "exports").exists()


def test_on_a_cpu_nobody_gets_it_unasked(copied: Path, stub: StubTensorRT) -> None:
    assert usual_export(copied, "cpu") is None
    assert choose_runtime(copied, "cpu") == "torch"
    assert choose_runtime(copied) == "tensorrt-fp32"
    assert "tensorrt" not in exporter.exportable_runtimes()


@pytest.mark.parametrize("command", ["score {} {}/images --runtime tensorrt", "export {} --to tensorrt"])
def test_without_tensorrt_one_line_says_what_to_type(copied: Path, run: Any, command: str) -> None:
    if TENSORRT in onnxruntime.get_available_providers():
        pytest.skip("TensorRT is here")
    code, out, err = run(*(word.format(copied) for word in command.split()))
    assert (code, out) == (2, "")
    assert re.search(
        rf"this ONNX Runtime, {onnxruntime.__version__}, has no TensorRT; with an NVIDIA GPU, type: pip .*\n$",
        err,
    )


@pytest.mark.parametrize("there", [True, False])
def test_a_model_without_such_an_export_says_how_to_make_one(
    copied: Path, there: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.rmtree(copied / "exports")
    if there:
        stub_tensorrt(monkeypatch, tmp_path)
    elif TENSORRT in onnxruntime.get_available_providers():
        pytest.skip("TensorRT is here")
    error, said = (ConfigError, "--to tensorrt") if there else (MissingExtraError, "has no TensorRT")
    with pytest.raises(error, match=said):
        ts.load(copied, runtime="tensorrt")


def test_old_or_half_installed_it_says_so(
    copied: Path, stub: StubTensorRT, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, "__version__", "1.21.1")
    with pytest.raises(MissingExtraError, match=r"needs ONNX Runtime 1\.22, not 1\.21\.1"):
        ts.load(copied, runtime="tensorrt")
    monkeypatch.setattr(onnxruntime, "__version__", "1.22.0")
    monkeypatch.delitem(sys.modules, "tensorrt")
    monkeypatch.setattr("ctypes.util.find_library", lambda _: None)
    with pytest.raises(MissingExtraError, match="TensorRT is not installed"):
        ts.load(copied, runtime="tensorrt")
