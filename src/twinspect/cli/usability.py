"""What a fit says of the defects that its model would find, and what to do where it finds next to nothing."""

from __future__ import annotations

import shlex
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from twinspect.cli.training_time import in_words
from twinspect.methods.config import hints, is_length
from twinspect.methods.default import is_named
from twinspect.methods.input_size import sides, spelled
from twinspect.methods.settings import config_class

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from twinspect.calibration.conformal import Calibration
    from twinspect.detector import Detector

LONGER: Final = 4
"""Times the steps that are suggested."""
FEWEST_STEPS: Final = 100
LARGER_SIZE: Final = 256
OTHER_METHOD: Final = {"rd": "mkd"}
"""The method to try next; rd, where it is not that already."""


NOT_USABLE: Final = (
    "NOT USABLE YET: it finds 9 of 10 of no kind, however large; fit again on larger images (--size), longer "
    "(--minutes), with more good images or by another method, or accept more false alarms (twinspect calibrate)"
)
_REPLACED: Final = ("--method", "--preset", "--size", "--length", "--minutes")
EXCLUDE: Final = "--exclude-suspects"
_FLAGS: Final = ("--overwrite", "--resume", "--restart", "--json")


def warning(detector: Detector, arguments: Sequence[str], seconds: float) -> str:
    """Say that a model is not usable yet, with commands that may help; empty where it is.

    Args:
        detector: fitted, with the defects that were tried.
        arguments: as they were typed after ``twinspect``.
        seconds: what the fit took.
    """
    tried = detector.detectability_
    if tried is None or not tried.is_useless(detector.calibration_):
        return ""
    return "\n".join(
        [
            "NOT USABLE YET: it finds 9 of 10 of no kind, however large. Try:",
            *_without_suspects(detector.calibration_, arguments),
            *(
                f"  {what}: {retyped(arguments, how, _dropped(detector, how))}{took}"
                for what, how, took in _remedies(detector, seconds)
            ),
            "  or more good images; or more false alarms: twinspect calibrate --help",
        ]
    )


def _without_suspects(calibration: Calibration, arguments: Sequence[str]) -> list[str]:
    """Where a good image far above the others sets the threshold, say how to fit without such images."""
    names = [name for name, score in calibration.suspects() if score == calibration.threshold]
    if not names or EXCLUDE in arguments:
        return []
    kept = [argument for argument in arguments if argument not in _FLAGS]
    typed = shlex.join(["twinspect", *kept, EXCLUDE, "--overwrite"])
    return [f"  without images that look unlike the others, as {names[0]} may: {typed}"]


def retyped(
    arguments: Sequence[str], changes: Sequence[str], dropped: Mapping[str, type] = MappingProxyType({})
) -> str:
    """Repeat a fit as it was typed, with other options in place of its length, size and method.

    Args:
        arguments: as they were typed after ``twinspect``.
        changes: the other options.
        dropped: settings that are left out, and their types: switches take no value.

    >>> retyped(["fit", "my parts", "--steps", "2", "--seed=3", "--out", "m.twin"], ["--steps", "400"])
    "twinspect fit 'my parts' --seed=3 --out m.twin --steps 400 --overwrite"
    >>> retyped(["fit", "my_steps", "--amplify-epochs", "2", "--epochs=9"], ["--steps", "400"])
    'twinspect fit my_steps --steps 400 --overwrite'
    >>> retyped(["fit", "--members", "9", "--no-flat", "parts"], ["--method", "rd"], {"members": int, "flat": bool})
    'twinspect fit parts --method rd --overwrite'
    """
    kept: list[str] = []
    is_value = False
    for argument in arguments:
        name = argument.partition("=")[0]
        setting = name[2:].replace("-", "_") if name.startswith("--") else ""
        is_switch = dropped.get(setting.removeprefix("no_")) is bool
        is_replaced = name in _REPLACED or (setting and is_length(name)) or setting in dropped
        if is_value or is_replaced or is_switch or argument in _FLAGS:
            is_value = is_replaced and name == argument and not is_switch
            continue
        kept.append(argument)
    return shlex.join(["twinspect", *kept, *changes, "--overwrite"])


def _dropped(detector: Detector, changes: Sequence[str]) -> dict[str, type]:
    """List the settings that the method of other options lacks, with their types."""
    if "--method" not in changes:
        return {}
    other = hints(config_class(changes[changes.index("--method") + 1]))
    now = hints(config_class(detector.method_name))
    return {name: kind for name, kind in now.items() if name not in other}


def _remedies(detector: Detector, seconds: float) -> list[tuple[str, list[str], str]]:
    """List what may help, with the options to type and about how long it takes."""
    steps = sum(map(len, detector.losses_.values()))
    if not steps:
        return _remedies_without_steps(detector)
    size = detector.model_.method.config.size
    larger, times_larger = _larger(size)
    longer = max(FEWEST_STEPS, LONGER * steps)
    least = max(FEWEST_STEPS, steps)
    now, other = _as_now(detector), OTHER_METHOD.get(detector.method_name, "rd")
    times = [times_larger * least / steps, longer / steps]
    took = [f"  (about {in_words(seconds * factor)})" for factor in times]
    return [
        ("larger", [*now, "--size", str(larger), "--steps", str(least)], took[0]),
        ("longer", [*now, "--size", str(size), "--steps", str(longer)], took[1]),
        ("another method", ["--method", other], ""),
    ]


def _remedies_without_steps(detector: Detector) -> list[tuple[str, list[str], str]]:
    """List what may help a method that does not learn in steps."""
    larger = str(_larger(detector.model_.method.config.size)[0])
    return [
        ("larger", [*_as_now(detector), "--size", larger], ""),
        ("another method", ["--method", "rd"], ""),
    ]


def _larger(size: int | str) -> tuple[int | str, float]:
    """Give a larger size of the same shape, and how many times as many pixels it has."""
    height, width = sides(size)
    factor = LARGER_SIZE / height if height == width < LARGER_SIZE else 2
    return spelled(round(factor * height), round(factor * width)), factor**2


def _as_now(detector: Detector) -> list[str]:
    """Name the method and the presets that were named; the default for as many images has settings of its own."""
    method = ["--method", detector.method_name] if is_named(detector.method) else []
    return [*method, *(["--preset", detector.preset] if detector.preset else [])]
