"""Method settings: flat frozen dataclasses whose field docstrings are the help texts.

This module does not import torch.
"""

from __future__ import annotations

import ast
import inspect
import math
import textwrap
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, get_args, get_origin, get_type_hints

from twinspect.errors import ConfigError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Collection

    from typing_extensions import Self

LARGEST = 2**53
"""The largest integer that a setting may be: not all above are exact in JSON."""
PAPER = "paper"
"""Name of the preset that has the authors' lengths."""


@dataclass(frozen=True)
class MethodConfig:
    """Settings of every method; a method adds its own and may override the defaults."""

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {}
    """Named sets of settings. One called "paper" has the authors' lengths; where it exists, the defaults are quick
    settings for a CPU, and on other devices "paper" is the default."""

    TEACHERS: ClassVar[tuple[str, str]] = ("resnet18", "resnet18")
    """The default teacher: on a CPU, and on other devices."""

    EARLIER: ClassVar[dict[str, Any]] = {}
    """What settings that were added later amount to in a model whose record lacks them."""

    size: int = 256
    """side of the square that the teacher sees, in pixels; images are resized to it"""
    crop: int = 0
    """side of the centre cut out after resizing, in pixels; 0 keeps the whole image"""
    resize: Literal["bilinear", "bicubic"] = "bilinear"
    """interpolation of the resizing, antialiased either way"""
    normalize: bool = True
    """subtract the teacher's mean and divide by its standard deviation; off means values in 0..1"""
    steps: int = 2000
    """optimiser steps; ignored where epochs is given"""
    epochs: int = 0
    """passes over the training images; 0 uses steps instead"""
    batch_size: int = 16
    """images per optimiser step"""
    learning_rate: float = 1e-3
    """step size of the optimiser"""

    def __post_init__(self) -> None:
        """Check every field, so that no wrong setting fails in the middle of a training."""
        for name, hint in hints(type(self)).items():
            _check(type(self), name, hint, getattr(self, name))
        for name in ("size", "batch_size", "learning_rate"):
            _require(getattr(self, name) > 0, name, getattr(self, name), "a number above 0")
        for name in ("crop", "epochs", "steps"):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "0 or more")
        _require(self.steps > 0 or self.epochs > 0, "steps", self.steps, "above 0 where epochs is 0")
        _require(self.crop <= self.size, "crop", self.crop, f"at most size, which is {self.size}")

    def total_steps(self, images: int) -> int:
        """Count the optimiser steps of a fit on so many images, all stages together."""
        return count_steps(images, self.steps, self.epochs, self.batch_size)

    def of_length(
        self,
        length: int,
        field: Literal["steps", "epochs"],
        given: Collection[str] = (),  # noqa: ARG002 - for methods of several stages
    ) -> Self:
        """Return the settings for a fit of that length, all stages together.

        Args:
            length: optimiser steps or passes over the images.
            field: which of the two.
            given: names of the settings that were chosen, which a method of several stages keeps.

        Raises:
            ConfigError: too short for all stages.
        """
        lengths: dict[str, Any] = {"epochs": 0, field: length}
        return replace(self, **lengths)


ConfigT = TypeVar("ConfigT", bound=MethodConfig)


def make_config(cls: type[ConfigT], preset: str | None, settings: dict[str, Any]) -> ConfigT:
    """Build a method's settings from a preset and single settings, which take precedence.

    Raises:
        ConfigError: an unknown preset or setting, or a value that is not allowed.
    """
    if preset is not None and preset not in cls.PRESETS:
        raise unknown_name("preset", preset, cls.PRESETS)
    types = hints(cls)
    for name in settings:
        if name not in types:
            raise unknown_name("setting", name, types)
    values = {**(cls.PRESETS[preset] if preset else {}), **settings}
    return replace(cls(), **values)


def config_of_record(cls: type[ConfigT], record: dict[str, Any]) -> ConfigT:
    """Restore a model's settings from its record; an older one lacks those that were added since.

    Raises:
        ConfigError: an unknown setting, or a value that is not allowed.
    """
    return make_config(cls, None, {**cls.EARLIER, **record})


def with_length(
    config: ConfigT, *, steps: int | None, epochs: int | None, given: Collection[str] = ()
) -> ConfigT:
    """Set how long to train, all stages together, in steps or in epochs.

    Args:
        config: settings of a method.
        steps: optimiser steps; ``None`` if they were not asked for.
        epochs: passes over the training images, instead of steps.
        given: names of the settings that were chosen one by one.

    Raises:
        ConfigError: both were given, or it is too short for all stages.
    """
    if steps is not None and epochs is not None:
        raise ConfigError(f"got both steps={steps} and epochs={epochs}; give one of them")
    for name, value in (("steps", steps), ("epochs", epochs)):
        if value is not None and value < 1:
            raise ConfigError(f"{name} must be 1 or more, got {value}")
    if steps is not None:
        return config.of_length(steps, "steps", given)
    return config if epochs is None else config.of_length(epochs, "epochs", given)


