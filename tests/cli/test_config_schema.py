"""The JSON schema of ``--config``: what it accepts, ``fit`` accepts, and what it refuses, ``fit`` refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from altered import altered
from trials import KINDS, Kind, seeds
from twinspect.calibration.conformal import check_kind, check_rate
from twinspect.cli.fit import build
from twinspect.cli.method_settings import add_settings
from twinspect.cli.parser import build_parser, verb_parser
from twinspect.errors import TwinspectError
from twinspect.images.reading import check_bit_count
from twinspect.methods.config import to_record
from twinspect.methods.settings import config_class
from twinspect.model.tiling import Tiling
from twinspect.utils.devices import choose_device, choose_precision
from twinspect.utils.distributed import check_process_counts
from twinspect.utils.toml import parse_toml

METHODS = ("auto", "rd", "aand", "dual", "mkd", "stfpm", "rdpp", "dinomaly", "padim", "patchcore")
ACROSS = re.compile(
    "opening must be odd|crop must be|overlap is|got both|is the total of both stages|steps must be above 0"
    "|no device|not allowed with"
)
"""What is left to ``fit``: it spans several names, or depends on the machine."""
EXAMPLE = {
    "seed": 3,
    "size": 128,
    "tile": 256,
    "overlap": 16,
    "layers": [1, 2],
    "cache_mb": 64,
    "false-alarm-rate": 0.1,
    "calibration": "cv",
    "precision": "fp32",
    "device": "cpu",
    "strict": True,
    "normal": ["cat", "dog"],
    "bits": 12,
    "learning_rate": 1,
    "batch_size": 4,
}


def schema(run: Any, method: str) -> dict[str, Any]:
    code, printed, _ = run("fit", "--method", method, "--config-schema")
    assert code == 0
    loaded: dict[str, Any] = json.loads(printed)
    jsonschema.Draft202012Validator.check_schema(loaded)
    return loaded


def refusal(settings: object, path: Path) -> str:
    """Do what ``fit`` does before it reads images; return its error, or nothing."""
    path.write_text(json.dumps(settings))
    arguments = ["fit", "parts", "--out", "m.twin", "--config", str(path)]
    parser = build_parser()
    try:
        add_settings(verb_parser(parser, "fit"), arguments)
        detector = build(parser.parse_args(arguments))
        detector.config()
        Tiling.of(detector.tile, detector.overlap)
        device = choose_device(detector.device)
        choose_precision(detector.precision, device)
        check_process_counts(device, detector.devices, detector.nodes, detector.strategy)
        if detector.calibration is not None:
            check_kind(detector.calibration)
        if detector.bits is not None:
            check_bit_count(detector.bits)
        if detector.false_alarm_rate is not None:
            check_rate(detector.false_alarm_rate)
    except TwinspectError as error:
        return str(error)
    except SystemExit as leaving:  # argparse has said why
        return f"exit code {leaving.code}"
    return ""


@pytest.mark.parametrize("method", METHODS)
def test_what_presets_and_records_hold_is_valid(method: str, run: Any) -> None:
    allowed, config = schema(run, method), config_class(method)
    for preset, settings in config.PRESETS.items():
        jsonschema.validate({"method": method, "preset": preset}, allowed)
        jsonschema.validate({"method": method, **settings}, allowed)
    jsonschema.validate({"method": method, **to_record(config()), "steps": 1, "epochs": None}, allowed)
    jsonschema.validate(EXAMPLE, allowed)


@pytest.mark.parametrize("method", METHODS)
def test_every_name_has_a_type_and_a_text(method: str, run: Any) -> None:
    for name, said in schema(run, method)["properties"].items():
        assert said.keys() & {"type", "enum", "anyOf", "const"}, name
        assert said["description"], name


def sweep(method: str, allowed: dict[str, Any], path: Path, seeds: range) -> int:
    """Compare the schema with ``fit`` on altered files; return how many both refuse."""
    start = {"method": method, **EXAMPLE, **to_record(config_class(method)()), "steps": 5, "epochs": None}
    start |= {"size": 256}
    check, refused = jsonschema.Draft202012Validator(allowed), 0
    tried = KINDS.setdefault("--config files, against the schema", Kind())
    for seed in seeds:
        changed = altered(start, seed)
        if "NaN" in json.dumps(changed) or "Infinity" in json.dumps(changed):
            continue  # neither JSON nor TOML of people
        if not isinstance(changed, dict) or changed.get("method") != method:
            continue
        is_valid, said = check.is_valid(changed), refusal(changed, path)
        assert "\n" not in said
        assert is_valid == (not said) or (is_valid and ACROSS.search(said)), (seed, changed, said)
        refused += not is_valid
        tried.inputs += 1
        tried.refused += bool(said)
    return refused


@pytest.mark.parametrize("method", METHODS[1:])
@seeds(30, 500)
def test_the_schema_agrees_with_fit_on_altered_files(
    method: str, seeds: range, run: Any, tmp_path: Path
) -> None:
    assert sweep(method, schema(run, method), tmp_path / "c.json", seeds) > len(seeds) / 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"sigmaa": 1.0},
        {"method": "rd"},
        {"preset": "mvtec"},
        {"dropout": 1.0},
        {"branch": "all"},
        {"tile": 31},
        {"size": 70_000},
        {"seed": 2**63},
        {"false_alarm_rate": 0},
        {"normal": 3},
        {"strict": "yes"},
        {"config": "other.toml"},
        {"verb": "score"},
    ],
)
def test_wrong_files_are_refused_by_both(wrong: dict[str, object], run: Any, tmp_path: Path) -> None:
    wrong_file = {"method": "dual", **wrong}
    assert not jsonschema.Draft202012Validator(schema(run, "dual")).is_valid(wrong_file)
    assert "method" in wrong or refusal(wrong_file, tmp_path / "c.json")


MISTAKES = [
    ("c.toml", "sigmaa = 1.0", "no option 'sigmaa'; did you mean 'sigma'?"),
    ("c.toml", "[fit]\nsteps = 3", "fit is a section ([fit]), and options have none: write them at the top"),
    ("c.toml", "[[model]]\nsteps = 3", "model is a section ([[model]]), and options have none"),
    ("c.json", '{"fit": {"steps": 3}}', "fit is a section ([fit])"),
    ("c.toml", 'method = "rd"\ncloner = true', "cloner is a setting of mkd, not of rd"),
    ("c.toml", 'method = "rdd"', "no method 'rdd'; did you mean 'rd'?"),
    ("c.toml", 'method = "mkd"\npreset = "mvtek"', "no preset 'mvtek'; did you mean 'mvtec'?"),
    ("c.toml", "cache-mb = 3\ncache_mb = 4", "cache_mb is given twice; keep one of them"),
    ("c.json", '{"seed": 3, "seed": 4}', "seed is given twice; keep one of them"),
    ("c.toml", "seed = 3\nseed = 4", "neither TOML nor, if named .json, JSON: "),
    ("c.toml", "tile = 31", "tile must be int >= 32, got 31"),
    ("c.toml", "false-alarm-rate = 0", "false_alarm_rate must be float > 0.0, got 0"),
    ("c.toml", 'calibration = "none"', "calibration must be one of split, cv, got 'none'"),
    ("c.toml", 'device = "tpu"', "device must be auto, cpu, cuda or mps, got 'tpu'"),
    ("c.toml", 'precision = "fp8"', "precision must be one of auto, fp32, bf16, fp16, got 'fp8'"),
    ("c.toml", 'length = "long"', "length must be one of quick, paper, got 'long'"),
    ("c.toml", "seed = -1", "seed: expected `int` >= 0"),
    ("c.toml", "sigma = -1.0", "sigma must be"),
    ("c.toml", "strict = 1", "strict must be true or false, got 1"),
    ("c.toml", 'normal = "cat,,dog"', "normal: expected names of classes such as cat,dog, got 'cat,,dog'"),
    ("c.json", "[1]", "must hold options by name, got a list"),
]


@pytest.mark.parametrize(("name", "content", "said"), MISTAKES)
def test_a_mistake_names_the_file(run: Any, tmp_path: Path, name: str, content: str, said: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    code, _, err = run("fit", "parts", "--out", tmp_path / "m.twin", "--config", path)
    assert code == 2
    assert err.startswith(f"twinspect: error: --config {path}: {said}")
    assert err.count("\n") == 1


def test_a_mistake_of_the_command_line_does_not(run: Any, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("steps = 3\n")
    for wrong in (("--method", "rdd"), ("--method", "mkd", "--preset", "mvtek")):
        _, _, err = run("fit", "parts", "--out", tmp_path / "m", "--config", tmp_path / "c.toml", *wrong)
        assert err.startswith("twinspect: error: no ")


def test_both_spellings_of_a_name_are_refused_by_the_schema(run: Any) -> None:
    assert not jsonschema.Draft202012Validator(schema(run, "rd")).is_valid({"cache-mb": 3, "cache_mb": 3})


def test_the_file_of_the_docs_is_right(run: Any, tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "reference" / "config_file.md").read_text(encoding="utf-8")
    found = re.search("```toml\n(.*?)```", text, re.DOTALL)
    assert found
    jsonschema.validate(parse_toml(found[1]), schema(run, "aand"))
    assert refusal(parse_toml(found[1]), tmp_path / "c.json") == ""
