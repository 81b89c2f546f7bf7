"""Options of `fit` that the parser does not know in advance: a method's settings, and a configuration file."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from twinspect.cli.config_file import NOT_IN_FILES, PREFIX, naming_file, read_config, set_defaults
from twinspect.cli.config_schema import config_schema
from twinspect.cli.options.shared import schema_option
from twinspect.cli.parser import Parser, build_parser, verb_parser
from twinspect.errors import ConfigError, unknown_name
from twinspect.methods.config import field_help, hints, make_config, parse_setting
from twinspect.methods.default import method_name
from twinspect.methods.settings import check_presets, config_class

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from twinspect.methods.config import MethodConfig

ONE_MODEL: Final = "fit"
"""The verb whose method is that of all its options; the rows of `fit-many` may name others."""
_REQUIRED: Final = ("data", "--out", "m")
"""The arguments that verbs that fit require."""
_OF_COMMAND: Final = ("verb", "out", "json", "config", "overwrite")
"""Options of a whole command, not of one of its models."""
_EXCLUSIVE: Final = ({"length", "steps", "epochs", "minutes"}, {"normal", "anomalous"})
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
    path = Path(known.config) if known.config else None
    defaults = read_config(path) if path else {}
    method = known.method or defaults.get("method")
    with naming_file(None if known.method else path):
        config = config_class(method)
    with naming_file(None if known.preset else path):
        if arguments[0] == ONE_MODEL:
            check_presets(method, known.preset or defaults.get("preset"))
    named = method_name(method)
    _add_fields(fit, config, named)
    with naming_file(path):
        set_defaults(fit, config, named, defaults)
    schema_option(fit, partial(_schema, fit, config, method or named))


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
    _add_fields(fit, config, method_name(method))
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
    options = {name: action for name, action in actions.items() if name not in NOT_IN_FILES}
    return config_schema(f"--config of {fit.prog} --method {method}", options, config, method)


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
