"""Method settings: flat frozen dataclasses whose field docstrings are the help texts.

This module does not import torch.
"""

from __future__ import annotations

import ast
import inspect
import math
import textwrap
from dataclasses import asdict, dataclass, fields, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, get_type_hints

from twinspect.errors import ConfigError, unknown_name
from twinspect.methods.former_names import as_named_now, is_former
from twinspect.methods.input_size import parse_size, sides
from twinspect.methods.setting_values import LARGEST as LARGEST  # noqa: PLC0414 - public here
from twinspect.methods.setting_values import Interval as Interval  # noqa: PLC0414 - public here
from twinspect.methods.setting_values import check_type, parse_value, require

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from typing_extensions import Self

QUICK, PAPER = "quick", "paper"
"""The lengths of a training: the defaults of a method, and the authors'. The preset ``paper`` has the latter."""
LENGTHS = (QUICK, PAPER)
LAST_STAGE = "distil"
"""The stage of every method whose length is its ``steps`` or ``epochs``."""
UNITS = ("steps", "epochs")
"""What lengths are counted in; the names of settings that are lengths end with one of them."""


@dataclass(frozen=True)
class MethodConfig:
    """Settings of every method; a method adds its own and may override the defaults."""

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {}
    """Named changes of the defaults. One that changes lengths stands for an experiment and has its length, unless
    another is asked for. One called "paper" is the paper's experiment: its lengths are those of all presets that
    have none where ``paper`` is the length, which it is by default on devices other than a CPU."""

    TEACHERS: ClassVar[tuple[str, str]] = ("resnet18", "resnet18")
    """The default teacher: on a CPU, and on other devices."""
    PAPER_TEACHER: ClassVar[str] = ""
    """The authors' teacher, which the preset "paper" takes unless another is named; empty: the default one."""
    CROSS_CONFORMAL_BELOW: ClassVar[int] = 0
    """Fewer good images than this serve training *and* calibration (``cv``) where nothing is asked for."""
    EARLIER: ClassVar[dict[str, Any]] = {}
    """What settings that were added later amount to in a model whose record lacks them."""

    RANGES: ClassVar[dict[str, str]] = {
        "crop": "[0, 65536]",
        "steps": "[0, inf)",
        "epochs": "[0, inf)",
        "batch_size": "[1, inf)",
        "learning_rate": "(0, inf)",
    }
    """Which numbers a field may be, as an interval; a method declares those of its own fields, and the configuration
    file's schema says them."""

    size: int | str = 256
    """side of the square that images are resized to, in pixels, or HEIGHTxWIDTH"""
    crop: int = 0
    """side of the centre cut out after resizing, in pixels; 0 keeps the whole image"""
    resize: Literal["squash", "letterbox"] = "squash"
    """how images of another shape are resized: squash stretches them to the size; letterbox keeps their shape, and
    the padding around them counts in nothing"""
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
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
        height, width = sides(self.size)
        for name, hint in hints(type(self)).items():
            check_type(name, hint, getattr(self, name), type(self).__name__)
        for name, interval in ranges(type(self)).items():
            require(interval.holds(getattr(self, name)), name, getattr(self, name), str(interval))
        require(self.steps > 0 or self.epochs > 0, "steps", self.steps, "above 0 where epochs is 0")
        if self.crop > min(height, width):
            raise ConfigError(
                f"crop must be at most size, which is {self.size}, got {self.crop}; to keep the whole image, type: "
                "--crop 0"
            )

    @property
    def input_sides(self) -> tuple[int, int]:
        """Height and width of what the teacher sees, in pixels."""
        return (self.crop, self.crop) if self.crop else sides(self.size)

    def held_out(self, images: Iterable[int]) -> dict[str, int]:  # noqa: ARG002 - for methods that measure themselves
        """Count the training images that stages hold out to measure themselves on.

        Args:
            images: how many there are of each category.

        Returns:
            By stage; those that hold out none may be missing.
        """
        return {}

    def total_steps(self, images: int, held_out: Mapping[str, int] | None = None) -> int:
        """Count the optimiser steps of a fit, all stages together.

        Args:
            images: how many there are to learn from.
            held_out: how many of them each stage holds out; ``None`` for what it does with images of one category.
        """
        held = self.held_out([images]) if held_out is None else held_out
        return count_steps(learnt_from(images, held, LAST_STAGE), self.steps, self.epochs, self.batch_size)

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


def make_config(
    cls: type[ConfigT], preset: str | None, settings: dict[str, Any], length: str | None = None
) -> ConfigT:
    """Build a method's settings from a preset, a length and single settings, which take precedence.

    Args:
        cls: the class of the settings.
        preset: its name, or several between commas, of which later ones take precedence; ``None`` for the defaults.
        settings: by name.
        length: one of :data:`LENGTHS`; ``None`` for the preset's own length, or else the default.

    Raises:
        ConfigError: an unknown preset, length or setting, or a value that is not allowed.
    """
    types, settings = hints(cls), as_named_now(settings)
    for name in settings:
        if name not in types:
            raise unknown_name("setting", name, types)
    values = _preset_values(cls, preset, length)
    kept = {name: value for name, value in values.items() if _in_other_unit(name) not in settings}
    return replace(cls(), **{**kept, **settings})


def split_presets(cls: type[MethodConfig], preset: str | None) -> list[str]:
    """Return the names of the presets in a text.

    Raises:
        ConfigError: there is no preset of such a name, or two of them contradict each other.
    """
    names = [name.strip() for name in preset.split(",")] if preset is not None else []
    for name in names:
        if name not in cls.PRESETS:
            raise ConfigError(
                f"{unknown_name('preset', name, cls.PRESETS)}; what another method has: twinspect methods NAME"
            )
    for first, second in combinations(dict.fromkeys(names), 2):
        _check_agreement(cls, first, second)
    return names


