"""On a CUDA device: it computes what a CPU does, in training and scoring, and by graphs what it does without.

Run by ``pytest -m gpu``; ``benchmarks/gpu.py`` runs them before it measures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import twinspect as ts
from drawn_parts import TEACHER, blemish, quick, stripes
from twinspect.inference.cuda_graphs import graphs_of
from twinspect.inference.torch_engine import TorchEngine
from twinspect.training import trainer
from twinspect.training.batches import TrainingImages
from twinspect.training.optimizer_steps import OptimizerSteps
from twinspect.utils.devices import choose_device, choose_precision

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

pytestmark = pytest.mark.gpu

METHODS = ["aand", "dual", "hybrid", "mkd", "patchcore", "rd", "stfpm"]
TOLERANCE = 1e-4
"""Of scores and maps, relative: that of exports."""


def good() -> NDArray[np.uint8]:
    return np.stack([stripes(seed) for seed in range(24)])


def today() -> NDArray[np.uint8]:
    return np.stack([stripes(100 + seed) if seed % 2 else blemish(stripes(100 + seed)) for seed in range(12)])


def fitted(method: str, device: str, steps: int = 4, **settings: Any) -> ts.Detector:
    return ts.Detector(method, **{**quick(method, steps), "device": device, **settings}).fit(good())


def moved(detector: ts.Detector, folder: Path, device: str) -> Any:
    detector.save(folder / "m.twin")
    return ts.load(folder / "m.twin", device=device, runtime="torch")


def largest_difference(found: NDArray[Any], expected: NDArray[Any]) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize("method", METHODS)
def test_scores_and_maps_are_those_of_a_cpu(method: str, tmp_path: Path) -> None:
    detector = fitted(method, "cpu")
    expected, found = detector.score(today()), moved(detector, tmp_path, "cuda").score(today())
    assert largest_difference(found.image, expected.image) < TOLERANCE
    assert largest_difference(np.stack(found.map), np.stack(expected.map)) < TOLERANCE


@pytest.mark.parametrize("method", ["aand", "dual", "mkd", "rd", "stfpm"])
def test_a_fit_begins_as_on_a_cpu_and_finds_the_same(method: str) -> None:
    on_cpu, on_cuda = (fitted(method, device, precision="fp32") for device in ("cpu", "cuda"))
    for stage, expected in on_cpu.losses_.items():
        assert on_cuda.losses_[stage][0] == pytest.approx(expected[0], rel=1e-3)
    ranks = [np.argsort(np.argsort(each.score(today()).image)) for each in (on_cpu, on_cuda)]
    assert np.corrcoef(*ranks)[0, 1] > 0.9


@pytest.mark.parametrize(
    ("precision", "method"),
    [
        *(("bf16", method) for method in ("aand", "dual", "rd")),
        *(
            ("fp16", method)
            for method in ("aand", "destseg", "dual", "efficientad", "mkd", "rd", "rdpp", "stfpm")
        ),
    ],
)
def test_training_in_half_precision_follows_that_in_fp32(precision: str, method: str) -> None:
    if precision == "bf16" and choose_precision("auto", choose_device("cuda")) != "bf16":
        pytest.skip("this GPU has no bf16")
    half, full = (fitted(method, "cuda", 10, precision=each) for each in (precision, "fp32"))
    assert half.losses_.keys() == full.losses_.keys()
    for stage, expected in full.losses_.items():
        # Where a first step is made again, those after it draw other random numbers.
        assert half.losses_[stage][0] == pytest.approx(expected[0], rel=0.1)
        assert np.mean(half.losses_[stage]) == pytest.approx(np.mean(expected), rel=0.15)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("method", ["hybrid", "dual"])
def test_a_resumed_fit_goes_on_with_the_random_numbers_of_the_gpu(
    method: str, precision: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The patches, the noise and the dropout of these are drawn there; a stopped and a whole fit see the same."""
    monkeypatch.setattr(trainer, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    settings = {**quick(method, 4), "device": "cuda", "precision": precision}
    whole = ts.Detector(method, **settings).fit(good())
    make = OptimizerSteps.make

    def stop(steps: OptimizerSteps, *given: Any) -> float:
        if given[-1] == 3:
            raise InterruptedError
        return make(steps, *given)

    with monkeypatch.context() as stopped:
        stopped.setattr(OptimizerSteps, "make", stop)
        with pytest.raises(InterruptedError):
            ts.Detector(method, **settings).fit(good(), checkpoint=tmp_path)
    torch.rand(7, device="cuda")
    resumed = ts.Detector(method, **settings).fit(good(), checkpoint=tmp_path, resume=True)
    torch.use_deterministic_algorithms(mode=False)
    for stage, expected in whole.losses_.items():
        assert resumed.losses_[stage] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_a_graph_gives_what_the_model_does(method: str, tmp_path: Path) -> None:
    engine = TorchEngine(moved(fitted(method, "cpu"), tmp_path, "cuda").model_, "cuda")
    batches = [[engine.prepare(image) for image in today()[start : start + 4]] for start in (0, 4, 8)]
    for batch in batches:  # the second one is recorded, the third replayed
        found, maps = engine.score(batch, maps=True)
        images = torch.stack([each.image for each in batch]).cuda()
        with torch.inference_mode():
            expected = engine._model.infer(images)
        assert found == pytest.approx(expected.score.tolist(), rel=1e-6)
        assert all(np.isfinite(image_map).all() for image_map in maps if image_map is not None)
    recorded = graphs_of(engine._model)._recorded
    assert [each is not None for each in recorded.values()] == [True]


def test_what_training_needs_again_stays_on_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    caches: list[str] = []
    fill = TrainingImages.fill_cache

    def filled(images: TrainingImages, *given: Any) -> None:
        fill(images, *given)
        caches.extend(tensor.device.type for tensor in images._cache)

    monkeypatch.setattr(TrainingImages, "fill_cache", filled)
    fitted("rd", "cuda", 2)
    assert set(caches) == {"cuda"}


def test_an_onnx_export_gives_the_same(tmp_path: Path) -> None:
    ort = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" not in ort.get_available_providers():
        pytest.skip("ONNX Runtime has no CUDA: pip install onnxruntime-gpu")
    check_export(tmp_path, "onnx", "fp32")


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_tensorrt_export_gives_the_same(tmp_path: Path, precision: str) -> None:
    from twinspect.inference.tensorrt_engine import missing

    if reason := missing():
        pytest.skip(reason)
    check_export(tmp_path, "tensorrt", precision)


def check_export(folder: Path, runtime: str, precision: str) -> None:
    from twinspect.export import export

    detector = ts.Detector("rd", **{**quick("rd", 4), **TEACHER}).fit(good())
    detector.save(folder / "m.twin")
    tolerance = export(folder / "m.twin", runtime, precision=precision).record["parity"]["tolerance"]
    found = ts.load(folder / "m.twin", runtime=runtime, device="cuda").score(today())
    expected = detector.score(today())
    assert largest_difference(found.image, expected.image) < tolerance
    assert largest_difference(np.stack(found.map), np.stack(expected.map)) < tolerance
