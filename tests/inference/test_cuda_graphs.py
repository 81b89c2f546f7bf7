"""When a CUDA graph is recorded and replayed; the recording itself, which needs a GPU, is a stub or in tests/gpu."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor

from twinspect.inference import cuda_graphs
from twinspect.inference.cuda_graphs import MOST_GRAPHS, CudaGraphs, Recorded, graphs_of
from twinspect.inference.torch_engine import TorchEngine
from twinspect.model.base import RawOutput

if TYPE_CHECKING:
    from twinspect.detector import Detector


def infer(images: Tensor, inside: Tensor | None = None) -> RawOutput:
    seen = images if inside is None else images * inside[:, None]
    return RawOutput(seen.mean(1), seen.flatten(1).amax(1))


class Recorder:
    """Stands for CUDA: a replay computes into the tensors that the recording gave."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.replays = 0

    def record(self, infer: cuda_graphs.Infer, images: Tensor, inside: Tensor | None) -> Recorded:
        self.batches.append(len(images))
        images, inside = images.clone(), None if inside is None else inside.clone()
        output = infer(images, inside)

        def replay() -> None:
            self.replays += 1
            for kept, new in zip(output, infer(images, inside), strict=True):
                kept.copy_(new)

        return Recorded(images, inside, output, replay)


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    stub = Recorder()
    monkeypatch.setattr(cuda_graphs, "record", stub.record)
    return stub


def test_a_shape_is_recorded_when_it_comes_again(recorder: Recorder) -> None:
    graphs = CudaGraphs(infer)
    batches = [torch.rand(size, 3, 4, 4) for size in (2, 2, 2, 1, 2)]
    found = [graphs(images) for images in batches]
    assert (recorder.batches, recorder.replays) == ([2], 3)
    for images, output in zip(batches, found, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(output, infer(images), strict=True))


def test_regions_are_inputs_too(recorder: Recorder) -> None:
    graphs = CudaGraphs(infer)
    for _ in range(3):
        images, inside = torch.rand(1, 3, 4, 4), torch.rand(1, 4, 4) > 0.5
        assert torch.equal(graphs(images, inside).map, infer(images, inside).map)
        assert torch.equal(graphs(images).map, infer(images).map)
    assert recorder.replays == 4


def test_what_cannot_be_recorded_runs_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []

    def refuse(*_: object) -> Recorded:
        tries.append(1)
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(cuda_graphs, "record", refuse)
    graphs = CudaGraphs(infer)
    for _ in range(4):
        images = torch.rand(2, 3, 4, 4)
        assert torch.equal(graphs(images).score, infer(images).score)
    assert len(tries) == 1


def test_shapes_with_a_graph_are_few(recorder: Recorder) -> None:
    graphs = CudaGraphs(infer)
    for size in range(1, MOST_GRAPHS + 3):
        for _ in range(2):
            assert len(graphs(torch.rand(size, 3, 4, 4)).score) == size
    assert len(recorder.batches) == MOST_GRAPHS


def test_an_engine_scores_by_graphs_that_live_as_long_as_the_weights(
    fitted: Detector, recorder: Recorder
) -> None:
    engine = TorchEngine(fitted.model_, "cpu")
    prepared = [engine.prepare(torch.randint(0, 256, (48, 48, 3), dtype=torch.uint8).numpy())]
    expected = engine.score(prepared, maps=True)
    graphs = graphs_of(engine._model)
    engine._infer = graphs
    for _ in range(3):
        score, maps = engine.score(prepared, maps=True)
        assert score == expected[0]
        assert maps[0] == pytest.approx(expected[1][0])
    assert recorder.replays == 2
    assert graphs_of(TorchEngine(fitted.model_, "cpu")._model) is graphs


def test_changed_weights_need_new_graphs_and_nothing_keeps_a_model(fitted: Detector) -> None:
    model = fitted.model_.exportable()[0]
    copy = type(model).build(fitted.method_name, model.method.config, model.method.teacher)
    graphs = graphs_of(copy)
    assert graphs_of(copy) is graphs
    with torch.no_grad():
        next(copy.method.parameters()).mul_(1.0)
    assert graphs_of(copy) is not graphs
    kept = weakref.ref(copy)
    del copy
    gc.collect()
    assert kept() is None