def _check_agreement(cls: type[MethodConfig], first: str, second: str) -> None:
    """Refuse two ablations or experiments of which only one would be made; they may change what the paper's has."""
    contradict = f"presets {first} and {second} contradict each other"
    if {first, second} == {QUICK, PAPER}:
        raise ConfigError(f"{contradict}: their lengths; type: --preset paper --length quick")
    one, other = cls.PRESETS[first], cls.PRESETS[second]
    differing = [name for name in one if name in other and one[name] != other[name]]
    if differing and PAPER not in (first, second):
        values = " and ".join(str(values[differing[0]]) for values in (one, other))
        raise ConfigError(f"{contradict}: {differing[0]} {values}; name one of them")


def _preset_values(cls: type[MethodConfig], preset: str | None, length: str | None) -> dict[str, Any]:
    """Join the changes of presets with their lengths, or with those asked for."""
    check_length(length)
    named: dict[str, Any] = {}
    for name in split_presets(cls, preset):
        named |= as_named_now(cls.PRESETS[name])
    changes = {name: value for name, value in named.items() if not is_length(name)}
    own = {name: value for name, value in named.items() if is_length(name)}
    if length == PAPER and not own:
        own = authors_lengths(cls)
        if not own:
            name = cls.__name__.removesuffix("Config").lower()
            raise ConfigError(
                f"{name} has no length {PAPER!r}; give steps or epochs instead, or name another method"
            )
    return changes if length == QUICK else changes | own


def check_length(length: str | None, units: Mapping[str, float] | None = None) -> str | None:
    """Return a length by name, which may be missing.

    Args:
        length: one of :data:`LENGTHS`, or ``None``.
        units: what was given of it in steps, epochs or minutes, by name.

    Raises:
        ConfigError: there is no such length, or it was given in another way too.
    """
    if length is not None and length not in LENGTHS:
        raise unknown_name("length", length, LENGTHS)
    given = {**({} if length is None else {"length": repr(length)}), **(units or {})}
    if len(given) > 1:
        named = " and ".join(f"{name}={value}" for name, value in given.items())
        raise ConfigError(f"got both {named}; give one of them")
    return length


def is_length(name: str) -> bool:
    """Tell whether a setting says how long to train."""
    return name.endswith(UNITS)


def _in_other_unit(name: str) -> str:
    """Return the setting that says the same length in the other unit; of a setting that is none, nothing.

    >>> _in_other_unit("amplify_epochs"), _in_other_unit("steps"), _in_other_unit("size")
    ('amplify_steps', 'epochs', '')
    """
    for unit, other in (UNITS, UNITS[::-1]):
        if name.endswith(unit):
            return name.removesuffix(unit) + other
    return ""


def authors_lengths(cls: type[MethodConfig]) -> dict[str, Any]:
    """Return the lengths of the paper's experiment; none where they are not known."""
    return {name: value for name, value in cls.PRESETS.get(PAPER, {}).items() if is_length(name)}


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
        ConfigError: it is too short for all stages.
    """
    for name, value in (("steps", steps), ("epochs", epochs)):
        if value is not None and value < 1:
            raise ConfigError(f"{name} must be 1 or more, got {value}")
    if steps is not None:
        return config.of_length(steps, "steps", given)
    return config if epochs is None else config.of_length(epochs, "epochs", given)


def usual_length(cls: type[MethodConfig], preset: str | None, *, on_cpu: bool) -> str | None:
    """Return the default length: the authors', unless on a CPU, where it would take days.

    ``None`` stands for the preset's, or else the default settings'.
    """
    is_quick = on_cpu or QUICK in split_presets(cls, preset) or not authors_lengths(cls)
    return None if is_quick else PAPER


def usual_teacher(cls: type[MethodConfig], *, on_cpu: bool) -> str:
    """Return the name of the default teacher."""
    return cls.TEACHERS[0 if on_cpu else 1]


def paper_teacher(cls: type[MethodConfig], preset: str | None) -> str:
    """Return the name of the teacher that a preset takes; empty where it leaves the choice to others."""
    return cls.PAPER_TEACHER if PAPER in split_presets(cls, preset) else ""


def count_steps(images: int, steps: int, epochs: int, batch_size: int) -> int:
    """Count optimiser steps: epochs, whose last batch may be smaller than the others, or else ``steps``."""
    return epochs * max(1, math.ceil(images / batch_size)) if epochs else steps


def learnt_from(images: int, held_out: Mapping[str, int], stage: str) -> int:
    """Count the images that a stage learns from: those that it does not hold out, or all where none would be left."""
    return images - held_out.get(stage, 0) or images


def to_record(config: MethodConfig) -> dict[str, Any]:
    """Return the settings as plain JSON values."""
    return asdict(config)


def hints(cls: type[MethodConfig]) -> dict[str, Any]:
    """Return the type of every field, in the order they are declared."""
    types = get_type_hints(cls)
    return {field.name: types[field.name] for field in fields(cls)}


def ranges(cls: type[MethodConfig]) -> dict[str, Interval]:
    """Return the interval of every field that has one."""
    declared: dict[str, str] = {}
    for owner in reversed(cls.__mro__):
        declared |= vars(owner).get("RANGES", {})
    return {name: Interval.of(text) for name, text in declared.items()}


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
    if name == "size":
        return parse_size(text)
    return text if is_former(name, text) else parse_value(name, hints(cls)[name], text, cls.__name__)


def _string(node: ast.stmt) -> str | None:
    if (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ):
        return node.value.value
    return None
