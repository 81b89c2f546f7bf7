"""Exporting a model: follow it, write the graph, and keep it only if it says what the model says."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from twinspect.bundle.exports import MODULES, Export, export_name, write_export
from twinspect.bundle.folder import read_record
from twinspect.errors import ConfigError, ExportError, optional, unknown_name
from twinspect.export import onnx_file, openvino_file
from twinspect.export.int8_acceptance import MAX_DROP
from twinspect.export.openvino_int8 import load_nncf
from twinspect.export.parity import TOLERANCES, compare, size_of, time_side_by_side
from twinspect.export.parity_images import images_to_check
from twinspect.export.quantization import Judging, Making, quantised
from twinspect.export.torch_to_onnx import OPSET, to_onnx
from twinspect.images.reading import MIN_SIDE
from twinspect.inference.exported_detector import open_engine
from twinspect.inference.torch_detector import TorchDetector
from twinspect.inference.torch_engine import TorchEngine
from twinspect.loading import load

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twinspect.data import DataSource
    from twinspect.data.samples import Sample
    from twinspect.export.quantization import Integers
    from twinspect.inference.pipeline import Engine

CPU: Final = "cpu"
"""Where an export is made and checked, whatever runs it later."""
_PACKAGES: Final = {"onnx": ("torch", "onnx", "onnxruntime"), "openvino": ("torch", "onnx", "openvino")}
"""What has a say in an export, by runtime."""


def export(
    path: str | Path,
    to: str,
    *,
    precision: str = "fp32",
    fixed_size: tuple[int, int] | None = None,
    check: str | Path | None = None,
    good: DataSource | None = None,
    labelled: DataSource | None = None,
    max_drop: float = MAX_DROP,
    say: Callable[[str], None] | None = None,
) -> Export:
    """Export a saved model as one graph from uint8 RGB to raw score and map, and check it against the model.

    The graph resizes (antialiased, as in training), normalises, judges and enlarges the map to the image's own size.
    Thresholds stay in ``model.json``; the graph's metadata says what they were when it was made.

    Args:
        path: the model folder; the export goes to ``exports/<name>`` in it.
        to: ``onnx`` or ``openvino``.
        precision: ``fp32``; ``fp16``, weights of 16 bits, computed in bf16 by OpenVINO where the processor has it; or
            ``int8``, networks that compute in 8-bit integers, where that is as good (see below).
        fixed_size: height and width, in pixels, of the only images to take, one at a time: the fastest. ``None``:
            any number of any size.
        check: a folder of images to check by; ``None`` for those kept with the model.
        good: for int8: normal images to measure ranges on; a third of them is held out to judge by. At most
            200 are used, evenly spaced.
        labelled: for int8: a data set with labelled test images, and perhaps masks: on these image AUROC, pixel
            AUROC and AUPRO may be at most ``max_drop`` below those of the same graph in floats. Without: on the
            images held out, and with synthetic anomalies on them, decisions must be the same, and ranks of scores and
            of pixels nearly so (Spearman's rho of at least 0.99). While that fails, the layers that suffer most
            are put back into floats.
        max_drop: see ``labelled``; 0.003 is 0.3 points.
        say: told what is done next.

    Returns:
        The export, with what was measured in its record.

    Raises:
        ConfigError: another runtime, precision or size; no images to check by; for int8, no good images, or too few.
        ExportError: the graph says something else than the model, or integers are worse than floats; nothing is
            written.
        MissingExtraError: a package is missing; says which extra brings it.
        BundleError: the model is damaged, or its folder cannot be written.
    """
    _check_wishes(to, precision, fixed_size)
    _check_int8(to, precision, good, labelled, max_drop)
    tell = say or (lambda _: None)
    folder = Path(path)
    record = read_record(folder)
    detector = _trained(folder)
    if fixed_size is None and not detector.model_.any_size:
        raise ConfigError(
            "this model looks at tiles, and how many depends on the image: a graph of it takes one size alone; "
            "type: --fixed-size WxH"
        )
    samples = images_to_check(detector.images_, check, fixed_size, detector.bits)
    tell("following the model")
    model, differences = detector.model_.exportable()
    graph, metadata = to_onnx(model, fixed_size), _metadata(record, detector)
    name = export_name(to, precision, fixed_size)
    about = {
        "runtime": to,
        "precision": precision,
        "fixed_size": list(fixed_size) if fixed_size else None,
        "weights_sha256": record["weights"]["sha256"],
        "opset": OPSET,
        "notes": list(differences),
        "versions": {package: version(package) for package in _packages(to, precision)},
        "machine": {"processor": platform.machine(), "system": platform.platform()},
    }
    integers = None
    if good is not None:
        judging = Judging(good, labelled, max_drop, detector.calibration_, detector.bits)
        integers = quantised(Making(graph, about, metadata), judging, tell)
    files = integers.files if integers else _files(graph, to, precision, metadata)
    tell(f"checking it on {len(samples)} images")
    # Where files cannot be deleted while weights are mapped from them, they stay behind.
    with TemporaryDirectory(ignore_cleanup_errors=True) as aside:
        engines = TorchEngine(model, CPU), open_engine(write_export(Path(aside), name, about, files), CPU)
        measured = {
            "parity": _compared(*engines, samples, TOLERANCES[precision], name),
            **_timed(*engines, samples[0], integers),
        }
    return write_export(folder, name, {**about, **measured}, files)


def _check_wishes(to: str, precision: str, fixed_size: tuple[int, int] | None) -> None:
    if to not in MODULES:
        raise unknown_name("runtime to export to", to, MODULES)
    if precision not in TOLERANCES:
        raise unknown_name("precision", precision, TOLERANCES)
    if fixed_size is not None and min(fixed_size) < MIN_SIDE:
        raise ConfigError(
            f"a fixed size of {fixed_size[1]}x{fixed_size[0]} pixels; both sides must be {MIN_SIDE} or more"
        )
    # Found now, and not after minutes of following.
    for module in (MODULES[to], "onnx", "onnxscript"):
        optional(module, to)


def _check_int8(
    to: str, precision: str, good: DataSource | None, labelled: DataSource | None, max_drop: float
) -> None:
    """Refuse int8 without good images, other precisions with any, and a share that is none."""
    if precision != "int8":
        if good is not None or labelled is not None:
            raise ConfigError(f"--good and --labelled are for --precision int8, and this is {precision}")
        return
    if good is None:
        raise ConfigError(
            "int8 measures the ranges of values on good images; type: --good DIR, a folder of normal images (a "
            "hundred are plenty)"
        )
    if not 0 <= max_drop < 1:
        raise ConfigError(
            f"a largest drop of {max_drop:g}; allowed is 0 to 1, for instance 0.003 for 0.3 points"
        )
    if to == "openvino":
        load_nncf()


def _packages(to: str, precision: str) -> tuple[str, ...]:
    quantiser = ("nncf",) if (to, precision) == ("openvino", "int8") else ()
    return (*_PACKAGES[to], *quantiser)


def _trained(folder: Path) -> TorchDetector:
    """Load the networks on the CPU."""
    detector = load(folder, device=CPU)
    assert isinstance(detector, TorchDetector)  # noqa: S101 - that is what torch's detectors are
    return detector


def _metadata(record: dict[str, Any], detector: TorchDetector) -> dict[str, Any]:
    """Say what a user of the file alone needs: thresholds as they were when it was made, and what it is."""
    calibration = detector.calibration_
    return {
        "twinspect": record["twinspect"],
        "method": record["method"],
        "weights_sha256": record["weights"]["sha256"],
        "data": detector.data_["fingerprint"],
        "false_alarm_rate": calibration.false_alarm_rate,
        "threshold": calibration.threshold,
        "thresholds": {name: calibration.of(name).threshold for name in sorted(set(calibration.categories))},
        "calibration_scores": sorted(calibration.scores),
        "rule": "anomalous if score > threshold; p = (1 + number of calibration_scores >= score) / (n + 1)",
        "input": "images: (batch, height, width, 3) uint8 RGB",
        "output": "score: (batch,) float32; map: (batch, height, width) float32; unbounded, higher is more anomalous",
    }


def _files(graph: Any, to: str, precision: str, metadata: dict[str, Any]) -> dict[str, bytes]:
    """Give the contents of an export's files in floats, by name."""
    half = precision == "fp16"
    if to == "openvino":
        converted = openvino_file.convert(graph.SerializeToString())
        return openvino_file.encode(converted, metadata, half=half)
    if half:
        onnx_file.halve(graph)
    return onnx_file.encode(graph, metadata)


def _compared(
    model: Engine, export: Engine, samples: Sequence[Sample], tolerance: float | None, name: str
) -> dict[str, Any]:
    """Compare, and say so in plain JSON values.

    Raises:
        ExportError: they are further apart than they may be.
    """
    parity = compare(model, export, samples, tolerance)
    if not parity.holds:
        raise ExportError(
            f"{name} was not written, for it does not say what the model says: relative difference of scores "
            f"{parity.score_relative:.2g}, of maps {parity.map_relative:.2g}; allowed: {tolerance}. They part most "
            f"on {parity.worst}. Please report this, with your versions: twinspect doctor"
        )
    return parity.to_record()


def _timed(model: Engine, export: Engine, sample: Sample, integers: Integers | None) -> dict[str, Any]:
    """Time the model, the export and, for one in integers, the graph in floats, in turns: milliseconds an image."""
    floats = [integers.floats] if integers else []
    theirs, ours, *rest = time_side_by_side(sample, model, export, *floats)
    timed = {"speed": {"image": size_of(sample), "milliseconds": ours, "torch_milliseconds": theirs}}
    if integers is None:
        return timed
    milliseconds = {"torch": theirs, "fp32": rest[0], "int8": ours}
    return {**timed, "gate": {**integers.record, "milliseconds": milliseconds}}
