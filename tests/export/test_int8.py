"""Exports in int8: only networks are quantized, tested against floats, and put back into floats where needed."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import twinspect as ts
from drawn_parts import SHIPPED, blemish, quick, stripes, write_image
from twinspect.bundle.exports import Export
from twinspect.calibration.conformal import Calibration
from twinspect.cli import main
from twinspect.cli.export import how_to_score
from twinspect.errors import ConfigError, DataError, ExportError
from twinspect.inference.pipeline import ScoringPipeline
from twinspect.methods import method_class
from twinspect.methods.config import make_config
from twinspect.model.whole_image import Model
from twinspect.teachers import create_teacher

if TYPE_CHECKING:
    from collections.abc import Sequence

onnx = pytest.importorskip("onnx", reason="pip install 'twinspect[onnx]'")
pytest.importorskip("onnxruntime", reason="pip install 'twinspect[onnx]'")
pytest.importorskip("openvino", reason="pip install 'twinspect[openvino]'")
pytest.importorskip("nncf", reason="pip install 'twinspect[openvino]'")

from twinspect.export import (  # noqa: E402 - needs all of them
    export,
    exporter,
    int8_acceptance,
    layer_sensitivity,
    onnx_int8,
    openvino_int8,
    quantization,
    quantization_images,
)
from twinspect.export.graph_builder import GraphBuilder  # noqa: E402
from twinspect.export.int8_acceptance import GraphResults, Int8Acceptance  # noqa: E402
from twinspect.export.openvino_file import convert  # noqa: E402
from twinspect.export.quantizable_layers import Layer, layers_of, passthrough_nodes  # noqa: E402
from twinspect.export.torch_to_onnx import to_onnx  # noqa: E402

IMAGES = [stripes(seed) for seed in range(4)]


@pytest.fixture(scope="module")
def saved(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("int8") / "m.twin"
    ts.Detector("rd", **{**quick("rd", 3), **SHIPPED, "layers": [1, 2]}).fit(parts).save(path)
    return path


@pytest.fixture(scope="module")
def graph(saved: Path) -> bytes:
    content: bytes = to_onnx(ts.load(saved, device="cpu").model_).SerializeToString()
    return content


@pytest.fixture
def traced(graph: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tracing a model takes ten seconds; here the graph is there already."""
    monkeypatch.setattr(exporter, "to_onnx", lambda *_: onnx.load_from_string(graph))


@pytest.fixture
def copied(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "m.twin"))


# Layers ------------------------------------------------------------------------------------------------------


def test_layers_are_those_of_teacher_and_student(graph: bytes) -> None:
    proto = onnx.load_from_string(graph)
    found = layers_of(proto, openvino_int8.OPERATIONS)
    assert len(found) == 27
    assert {layer.module.split(".")[0] for layer in found} == {"teacher", "student"}
    assert found[0] == Layer("node_conv2d", "teacher.backbone.stem")
    kinds = {node.name: node.op_type for node in proto.graph.node}
    assert {kinds[layer.name] for layer in found} == {"Conv", "ConvTranspose"}  # no matrix that fuses maps
    assert {kinds[layer.name] for layer in layers_of(proto, onnx_int8.OPERATIONS)} == {"Conv"}


@pytest.mark.parametrize(
    ("method", "teacher", "networks"),
    [
        pytest.param("aand", "pocket", {"teacher", "amplifiers", "student"}, marks=pytest.mark.slow),
        pytest.param("mkd", "pocket", {"teacher", "cloner"}, marks=pytest.mark.slow),
        pytest.param("mkd", "vgg16", {"teacher", "cloner"}, marks=pytest.mark.slow),
        pytest.param("dual", "pocket", {"teacher", "students"}, marks=pytest.mark.slow),
        pytest.param("dual", "vit_tiny_patch16_224", {"teacher", "students"}, marks=pytest.mark.slow),
        pytest.param("destseg", "pocket", {"teacher", "student", "segmentation"}, marks=pytest.mark.slow),
        pytest.param("efficientad", "pocket", {"teacher", "student", "autoencoder"}, marks=pytest.mark.slow),
        pytest.param(
            "efficientad", "pdn_small", {"teacher", "student", "autoencoder"}, marks=pytest.mark.slow
        ),
        pytest.param("rd", "resnet18", {"teacher", "student"}, marks=pytest.mark.slow),
        pytest.param("stfpm", "pocket", {"teacher", "student"}, marks=pytest.mark.slow),
        pytest.param("rdpp", "pocket", {"teacher", "student", "projectors"}, marks=pytest.mark.slow),
        pytest.param("dinomaly", "test_vit", {"teacher", "student"}, marks=pytest.mark.slow),
        pytest.param("rd", "convnext_tiny", {"teacher", "student"}, marks=pytest.mark.slow),
    ],
)
def test_layers_of_every_method_and_kind_of_teacher(method: str, teacher: str, networks: set[str]) -> None:
    cls = method_class(method)
    model = Model.build(
        method,
        make_config(cls.Config, None, {"size": 224 if teacher.startswith("vit") else 64}),
        create_teacher(
            teacher,
            weights=None if teacher == "pocket" else "random",
            layers=cls.usual_layers(teacher),
            seed=0,
        ),
    )
    proto = to_onnx(model.exportable()[0])
    found = layers_of(proto, openvino_int8.OPERATIONS)
    assert {layer.module.split(".")[0] for layer in found} == networks
    weights = [getattr(module, "weight", None) for module in model.modules()]
    expected = sum(isinstance(weight, torch.Tensor) and weight.ndim > 1 for weight in weights)
    assert len(found) == expected  # every one once, and nothing else
    check_only_networks(openvino_int8.quantize(proto, [layer.name for layer in found], IMAGES), proto, found)