def usual_preset(cls: type[MethodConfig], *, on_cpu: bool) -> str | None:
    """Return the default preset: the authors' lengths, unless on a CPU, where these would take days."""
    return PAPER if PAPER in cls.PRESETS and not on_cpu else None


def usual_teacher(cls: type[MethodConfig], *, on_cpu: bool) -> str:
    """Return the name of the default teacher."""
    return cls.TEACHERS[0 if on_cpu else 1]


def shortfall(config: MethodConfig, images: int, of: str = "images") -> str:
    """State by how much a fit on so many images is shorter than the authors'; empty where it is not."""
    if PAPER not in config.PRESETS:
        return ""
    steps, authors = config.total_steps(images), replace(config, **config.PRESETS[PAPER]).total_steps(images)
    if steps >= authors:
        return ""
    return (
        f"quick settings: {steps} steps, where the authors' lengths would be {authors} on {images} {of} "
        f"({authors / steps:.3g} times as long): --preset {PAPER}"
    )


def count_steps(images: int, steps: int, epochs: int, batch_size: int) -> int:
    """Count optimiser steps: epochs, whose last batch may be smaller than the others, or else ``steps``."""
    return epochs * max(1, math.ceil(images / batch_size)) if epochs else steps


def to_record(config: MethodConfig) -> dict[str, Any]:
    """Return the settings as plain JSON values."""
    return asdict(config)


def hints(cls: type[MethodConfig]) -> dict[str, Any]:
    """Return the type of every field, in the order they are declared."""
    types = get_type_hints(cls)
    return {field.name: types[field.name] for field in fields(cls)}


def field_help(cls: type[MethodConfig]) -> dict[str, str]:
    """Read the docstring of every field from the class's source.

    >>> field_help(MethodConfig)["batch_size"]
    'images per optimiser step'
    """
    texts: dict[str, str] = {}
    for owner in reversed(cls.__mro__[:-1]):
        texts |= vars(owner).get("HELP") or field_texts(_source(owner))
    return {name: texts.get(name, "") for name in hints(cls)}


def field_texts(node: ast.ClassDef) -> dict[str, str]:
    """Collect the docstrings of a class's fields."""
    texts: dict[str, str] = {}
    for statement, following in zip(node.body, node.body[1:], strict=False):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            text = _string(following)
            if text:
                texts[statement.target.id] = " ".join(text.split())
    return texts


def _source(cls: type) -> ast.ClassDef:
    node = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(node, ast.ClassDef)  # noqa: S101 - getsource of a class gives a class
    return node


def parse_setting(cls: type[MethodConfig], name: str, text: str) -> Any:
    """Convert the text of a command-line option to the field's type.

    Raises:
        ConfigError: the text cannot be converted, or is not one of the values that are allowed.
    """
    hint = hints(cls)[name]
    if hint is bool:
        words = {
            "true": True,
            "yes": True,
            "on": True,
            "1": True,
            "false": False,
            "no": False,
            "off": False,
            "0": False,
        }
        _require(text.lower() in words, name, text, "on or off")
        return words[text.lower()]
    if hint in (int, float):
        try:
            return hint(text)
        except ValueError:
            kind = "a whole number" if hint is int else "a number"
            raise ConfigError(f"{name} must be {kind}, got {text!r}") from None
    _check(cls, name, hint, text)
    return text


def _string(node: ast.stmt) -> str | None:
    if (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ):
        return node.value.value
    return None


def _check(cls: type[MethodConfig], name: str, hint: Any, value: Any) -> None:
    if get_origin(hint) is Literal:
        allowed = get_args(hint)
        _require(value in allowed, name, value, f"one of {', '.join(map(repr, allowed))}")
        return
    # An int is accepted as a float, but a bool is not accepted as a number, nor a number as a bool.
    matches = isinstance(value, (int, float) if hint is float else hint) and (hint is bool) == isinstance(
        value, bool
    )
    _require(matches, name, value, f"{hint.__name__} (a setting of {cls.__name__})")
    if hint is float:
        _require(math.isfinite(value), name, value, "a finite number")
    if hint is int:
        _require(abs(value) <= LARGEST, name, value, f"at most {LARGEST}")


def _require(condition: bool, name: str, value: Any, expected: str) -> None:
    if not condition:
        raise ConfigError(f"{name} must be {expected}, got {value!r}")
