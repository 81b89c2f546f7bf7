"""Exports give the model's results, on images that need resizing, for every method and kind of teacher."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from packaging.requirements import Requirement
from scipy.special import log_ndtr

import twinspect as ts
from drawn_parts import TEACHER, quick
from messages import error_lines
from shard_data import rows_of, score, write_folder
from stub_tensorrt import stub_tensorrt
from traced_once import export_for_both
from twinspect.bundle.exports import Export, list_exports, write_export
from twinspect.bundle.folder import read_images, read_record
from twinspect.cli import main
from twinspect.data.samples import Sample
from twinspect.errors import BundleError, ConfigError, ExportError, ImageError
from twinspect.evaluation.patch_features import require_single_teacher
from twinspect.images.quality import image_quality
from twinspect.inference.onnx_engine import OnnxEngine
from twinspect.inference.openvino_engine import openvino_core
from twinspect.inference.runtimes import RUNTIMES, Runtime
from twinspect.methods import method_class, noisy_or
from twinspect.methods.config import make_config
from twinspect.model.whole_image import Model
from twinspect.scale.model_transfer import export_name, pack, unpack
from twinspect.teachers import create_teacher

if TYPE_CHECKING:
    from numpy.typing import NDArray

onnx = pytest.importorskip("onnx", reason="pip install 'twinspect[onnx]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="pip install 'twinspect[onnx]'")
openvino = pytest.importorskip("openvino", reason="pip install 'twinspect[openvino]'")

from twinspect.export import export, exporter  # noqa: E402 - needs both
from twinspect.export.openvino_file import convert  # noqa: E402
from twinspect.export.parity import TOLERANCES  # noqa: E402
from twinspect.export.torch_to_onnx import to_onnx  # noqa: E402
from twinspect.export.writers import WRITERS  # noqa: E402

SIZES = ((64, 64), (97, 130), (201, 75))
"""The model's own, one that grows in neither side, and one of another shape."""


def photographs(count: int, height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Smooth colours with grain, (N, H, W, 3) uint8."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width] / 40
    waves = np.stack([np.sin(rows + k) + np.cos(columns * (k + 1)) for k in range(3)], axis=-1)
    noise = rng.normal(0, 12, (count, height, width, 3))
    return (128 + 40 * waves + noise).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model with an ONNX and an OpenVINO export, made once."""
    path = tmp_path_factory.mktemp("export") / "m.twin"
    teacher = {"teacher": "test_resnet", "layers": None}  # its weights take more room than the graph
    detector = ts.Detector("rd", **{**quick("rd", 2), **teacher})
    detector.fit(photographs(12, 90, 120))
    detector.save(path)
    export_for_both(path)
    return path


def graph_of(path: Path) -> Path:
    return path / "exports" / "onnx-fp32" / "model.onnx"


@pytest.fixture
def traced(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tracing a model takes ten seconds; here the graph is there already."""
    monkeypatch.setattr(exporter, "to_onnx", lambda *_: onnx.load(graph_of(saved)))


@pytest.fixture
def copied(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "m.twin"))


@pytest.fixture
def mixed() -> list[Sample]:
    return [
        Sample(Path(f"{place}.png"), f"{place}", pixels=photographs(1, *size, seed=place)[0])
        for place, size in enumerate((*SIZES, *SIZES[1:]))
    ]


def as_data(samples: list[Sample]) -> ts.data.DataSet:
    return ts.data.DataSet("mixed", None, tuple(samples))


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_an_export_gives_the_models_scores_maps_and_decisions(
    saved: Path, mixed: list[Sample], runtime: str
) -> None:
    model, exported_detector = ts.load(saved, runtime="torch"), ts.load(saved, runtime=runtime)
    theirs, ours = model.score(as_data(mixed)), exported_detector.score(as_data(mixed))
    np.testing.assert_allclose(ours.image, theirs.image, rtol=1e-5)
    np.testing.assert_array_equal(ours.p_value, theirs.p_value)
    np.testing.assert_array_equal(ours.is_anomalous, theirs.is_anomalous)
    for own, other in zip(ours.map, theirs.map, strict=True):
        np.testing.assert_allclose(own, other, atol=1e-5 * np.abs(other).max())


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_a_score_does_not_depend_on_its_batch(saved: Path, mixed: list[Sample], runtime: str) -> None:
    exported_detector = ts.load(saved, runtime=runtime)
    together = exported_detector.score(as_data(mixed), maps=False).image
    alone = [exported_detector.score(as_data([sample]), maps=False).image[0] for sample in mixed]
    np.testing.assert_allclose(together, alone, rtol=1e-5)


