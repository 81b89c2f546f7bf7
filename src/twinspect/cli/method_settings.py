"""Options of `fit` that the parser does not know in advance: a method's settings, and a configuration file."""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from twinspect.bundle.schema import ParametersRecord, check_parameters
from twinspect.cli.config_schema import config_schema
from twinspect.cli.options.shared import names, schema_option
from twinspect.cli.parser import Parser, build_parser, verb_parser
from twinspect.errors import ConfigError, unknown_name
from twinspect.methods.config import field_help, hints, make_config, parse_setting, split_presets
from twinspect.methods.settings import config_class
from twinspect.utils.toml import parse_toml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from twinspect.methods.config import MethodConfig

PREFIX = "setting:"
"""Prefix of the parsed options that are settings of the method."""
ONE_MODEL: Final = "fit"
"""The verb whose method is that of all its options; the rows of `fit-many` may name others."""
_REQUIRED: Final = ("data", "--out", "m")
"""The arguments that verbs that fit require."""
_OF_COMMAND: Final = ("verb", "out", "json", "config", "overwrite")
"""Options of a whole command, not of one of its models."""
_NOT_IN_FILES: Final = ("help", "config", "config_schema")
"""Options that a configuration file cannot have."""
_EXCLUSIVE: Final = ({"length", "steps", "epochs"}, {"normal", "anomalous"})
"""Options of which at most one may be given."""


def add_settings(fit: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Add the chosen method's settings to a verb that fits, and take defaults from a configuration file.

    Raises:
        ConfigError: the method is unknown, or the configuration file cannot be read.
    """
    early = Parser(prog=fit.prog, add_help=False, allow_abbrev=False)
    early.add_argument("--method")
    early.add_argument("--config")
    early.add_argument("--preset")
    known, _ = early.parse_known_args(arguments)
    defaults = read_config(Path(known.config)) if known.config else {}
    method = known.method or defaults.get("method", fit.get_default("method"))
    config = config_class(method)
    if arguments[0] == ONE_MODEL:
        split_presets(config, known.preset)
    _add_fields(fit, config, method)
    _set_defaults(fit, config, defaults)
    schema_option(fit, partial(_schema, fit, config, method))


def chosen_settings(options: argparse.Namespace) -> dict[str, Any]:
    """Collect the given settings of the method."""
    given = {
        name.removeprefix(PREFIX): value for name, value in vars(options).items() if name.startswith(PREFIX)
    }
    return {name: value for name, value in given.items() if value is not None}


def options_of_row(options: argparse.Namespace, row: Mapping[str, str]) -> argparse.Namespace:
    """Give the options of `fit` for one of many models: those of its row, else those of the command line.

    Args:
        options: those of the command line, with settings; those that the row's method lacks are ignored.
        row: options and settings of the method by name, as text.

    Raises:
        ConfigError: a name is unknown, or a value is not allowed.
    """
    fit = verb_parser(build_parser(), "fit")
    method = row.get("method", options.method)
    config = config_class(method)
    _add_fields(fit, config, method)
    shared = (vars(options).keys() & vars(fit.parse_args(_REQUIRED))) - {*_OF_COMMAND}
    for name in row:
        if name not in shared and name not in hints(config):
            raise unknown_name("option", name, {*(n for n in shared if PREFIX not in n), *hints(config)})
    replaced = {name for group in _EXCLUSIVE if group & row.keys() for name in group}
    fit.set_defaults(**{name: getattr(options, name) for name in shared - replaced})
    fit.exit_on_error = False
    try:
        given = [f"--{name.replace('_', '-')}={text}" for name, text in row.items()]
        return fit.parse_args([*_REQUIRED, *given])
    except argparse.ArgumentError as error:
        raise ConfigError(str(error)) from None


def _schema(fit: argparse.ArgumentParser, config: type[MethodConfig], method: str) -> dict[str, Any]:
    """Describe the configuration files of a verb."""
    actions = {action.dest.removeprefix(PREFIX): action for action in fit._actions}  # noqa: SLF001 - no public list
    options = {name: action for name, action in actions.items() if name not in _NOT_IN_FILES}
    return config_schema(f"--config of {fit.prog} --method {method}", options, config, method)


def read_config(path: Path) -> dict[str, Any]:
    """Read a TOML or JSON file of options.

    Raises:
        ConfigError: it cannot be read, or is neither TOML nor JSON.
    """
    try:
        text = path.read_text(encoding="utf-8")
        loaded = json.loads(text) if path.suffix == ".json" else parse_toml(text)
    except OSError as error:
        raise ConfigError(f"--config {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"--config {path} is neither TOML nor, if named .json, JSON: {error}") from error
    if not isinstance(loaded, dict):
        raise ConfigError(f"--config {path} must hold options by name, got a {type(loaded).__name__}")
    named = {name.replace("-", "_"): value for name, value in loaded.items()}
    check_parameters(named, f"--config {path}: ")
    return named


def _add_fields(fit: argparse.ArgumentParser, config: type[MethodConfig], method: str) -> None:
    group = fit.add_argument_group(f"settings of {method}")
    default = make_config(config, None, {})
    taken = set(vars(fit.parse_args(_REQUIRED)))
    for name, text in field_help(config).items():
        if name not in taken:
            group.add_argument(
                f"--{name.replace('_', '-')}",
                *([f"--{name}"] if "_" in name else []),
                dest=PREFIX + name,
                metavar="X",
                type=_reader(config, name),
                help=f"{text} ({getattr(default, name)})".replace("%", "%%"),
            )


def _reader(config: type[MethodConfig], name: str) -> Any:
    def read(text: str) -> Any:
        try:
            return parse_setting(config, name, text)
        except ConfigError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read


def _set_defaults(fit: argparse.ArgumentParser, config: type[MethodConfig], defaults: dict[str, Any]) -> None:
    """Make a configuration file's options the defaults, refusing unknown names."""
    actions = {action.dest: action for action in fit._actions if action.dest not in _NOT_IN_FILES}  # noqa: SLF001
    for name, value in defaults.items():
        if name in actions:
            _check_option(actions[name], value)
            fit.set_defaults(**{name: value})
        elif name in hints(config):
            make_config(config, None, {name: value})
            fit.set_defaults(**{PREFIX + name: value})
        else:
            raise unknown_name("option", name, {*(n for n in actions if PREFIX not in n), *hints(config)})


def _check_option(option: argparse.Action, value: Any) -> None:
    """Refuse a value of a configuration file that an option cannot have."""
    name = option.dest
    if isinstance(option.const, bool):
        if not isinstance(value, bool):
            raise ConfigError(f"--config: {name} must be true or false, got {value!r}")
    elif option.choices:
        if value not in option.choices:
            raise ConfigError(f"--config: {name} must be one of {', '.join(option.choices)}, got {value!r}")
    elif name not in ParametersRecord.__struct_fields__ and not _is_text(value, many=option.type is names):
        kind = "text or a list of texts" if option.type is names else "text"
        raise ConfigError(f"--config: {name} must be {kind}, got {value!r}")


def _is_text(value: Any, *, many: bool) -> bool:
    return isinstance(value, str) or (
        many and isinstance(value, list) and all(isinstance(part, str) for part in value)
    )
