"""The candidates of a comparison: a method with a teacher and settings, as ``METHOD[@TEACHER][:NAME=VALUE]...``."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from twinspect.errors import ConfigError, unknown_name
from twinspect.methods import default, methods
from twinspect.methods.config import hints, parse_setting
from twinspect.methods.default import AUTO
from twinspect.methods.input_size import parse_size
from twinspect.methods.settings import config_class

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from twinspect.methods.config import MethodConfig

DEFAULT: Final = "default"
"""The candidate that is fitted where no method is named."""
USUAL: Final = (DEFAULT, "patchcore", "padim", "stfpm", "efficientad", "rd:size=128")
"""What is compared where nobody says what: methods that are of use after a minute."""
GRAMMAR: Final = "METHOD, METHOD@TEACHER or METHOD@TEACHER:size=128:tile=256 (in lists + instead of a comma)"
LENGTHS: Final = ("length", "steps", "epochs", "minutes")
"""Options of which one says how long a candidate is fitted."""
_OPTIONS: Final[dict[str, Callable[[str], Any]]] = {
    "weights": str,
    "layers": lambda text: [int(number) for number in text.split("+")],
    "preset": lambda text: text.replace("+", ","),
    "size": parse_size,
    "tile": int,
    "overlap": int,
    "length": str,
    "steps": int,
    "epochs": int,
    "minutes": float,
    "precision": str,
}
"""Parameters of a detector that candidates may differ in, and how they are read. All others are the same for all."""


@dataclass(frozen=True)
class Candidate:
    """One of several ways to fit a detector.

    Attributes:
        text: what was typed.
        parameters: arguments of :class:`twinspect.Detector` in which it differs from others.
    """

    text: str
    parameters: dict[str, Any]

    @property
    def file_name(self) -> str:
        """A name for its files: readable, and valid on every system."""
        return re.sub(r"[^\w.+@=-]+", "-", self.text.replace("\\", "/").replace("/", "-")).strip("-.")[:100]

    def joined(self, shared: Mapping[str, Any]) -> dict[str, Any]:
        """Join its parameters with those that all have; its own length takes the place of theirs."""
        own_length = any(name in self.parameters for name in LENGTHS)
        kept = {name: value for name, value in shared.items() if not (own_length and name in LENGTHS)}
        return {**kept, **self.parameters}


def parse_candidates(texts: str | Sequence[str] | None) -> list[Candidate]:
    """Read candidates.

    Args:
        texts: several, or one text with commas between them; ``None`` for the usual ones.

    Raises:
        ConfigError: one is not of the form of :data:`GRAMMAR`, or names a method or setting that there is not.
    """
    if texts is None:
        texts = _usual()
    parts = texts.split(",") if isinstance(texts, str) else texts
    candidates = [_parse(text) for text in dict.fromkeys(part.strip() for part in parts)]
    names = [candidate.file_name for candidate in candidates]
    if clash := next((name for name in names if names.count(name) > 1), None):
        raise ConfigError(
            f"two candidates would both be kept as {clash}; give one of them another path or name"
        )
    return candidates


def _usual() -> list[str]:
    known = {DEFAULT, *methods()} - {default.USUAL.method}
    return [text for text in USUAL if text.partition(":")[0] in known]


def _parse(text: str) -> Candidate:
    head, *options = (part.strip() for part in text.split(":"))
    method, at, teacher = head.partition("@")
    if not method or bool(at) != bool(teacher):
        raise ConfigError(f"candidate {text!r}: expected {GRAMMAR}")
    if method == AUTO:
        raise ConfigError(f"candidate {text!r}: {AUTO} compares methods itself; name one, or {DEFAULT}")
    named = None if method == DEFAULT else method
    config = config_class(named)
    parameters: dict[str, Any] = {"method": named, **({"teacher": teacher} if at else {})}
    for option in options:
        name, equals, value = option.partition("=")
        if not equals:
            raise ConfigError(f"candidate {text!r}: {option!r} is no NAME=VALUE; expected {GRAMMAR}")
        parameters[name.replace("-", "_")] = _value(config, name.replace("-", "_"), value, text)
    return Candidate(text, parameters)


def _value(config: type[MethodConfig], name: str, value: str, text: str) -> Any:
    if name in _OPTIONS:
        try:
            return _OPTIONS[name](value)
        except ConfigError as error:
            raise ConfigError(f"candidate {text!r}: {error}") from None
        except ValueError:
            raise ConfigError(f"candidate {text!r}: {name} must be a number, got {value!r}") from None
    if name in hints(config):
        return parse_setting(config, name, value)
    raise unknown_name(f"option of candidate {text!r}:", name, {*_OPTIONS, *hints(config)})


def fit_command(data: Sequence[str], parameters: Mapping[str, Any], out: str = "best.twin") -> str:
    """Write the command that fits a detector with these parameters.

    Args:
        data: the words that name the images.
        parameters: of the detector.
        out: the model.
    """
    options = [
        part
        for name, value in {"method": None, **parameters}.items()
        if value is not None
        for part in (f"--{name.replace('_', '-')}", _as_text(value))
    ]
    return shlex.join(["twinspect", "fit", *data, "--out", out, *options])


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
