"""The installation that only scores exports: any other verb says in one line what it needs, and what to type."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from twinspect.cli import _missing_package
from twinspect.cli.parser import VERBS

if TYPE_CHECKING:
    from pathlib import Path

ABSENT = (
    *("torch", "timm", "lightning_fabric", "torchvision", "safetensors", "scipy", "skimage", "tifffile"),
    *("pyarrow", "matplotlib", "jinja2", "markupsafe", "psutil", "cachetools", "tomli"),
)
RUN = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {ABSENT}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
from twinspect.cli import main
sys.exit(main(sys.argv[1:]))
"""
ARGUMENTS = {
    "demo": ["--out", "OUT"],
    "doctor": ["IMAGES"],
    "fit": ["IMAGES", "--out", "OUT"],
    "fit-many": ["MANIFEST", "--out", "OUT"],
    "score": ["MODEL", "IMAGES"],
    "plan": ["MODEL", "IMAGES"],
    "compare": ["IMAGES", "--out", "OUT"],
    "evaluate": ["MODEL", "IMAGES", "--out", "OUT"],
    "inspect": ["MODEL"],
    "calibrate": ["MODEL", "IMAGES"],
    "export": ["MODEL", "--to", "onnx"],
    "push": ["MODEL", "hf://owner/name"],
    "join": ["MODEL", "MODEL", "--out", "OUT"],
    "serve": ["MODEL", "--data", "OUT"],
    "studio": ["OUT"],
    "update": ["MODEL", "--good", "IMAGES", "--out", "OUT"],
    "watch": ["IMAGES", "--model", "MODEL", "--data", "OUT"],
    "synth": ["IMAGES", "--out", "OUT"],
    "benchmark": ["mvtec", "--data", "IMAGES", "--out", "OUT"],
    "methods": [],
    "teachers": [],
}
"""Verbs that need more than the light installation; `download`, `wheels` and `completion` may need nothing."""


def test_every_verb_is_here() -> None:
    assert {verb.name for verb in VERBS} <= {*ARGUMENTS, "download", "completion", "wheels"}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("light")
    (folder / "images").mkdir()
    for number in range(3):
        Image.new("RGB", (64, 48), (9, 80, 20 * number)).save(folder / f"images/{number}.png")
    (folder / "table.csv").write_text(f"name,data\na,{folder / 'images'}\n")
    (folder / "m.twin").mkdir()
    (folder / "m.twin/model.json").write_text("{}")
    return folder


@pytest.mark.parametrize("verb", ARGUMENTS)
def test_one_line_names_what_to_install(place: Path, verb: str) -> None:
    names = {"IMAGES": "images", "MANIFEST": "table.csv", "MODEL": "m.twin", "OUT": "out"}
    arguments = [str(place / names[each]) if each in names else each for each in ARGUMENTS[verb]]
    ran = subprocess.run(
        [sys.executable, "-c", RUN, verb, *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    assert "Traceback" not in ran.stderr, ran.stderr[-600:]
    if ran.returncode == 0:  # it needs none of them
        return
    assert ran.returncode == 2
    assert ran.stderr.startswith("twinspect: error: ")
    assert ran.stderr.count("\n") == 1, ran.stderr


def test_a_module_of_our_own_is_a_bug() -> None:
    with pytest.raises(ModuleNotFoundError):
        _missing_package("fit", ModuleNotFoundError("gone", name="twinspect.gone"))


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 52613349376 bytes"),
        ImportError("x.so: failed to map segment from shared object", name="x", path="/lib/x.so"),
    ],
)
def test_too_little_memory_is_one_line(error: Exception, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise error

    monkeypatch.setattr("twinspect.cli.methods.run", refuse)
    code, out, err = run("methods")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "not enough memory" in err


def test_what_we_fail_to_import_of_ourselves_is_a_bug(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise ImportError("cannot import name 'gone'", name="twinspect.errors", path="/src/errors.py")

    monkeypatch.setattr("twinspect.cli.methods.run", refuse)
    with pytest.raises(ImportError, match="gone"):
        run("methods")
