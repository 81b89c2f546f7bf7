"""An export in 8-bit integers: quantized, tested against floats, and put back into floats where that is needed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from twinspect.errors import DataError, ExportError
from twinspect.evaluation.labelled_set import open_test_set
from twinspect.export.int8_acceptance import LEAST_RHO, Int8Acceptance
from twinspect.export.layer_sensitivity import rank_by_sensitivity
from twinspect.export.quantization_images import split_good, with_anomalies
from twinspect.inference.pipeline import ScoringPipeline

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twinspect.calibration.conformal import Calibration
    from twinspect.data import DataSource
    from twinspect.data.samples import Sample
    from twinspect.export.graph_builder import GraphBuilder
    from twinspect.export.int8_acceptance import GraphResults, Int8Comparison
    from twinspect.export.quantizable_layers import Layer
    from twinspect.inference.graph_engine import GraphEngine

PUT_BACK: Final = (0, 1, 2, 4, 8)
"""Groups of layers that are put back into floats, round by round."""
FEW: Final = 8
"""Images that value ranges are measured on, and images that are scored, where layers are ranked."""


@dataclass(frozen=True)
class QuantizedGraph:
    """An int8 graph that was accepted.

    Attributes:
        files: contents by name.
        floats: the same graph in floats.
        record: what int8 costs and gains, in plain JSON values; see :func:`quantize_with_accuracy_control`.
    """

    files: dict[str, bytes]
    floats: GraphEngine
    record: dict[str, Any]


@dataclass(frozen=True)
class QuantizationData:
    """What a graph is quantized on and tested by.

    Attributes:
        good: normal images: some for value ranges, the others held out.
        labelled: a data set with labelled test images; ``None`` to compare ranks and decisions instead.
        max_drop: most that a metric may fall on labelled images.
        calibration: the model's thresholds.
        bits: significant bits of 16-bit files.
    """

    good: DataSource
    labelled: DataSource | None
    max_drop: float
    calibration: Calibration
    bits: int | None


def quantize_with_accuracy_control(
    builder: GraphBuilder, data: QuantizationData, say: Callable[[str], None]
) -> QuantizedGraph:
    """Quantize; until the graph is accepted, put the most sensitive layers back into floats, round by round.

    Returns:
        A graph that was accepted. Its record has the figures of :meth:`.int8_acceptance.Int8Comparison.to_record`,
        and ``by`` (what was compared), ``images`` (that it was tested on), ``calibrated_on`` (images), ``layers``
        (that could compute in integers), ``kept_in_fp32`` (those of them that do not) and ``bytes`` of both graphs.

    Raises:
        ConfigError: too few good images.
        DataError: the labelled set lacks good or anomalous test images.
        ExportError: not even the last round was accepted; says by how much it failed.
        ImageError: an image cannot be read.
    """
    return _AccuracyControl(builder, data, say).run()


class _AccuracyControl:
    def __init__(self, builder: GraphBuilder, data: QuantizationData, say: Callable[[str], None]) -> None:
        self._builder, self._data, self._say = builder, data, say
        size = builder.record["fixed_size"]
        self._ranges, self._held_out = split_good(data.good, size and tuple(size), data.bits)
        self._acceptance = self._labelled() if data.labelled is not None else self._unlabelled(self._drawn)
        self._layers = builder.layers()
        say(f"scoring {len(self._acceptance.samples)} images in floats")
        files = builder.floats()
        self._bytes = _size(files)
        self._floats = builder.open(files)

    def run(self) -> QuantizedGraph:
        results = self._acceptance.evaluate(self._floats)
        for count in PUT_BACK:
            in_floats = [layer for group in self._ranked[:count] for layer in group] if count else []
            files, comparison = self._round(in_floats, results)
            if not comparison.failures:
                return QuantizedGraph(files, self._floats, self._record(files, comparison, in_floats))
            if len(in_floats) == len(self._layers):
                break
        raise ExportError(self._message(comparison, in_floats))

    def _round(
        self, in_floats: Sequence[Layer], results: GraphResults
    ) -> tuple[dict[str, bytes], Int8Comparison]:
        layers = [layer for layer in self._layers if layer not in in_floats]
        self._say(f"quantizing {len(layers)} of {len(self._layers)} layers on {len(self._ranges)} images")
        files = self._builder.integers(layers, self._ranges)
        comparison = self._acceptance.compare(results, self._acceptance.evaluate(self._builder.open(files)))
        if comparison.failures:
            self._say(f"not good enough: {'; '.join(comparison.failures)}")
        return files, comparison

    @cached_property
    def _drawn(self) -> list[Sample]:
        self._say(f"drawing anomalies on {len(self._held_out)} good images held out")
        return with_anomalies(self._held_out)

    @cached_property
    def _ranked(self) -> list[list[Layer]]:
        """Rank by drawn anomalies, never by labelled images: those are for the acceptance test alone."""
        few = self._unlabelled(self._drawn[:FEW])

        def quantize_only(group: Sequence[Layer]) -> GraphResults:
            files = self._builder.integers(group, self._ranges[:FEW])
            return few.evaluate(self._builder.open(files))

        return rank_by_sensitivity(self._layers, few.evaluate(self._floats), quantize_only, self._say)

    def _unlabelled(self, samples: Sequence[Sample]) -> Int8Acceptance:
        return self._acceptance_on(samples, labelled=False)

    def _labelled(self) -> Int8Acceptance:
        assert self._data.labelled is not None  # noqa: S101 - the caller checked
        test = open_test_set(self._data.labelled)
        if len({sample.is_good for sample in test}) < 2:
            raise DataError(
                f"{test.name}: --labelled needs good and anomalous test images; one kind is missing"
            )
        return self._acceptance_on(test.samples, labelled=True)

    def _acceptance_on(self, samples: Sequence[Sample], *, labelled: bool) -> Int8Acceptance:
        # One reading thread is enough: scoring is slower by far.
        pipeline = ScoringPipeline(1, self._data.bits)
        return Int8Acceptance(samples, labelled, self._data.calibration, pipeline, self._data.max_drop)

    def _record(
        self, files: dict[str, bytes], comparison: Int8Comparison, in_floats: Sequence[Layer]
    ) -> dict[str, Any]:
        labelled = self._acceptance.labelled
        return {
            "by": "labels" if labelled else "ranks and decisions",
            "allowed": {"drop": self._data.max_drop}
            if labelled
            else {"rho": LEAST_RHO, "other_decisions": 0},
            "images": len(self._acceptance.samples),
            **comparison.to_record(),
            "calibrated_on": len(self._ranges),
            "layers": len(self._layers),
            "kept_in_fp32": [layer.module for layer in in_floats],
            "bytes": {"fp32": self._bytes, "int8": _size(files)},
        }

    def _message(self, comparison: Int8Comparison, in_floats: Sequence[Layer]) -> str:
        runtime = self._builder.record["runtime"]
        remedy = (
            "a larger --max-drop" if self._acceptance.labelled else "--labelled DATA, to be tested by AUROC"
        )
        return (
            f"int8 for {runtime} was not written: {'; '.join(comparison.failures)}; with {len(in_floats)} of "
            f"{len(self._layers)} layers in fp32. Type --precision fp16 instead, or give more good images to --good, "
            f"or {remedy}"
        )


def _size(files: dict[str, bytes]) -> int:
    return sum(map(len, files.values()))
