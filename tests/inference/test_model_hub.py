"""Models are pushed to the hub and loaded from there as they were, and nothing else of a repository is fetched."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import twinspect as ts
from drawn_parts import stripes
from stub_model_hub import StubModelHub, stub_model_hub
from twinspect.bundle.folder import rewrite_record
from twinspect.cli import main
from twinspect.errors import BundleError, ConfigError
from twinspect.inference.model_hub import HubAddress, push_folder, without_paths

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from twinspect.detector import Detector

ADDRESS = "hf://plant/stripes"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StubModelHub]:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_TOKEN", "a-token")
    with stub_model_hub() as served:
        monkeypatch.setenv("HF_ENDPOINT", served.endpoint)
        yield served


def image() -> Any:
    return np.stack([stripes(7)])


def saved_with_export(fitted: Detector, folder: Path, files: dict[str, bytes]) -> Path:
    path = folder / "m.twin"
    fitted.save(path)
    export = path / "exports" / "onnx-fp32"
    export.mkdir(parents=True)
    for name, content in files.items():
        (export / name).write_bytes(content)
    return path


def test_a_model_comes_back_as_it_went(hub: StubModelHub, fitted: Detector) -> None:
    assert fitted.push(ADDRESS) == f"{hub.endpoint}/plant/stripes"
    loaded = ts.load(ADDRESS)
    assert loaded.score(image()).image.tolist() == fitted.score(image()).image.tolist()
    assert loaded.calibration_ == fitted.calibration_
    assert hub.private == {"plant/stripes": True}


def test_only_files_of_a_model_are_fetched(hub: StubModelHub, fitted: Detector) -> None:
    fitted.push(ADDRESS)
    for name in ("code.py", "model.pkl", "weights.bin", "images/x.sh", "exports/a/run.py"):
        hub.repositories["plant/stripes"][name] = b"import os"
    ts.load(ADDRESS)
    assert set(hub.fetched) >= {"model.json", "weights.safetensors"}
    assert all(
        re.fullmatch(r"(model|learnt_images)\.json|weights\.safetensors|images/\d+\.png", each)
        for each in hub.fetched
    )


def test_the_newest_is_loaded_and_nothing_is_fetched_twice(
    hub: StubModelHub, fitted: Detector, tmp_path: Path
) -> None:
    fitted.push(ADDRESS)
    ts.load(ADDRESS)
    hub.fetched.clear()
    ts.load(ADDRESS)
    assert hub.fetched == []
    fitted.save(tmp_path / "m.twin")
    record = json.loads((tmp_path / "m.twin" / "model.json").read_text())
    rewrite_record(tmp_path / "m.twin", {**record, "fitted_at": "2031-02-03T04:05:06+00:00"})
    push_folder(tmp_path / "m.twin", ADDRESS)
    assert ts.load(ADDRESS).fitted_at_.startswith("2031")
    assert hub.fetched.count("model.json") == 2  # to see whose the card is, and the new one
    assert "weights.safetensors" not in hub.fetched


def test_without_a_network_the_copy_in_the_cache_serves(
    hub: StubModelHub, fitted: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted.push(ADDRESS)
    ts.load(ADDRESS)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.warns(UserWarning, match="the copy in the cache is used"):
        loaded = ts.load(ADDRESS)
    assert loaded.score(image()).image.tolist() == fitted.score(image()).image.tolist()
    with pytest.raises(
        BundleError,
        match=r"hf://plant/other is not in the cache.*HF_HUB_OFFLINE is set.*hf download plant/other",
    ):
        ts.load("hf://plant/other")


def test_exports_go_along_and_earlier_ones_do_not_stay(
    hub: StubModelHub, fitted: Detector, tmp_path: Path
) -> None:
    files = dict.fromkeys(("export.json", "model.onnx", "model.weights"), b"{}")
    push_folder(saved_with_export(fitted, tmp_path, files), ADDRESS)
    assert "exports/onnx-fp32/model.onnx" in hub.repositories["plant/stripes"]
    fitted.push(ADDRESS)
    assert not [name for name in hub.repositories["plant/stripes"] if name.startswith("exports/")]


def test_the_card_says_what_it_is_and_no_place_on_this_machine(
    hub: StubModelHub, fitted: Detector, tmp_path: Path
) -> None:
    fitted.save(tmp_path / "m.twin")
    record = json.loads((tmp_path / "m.twin" / "model.json").read_text())
    record["parameters"]["weights"] = str(tmp_path / "secret" / "teacher.safetensors")
    record["teacher"]["source"] = str(tmp_path / "secret" / "teacher.safetensors")
    rewrite_record(tmp_path / "m.twin", record)
    push_folder(tmp_path / "m.twin", ADDRESS)
    files = hub.repositories["plant/stripes"]
    assert not [
        name for name, content in files.items() if b"secret" in content or str(tmp_path).encode() in content
    ]
    pushed = json.loads(files["model.json"])
    assert pushed["parameters"]["weights"] == pushed["teacher"]["source"] == "teacher.safetensors"
    card = files["README.md"].decode()
    for part in (
        fitted.method_name,
        "test_byobnet",
        fitted.calibration_.promise(),
        f'ts.load("{ADDRESS}")',
        "Licence of the teacher",
    ):
        assert part in card


@pytest.mark.parametrize(
    "path",
    [
        "/home/a/y.png",
        "~/x/y.png",
        "../x/y.png",
        r"C:\Users\a\y.png",
        r"\\host\x\y.png",
        "file:///x/y.png",
    ],
)
def test_paths_are_named_by_their_files_alone(path: str) -> None:
    record = {"a": [path, "x/y.png", 3], "b": {"c": "https://h/x", "d": "~"}}
    assert without_paths(record) == {"a": ["y.png", "x/y.png", 3], "b": {"c": "https://h/x", "d": "~"}}


def test_a_card_that_its_owner_edited_stays(hub: StubModelHub, fitted: Detector) -> None:
    fitted.push(ADDRESS)
    files = hub.repositories["plant/stripes"]
    files["README.md"] = b"another"
    with pytest.warns(UserWarning, match="stays as its owner wrote it"):
        fitted.push(ADDRESS)
    assert files["README.md"] == b"another"
    del files["README.md"]
    fitted.push(ADDRESS)
    assert b"teacher" in files["README.md"]


def test_a_damaged_cache_is_fetched_again(hub: StubModelHub, fitted: Detector, tmp_path: Path) -> None:
    fitted.push(ADDRESS)
    ts.load(ADDRESS)
    (weights,) = (tmp_path / "cache").glob("models--*/snapshots/*/weights.safetensors")
    weights.resolve().write_bytes(b"short")
    assert ts.load(ADDRESS).score(image()).image.tolist() == fitted.score(image()).image.tolist()


def test_an_address_is_no_place_to_save(
    fitted: Detector, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BundleError, match="twinspect push"):
        fitted.save(ADDRESS)
    assert not list(tmp_path.iterdir())


def test_exports_with_paths_of_this_machine_are_left_out(
    hub: StubModelHub, fitted: Detector, tmp_path: Path
) -> None:
    path = saved_with_export(fitted, tmp_path, {"model.onnx": b"..pkg.torch.onnx.stack_trace../home/a/x.py"})
    with pytest.warns(UserWarning, match="export it again"):
        push_folder(path, ADDRESS)
    assert not [name for name in hub.repositories["plant/stripes"] if "exports" in name]


def test_a_refusal_says_how_to_log_in(hub: StubModelHub, fitted: Detector) -> None:
    hub.writable = False
    with pytest.raises(BundleError, match=r"did not take the model \(.*401.*hf auth login"):
        fitted.push(ADDRESS)


def test_what_is_no_model_is_called_that(hub: StubModelHub) -> None:
    hub.repositories["plant/stripes"] = {"README.md": b"hello"}
    with pytest.raises(BundleError, match="hf://plant/stripes"):
        ts.load(ADDRESS)


@pytest.mark.parametrize(
    "wrong",
    [
        "hf://",
        "hf://plant",
        "hf://a/b/c",
        "hf://a/b@",
        "hf://a b/c",
        "hf://a/../b",
        "hf://a/..",
        "hf://../..",
        "hf://a/-x",
    ],
)
def test_addresses_that_are_none(wrong: str) -> None:
    with pytest.raises(ConfigError, match="allowed is hf://OWNER/NAME"):
        HubAddress.parse(wrong)


def test_a_revision_is_read_and_not_pushed_to(fitted: Detector) -> None:
    assert HubAddress.parse("hf://plant/stripes@v1.2") == ("plant/stripes", "v1.2")
    with pytest.raises(ConfigError, match="leave out @v1"):
        fitted.push("hf://plant/stripes@v1")


def test_the_command_line_pushes_and_scores(
    hub: StubModelHub, fitted: Detector, parts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fitted.save(tmp_path / "m.twin")
    assert main(["push", str(tmp_path / "m.twin"), ADDRESS, "--public"]) == 0
    assert f"pushed to {hub.endpoint}/plant/stripes" in capsys.readouterr().out
    assert hub.private == {"plant/stripes": False}
    shutil.rmtree(tmp_path / "m.twin")
    assert main(["inspect", ADDRESS]) == 0
    assert fitted.calibration_.promise() in capsys.readouterr().out
    assert main(["score", ADDRESS, str(parts / "test" / "good"), "--out", str(tmp_path / "s.csv")]) == 0
    assert (tmp_path / "s.csv").read_text().count("\n") == 7


@pytest.mark.parametrize("verb", [["serve"], ["calibrate"], ["export", "--to", "onnx"]])
def test_verbs_that_keep_a_model_ask_for_a_folder(
    verb: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([verb[0], ADDRESS, *verb[1:]]) == 2
    assert "hf download plant/stripes --local-dir stripes.twin" in capsys.readouterr().err
