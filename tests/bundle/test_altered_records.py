"""Records that were edited, their digests made anew: they work, or are refused in a line that names the file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import twinspect as ts
from altered import altered, flipped
from trials import seeds, trying
from twinspect.bundle.checksummed_json import dump_checksummed
from twinspect.bundle.schema import (
    CalibrationRecord,
    NetworksRecord,
    RecordError,
    check_parameters,
    convert,
    parse,
)
from twinspect.errors import BundleError, ConfigError

OLD = Path(__file__).parent.parent / "bundles"
IMAGE = np.zeros((1, 64, 64, 3), dtype=np.uint8)


def load_altered(folder: Path, record: object, seed: int) -> None:
    """Load a model whose record was altered and score with it."""
    changed = altered(record, seed)
    assert isinstance(changed, dict)
    own = {name: value for name, value in changed.items() if name not in ("digest", "format", "twinspect")}
    (folder / "model.json").write_bytes(dump_checksummed(own))
    detector = ts.load(folder)
    detector.score(IMAGE, maps=False)
    detector.calibration_.promise()


@pytest.mark.parametrize("name", ["aand", "mkd_tiles", "rd_or_dual"])
@seeds(40, 2000)
def test_an_altered_record_works_or_is_refused(name: str, seeds: range, tmp_path: Path) -> None:
    record = json.loads((OLD / name / "model.json").read_text())
    folder = shutil.copytree(OLD / name, tmp_path / "m.twin")
    ts.load(folder).score(IMAGE, maps=False)  # imports what takes long
    with trying("records of models") as trial:
        refused = sum(
            bool(trial.refusal(seed, lambda seed=seed: load_altered(folder, record, seed)))  # type: ignore[misc]
            for seed in seeds
        )
    assert refused > len(seeds) / 2


def test_a_network_that_would_fill_the_memory_is_not_built(tmp_path: Path) -> None:
    record = json.loads((OLD / "aand" / "model.json").read_text())
    folder = shutil.copytree(OLD / "aand", tmp_path / "m.twin")
    record["teacher"]["levels"][1]["channels"] = 1_000_000_000
    own = {name: value for name, value in record.items() if name not in ("digest", "format", "twinspect")}
    (folder / "model.json").write_bytes(dump_checksummed(own))
    with pytest.raises(BundleError, match=r"teacher\.levels\[1\]\.channels: expected `int` <= 8192"):
        ts.load(folder)


@pytest.mark.parametrize("seed", range(30))
def test_a_damaged_file_is_refused(seed: int, tmp_path: Path) -> None:
    folder = shutil.copytree(OLD / "mkd_tiles", tmp_path / "m.twin")
    for name in ("model.json", "weights.safetensors")[seed % 2 :: 2]:
        (folder / name).write_bytes(flipped((folder / name).read_bytes(), seed))
    with pytest.raises(BundleError):
        ts.load(folder)


def test_the_error_names_file_and_field(tmp_path: Path) -> None:
    folder = shutil.copytree(OLD / "mkd_tiles", tmp_path / "m.twin")
    record = json.loads((folder / "model.json").read_text())
    record["calibration"]["scores"][2] = "high"
    own = {name: value for name, value in record.items() if name not in ("digest", "format", "twinspect")}
    (folder / "model.json").write_bytes(dump_checksummed(own))
    with pytest.raises(
        BundleError, match=r"model\.json: calibration\.scores\[2\]: expected `float`, got `str`"
    ):
        ts.load(folder)


def test_json_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    folder = shutil.copytree(OLD / "mkd_tiles", tmp_path / "m.twin")
    (folder / "model.json").write_text("[" * 200_000)
    with pytest.raises(BundleError, match="not valid JSON"):
        ts.load(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scores": []}, "scores"),
        ({"scores": [float("nan"), 1.0]}, "scores"),
        ({"names": ["a"]}, "names has 1 values where scores has 2"),
        ({"looks": {"red": []}}, "red has 0 values where scores has 2"),
        ({"false_alarm_rate": 1}, "false_alarm_rate"),
        ({"kind": "other"}, "kind"),
        ({"map_range": [0, 1, 2]}, "map_range"),
    ],
)
def test_what_a_calibration_may_be(changes: dict[str, object], message: str) -> None:
    good = {
        "kind": "split",
        "false_alarm_rate": 0.5,
        "map_range": [0, 1],
        "scores": [0.5, 1],
        "names": ["a", "b"],
    }
    assert convert(good, CalibrationRecord).scores == [0.5, 1.0]
    with pytest.raises(RecordError, match=message):
        convert({**good, **changes}, CalibrationRecord)


@pytest.mark.parametrize(
    "parameters",
    [
        {"seed": 2**64},
        {"seed": None},
        {"cache_mb": -1},
        {"device": 3},
        {"layers": 1},
        {"workers": -1},
        {"nodes": 0},
    ],
)
def test_parameters_out_of_range_are_refused(parameters: dict[str, object]) -> None:
    (name,) = parameters
    with pytest.raises(ConfigError, match=f"^{name}: expected"):
        check_parameters(parameters)
    if name != "seed" or parameters["seed"] is not None:
        with pytest.raises(ConfigError, match=name):
            ts.Detector(**parameters).config()  # type: ignore[arg-type]


def test_fields_of_later_versions_are_left_alone() -> None:
    record = json.loads((OLD / "aand" / "model.json").read_text())
    assert convert({**record, "later": {"a": [1]}}, NetworksRecord).method == "aand"


def test_text_that_is_no_json_is_no_record() -> None:
    with pytest.raises(RecordError, match="no valid JSON"):
        parse("{", CalibrationRecord)
