"""The file of ``--config``: options and settings by name, as defaults of the command line."""

from __future__ import annotations

import argparse
import json
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin, get_type_hints

from twinspect.bundle.schema import ConfigFileRecord, RecordError, check_parameters, convert
from twinspect.cli.options.shared import names
from twinspect.errors import ConfigError, unknown_name
from twinspect.methods import methods
from twinspect.methods.config import hints, make_config
from twinspect.methods.settings import config_class
from twinspect.utils.toml import parse_toml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from twinspect.methods.config import MethodConfig

PREFIX: Final = "setting:"
"""Prefix of the parsed options that are settings of the method."""
NOT_IN_FILES: Final = ("help", "config", "config_schema")
"""Options that a configuration file cannot have."""


def read_config(path: Path) -> dict[str, Any]:
    """Read a TOML or JSON file of options.

    Raises:
        ConfigError: it cannot be read, is neither TOML nor JSON, or has a name twice.
    """
    with naming_file(path):
        named = _once([(name.replace("-", "_"), value) for name, value in _load(path).items()])
        for name, value in named.items():
            _refuse_section(name, value)
        check_parameters(named)
    return named


@contextmanager
def naming_file(path: Path | None) -> Iterator[None]:
    """Say of a mistake in the block which file it is in; nothing is added without a file."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"--config {path}: {error}") if path else error from None


def _load(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        loaded = json.loads(text, object_pairs_hook=_once) if path.suffix == ".json" else parse_toml(text)
    except OSError as error:
        raise ConfigError(error.strerror) from error
    except ConfigError:  # a name that is there twice
        raise
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"neither TOML nor, if named .json, JSON: {error}") from error
    if not isinstance(loaded, dict):
        raise ConfigError(f"must hold options by name, got a {type(loaded).__name__}")
    return loaded


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a dictionary of pairs, and refuse a name that is there twice, perhaps with ``-`` and with ``_``."""
    made: dict[str, Any] = {}
    for name, value in pairs:
        if name in made:
            raise ConfigError(f"{name} is given twice; keep one of them")
        made[name] = value
    return made


def _refuse_section(name: str, value: Any) -> None:
    """Refuse options below a heading, as other programs have them."""
    is_table = isinstance(value, dict)
    if is_table or (isinstance(value, list) and value and all(isinstance(part, dict) for part in value)):
        heading = f"[{name}]" if is_table else f"[[{name}]]"
        raise ConfigError(
            f"{name} is a section ({heading}), and options have none: write them at the top, as steps = 100"
        )


def set_defaults(
    fit: argparse.ArgumentParser, config: type[MethodConfig], method: str, defaults: dict[str, Any]
) -> None:
    """Make a configuration file's options the defaults of a verb.

    Args:
        fit: the parser of the verb.
        config: class of the method's settings.
        method: its name, as it was chosen.
        defaults: content of the file.

    Raises:
        ConfigError: a name is unknown, or a value is not allowed.
    """
    actions = {action.dest: action for action in fit._actions if action.dest not in NOT_IN_FILES}  # noqa: SLF001
    for name, value in defaults.items():
        if name in actions:
            _check_option(actions[name], value)
            fit.set_defaults(**{name: value})
        elif name in hints(config):
            make_config(config, None, {name: value})
            fit.set_defaults(**{PREFIX + name: value})
        elif others := [method for method in methods() if name in hints(config_class(method))]:
            raise ConfigError(f"{name} is a setting of {' and '.join(others)}, not of {method}")
        else:
            raise unknown_name("option", name, {*(n for n in actions if PREFIX not in n), *hints(config)})


def _check_option(option: argparse.Action, value: Any) -> None:
    """Refuse a value that an option cannot have."""
    name = option.dest
    parameter = get_type_hints(ConfigFileRecord, include_extras=True).get(name)
    if isinstance(option.const, bool):
        if not isinstance(value, bool):
            raise ConfigError(f"{name} must be true or false, got {value!r}")
    elif option.choices:
        if value not in option.choices:
            raise ConfigError(f"{name} must be one of {', '.join(option.choices)}, got {value!r}")
    elif parameter is not None:
        _check_parameter(option, parameter, value)
    elif not _is_text(value, many=option.type is names):
        kind = "text or a list of texts" if option.type is names else "text"
        raise ConfigError(f"{name} must be {kind}, got {value!r}")
    elif option.type is names and isinstance(value, str):
        _check_names(name, value)


def _check_names(option: str, text: str) -> None:
    try:
        names(text)
    except argparse.ArgumentTypeError as error:
        raise ConfigError(f"{option}: {error}") from None


def _check_parameter(option: argparse.Action, kind: Any, value: Any) -> None:
    """Refuse a value that a parameter of the detector cannot have."""
    try:
        convert(value, kind)
    except RecordError as error:
        choices = [get_args(part) for part in (kind, *get_args(kind)) if get_origin(part) is Literal]
        if choices:
            allowed = f"one of {', '.join(choices[0])}"
        elif "regex" in str(error):
            allowed = (option.help or "").partition(" (")[0]
        else:
            allowed = re.sub("^.*?expected |, got .*|`", "", str(error))
        raise ConfigError(f"{option.dest} must be {allowed}, got {value!r}") from error


def _is_text(value: Any, *, many: bool) -> bool:
    return isinstance(value, str) or (
        many and isinstance(value, list) and all(isinstance(part, str) for part in value)
    )
