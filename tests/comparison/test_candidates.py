"""What may be typed as a candidate, and the command that takes one."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

import twinspect as ts
from twinspect.cli.parser import build_parser
from twinspect.comparison.candidates import USUAL, fit_command, parse_candidates
from twinspect.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("rd", {"method": "rd"}),
        ("default", {"method": None}),
        ("rd@pocket", {"method": "rd", "teacher": "pocket"}),
        (
            "aand@resnet18:size=128:layers=0+1:preset=paper+base:amplify-steps=3:learning_rate=1e-4",
            {
                "method": "aand",
                "teacher": "resnet18",
                "size": 128,
                "layers": [0, 1],
                "preset": "paper,base",
                "amplify_steps": 3,
                "learning_rate": 1e-4,
            },
        ),
    ],
)
def test_a_candidate_is_a_method_with_teacher_and_settings(text: str, parameters: dict[str, Any]) -> None:
    (candidate,) = parse_candidates(text)
    assert candidate.parameters == parameters
    ts.Detector(**{**candidate.parameters, "device": "cpu"}).config()


def test_several_are_separated_by_commas_and_kept_once() -> None:
    assert [candidate.text for candidate in parse_candidates("rd, mkd ,rd")] == ["rd", "mkd"]
    assert [candidate.text for candidate in parse_candidates(["rd", "mkd"])] == ["rd", "mkd"]


def test_the_usual_ones_are_those_that_there_are() -> None:
    texts = [candidate.text for candidate in parse_candidates(None)]
    assert texts[0] == "default"
    assert "patchcore" in texts
    assert set(texts) <= set(USUAL)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected METHOD"),
        ("rd@", "expected METHOD"),
        ("rdd", "rd"),
        ("rd:size", "no NAME=VALUE"),
        ("rd:size=big", "HEIGHTxWIDTH such as 256x512"),
        ("rd:sise=3", "size"),
        ("rd:seed=3", "no option of candidate .* did you mean"),
        ("rd:weights=a/b,rd:weights=a-b", "both be kept as"),
    ],
)
def test_mistakes_are_named(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_candidates(text)


def test_its_own_length_takes_the_place_of_the_minutes() -> None:
    (candidate,) = parse_candidates("rd:steps=3")
    assert candidate.joined({"minutes": 1.0, "seed": 2}) == {"method": "rd", "steps": 3, "seed": 2}
    (candidate,) = parse_candidates("rd:size=64")
    assert candidate.joined({"minutes": 1.0})["minutes"] == 1.0


def test_the_command_fits_the_same() -> None:
    (candidate,) = parse_candidates("rd@pocket:size=64:layers=0+1")
    command = fit_command(["my parts"], candidate.joined({"minutes": 2.0, "seed": 3}))
    options = build_parser().parse_args(shlex.split(command)[1:])
    assert (options.data, options.method, options.teacher) == ("my parts", "rd", "pocket")
    assert (options.size, options.layers, options.minutes, options.seed) == (64, [0, 1], 2.0, 3)


def test_the_files_of_a_candidate_have_valid_names() -> None:
    (candidate,) = parse_candidates(r"rd@pocket:weights=C\a b/w?.pth")
    assert set(r'\/:*?"<>| ').isdisjoint(candidate.file_name)