def test_passthrough_nodes_take_only_outputs_of_layers(graph: bytes) -> None:
    proto = onnx.load_from_string(graph)
    chosen = [layer.name for layer in layers_of(proto, openvino_int8.OPERATIONS)]
    found = passthrough_nodes(proto, chosen)
    by_name = {node.name: node for node in proto.graph.node}
    made = {value for name in [*chosen, *found] for value in by_name[name].output}
    assert {by_name[name].op_type for name in found} == {"Relu", "Add", "Concat", "MaxPool"}
    assert all(made.issuperset(by_name[name].input) for name in found)
    assert passthrough_nodes(proto, []) == set()


# Quantizing --------------------------------------------------------------------------------------------------


def check_only_networks(model: Any, proto: Any, layers: Sequence[Layer]) -> None:
    """Whatever reads a rounded value in an OpenVINO graph is a layer, or only passes it on."""
    names = [layer.name for layer in layers]
    allowed = {*names, *passthrough_nodes(proto, names)}
    rounded = [node for node in model.get_ordered_ops() if node.get_type_name() == "FakeQuantize"]
    targets = [each.get_node() for node in rounded for each in node.output(0).get_target_inputs()]
    readers = {
        reader.get_friendly_name().partition("/")[0]
        for reader in targets
        if reader.get_type_name() not in ("Reshape", "FakeQuantize")  # of a layer's weight
    }
    assert readers <= allowed
    # Networks that see the same image share its rounded values.
    assert len(rounded) >= len({node.input[0] for node in proto.graph.node if node.name in names})


def test_openvino_computes_nothing_but_networks_in_integers(graph: bytes) -> None:
    proto = onnx.load_from_string(graph)
    layers = layers_of(proto, openvino_int8.OPERATIONS)
    operations = {node.get_friendly_name().partition("/")[0] for node in convert(graph).get_ordered_ops()}
    assert operations.issuperset(layer.name for layer in layers)
    telemetry = sys.modules.get("openvino_telemetry")
    check_only_networks(openvino_int8.quantize(proto, [each.name for each in layers], IMAGES), proto, layers)
    assert sys.modules.get("openvino_telemetry") is telemetry
    assert proto.SerializeToString() == graph


def test_onnx_computes_nothing_but_networks_in_integers(graph: bytes) -> None:
    proto = onnx.load_from_string(graph)
    layers = [layer.name for layer in layers_of(proto, onnx_int8.OPERATIONS)]
    made = onnx_int8.quantize(proto, layers[4:], IMAGES)
    assert proto.SerializeToString() == graph
    assert [each.version for each in made.opset_import if not each.domain] == [18]
    writers = {value: node for node in made.graph.node for value in node.output}
    integer = {
        node.name
        for node in made.graph.node
        if len(node.input) > 1 and (own := writers.get(node.input[1])) and own.op_type == "DequantizeLinear"
    }
    convolutions = {node.name for node in made.graph.node if node.op_type == "Conv"}
    assert integer & convolutions == set(layers[4:])
    assert convolutions - integer == set(layers[:4])
    weights = {each.name: each for each in made.graph.initializer}
    for node in made.graph.node:
        if node.op_type == "MatMul":  # the matrices that fuse maps
            assert any(value in weights and weights[value].data_type == 1 for value in node.input)
    scale = weights[writers[next(n for n in made.graph.node if n.name == layers[5]).input[1]].input[1]]
    assert len(scale.dims) == 1  # one a channel
    least = min(onnx.numpy_helper.to_array(each).min() for each in weights.values() if each.data_type == 3)
    assert least >= -64  # 7 bits


# Images ------------------------------------------------------------------------------------------------------


