"""Options of `fit` that come from elsewhere: a method's settings, and a configuration file."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twinspect.errors import ConfigError, unknown_name
from twinspect.methods import method_class
from twinspect.methods.config import field_help, hints, make_config, parse_setting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinspect.methods.config import MethodConfig

PREFIX = "setting:"
"""Marks the options that are settings of the method among the parsed ones."""


def add_settings(fit: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Add the chosen method's settings to a verb that fits, and let a configuration file set the defaults.

    Raises:
        ConfigError: an unknown method, or a configuration file that does not read.
    """
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    early.add_argument("--method")
    early.add_argument("--config")
    known, _ = early.parse_known_args(arguments)
    chosen = read_config(Path(known.config)) if known.config else {}
    method = known.method or chosen.get("method", fit.get_default("method"))
    config = method_class(method).Config
    _add_fields(fit, config, method)
    _set_defaults(fit, config, chosen)


def chosen_settings(options: argparse.Namespace) -> dict[str, Any]:
    """Collect the method's settings that were given."""
    given = {
        name.removeprefix(PREFIX): value for name, value in vars(options).items() if name.startswith(PREFIX)
    }
    return {name: value for name, value in given.items() if value is not None}


def read_config(path: Path) -> dict[str, Any]:
    """Read a TOML or JSON file of options.

    Raises:
        ConfigError: it cannot be read, or is neither.
    """
    try:
        text = path.read_text(encoding="utf-8")
        loaded = json.loads(text) if path.suffix == ".json" else _toml(text)
    except OSError as error:
        raise ConfigError(f"--config {path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"--config {path} is neither TOML nor, if named .json, JSON: {error}") from error
    if not isinstance(loaded, dict):
        raise ConfigError(f"--config {path} must hold options by name, got a {type(loaded).__name__}")
    return {name.replace("-", "_"): value for name, value in loaded.items()}


def _toml(text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    loaded: dict[str, Any] = tomllib.loads(text)
    return loaded


def _add_fields(fit: argparse.ArgumentParser, config: type[MethodConfig], method: str) -> None:
    group = fit.add_argument_group(f"settings of {method}")
    default = make_config(config, None, {})
    taken = set(vars(fit.parse_args(["data", "--out", "m"])))
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


def _set_defaults(fit: argparse.ArgumentParser, config: type[MethodConfig], chosen: dict[str, Any]) -> None:
    """Make a configuration file's options the defaults, refusing names that mean nothing."""
    own = set(vars(fit.parse_args(["data", "--out", "m"])))
    for name, value in chosen.items():
        if name in own:
            fit.set_defaults(**{name: value})
        elif name in hints(config):
            fit.set_defaults(**{PREFIX + name: value})
        else:
            raise unknown_name("option", name, {*(n for n in own if PREFIX not in n), *hints(config)})
