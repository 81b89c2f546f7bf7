"""Exporting a model: trace it, write the graph, and keep it only if its results match the model's."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from twinspect.bundle.export_cache import keep_export
from twinspect.bundle.exports import write_export
from twinspect.bundle.folder import EXPORTS, read_model_record
from twinspect.errors import (
    ConfigError,
    ExportError,
    MissingExtraError,
    is_installed,
    optional,
    unknown_name,
)
from twinspect.export.graph_builder import GraphBuilder
from twinspect.export.int8_acceptance import MAX_DROP
from twinspect.export.parity import TOLERANCES, compare, size_of, time_side_by_side
from twinspect.export.parity_images import images_to_check
from twinspect.export.quantization import QuantizationData, quantize_with_accuracy_control
from twinspect.export.torch_to_onnx import OPSET, to_onnx
from twinspect.export.writers import WRITERS
from twinspect.images.reading import MIN_SIDE
from twinspect.inference.found_regions import levels_of
from twinspect.inference.runtimes import CPU, RUNTIMES
from twinspect.inference.torch_detector import TorchDetector
from twinspect.inference.torch_engine import TorchEngine
from twinspect.loading import AUTO, EXACT, TORCH, load
from twinspect.utils.files import refuse_no_folder
from twinspect.utils.machine import package_version

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twinspect.bundle.exports import Export
    from twinspect.data import DataSource
    from twinspect.data.samples import Sample
    from twinspect.export.quantization import QuantizedGraph
    from twinspect.inference.pipeline import Engine
    from twinspect.regions.scope import Scope

_WRITING: Final = ("onnx", "onnxscript")
"""Packages that write graphs, whatever runs them."""


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

    The graph resizes (antialiased, as in training), normalises, scores, and resizes the map to the image's own size.
    Thresholds stay in ``model.json``; the graph's metadata holds a copy of those in force when it was made.

    Args:
        path: the model folder; the export goes to ``exports/<name>`` in it.
        to: ``onnx``, ``openvino`` or ``tensorrt``, which is checked on the GPU.
        precision: ``fp32``; ``fp16``, weights of 16 bits, computed in bf16 by OpenVINO where the processor has it; or
            ``int8``, networks that compute in 8-bit integers, if that is as good (see below).
        fixed_size: height and width, in pixels, of the only images to take, one at a time: the fastest. ``None``:
            any number of any size.
        check: a folder of images to check by; ``None`` for those kept with the model.
        good: for int8: normal images to measure value ranges on; a third of them is held out to test by. At most
            200 are used, evenly spaced.
        labelled: for int8: a data set with labelled test images, and perhaps masks: on these, AUROC, pixel AUROC and
            AUPRO may be at most ``max_drop`` below those of the same graph in floats. ``None``: on the images held
            out, and with synthetic anomalies on them, decisions must be the same, and ranks of scores and of pixels
            nearly so (Spearman's rho of at least 0.99). While that fails, the layers that suffer most are put back
            into floats.
        max_drop: see ``labelled``; 0.003 is 0.3 points.
        say: called with progress messages.

    Returns:
        The export, with what was measured in its record.

    Raises:
        ConfigError: an unknown runtime, precision or size; no images to check by; for int8, no good images, or too
            few; nothing can be written into the folder.
        ExportError: the graph's results differ from the model's, or int8 is worse than floats; nothing is written.
        MissingExtraError: a package is missing; says which extra brings it.
        BundleError: the model is damaged, or its folder cannot be written.
    """
    _check_options(to, precision, fixed_size)
    _check_int8(to, precision, good, labelled, max_drop)
    say = say or (lambda _: None)
    folder = Path(path)
    model_record = read_model_record(folder)
    refuse_no_folder(folder / EXPORTS, "the export goes to")
    detector = _load_on_cpu(folder)
    if fixed_size is None and not detector.model_.any_size:
        raise ConfigError(
            "this model scores tiles, and their number depends on the image: its graph can take one size only; "
            "type: --fixed-size WxH"
        )
    scope = detector.scope_
    _check_region(scope, precision, fixed_size)
    samples = images_to_check(detector.images_, check, fixed_size or _size_of_mask(scope), detector.bits)
    say("tracing the model")
    model, differences = detector.model_.exportable()
    record = {
        **_of_model(model_record, differences),
        "runtime": to,
        "precision": precision,
        "fixed_size": list(fixed_size) if fixed_size else None,
        **_of_scope(scope),
        "versions": {package: package_version(package) for package in _packages(to, precision)},
    }
    builder = GraphBuilder(to_onnx(model, fixed_size, scope), record, _metadata(model_record, detector))
    quantized = None
    if good is not None:
        data = QuantizationData(good, labelled, max_drop, detector.calibration_, detector.bits)
        quantized = quantize_with_accuracy_control(builder, data, say)
    files = quantized.files if quantized else builder.floats(precision)
    say(f"checking it on {len(samples)} images")
    engine, beside = builder.open(files), TorchEngine(model, CPU)
    parity = _check_parity(beside, engine, samples, TOLERANCES[precision], builder.name, scope)
    if RUNTIMES[to].device != CPU:
        beside = TorchEngine(model, AUTO)  # what would score there
    measured = {"parity": parity, **_time(beside, engine, samples[0], quantized, scope)}
    return write_export(folder, builder.name, {**record, **measured}, files)