def test_a_third_is_held_out_and_anomalies_are_drawn_the_same_way() -> None:
    ranges, held_out = quantization_images.split_good(np.stack([stripes(n) for n in range(15)]), None, None)
    assert (len(ranges), len(held_out)) == (10, 5)
    assert not {each.name for each in ranges.samples} & {each.name for each in held_out.samples}
    assert len(ranges[:4]) == 4
    drawn, again = quantization_images.with_anomalies(held_out), quantization_images.with_anomalies(held_out)
    assert [each.label for each in drawn[:3]] == ["good", "draem", "cutpaste"]
    assert len(drawn) == 15
    for one, other in zip(drawn, again, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)
    changed = [np.any(drawn[0].pixels != each.pixels, axis=-1).mean() for each in drawn[1:3]]
    assert all(0 < share < 0.9 for share in changed)


def test_large_images_are_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    _, held_out = quantization_images.split_good(np.stack([stripes(n) for n in range(15)]), (30, 70), None)
    assert held_out[0].shape == (30, 70, 3)
    monkeypatch.setattr(quantization_images, "MOST_BYTES", 7 * held_out[0].nbytes)
    assert len(quantization_images.with_anomalies(held_out)) == 6


def test_too_few_good_images() -> None:
    with pytest.raises(ConfigError, match="11 good images; int8 needs 12"):
        quantization_images.split_good(np.stack([stripes(n) for n in range(11)]), None, None)


# Acceptance ------------------------------------------------------------------------------------------------


def results(scores: Sequence[float], *, limit: float = 5.5, **metrics: float | None) -> GraphResults:
    values = np.asarray(scores, dtype=np.float64)
    return GraphResults(values, np.arange(40.0), values > limit, np.abs(values - limit) > 1e-3, metrics)


def make_acceptance(*, labelled: bool) -> Int8Acceptance:
    calibration = Calibration((1.0,) * 20, 0.05, "split", (0.0, 1.0))
    return Int8Acceptance([], labelled, calibration, ScoringPipeline(1), 0.003)


def test_without_labels_ranks_and_decisions_count() -> None:
    floats = results(range(10))
    compare = make_acceptance(labelled=False).compare
    same = compare(floats, results([value * 1.001 for value in range(10)]))
    assert (round(same.score_rho, 9), round(same.pixel_rho, 9), same.changed_decisions, same.failures) == (
        1.0,
        1.0,
        0,
        (),
    )
    swapped = compare(floats, results([3, 4, 2, 1, 0, 5, 6, 7, 8, 9]))
    assert ["scores" in failure for failure in swapped.failures] == [True]
    flipped = compare(floats, results([0, 1, 2, 3, 4, 5.6, 6, 7, 8, 9]))
    assert flipped.failures == ("1 of 0 images decided differently, allowed is none",)
    on_it = results([0, 1, 2, 3, 4, 5.5001, 6, 7, 8, 9])
    assert compare(on_it, results([0, 1, 2, 3, 4, 5.49, 6, 7, 8, 9])).failures == ()
    broken = compare(floats, results([float("nan"), *range(1, 10)]))
    assert "nan" in broken.failures[0]
    assert broken.to_record()["score_rho"] is None


def test_with_labels_metrics_count() -> None:
    floats = results(range(10), image_auroc=0.95, pixel_auroc=0.9, aupro_30=None)
    compare = make_acceptance(labelled=True).compare
    good = compare(floats, results(range(10)[::-1], image_auroc=0.9475, pixel_auroc=0.99, aupro_30=None))
    assert good.failures == ()
    assert set(good.metrics) == {"image_auroc", "pixel_auroc"}
    bad = compare(floats, results(range(10), image_auroc=0.9465, pixel_auroc=0.99, aupro_30=None))
    assert bad.failures == ("image_auroc 0.9465 instead of 0.9500, allowed is a drop of 0.003",)


def test_the_most_sensitive_group_is_ranked_first() -> None:
    layers = [Layer(f"n{place}", f"m{place}") for place in range(30)]
    told: list[str] = []

    def alone(group: Sequence[Layer]) -> GraphResults:
        worst = max(int(layer.name[1:]) == 17 for layer in group)
        return results(np.arange(10.0) + (1.0 if worst else 0.01) * np.tile([1, -1], 5))

    found = layer_sensitivity.rank_by_sensitivity(layers, results(range(10)), alone, told.append)
    assert len(found) == len(told) == 12
    assert Layer("n17", "m17") in found[0]
    assert sorted(layer.name for group in found for layer in group) == sorted(layer.name for layer in layers)
    nan = layer_sensitivity.rank_by_sensitivity(
        layers[:2], results(range(10)), lambda g: results([np.nan if g[0].name == "n1" else 1] * 10), str
    )
    assert [group[0].name for group in nan] == ["n1", "n0"]