def test_the_record_says_what_was_measured(saved: Path) -> None:
    record = read_record(saved)
    found = {each.name: each for each in list_exports(saved, record)}
    assert set(found) == {"onnx-fp32", "openvino-fp32"}
    parity = found["onnx-fp32"].record["parity"]
    assert parity["images"] == 6
    assert set(parity["sizes"]) == {"120x90", "74x87"}  # as kept, and cut
    assert 0 <= parity["score_relative"] <= parity["tolerance"] == 1e-4
    assert parity["rank_agreement"] > 0.9
    assert found["onnx-fp32"].milliseconds > 0


def test_the_file_itself_says_the_threshold(saved: Path) -> None:
    session = onnxruntime.InferenceSession(saved / "exports" / "onnx-fp32" / "model.onnx")
    said = json.loads(session.get_modelmeta().custom_metadata_map["twinspect"])
    assert said["threshold"] == ts.load(saved).calibration_.threshold
    assert said["weights_sha256"] == read_record(saved)["weights"]["sha256"]
    model = openvino_core().read_model(saved / "exports" / "openvino-fp32" / "model.xml")
    assert json.loads(model.get_rt_info(["twinspect"]).astype(str)) == said


def test_an_export_of_one_file_is_read_as_before(copied: Path) -> None:
    onnx = pytest.importorskip("onnx")
    expected = ts.load(copied, runtime="onnx").score(photographs(1, 90, 120, seed=3))
    made = next(each for each in list_exports(copied, read_record(copied)) if each.name == "onnx-fp32")
    whole = onnx.load(made.folder / "model.onnx").SerializeToString()
    write_export(copied, made.name, made.record, {"model.onnx": whole})
    assert not (made.folder / "model.weights").exists()
    found = ts.load(copied, runtime="onnx").score(photographs(1, 90, 120, seed=3))
    np.testing.assert_array_equal(found.image, expected.image)


def test_a_new_calibration_needs_no_new_export(copied: Path) -> None:
    exported_detector = ts.load(copied, runtime="onnx")
    exported_detector.calibrate(photographs(20, 90, 120, seed=5), false_alarm_rate=0.1)
    exported_detector.save_calibration(copied)
    assert ts.load(copied, runtime="openvino").calibration_ == exported_detector.calibration_
    assert ts.load(copied).calibration_ == exported_detector.calibration_
    assert read_images(copied, read_record(copied))


def test_exports_of_other_weights_do_not_count(copied: Path) -> None:
    record = read_record(copied)
    other = {**record, "weights": {**record["weights"], "sha256": "0" * 64}}
    assert list_exports(copied, other) == []


def test_saving_again_drops_exports_of_what_was_there(copied: Path) -> None:
    ts.load(copied).save(copied)
    assert not (copied / "exports").exists()


def test_an_altered_graph_is_named(copied: Path) -> None:
    graph = copied / "exports" / "onnx-fp32" / "model.onnx"
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)
    with pytest.raises(BundleError, match=r"onnx-fp32/model\.onnx is damaged"):
        ts.load(copied, runtime="onnx")
    graph.unlink()
    with pytest.raises(BundleError, match="missing"):
        ts.load(copied, runtime="onnx")


def test_altered_weights_of_a_graph_are_named(copied: Path) -> None:
    weights = copied / "exports" / "onnx-fp32" / "model.weights"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(BundleError, match=r"onnx-fp32/model\.weights is damaged"):
        ts.load(copied, runtime="onnx")


def test_an_altered_record_is_named(copied: Path) -> None:
    path = copied / "exports" / "onnx-fp32" / "export.json"
    path.write_text(path.read_text().replace('"tolerance": 0.0001', '"tolerance": 0.5'))
    with pytest.raises(BundleError, match=r"export\.json"):
        ts.load(copied, runtime="onnx")


