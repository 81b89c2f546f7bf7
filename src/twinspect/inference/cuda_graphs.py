"""Scoring by CUDA graphs: what a model launches for a batch is recorded once, and replayed for the next ones.

With one image, launching hundreds of small kernels takes longer than computing them; a replay is one launch.
"""

from __future__ import annotations

import threading
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple
from weakref import WeakKeyDictionary, WeakMethod

import torch

from twinspect.model.base import RawOutput
from twinspect.model.folding import weights_version

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from twinspect.model.base import ScoringModel
    from twinspect.model.folding import WeightsVersion

    Infer = Callable[[Tensor, Tensor | None], RawOutput]

MOST_GRAPHS: Final = 4
"""Shapes of batches with a graph, of one model: each keeps the memory that its batch needs."""
_WARM_UP: Final = 3
"""Calls before a recording, in which libraries choose kernels and allocate; torch's documentation asks for some."""
_RECORDING = threading.Lock()
"""Torch records one graph at a time in a process."""
_GRAPHS: WeakKeyDictionary[ScoringModel, tuple[WeightsVersion, CudaGraphs]] = WeakKeyDictionary()


class Recorded(NamedTuple):
    """One recording: fill the inputs, replay, and read the output; all stay at their addresses.

    Attributes:
        images: the batch.
        inside: its regions of interest; ``None`` for whole images.
        output: scores and maps of the last replay.
        replay: computes.
    """

    images: Tensor
    inside: Tensor | None
    output: RawOutput
    replay: Callable[[], None]


class CudaGraphs:
    """A model's ``infer`` by a graph for each shape of batch, from the second batch of that shape on.

    What cannot be recorded, such as code that waits for a value, runs as it is; results are the same either way. May
    be called from several threads.

    Args:
        infer: computes on the device, without gradients.
    """

    def __init__(self, infer: Infer) -> None:
        self._infer = infer
        self._seen: Counter[object] = Counter()
        self._recorded: dict[object, Recorded | None] = {}
        self._lock = threading.Lock()

    def __call__(self, images: Tensor, inside: Tensor | None = None) -> RawOutput:
        """Score prepared images; see :meth:`.ScoringModel.infer`."""
        with self._lock:
            recorded = self._recording(images, inside)
            if recorded is None:
                return self._infer(images, inside)
            recorded.images.copy_(images)
            if recorded.inside is not None and inside is not None:
                recorded.inside.copy_(inside)
            recorded.replay()
            return RawOutput(*(tensor.clone() for tensor in recorded.output))

    def _recording(self, images: Tensor, inside: Tensor | None) -> Recorded | None:
        """Give the recording for a batch like this; a shape that comes once is not worth one."""
        shape = images.shape, None if inside is None else inside.shape
        self._seen[shape] += 1
        if shape not in self._recorded and self._seen[shape] > 1 and len(self._recorded) < MOST_GRAPHS:
            # Torch has no error of its own for what a graph cannot hold, or for its memory.
            try:
                self._recorded[shape] = record(self._infer, images, inside)
            except RuntimeError:
                self._recorded[shape] = None
        return self._recorded.get(shape)


def record(infer: Infer, images: Tensor, inside: Tensor | None) -> Recorded:
    """Record what a model launches for a batch.

    Raises:
        RuntimeError: it does something that a graph cannot hold, or there is too little memory.
    """
    images, inside = images.clone(), None if inside is None else inside.clone()
    current = torch.cuda.current_stream(images.device)
    stream = torch.cuda.Stream(images.device)  # type: ignore[no-untyped-call]
    stream.wait_stream(current)
    with _RECORDING, torch.cuda.stream(current):  # which it goes back to also where a recording fails
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP):
                infer(images, inside)
        current.wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # Other threads may use the device meanwhile.
        with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
            output = infer(images, inside)
    return Recorded(images, inside, output, graph.replay)


def graphs_of(model: ScoringModel) -> CudaGraphs:
    """Give the graphs of a model, which are kept for the next call until a weight of it changes.

    Args:
        model: on a CUDA device, in evaluation mode; it must be kept as long as its graphs are called.
    """
    version = weights_version(model)
    kept = _GRAPHS.get(model)
    if kept is None or kept[0] != version:
        # A reference that counted would keep the model for ever.
        kept = version, CudaGraphs(partial(_infer, WeakMethod(model.infer)))
        _GRAPHS[model] = kept
    return kept[1]


def _infer(method: WeakMethod[Infer], images: Tensor, inside: Tensor | None) -> RawOutput:
    infer = method()
    assert infer is not None  # noqa: S101 - whoever calls has the model
    return infer(images, inside)