def export_fastest(path: str | Path, *, say: Callable[[str], None] | None = None) -> Export:
    """Export a saved model to every runtime that is installed, in fp32, check each, and keep the fastest.

    It goes into the bundle, or into the user's cache where that cannot be written to.

    Args:
        path: the model folder.
        say: called with progress messages.

    Returns:
        The export; its record says whether torch is faster nevertheless.

    Raises:
        TwinspectError: as for :func:`export`; nothing is written.
    """
    say = say or (lambda _: None)
    folder = Path(path)
    runtimes = exportable_runtimes()
    model_record = read_model_record(folder)
    detector = _load_on_cpu(folder)
    model, differences = detector.model_.exportable()
    if differences or not (runtimes and model.any_size):
        raise ExportError("no runtime here can compute the same for images of any size")
    scope = detector.scope_
    samples = images_to_check(detector.images_, None, _size_of_mask(scope), detector.bits)
    say("tracing the model for a faster runtime")
    graph, torch_engine = to_onnx(model, None, scope), TorchEngine(model, CPU)
    checked: list[tuple[str, dict[str, Any], dict[str, bytes]]] = []
    refused: list[ExportError] = []
    for to in runtimes:
        versions = {package: package_version(package) for package in _packages(to, EXACT)}
        record: dict[str, Any] = {"runtime": to, "precision": EXACT, "fixed_size": None, "versions": versions}
        record |= _of_model(model_record, differences) | _of_scope(scope)
        builder = GraphBuilder(graph, record, _metadata(model_record, detector))
        files = builder.floats()
        say(f"checking {builder.name} on {len(samples)} images")
        engines = torch_engine, builder.open(files)
        try:
            record["parity"] = _check_parity(*engines, samples, TOLERANCES[EXACT], builder.name, scope)
        except ExportError as error:
            refused.append(error)
            continue
        record |= _time(*engines, samples[0], None, scope)
        checked.append((builder.name, record, files))
    if not checked:
        raise refused[0]
    fastest = min(checked, key=lambda each: float(each[1]["speed"]["milliseconds"]))
    return keep_export(folder, model_record, *fastest)


def exportable_runtimes() -> list[str]:
    """Name the runtimes for a CPU that can be exported to: those installed, with what writes their files."""
    if not all(map(is_installed, _WRITING)):
        return []
    return [name for name, runtime in RUNTIMES.items() if runtime.device == CPU and runtime.is_installed]


def _of_model(model_record: dict[str, Any], differences: Sequence[str]) -> dict[str, Any]:
    """Collect what a record says of the model and of this machine."""
    return {
        "weights_sha256": model_record["weights"]["sha256"],
        "opset": OPSET,
        "notes": list(differences),
        "machine": {"processor": platform.machine(), "system": platform.platform()},
    }


def _of_scope(scope: Scope | None) -> dict[str, Any]:
    """Collect what a record says of where the graph looks."""
    return {"roi": scope.digest, "roi_input": scope.shared is None} if scope else {}


def _check_options(to: str, precision: str, fixed_size: tuple[int, int] | None) -> None:
    if to not in WRITERS:
        raise unknown_name("runtime to export to", to, WRITERS)
    if precision not in TOLERANCES:
        raise unknown_name("precision", precision, TOLERANCES)
    if fixed_size is not None and min(fixed_size) < MIN_SIDE:
        raise ConfigError(
            f"a fixed size of {fixed_size[1]}x{fixed_size[0]} pixels; both sides must be {MIN_SIDE} or more"
        )
    # Checked now, and not after minutes of tracing.
    runtime = RUNTIMES[to]
    if reason := runtime.missing():
        raise MissingExtraError(reason)
    for module in (runtime.package, *_WRITING):
        optional(module, runtime.extra or to)


def _check_region(scope: Scope | None, precision: str, fixed_size: tuple[int, int] | None) -> None:
    """Refuse what a graph cannot do with a region of interest."""
    if scope and not scope.shared and precision == "int8":
        raise ConfigError(
            "this model looks at a region that differs from image to image, and int8 measures value ranges on images "
            "without; type: --precision fp16"
        )
    size = _size_of_mask(scope)
    if size and fixed_size and size != fixed_size:
        raise ConfigError(
            f"--fixed-size {fixed_size[1]}x{fixed_size[0]} does not fit the region of interest, a mask of "
            f"{size[1]}x{size[0]} pixels; type: --fixed-size {size[1]}x{size[0]}"
        )


