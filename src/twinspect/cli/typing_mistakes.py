"""Mistyped verbs and options, found before anything else: what was typed, and what may have been meant."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Final

from twinspect.errors import ConfigError, unknown_name

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection, Sequence

_OPTION = re.compile(r"-[^\d.]")
"""The beginning of an option, not of a negative number."""


_PATHS: Final = (
    "DIR",
    "FILE",
    "TABLE",
    "M.twin",
    "M2.twin",
    "J.twin",
    "M",
    "DATA",
    "IMAGES",
    "GOOD",
    "MANIFEST",
)
"""What arguments are called that are paths."""


def check_verb(arguments: Sequence[str], verbs: Collection[str]) -> None:
    """Refuse an unknown verb.

    Raises:
        ConfigError: suggests the nearest one.
    """
    if arguments and not arguments[0].startswith("-") and arguments[0] not in verbs:
        raise unknown_name("verb", arguments[0], verbs)


def check_options(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Refuse an option that a parser does not have; an abbreviation that fits is not one.

    Raises:
        ConfigError: suggests the nearest option.
    """
    known = list(parser._option_string_actions)  # noqa: SLF001 - argparse has no public list of options
    for argument in arguments:
        if argument == "--":
            return
        option = argument.partition("=")[0]
        if _OPTION.match(option) and not any(name.startswith(option) for name in known):
            raise _unknown(parser.prog, option, known)


def check_paths(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Refuse a path that is empty, as from a variable that is not set: it would mean the current folder.

    Raises:
        ConfigError: names the argument.
    """
    for action in parser._actions:  # noqa: SLF001 - argparse has no public list of options
        given = getattr(options, action.dest, None)
        if action.metavar in _PATHS and "" in (given if isinstance(given, list) else [given]):
            name = next(iter(action.option_strings), action.metavar)
            raise ConfigError(f"{name} is empty; name a file or folder, or . for the current folder")


def _unknown(command: str, option: str, known: Sequence[str]) -> ConfigError:
    typed = f"--{option.lstrip('-').replace('_', '-')}"
    close = difflib.get_close_matches(typed, known, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    if typed not in known and "--method" in known and (others := _methods_with(typed)):
        hint = f"methods that have it, by --method: {', '.join(others)}; "
    return ConfigError(f"{command} has no option {option}; {hint}all options: {command} --help")


def _methods_with(option: str) -> list[str]:
    from twinspect.methods.settings import methods_with_setting  # scoring by an export needs none of it

    return methods_with_setting(option[2:].replace("-", "_"))