# Exports -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_an_export_tested_by_labels(
    copied: Path, parts: Path, runtime: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--to", runtime, "--precision", "int8", "--good", str(parts), "--labelled", str(parts)]
    # Three steps teach next to nothing: what counts here is that figures come out.
    assert main(["export", str(copied), *options, "--max-drop", "0.2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    trade = told["gate"]
    assert (trade["by"], trade["images"], trade["calibrated_on"]) == ("labels", 12, 16)
    assert trade["kept_in_fp32"] == []
    assert trade["layers"] == {"onnx": 23, "openvino": 27}[runtime]
    assert set(trade["metrics"]) == {"image_auroc", "pixel_auroc", "aupro_30"}
    assert all(abs(each["fp32"] - each["int8"]) <= 0.2 for each in trade["metrics"].values())
    assert set(trade["milliseconds"]) == {"torch", "fp32", "int8"}
    speed = told["speed"]  # timed once, told twice
    assert (trade["milliseconds"]["int8"], trade["milliseconds"]["torch"]) == (
        speed["milliseconds"],
        speed["torch_milliseconds"],
    )
    assert trade["bytes"]["int8"] < 0.4 * trade["bytes"]["fp32"]
    assert told["parity"]["tolerance"] is None
    images = np.stack([*map(stripes, range(300, 306)), *(blemish(stripes(n)) for n in range(310, 316))])
    ours = ts.load(copied, runtime=f"{runtime}-int8").score(images)
    theirs = ts.load(copied, device="cpu").score(images)
    np.testing.assert_allclose(ours.image, theirs.image, rtol=0.2)
    assert not np.array_equal(ours.image, theirs.image)
    assert np.corrcoef(np.ravel(ours.map), np.ravel(theirs.map))[0, 1] > 0.95


@pytest.mark.usefixtures("traced")
def test_layers_are_put_back_until_the_graph_is_accepted(
    copied: Path, parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer_sensitivity, "GROUPS", 3)
    monkeypatch.setattr(quantization, "FEW", 2)
    failures = iter([["too far"], []])
    monkeypatch.setattr(Int8Acceptance, "_failures", lambda *_: next(failures))
    told: list[str] = []
    good = np.stack([stripes(number) for number in range(12)])
    made = export(copied, "onnx", precision="int8", good=good, say=told.append)
    assert made.record["gate"]["by"] == "ranks and decisions"
    assert len(made.record["gate"]["kept_in_fp32"]) == 8
    assert "not good enough: too far" in told
    file = onnx.load(made.folder / "model.onnx")
    writers = {value: node.op_type for node in file.graph.node for value in node.output}
    floats = [n for n in file.graph.node if n.op_type == "Conv" and n.input[1] not in writers]
    assert len(floats) == 8
    assert ts.load(copied, runtime="onnx").export.name == "onnx-int8"


@pytest.mark.usefixtures("traced")
def test_a_graph_that_is_never_accepted_is_not_written(
    copied: Path, parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantization, "PUT_BACK", (0,))
    monkeypatch.setattr(GraphBuilder, "integers", lambda builder, *_: builder.floats())
    monkeypatch.setattr(int8_acceptance, "LEAST_RHO", 1.01)
    with pytest.raises(
        ExportError, match=r"rank correlation of scores .* allowed is 1.01 or more.*--precision fp16"
    ):
        export(copied, "onnx", precision="int8", good=parts)
    assert not (copied / "exports").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "int8"}, "--good DIR"),
        ({"precision": "fp32", "good": "somewhere"}, "for --precision int8"),
        ({"precision": "int8", "good": "somewhere", "max_drop": 1.5}, "0 to 1"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    saved: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        export(saved, "onnx", **options)


@pytest.mark.usefixtures("traced")
def test_labels_of_one_kind_alone(saved: Path, parts: Path, tmp_path: Path) -> None:
    for number in range(3):
        write_image(tmp_path / "d" / "train" / "good" / f"{number}.png", stripes(number))
        write_image(tmp_path / "d" / "test" / "good" / f"{number}.png", stripes(number))
    with pytest.raises(DataError, match="one kind is missing"):
        export(saved, "onnx", precision="int8", good=parts, labelled=tmp_path / "d")


@pytest.mark.parametrize(
    ("milliseconds", "text"), [(1.0, "score with it"), (3.0, "int8 is not faster than fp32")]
)
def test_int8_is_recommended_only_where_it_was_faster(tmp_path: Path, milliseconds: float, text: str) -> None:
    times = {"torch": 4.0, "fp32": 2.0, "int8": milliseconds}
    exported = Export(tmp_path / "onnx-int8", {"runtime": "onnx", "gate": {"milliseconds": times}})
    assert how_to_score("m.twin", exported).startswith(text)