def _size_of_mask(scope: Scope | None) -> tuple[int, int] | None:
    """Give the height and width of the only images that a region fits, if it is such a one."""
    if scope and scope.alignment:
        return scope.alignment.size
    if scope is None or scope.fixed is None or scope.fixed.any_size:
        return None
    return scope.fixed.mask.shape[0], scope.fixed.mask.shape[1]


def _check_int8(
    to: str, precision: str, good: DataSource | None, labelled: DataSource | None, max_drop: float
) -> None:
    """Refuse int8 without good images or quantizer, other precisions with images, and an impossible drop."""
    if precision != "int8":
        if good is not None or labelled is not None:
            raise ConfigError(f"--good and --labelled are for --precision int8, and this is {precision}")
        return
    int8 = WRITERS[to].int8
    if int8 is None:
        raise ConfigError(f"{to} has no int8; type: --precision fp16")
    if good is None:
        raise ConfigError(
            "int8 measures value ranges on good images; type: --good DIR, a folder of normal images (a hundred are "
            "plenty)"
        )
    if not 0 <= max_drop < 1:
        raise ConfigError(
            f"a largest drop of {max_drop:g}; allowed is 0 to 1, for instance 0.003 for 0.3 points"
        )
    int8.load_quantizer()


def _packages(to: str, precision: str) -> tuple[str, ...]:
    """Name the packages whose versions are recorded."""
    writer = WRITERS[to]
    quantizer = writer.int8.packages if writer.int8 and precision == "int8" else ()
    return (*writer.packages, *quantizer)


def _load_on_cpu(folder: Path) -> TorchDetector:
    """Load the networks on the CPU."""
    detector = load(folder, device=CPU, runtime=TORCH)
    assert isinstance(detector, TorchDetector)  # noqa: S101 - load gives one unless an export is asked for
    return detector


def _metadata(record: dict[str, Any], detector: TorchDetector) -> dict[str, Any]:
    """Collect what a user of the file alone needs: what it is, and the thresholds in force when it was made."""
    calibration, scope = detector.calibration_, detector.scope_
    levels, good = levels_of(calibration, ""), calibration.good_ranges.get("")
    own = "; regions: (batch, height, width) uint8, 0 where nothing is looked at"
    region = "" if scope is None or scope.shared else own
    return {
        "twinspect": record["twinspect"],
        "method": record["method"],
        "weights_sha256": record["weights"]["sha256"],
        "data": detector.data_["fingerprint"],
        "false_alarm_rate": calibration.false_alarm_rate,
        "threshold": calibration.threshold,
        "thresholds": {name: calibration.of(name).threshold for name in sorted(set(calibration.categories))},
        "calibration_scores": list(calibration.part_scores),
        **({"region_levels": levels._asdict()} if levels else {}),
        **({"inspectable": good.limits._asdict()} if good and not scope else {}),
        **(
            {"aligned": "images and regions are aligned to a reference first"}
            if scope and scope.alignment
            else {}
        ),
        **({"roi": "outside of the region of interest nothing counts, and the map is 0"} if scope else {}),
        "rule": "anomalous if score > threshold; p = (1 + number of calibration_scores >= score) / (n + 1)",
        "input": "images: (batch, height, width, 3) uint8 RGB" + region,
        "output": "score: (batch,) float32; map: (batch, height, width) float32; unbounded, higher is more anomalous",
    }


def _check_parity(
    model: Engine,
    export: Engine,
    samples: Sequence[Sample],
    tolerance: float | None,
    name: str,
    scope: Scope | None,
) -> dict[str, Any]:
    """Compare, and return plain JSON values.

    Raises:
        ExportError: results differ by more than the tolerance.
    """
    parity = compare(model, export, samples, tolerance, scope)
    if not parity.holds:
        raise ExportError(
            f"{name} was not written, because its results differ from the model's: relative difference of scores "
            f"{parity.score_relative:.2g}, of maps {parity.map_relative:.2g}; allowed: {tolerance}. They differ most "
            f"on {parity.worst}. Please report this, with your versions: twinspect doctor"
        )
    return parity.to_record()


def _time(
    model: Engine, export: Engine, sample: Sample, quantized: QuantizedGraph | None, scope: Scope | None
) -> dict[str, Any]:
    """Time the model, the export and, for int8, the graph in floats, in turns: milliseconds an image."""
    floats = [quantized.floats] if quantized else []
    torch, exported, *rest = time_side_by_side(sample, model, export, *floats, scope=scope)
    speed = {"speed": {"image": size_of(sample), "milliseconds": exported, "torch_milliseconds": torch}}
    if quantized is None:
        return speed
    milliseconds = {"torch": torch, "fp32": rest[0], "int8": exported}
    return {**speed, "gate": {**quantized.record, "milliseconds": milliseconds}}
