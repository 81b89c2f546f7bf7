"""An export in 8-bit integers: quantised, judged against floats, and put back into floats where that is needed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from twinspect.bundle.exports import write_export
from twinspect.errors import DataError, ExportError
from twinspect.evaluation.labelled_set import open_test_set
from twinspect.export import onnx_file, onnx_int8, openvino_file, openvino_int8
from twinspect.export.int8_acceptance import LEAST_RHO, Int8Acceptance
from twinspect.export.layer_sensitivity import ranked
from twinspect.export.quantizable_layers import layers_of
from twinspect.export.quantization_images import divided, with_anomalies
from twinspect.inference.exported_detector import open_engine
from twinspect.inference.onnx_engine import FILE
from twinspect.inference.pipeline import ScoringPipeline

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from twinspect.calibration.conformal import Calibration
    from twinspect.data import DataSource
    from twinspect.export.int8_acceptance import GraphResults, Verdict
    from twinspect.export.quantizable_layers import Layer
    from twinspect.inference.graph_engine import GraphEngine

PUT_BACK: Final = (0, 1, 2, 4, 8)
"""Groups of layers that are put back into floats, round by round."""
FEW: Final = 8
"""Images that ranges are measured on, and images that are judged, where layers are ranked."""
_KINDS: Final = {"onnx": onnx_int8.KINDS, "openvino": openvino_int8.KINDS}


@dataclass(frozen=True)
class Making:
    """How a graph becomes files, and files an engine.

    Attributes:
        graph: an ``onnx.ModelProto``, in floats.
        record: what the export's record says already: ``runtime``, ``precision``, ``fixed_size``.
        metadata: kept in the files.
    """

    graph: Any
    record: dict[str, Any]
    metadata: dict[str, Any]

    def floats(self) -> dict[str, bytes]:
        """Give the contents of the files in floats, by name, to compare with."""
        content = self.graph.SerializeToString()
        if self.record["runtime"] == "onnx":
            return {FILE: content}
        return openvino_file.encode(openvino_file.convert(content), self.metadata, half=False)

    def integers(self, layers: Sequence[Layer], images: Sequence[NDArray[np.uint8]]) -> dict[str, bytes]:
        """Give the contents of the files where some layers compute in integers, by name."""
        names = [layer.name for layer in layers]
        if self.record["runtime"] == "onnx":
            return onnx_file.encode(onnx_int8.quantise(self.graph, names, images), self.metadata)
        return openvino_file.encode(
            openvino_int8.quantise(self.graph, names, images), self.metadata, half=False
        )

    def layers(self) -> list[Layer]:
        """List the layers that the runtime can compute in integers.

        Raises:
            ExportError: there are none.
        """
        if found := layers_of(self.graph, _KINDS[self.record["runtime"]]):
            return found
        raise ExportError("this model has no layers that could compute in int8; type: --precision fp16")

    def open(self, files: dict[str, bytes]) -> GraphEngine:
        """Load files into their runtime, on the CPU."""
        with TemporaryDirectory(ignore_cleanup_errors=True) as aside:  # weights may be mapped from there
            return open_engine(write_export(Path(aside), "int8", self.record, files), "cpu")


@dataclass(frozen=True)
class Integers:
    """A graph that passed.

    Attributes:
        files: contents by name.
        floats: the same graph in floats.
        record: the trade, in plain JSON values; see :func:`quantised`.
    """

    files: dict[str, bytes]
    floats: GraphEngine
    record: dict[str, Any]


@dataclass(frozen=True)
class Judging:
    """What integers are judged by.

    Attributes:
        good: normal images: some for ranges, the others held out.
        labelled: a data set with labelled test images; ``None`` for ranks and decisions on the images held out.
        max_drop: most that a metric may fall on labelled images.
        calibration: the model's thresholds.
        bits: significant bits of 16-bit files.
    """

    good: DataSource
    labelled: DataSource | None
    max_drop: float
    calibration: Calibration
    bits: int | None


def quantised(making: Making, judging: Judging, say: Callable[[str], None]) -> Integers:
    """Quantise; while the gate is not passed, put the most sensitive layers back into floats, round by round.

    Returns:
        A graph that passed. Its record has the figures of :meth:`.int8_acceptance.Verdict.to_record`, and
        ``by`` (what kind of gate), ``images`` (that it was judged by), ``calibrated_on`` (images), ``layers`` (that
        could compute in integers), ``kept_in_fp32`` (those of them that do not) and ``bytes`` of both graphs.

    Raises:
        ConfigError: too few good images.
        DataError: the labelled set has not both good and anomalous test images.
        ExportError: not even the last round passed; says by how much.
        ImageError: an image cannot be read.
    """
    return _Rounds(making, judging, say).run()


class _Rounds:
    def __init__(self, making: Making, judging: Judging, say: Callable[[str], None]) -> None:
        self._making, self._judging, self._say = making, judging, say
        size = making.record["fixed_size"]
        self._ranges, self._held_out = divided(judging.good, size and tuple(size), judging.bits)
        self._gate = self._labelled() if judging.labelled is not None else self._of(self._drawn)
        self._layers = making.layers()
        say(f"judging floats on {len(self._gate.samples)} images")
        files = making.floats()
        self._bytes = _size(files)
        self._floats = making.open(files)

    def run(self) -> Integers:
        seen = self._gate.see(self._floats)
        for count in PUT_BACK:
            kept = [layer for group in self._ranked[:count] for layer in group] if count else []
            files, verdict = self._round(kept, seen)
            if not verdict.faults:
                return Integers(files, self._floats, self._record(files, verdict, kept))
            if len(kept) == len(self._layers):
                break
        raise ExportError(self._failure(verdict, kept))

    def _round(self, kept: Sequence[Layer], seen: GraphResults) -> tuple[dict[str, bytes], Verdict]:
        chosen = [layer for layer in self._layers if layer not in kept]
        self._say(f"quantising {len(chosen)} of {len(self._layers)} layers on {len(self._ranges)} images")
        files = self._making.integers(chosen, self._ranges)
        verdict = self._gate.judge(seen, self._gate.see(self._making.open(files)))
        if verdict.faults:
            self._say(f"not good enough: {'; '.join(verdict.faults)}")
        return files, verdict

    @cached_property
    def _drawn(self) -> list[Any]:
        self._say(f"drawing anomalies on {len(self._held_out)} good images held out")
        return with_anomalies(self._held_out)

    @cached_property
    def _ranked(self) -> list[list[Layer]]:
        """Rank by drawn anomalies, never by labelled images: those are for judging alone."""
        few = self._of(self._drawn[:FEW])
        return ranked(
            self._layers,
            few.see(self._floats),
            lambda group: few.see(self._making.open(self._making.integers(group, self._ranges[:FEW]))),
            self._say,
        )

    def _of(self, samples: Sequence[Any], *, labelled: bool = False) -> Int8Acceptance:
        judging = self._judging
        # One reader: what is scored is slower by far than reading.
        return Int8Acceptance(
            samples, labelled, judging.calibration, ScoringPipeline(1, judging.bits), judging.max_drop
        )

    def _labelled(self) -> Int8Acceptance:
        assert self._judging.labelled is not None  # noqa: S101 - asked before
        test = open_test_set(self._judging.labelled)
        if len({sample.is_good for sample in test}) < 2:
            raise DataError(
                f"{test.name}: the gate needs good and anomalous test images; one kind is missing"
            )
        return self._of(test.samples, labelled=True)

    def _record(self, files: dict[str, bytes], verdict: Verdict, kept: Sequence[Layer]) -> dict[str, Any]:
        labelled = self._gate.labelled
        return {
            "by": "labels" if labelled else "ranks and decisions",
            "allowed": {"drop": self._judging.max_drop}
            if labelled
            else {"rho": LEAST_RHO, "other_decisions": 0},
            "images": len(self._gate.samples),
            **verdict.to_record(),
            "calibrated_on": len(self._ranges),
            "layers": len(self._layers),
            "kept_in_fp32": [layer.module for layer in kept],
            "bytes": {"fp32": self._bytes, "int8": _size(files)},
        }

    def _failure(self, verdict: Verdict, kept: Sequence[Layer]) -> str:
        runtime = self._making.record["runtime"]
        looser = "a larger --max-drop" if self._gate.labelled else "--labelled DATA, to be judged by AUROC"
        return (
            f"int8 for {runtime} was not written: {'; '.join(verdict.faults)}; with {len(kept)} of "
            f"{len(self._layers)} layers in fp32. Type --precision fp16 instead, or give more good images to --good, "
            f"or {looser}"
        )


def _size(files: dict[str, bytes]) -> int:
    return sum(len(content) for content in files.values())