@pytest.mark.parametrize(
    ("runtime", "message"),
    [
        ("coreml", "no export 'coreml'.*onnx-fp32, openvino-fp32"),
        ("onnx-int8", "no export 'onnx-int8'.*export .* --to onnx"),
    ],
)
def test_a_runtime_that_is_not_there_is_refused(saved: Path, runtime: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ts.load(saved, runtime=runtime)


def test_auto_takes_the_fastest_and_says_which(
    saved: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    times = {"onnx-fp32": 3.0, "openvino-fp32": 2.0}
    monkeypatch.setattr(Export, "milliseconds", property(lambda self: times[self.name]))
    monkeypatch.setattr(Export, "slower_than_torch", property(lambda self: False))
    image = tmp_path / "a.png"
    from PIL import Image

    Image.fromarray(photographs(1, 70, 80)[0]).save(image)
    assert main(["score", str(saved), str(image), "--runtime", "auto"]) == 0
    assert "scored by openvino-fp32" in capsys.readouterr().err
    monkeypatch.setattr(Export, "slower_than_torch", property(lambda self: True))
    assert main(["score", str(saved), str(image), "--runtime", "auto"]) == 0
    assert "scored by torch" in capsys.readouterr().err


@pytest.mark.parametrize("file", ["model.onnx", "export.json"])
def test_auto_says_how_to_do_without_a_changed_export(
    copied: Path, file: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Export, "slower_than_torch", property(lambda self: False))
    monkeypatch.setattr(Export, "milliseconds", property(lambda self: float(self.name != "onnx-fp32")))
    path = copied / "exports" / "onnx-fp32" / file
    path.write_bytes(path.read_bytes()[:-9] + b"x" * 9)
    assert main(["score", str(copied), str(copied / "images"), "--runtime", "auto"]) == 2
    said = capsys.readouterr().err
    assert "scored by" not in said
    assert said.endswith(", or score without exports: --runtime torch\n")
    assert main(["score", str(copied), str(copied / "images"), "--runtime", "torch"]) == 0


def test_a_model_that_differs_is_not_written(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The networks that are written have other weights than those that are compared with."""
    graph, rng = onnx.load(graph_of(copied)), np.random.default_rng(0)
    for weight in graph.graph.initializer:
        values = onnx.numpy_helper.to_array(weight)
        if values.dtype == np.float32 and values.ndim == 4:
            noise = rng.normal(1, 0.05, values.shape).astype(np.float32)
            weight.CopyFrom(onnx.numpy_helper.from_array(values * noise, weight.name))
    monkeypatch.setattr(exporter, "to_onnx", lambda *_: graph)
    shutil.rmtree(copied / "exports")
    with pytest.raises(ExportError, match=r"results differ from the model.*kept image"):
        export(copied, "onnx")
    assert not (copied / "exports" / "onnx-fp32").exists()


def test_one_size_alone(copied: Path, mixed: list[Sample]) -> None:
    made = export(copied, "onnx", fixed_size=(97, 130))
    assert made.name == "onnx-fp32-130x97"
    exported_detector = ts.load(copied, runtime=made.name)
    found = exported_detector.score(as_data(mixed))
    fits = [sample.pixels.shape[:2] == (97, 130) for sample in mixed]
    np.testing.assert_allclose(
        found.image[fits], ts.load(copied, runtime="torch").score(as_data(mixed)).image[fits], rtol=1e-5
    )
    assert [bool(error) for error in found.errors] == [not each for each in fits]
    assert "64x64 pixels; onnx-fp32-130x97 takes 130x97 only" in found.errors[0]
    assert ts.load(copied, runtime="onnx").export.name == "onnx-fp32"  # any size comes first


@pytest.mark.usefixtures("traced")
def test_half_the_file(copied: Path) -> None:
    whole = {each.name: each for each in list_exports(copied, read_record(copied))}["onnx-fp32"]
    half = export(copied, "onnx", precision="fp16")
    sizes = [sum(file["bytes"] for file in each.record["files"]) for each in (half, whole)]
    assert sizes[0] < 0.55 * sizes[1]
    assert half.record["parity"]["score_relative"] < 2e-2


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_tensorrt_has_the_same_gate(
    copied: Path, precision: str, mixed: list[Sample], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stub_tensorrt(monkeypatch, tmp_path)
    made = export(copied, "tensorrt", precision=precision)
    parity = made.record["parity"]
    assert (made.name, parity["tolerance"]) == (f"tensorrt-{precision}", TOLERANCES[precision])
    assert max(parity["score_relative"], parity["map_relative"]) <= parity["tolerance"]
    exact = ts.load(copied, runtime="torch").score(as_data(mixed))
    assert ts.load(copied, runtime="tensorrt").score(as_data(mixed)).image == pytest.approx(
        exact.image, rel=2e-2
    )


def test_without_images_there_is_no_export(copied: Path, tmp_path: Path) -> None:
    detector = ts.load(copied)
    detector.images_ = ()
    detector.save(tmp_path / "bare.twin")
    with pytest.raises(ConfigError, match="--check DIR"):
        export(tmp_path / "bare.twin", "onnx")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"to": "coreml"}, "onnx, openvino"),
        ({"to": "onnx", "precision": "fp8"}, "precision 'fp8'"),
        ({"to": "onnx", "fixed_size": (1, 50)}, "50x1"),
    ],
)
def test_options_that_cannot_be_met_are_refused(
    saved: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        export(saved, **options)  # type: ignore[arg-type]


@pytest.mark.usefixtures("traced")
def test_the_verb(
    copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], mixed: list[Sample]
) -> None:
    from PIL import Image

    folder = tmp_path / "look"
    folder.mkdir()
    for sample in mixed[:2]:
        Image.fromarray(sample.pixels).save(folder / f"{sample.name}.png")
    assert main(["export", str(copied), "--to", "openvino", "--check", str(folder), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["export"], record["parity"]["images"]) == ("openvino-fp32", 4)
    table = tmp_path / "t.csv"
    assert main(["score", str(copied), str(folder), "--runtime", "onnx", "--out", str(table)]) == 0
    # A table goes on only with what it was begun with.
    assert main(["score", str(copied), str(folder), "--runtime", "torch", "--out", str(table)]) == 2
    assert main(["export", str(copied), "--to", "onnx", "--fixed-size", "640"]) == 2
    assert "WIDTHxHEIGHT" in capsys.readouterr().err


def random_model(method: str, teacher: str, settings: dict[str, object]) -> Model:
    """A model that has learnt nothing; a transformer that takes one size only is given that."""
    weights = None if teacher == "pocket" else "random"
    cls = method_class(method)
    side = 224 if teacher.startswith("vit") else 64
    torch.manual_seed(0)
    levels = TEACHER["layers"] if teacher == TEACHER["teacher"] else cls.usual_layers(teacher)
    return Model.build(
        method,
        make_config(cls.Config, None, {"size": side, **settings}),
        create_teacher(teacher, weights=weights, layers=levels, seed=0),
    )


@pytest.mark.parametrize(
    ("method", "teacher", "settings"),
    [
        ("aand", TEACHER["teacher"], {}),
        ("mkd", TEACHER["teacher"], {"localization": "gradient"}),
        ("dual", TEACHER["teacher"], {}),
        ("rdpp", TEACHER["teacher"], {}),
        ("dinomaly", "test_vit", {}),
        pytest.param("stfpm", "resnet18", {"fusion": "sum"}, marks=pytest.mark.slow),
        pytest.param("stfpm", "pocket", {}, marks=pytest.mark.slow),
        pytest.param("rdpp", "pocket", {}, marks=pytest.mark.slow),
        pytest.param("dinomaly", "pocket", {}, marks=pytest.mark.slow),
        ("destseg", TEACHER["teacher"], {"width": 16}),
        ("efficientad", TEACHER["teacher"], {"width": 0.1}),
        pytest.param("destseg", "resnet18", {}, marks=pytest.mark.slow),
        pytest.param("efficientad", "pocket", {}, marks=pytest.mark.slow),
        pytest.param("efficientad", "pdn_small", {}, marks=pytest.mark.slow),
        pytest.param("aand", "pocket", {}, marks=pytest.mark.slow),
        pytest.param("dual", "pocket", {}, marks=pytest.mark.slow),
        pytest.param("dual", "vit_tiny_patch16_224", {}, marks=pytest.mark.slow),
        pytest.param("rd", "resnet18", {}, marks=pytest.mark.slow),
        pytest.param("rd", "wide_resnet50_2", {}, marks=pytest.mark.slow),
        pytest.param("aand", "wide_resnet50_2", {}, marks=pytest.mark.slow),
        pytest.param("mkd", "vgg16", {"localization": "gradient"}, marks=pytest.mark.slow),
        pytest.param("rd", "mobilenetv2_100", {}, marks=pytest.mark.slow),
        pytest.param("rd", "convnext_tiny", {}, marks=pytest.mark.slow),
    ],
)
def test_every_method_and_kind_of_teacher(
    tmp_path: Path, mixed: list[Sample], method: str, teacher: str, settings: dict[str, object]
) -> None:
    model = random_model(method, teacher, settings)
    exportable, differences = model.exportable()
    assert bool(differences) == (method == "mkd")
    session = onnxruntime.InferenceSession(to_onnx(exportable).SerializeToString())
    for sample in mixed[:3]:
        with torch.no_grad():
            expected = exportable(torch.from_numpy(sample.pixels).permute(2, 0, 1)[None])
            score = model(torch.from_numpy(sample.pixels).permute(2, 0, 1)[None]).score
        found = session.run(["score", "map"], {"images": sample.pixels[None]})
        np.testing.assert_allclose(found[0], score, rtol=1e-4)
        np.testing.assert_allclose(found[1], expected.map, atol=1e-4 * float(expected.map.abs().max()))


def test_a_bicubic_interpolation_is_exported(mixed: list[Sample]) -> None:
    model, _ = random_model("stfpm", TEACHER["teacher"], {"interpolation": "bicubic"}).exportable()
    graph = to_onnx(model).SerializeToString()
    session = onnxruntime.InferenceSession(graph)
    compiled = openvino_core().compile_model(convert(graph), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    for sample in mixed[:3]:
        with torch.no_grad():
            expected = model(torch.from_numpy(sample.pixels).permute(2, 0, 1)[None])
        by_openvino = compiled({"images": sample.pixels[None]})
        by_onnx = session.run(["score", "map"], {"images": sample.pixels[None]})
        for found, shown in (by_onnx, (by_openvino["score"], by_openvino["map"])):
            np.testing.assert_allclose(found, expected.score, rtol=1e-5)
            np.testing.assert_allclose(shown, expected.map, atol=1e-4 * float(expected.map.abs().max()))


def test_surprise_far_out_is_exact_and_no_infinity() -> None:
    places = torch.tensor([-4.9, -1.0, -1e-3, 0.0, 1e-3, 0.7, 3.0, 9.0, 14.0, 40.0, 1e4, 1e15])
    found = noisy_or.negative_log_p(places, torch.tensor([0.0, 1.0, 1.0]), "normal")
    np.testing.assert_allclose(found, -log_ndtr(-places.double().numpy()), rtol=4e-6)


WITHOUT_TORCH = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[1].split(","):
            raise ModuleNotFoundError(f"{name} is not installed", name=name)

sys.meta_path.insert(0, Refuse())
from twinspect.cli import main
sys.exit(main(sys.argv[2:]))
"""
ABSENT = (
    *("torch", "timm", "lightning_fabric", "torchvision", "safetensors", "scipy", "skimage", "pyarrow"),
    *("matplotlib", "jinja2", "markupsafe", "psutil", "cachetools", "tomli"),
)
"""What the installation without torch leaves out of the core's packages."""
LIGHT = ("onnxruntime", "numpy", "pillow", "rich", "filelock", "msgspec")
"""What it takes beside twinspect itself (README)."""


def requirements(name: str) -> set[str]:
    """A distribution and all that it needs, without extras."""
    needed = [Requirement(text) for text in importlib.metadata.requires(name) or ()]
    present = [each.name for each in needed if each.marker is None or each.marker.evaluate({"extra": ""})]
    return {name}.union(*map(requirements, present))


def test_the_installation_without_torch_is_light() -> None:
    names = set().union(*map(requirements, LIGHT))
    files = [file for name in names for file in importlib.metadata.files(name) or ()]
    installed = sum(
        path.stat().st_size for path in map(Path, map(str, (f.locate() for f in files))) if path.is_file()
    )
    assert installed < 230 * 2**20
    core = {
        Requirement(text).name
        for text in importlib.metadata.requires("twinspect") or ()
        if "extra" not in text
    }
    modules = {"lightning-fabric": "lightning_fabric", "scikit-image": "skimage"}
    assert {modules.get(name, name) for name in core - names} <= set(ABSENT)


def test_scoring_needs_no_torch(saved: Path, tmp_path: Path) -> None:
    from PIL import Image

    image = tmp_path / "a.png"
    Image.fromarray(photographs(1, 70, 80)[0]).save(image)
    command = [sys.executable, "-c", WITHOUT_TORCH, ",".join(ABSENT), "score", str(saved), str(image)]
    ran = subprocess.run([*command, "--runtime", "onnx"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    expected = ts.load(saved, runtime="torch").score(str(image), maps=False).image[0]
    assert float(ran.stdout.splitlines()[1].split(",")[2]) == pytest.approx(float(expected), rel=1e-5)
    refused = subprocess.run([*command, "--runtime", "torch"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "pip install" in refused.stderr


def test_maps_without_what_draws_them_end_in_one_line(saved: Path, tmp_path: Path) -> None:
    from PIL import Image

    image = tmp_path / "a.png"
    Image.fromarray(photographs(1, 70, 80)[0]).save(image)
    command = [sys.executable, "-c", WITHOUT_TORCH, ",".join(ABSENT), "score", str(saved), str(image)]
    command += ["--runtime", "onnx", "--maps", str(tmp_path / "maps")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, error_lines(ran.stderr)) == (2, 1)
    assert "which is not installed here; type: pip install twinspect" in ran.stderr
    raw = subprocess.run([*command, "--map-format", "npy"], capture_output=True, text=True, check=False)
    assert raw.returncode == 0, raw.stderr


def test_what_needs_the_networks_says_so(saved: Path) -> None:
    exported_detector = ts.load(saved, runtime="onnx")
    with pytest.raises(ConfigError, match="--runtime torch"):
        require_single_teacher(exported_detector)
    with pytest.raises(ConfigError, match="ExportedDetector"):
        ts.noisy_or([exported_detector, exported_detector])


def test_too_small_an_image_is_named(saved: Path) -> None:
    engine = ts.load(saved, runtime="onnx")._engine()
    with pytest.raises(ImageError, match="5x1 pixels is too small"):
        engine.prepare(np.zeros((1, 5, 3), np.uint8))


def test_what_is_kept_is_what_was_held_out(tmp_path: Path) -> None:
    images = photographs(12, 40, 50)
    detector = ts.Detector("mkd", **quick("mkd", 1), keep_images=2).fit(images)
    from twinspect.images.png import decode_png

    kept = [decode_png(content) for content in detector.images_]
    assert len(kept) == 2
    assert all(any(np.array_equal(each, image) for image in images) for each in kept)
    scores = detector.score(np.stack(kept), maps=False).image
    held = np.array(detector.calibration_.scores)
    np.testing.assert_allclose(scores, [held.min(), held.max()], rtol=1e-5)
    with pytest.raises(ConfigError, match="keep_images"):
        ts.Detector("mkd", **quick("mkd", 1), keep_images=-1).fit(images)


EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def judged(saved: Path) -> list[tuple[NDArray[np.uint8], str, set[str]]]:
    """Images of every verdict, each with that of twinspect and the regions it finds."""
    (good,) = photographs(1, 130, 70)
    cut = good.copy()
    cut[40:70, 20:50] = 255 - cut[40:70, 20:50]
    images = [good, cut, good // 8, np.full_like(good, 90), 255 - (255 - good) // 20]
    scores = ts.load(saved, device="cpu", runtime="torch").score(np.stack(images))
    words = [
        "not inspectable" if not can_be else "anomalous" if is_anomalous else "good"
        for can_be, is_anomalous in zip(scores.is_inspectable, scores.is_anomalous, strict=True)
    ]
    found = [
        {"region at x {}, y {}: {} x {} pixels".format(*region.box) for region in regions or ()}
        for regions in scores.regions or ()
    ]
    expected = [
        f"{score:.4f} {word}, highest at row {place[0]}, column {place[1]}"
        for score, word, place in zip(
            scores.image,
            words,
            (np.unravel_index(values.argmax(), values.shape) for values in scores.map),
            strict=True,
        )
    ]
    assert "not inspectable" in words
    assert any(found)
    return list(zip(images, expected, found, strict=True))


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_exports_find_the_same_regions(saved: Path, runtime: str) -> None:
    (clean,) = photographs(1, 130, 70)
    cut = clean.copy()
    cut[40:70, 20:50] = 255 - cut[40:70, 20:50]
    images = np.stack([clean, cut])
    expected, found = (
        ts.load(saved, device="cpu", runtime=name).score(images) for name in ("torch", runtime)
    )
    assert expected.regions
    assert found.regions
    assert any(expected.regions)
    for ours, theirs in zip(expected.regions, found.regions, strict=True):
        assert [region.box for region in ours or ()] == [region.box for region in theirs or ()]
        for one, other in zip(ours or (), theirs or (), strict=True):
            assert other.area_px == pytest.approx(one.area_px, rel=0.01)
            assert (other.peak, other.mean) == pytest.approx((one.peak, one.mean), rel=1e-3)
            assert other.p_value == one.p_value


def test_the_python_example_gives_the_same_verdict_and_regions(saved: Path, tmp_path: Path) -> None:
    from PIL import Image

    cases = judged(saved)
    paths = [str(tmp_path / f"{number}.png") for number in range(len(cases))]
    for path, (image, *_) in zip(paths, cases, strict=True):
        Image.fromarray(image).save(path)
    command = [sys.executable, str(EXAMPLES / "score_onnx.py"), str(graph_of(saved)), *paths]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for path, (_, expected, found) in zip(paths, cases, strict=True):
        first, *rest = said.partition(f"{path}: ")[2].partition("png: ")[0].splitlines()
        score, words = first.split(" ", 1)
        assert float(score) == pytest.approx(float(expected.split()[0]), rel=1e-3)
        assert words == expected.split(" ", 1)[1]
        assert {line.strip() for line in rest if line.startswith("  ")} == found


def test_the_example_inspects_what_twinspect_does() -> None:
    spec = importlib.util.spec_from_file_location("score_onnx", EXAMPLES / "score_onnx.py")
    assert spec
    assert spec.loader
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    rng = np.random.default_rng(0)
    for height, width in ((40, 60), (300, 410), (1100, 700)):
        image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        quality = image_quality(image)
        for change in (-0.01, 0.01):
            limits = {"darkest": 0.0, "brightest": 255.0, "least_contrast": 0.0, "least_sharpness": 0.0}
            for name, value in zip(("darkest", "least_contrast", "least_sharpness"), quality, strict=True):
                assert example.is_inspectable(image, **{**limits, name: value + change}) == (change < 0)
            brightest = {**limits, "brightest": quality.brightness + change}
            assert example.is_inspectable(image, **brightest) == (change > 0)


needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler (g++)")


def check_cpp_example(folder: Path, saved: Path, source: str, build: list[str], graph: Path) -> None:
    """Compile an example, and compare what it says of images with what twinspect does."""
    from PIL import Image

    program = folder / "score"
    compiler = ["g++", "-std=c++17", "-O2", str(EXAMPLES / source), *build, "-o", str(program)]
    subprocess.run(compiler, check=True)
    for number, (image, expected, found) in enumerate(judged(saved)):
        path = folder / f"{number}.ppm"
        Image.fromarray(image).save(path)
        said = subprocess.run(
            [str(program), str(graph), str(path)], capture_output=True, text=True, check=True
        ).stdout
        first, *rest = said.splitlines()
        assert float(first.split()[0]) == pytest.approx(float(expected.split()[0]), rel=1e-3)
        assert first.split(" ", 1)[1] == expected.split(" ", 1)[1]
        assert set(rest) == found


@pytest.mark.slow
@needs_compiler
def test_the_cpp_example_for_openvino_gives_the_same_verdict(saved: Path, tmp_path: Path) -> None:
    home = Path(openvino.__file__).parent
    libraries = [str(each) for each in (home / "libs").glob("libopenvino.so.*")]
    build = [f"-I{home / 'include'}", *libraries, f"-Wl,-rpath,{home / 'libs'}"]
    graph = saved / "exports" / "openvino-fp32" / "model.xml"
    check_cpp_example(tmp_path, saved, "score_openvino.cpp", build, graph)


HEADERS = [
    os.environ.get("ONNXRUNTIME_INCLUDE", ""),
    "/usr/include/onnxruntime",
    "/usr/local/include/onnxruntime",
]
"""Where ONNX Runtime's C++ headers may be: its package for Python has none."""


@needs_compiler
def test_the_cpp_example_for_onnx_gives_the_same_verdict(saved: Path, tmp_path: Path) -> None:
    headers = [each for each in HEADERS if each and (Path(each) / "onnxruntime_cxx_api.h").is_file()]
    libraries = sorted((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.1.*"))
    if not headers or not libraries:
        pytest.skip("no C++ headers of ONNX Runtime: name their folder in ONNXRUNTIME_INCLUDE")
    linked = (
        tmp_path / "libonnxruntime.so.1"
    )  # what the library calls itself, and what a release brings along
    linked.symlink_to(libraries[0])
    build = [f"-I{headers[0]}", str(linked), f"-Wl,-rpath,{tmp_path}"]
    check_cpp_example(tmp_path, saved, "score_onnx.cpp", build, graph_of(saved))


def test_an_export_scores_in_shards_without_the_weights_of_torch(saved: Path, tmp_path: Path) -> None:
    folder, name = write_folder(tmp_path / "today", 9), export_name(saved, "onnx")
    files = pack(saved, name)
    assert {path.rpartition("/")[0] for path in files} == {"", "images", "exports/onnx-fp32"}
    assert not any(path.endswith(".safetensors") for path in files)
    unpacked = unpack(files, device="cpu", export=name, threads=1)
    score(saved, tmp_path / "out", folder, export=name)
    assert [row["score"] for row in rows_of(tmp_path / "out")] == unpacked.score(folder).image.astype(
        float
    ).tolist()


def test_every_runtime_that_scores_can_be_written() -> None:
    assert WRITERS.keys() == RUNTIMES.keys()


def test_threads_reach_the_runtime(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int | None] = []

    class Engine(OnnxEngine):
        def __init__(self, export: Export, device: str = "auto", threads: int | None = None) -> None:
            asked.append(threads)
            super().__init__(export, device, threads)

    monkeypatch.setitem(RUNTIMES, "onnx", Runtime("onnx", "onnxruntime", Engine))
    ts.load(saved, runtime="onnx", threads=3)
    ts.load(saved, runtime="onnx")
    assert asked == [3, None]


def test_an_export_knows_what_its_model_was_learnt_from(copied: Path) -> None:
    learnt, new = photographs(12, 90, 120), photographs(3, 90, 120, seed=99)
    detector = ts.load(copied, runtime="onnx")
    data = ts.data.open_data(np.concatenate([learnt, new]), split="test")
    assert len(ts.evaluate(detector, data).overlap.left_out) == 12
    with pytest.warns(UserWarning, match="the model was fitted on"):
        detector.calibrate(np.concatenate([learnt, new]))
    detector.save_calibration(copied)
    assert len(read_record(copied)["earlier_calibrations"]) == 1


def test_a_graph_does_not_say_where_it_was_traced(saved: Path) -> None:
    for graph in sorted(saved.rglob("*.onnx")):
        content = graph.read_bytes()
        assert b"stack_trace" not in content
        assert str(Path(ts.__file__).parent).encode() not in content
