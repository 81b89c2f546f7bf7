"""Models that somebody else made: nothing outside their folder is read, and no runtime's error is a traceback."""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from altered import altered, flipped, spliced
from traced_once import export_for_both
from trials import seeds, trying
from twinspect.bundle.checksummed_json import dump_checksummed, sha256
from twinspect.bundle.schema import PlainFileEntry, RecordError, convert
from twinspect.errors import BundleError
from twinspect.loading import load

IMAGE = np.zeros((1, 64, 64, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def exported(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    for runtime in ("onnxruntime", "openvino"):
        pytest.importorskip(runtime)
    folder = Path(shutil.copytree(bundle, tmp_path_factory.mktemp("exported") / "m.twin"))
    export_for_both(folder)
    return folder


def replace(folder: Path, name: str, content: bytes, record: dict[str, Any] | None = None) -> None:
    """Put another file into an export, with the digest that it then has in the record."""
    (folder / name).write_bytes(content)
    known = json.loads((folder / "export.json").read_text()) if record is None else record
    for file in known["files"]:
        if file["file"] == name:
            file |= {"sha256": sha256(content), "bytes": len(content)}
    write_record(folder / "export.json", known)


def write_record(path: Path, record: dict[str, Any]) -> None:
    own = {name: value for name, value in record.items() if name not in ("digest", "format", "twinspect")}
    path.write_bytes(dump_checksummed(own))


def score(folder: Path, runtime: str) -> None:
    result = load(folder, runtime=runtime).score(IMAGE, maps=False)
    assert result.image.shape == (1,)


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "a/b", "..", ".", "a\\b", "C:x", "", "x\0", "..\\x"]
)
def test_a_record_names_no_file_elsewhere(name: str) -> None:
    with pytest.raises(RecordError, match="file"):
        convert({"file": name, "sha256": "0" * 64, "bytes": 1}, PlainFileEntry)


def test_a_record_cannot_lend_a_graph_a_path(exported: Path, tmp_path: Path) -> None:
    """The graph names a file elsewhere, and the record lists it by that name, with a file of its own beside it."""
    folder = shutil.copytree(exported, tmp_path / "m.twin") / "exports" / "onnx-fp32"
    (tmp_path / "m.twin" / "exports" / "secret_weights").write_bytes(b"0" * 100)
    graph = (folder / "model.onnx").read_bytes().replace(b"model.weights", b"../secret_wei")
    record = json.loads((folder / "export.json").read_text())
    record["files"].append({"file": "../secret_wei", "sha256": sha256(b"x"), "bytes": 1})
    (folder / "secret_wei").write_bytes(b"x")
    replace(folder, "model.onnx", graph, record)
    with pytest.raises(BundleError, match=r"export\.json: files\[2\]\.file"):
        score(tmp_path / "m.twin", "onnx-fp32")


@pytest.mark.parametrize("how", ["cut", "other file", "no graph"])
def test_an_altered_export_is_refused_in_a_line(how: str, exported: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(exported, tmp_path / "m.twin")
    place = folder / "exports" / "onnx-fp32"
    content = (place / "model.onnx").read_bytes()
    if how == "cut":
        content = content[: len(content) // 2]
    elif how == "other file":
        content = content.replace(b"model.weights", b"/etc/passwd_")
    record = json.loads((place / "export.json").read_text())
    for file in record["files"]:
        if file["file"] == "model.onnx":
            file["sha256"] = sha256(content)
    record["files"] = [file for file in record["files"] if how != "no graph" or file["file"] != "model.onnx"]
    (place / "model.onnx").write_bytes(content)
    write_record(place / "export.json", record)
    with pytest.raises(BundleError) as refused:
        score(folder, "onnx-fp32")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("network", ["timm:hf-hub:a/b", "timm:hf_hub:a/b", "timm:local-dir:/etc", "timm:a/b"])
def test_loading_a_model_asks_no_network(network: str, bundle: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(bundle, tmp_path / "m.twin")
    record = json.loads((folder / "model.json").read_text())
    record["teacher"]["network"] = network
    write_record(folder / "model.json", record)
    with pytest.raises(BundleError, match=r"model\.json: teacher\.network"):
        load(folder)


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors", "exports/onnx-fp32/model.weights"])
def test_pipes_and_devices_are_no_files_of_a_model(name: str, exported: Path, tmp_path: Path) -> None:
    for kind in ("pipe", "device"):
        folder = shutil.copytree(exported, tmp_path / kind)
        (folder / name).unlink()
        os.mkfifo(folder / name) if kind == "pipe" else (folder / name).symlink_to("/dev/zero")
        said: list[str] = []

        def read(folder: Path = folder, said: list[str] = said) -> None:
            try:
                score(folder, "onnx-fp32" if "onnx" in name else "torch")
            except BundleError as error:
                said.append(str(error))

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        thread.join(20)
        assert said, "it is read without end"


def test_links_to_files_elsewhere_count_by_their_content(exported: Path, tmp_path: Path) -> None:
    """Caches keep models as links; what they point to has the digest that the record states, or is refused."""
    folder = shutil.copytree(exported, tmp_path / "m.twin")
    weights = folder / "weights.safetensors"
    elsewhere = weights.rename(tmp_path / "blob")
    weights.symlink_to(elsewhere)
    score(folder, "torch")
    weights.unlink()
    weights.symlink_to("/etc/passwd")
    with pytest.raises(BundleError, match="damaged or altered"):
        score(folder, "torch")


BILLION_LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE net [<!ENTITY a "aaaaaaaaaa">
<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d SYSTEM "file:///etc/passwd">]>"""


def rewritten(xml: str, how: str) -> str:
    match how:
        case "entities":
            declared = re.sub(r"<\?xml.*?\?>", "", xml).replace('name="', 'name="&d;&c;', 5)
            return BILLION_LAUGHS.decode() + declared
        case "extension":
            return xml.replace('type="Multiply" version="opset1"', 'type="Evil" version="evil"')
        case "beyond":
            return re.sub(r'offset="\d+"', 'offset="18446744073709551600"', xml)
        case "elsewhere":
            return xml.replace("<data ", '<data bin="/etc/passwd" path="/etc/passwd" ')
        case "deep":
            return xml[: xml.index("<layers>")] + "<layers>" * 50_000
    return "\x08\x08"  # the beginning of a graph in the ONNX format


@pytest.mark.parametrize("how", ["entities", "extension", "beyond", "elsewhere", "deep", "onnx"])
def test_openvino_graphs_stay_within_their_files(how: str, exported: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(exported, tmp_path / "m.twin") / "exports" / "openvino-fp32"
    replace(folder, "model.xml", rewritten((folder / "model.xml").read_text(), how).encode())
    with trying("OpenVINO graphs, by hand") as trial:
        said = trial.refusal(how, lambda: score(tmp_path / "m.twin", "openvino-fp32"), BundleError)
    # Attributes that nothing knows are left alone, and so are entities: nothing is expanded.
    assert bool(said) == (how not in ("elsewhere", "entities"))


@pytest.mark.parametrize("name", ["onnx-fp32/model.onnx", "onnx-fp32/export.json", "openvino-fp32/model.xml"])
@seeds(15, 400)
def test_altered_exports_are_refused_or_score(
    name: str, seeds: range, exported: Path, tmp_path: Path
) -> None:
    export, file = name.split("/")
    folder = shutil.copytree(exported, tmp_path / "m.twin") / "exports" / export
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    record = json.loads(kept["export.json"])
    with trying(f"exports, {file}") as trial:
        for seed in seeds:
            for other, content in kept.items():
                (folder / other).write_bytes(content)
            if file == "export.json":
                changed = altered(record, seed)
                if not isinstance(changed, dict):
                    continue
                write_record(folder / file, changed)
            else:
                pieces = (
                    b"model.weights",
                    b"location",
                    b"/etc/passwd",
                    b"If",
                    b"Loop",
                    b"\x00" * 8,
                    b"\xff" * 5,
                )
                content = flipped(kept[file], seed) if seed % 2 else spliced(kept[file], pieces, seed)
                replace(folder, file, content)
            trial.refusal(seed, lambda: score(tmp_path / "m.twin", export))
