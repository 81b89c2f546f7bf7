"""What may come next on a command line, for the scripts of `twinspect completion`.

A shell calls twinspect with :data:`ASKED` in the environment and the words up to the cursor as arguments. Each line
of the answer is a word, a tab and a text; or :data:`FILES` or :data:`FOLDERS`, which the shell lists itself.
"""

from __future__ import annotations

import argparse
import io
from contextlib import redirect_stderr
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from twinspect.cli.parser import FITTING, VERBS, build_parser, verb_parser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

ASKED: Final = "_TWINSPECT_COMPLETE"
"""The environment variable that asks."""
FILES, FOLDERS = ":files", ":folders"
_LONGEST: Final = 70
"""Letters of a text."""
_FOLDER_NAMES: Final = ("DIR", "M.twin", "J.twin", "M")
_FILE_NAMES: Final = ("FILE", "TABLE", "MANIFEST", "DATA", "IMAGES", "GOOD", "NAME[:ROLE]")

Words = list[tuple[str, str]]
"""Words that may come next, each with a text."""


def answer(arguments: Sequence[str]) -> int:
    """Print what may come next, and return the exit code.

    Args:
        arguments: the words after `twinspect`, the last of them up to the cursor.
    """
    for word, text in candidates(arguments):
        print(f"{word}\t{text}" if text else word)
    return 0


def candidates(arguments: Sequence[str]) -> Words:
    """List what may come next; nothing where twinspect does not know."""
    typed, current = list(arguments[:-1]), arguments[-1] if arguments else ""
    try:
        found = _next(typed, current)
    except Exception:  # noqa: BLE001 - a half-typed line may be wrong in any way, and a shell has no place for errors
        return []
    return [(word, _brief(text)) for word, text in found if word.startswith((current, ":"))]


def _next(typed: list[str], current: str) -> Words:
    parser = build_parser()
    if not typed:
        return _options(parser) if current.startswith("-") else [(verb.name, verb.summary) for verb in VERBS]
    if typed[0].startswith("-"):
        return _options(parser)
    verb = verb_parser(parser, typed[0])
    if typed[0] in FITTING:
        _add_settings(verb, typed)
    asking = _option_that_asks(verb, typed)
    if asking:
        return _values(asking, typed)
    if current.startswith("--") and "=" in current:
        return _assignments(verb, current.partition("=")[0], typed)
    if current.startswith("-"):
        return _options(verb)
    positional = _positional(verb, typed)
    return _values(positional, typed) if positional else _options(verb)


def _add_settings(parser: argparse.ArgumentParser, typed: list[str]) -> None:
    """Add the settings of the method; of an unknown one the usual method's."""
    from twinspect.cli.method_settings import add_settings
    from twinspect.errors import TwinspectError

    try:
        with redirect_stderr(io.StringIO()):  # argparse's own words on a half-typed line
            add_settings(parser, typed)
    except (TwinspectError, SystemExit):
        add_settings(parser, typed[:1])


def _option_that_asks(parser: argparse.ArgumentParser, typed: list[str]) -> argparse.Action | None:
    """Find the option that the next word is a value of."""
    known = parser._option_string_actions  # noqa: SLF001 - argparse has no public list of options
    last = known.get(typed[-1])
    if last and last.nargs != 0:
        return last
    started = [known[word] for word in typed if word in known]
    takes_more = bool(started) and started[-1].nargs in ("+", "*") and not typed[-1].startswith("-")
    return started[-1] if takes_more else None


def _positional(parser: argparse.ArgumentParser, typed: list[str]) -> argparse.Action | None:
    """Find the argument that the next word is, by how many are there."""
    known = parser._option_string_actions  # noqa: SLF001 - as above
    positionals = [action for action in parser._actions if not action.option_strings]  # noqa: SLF001 - as above
    given = 0
    for before, word in pairwise(typed):
        takes_word = before in known and known[before].nargs != 0
        given += not word.startswith("-") and not takes_word
    if given < len(positionals):
        return positionals[given]
    last = positionals[-1] if positionals else None
    return last if last is not None and last.nargs in ("+", "*") else None


def _options(parser: argparse.ArgumentParser) -> Words:
    shown = [action for action in parser._actions if action.help != argparse.SUPPRESS]  # noqa: SLF001 - as above
    return [
        (name, action.help or "")
        for action in shown
        for name in action.option_strings
        if name[:2] == "--" and name.replace("_", "-") not in set(action.option_strings) - {name}
    ]


def _assignments(parser: argparse.ArgumentParser, option: str, typed: list[str]) -> Words:
    """List `--option=value`, each in one word; files are left to the shell."""
    asking = _option_that_asks(parser, [*typed, option])
    values = _values(asking, typed) if asking else []
    return [(word if word in (FILES, FOLDERS) else f"{option}={word}", text) for word, text in values]


def _values(action: argparse.Action, typed: list[str]) -> Words:
    """List the values of an option or argument."""
    if action.choices:
        return [(str(choice), "") for choice in action.choices]
    listed = _LISTS.get(action.dest) or _LISTS.get(f"{typed[0]} {action.dest}")
    if listed:
        return [(name, text) for name, text in listed()]
    if action.metavar in _FOLDER_NAMES:
        return [(FOLDERS, "")]
    return [(FILES, "")] if action.metavar in _FILE_NAMES else []


def _methods() -> Iterable[tuple[str, str]]:
    from twinspect.methods import methods

    return [(info.name, info.summary or info.source) for info in methods().values()]


def _teachers() -> Iterable[tuple[str, str]]:
    from twinspect.teachers import teachers

    return [("auto", ""), *((info.name, info.weights) for info in teachers().values())]


def _protocols() -> Iterable[tuple[str, str]]:
    from twinspect.benchmark.protocols import PROTOCOLS

    return [(name, row.summary) for name, row in PROTOCOLS.items()]


def _downloads() -> Iterable[tuple[str, str]]:
    from twinspect.data.benchmarks.download_urls import SOURCES

    return [(name, "") for name in SOURCES]


def _words(*words: str) -> Callable[[], Iterable[tuple[str, str]]]:
    return lambda: [(word, "") for word in words]


_LISTS: Final[dict[str, Callable[[], Iterable[tuple[str, str]]]]] = {
    "method": _methods,
    "methods": _methods,
    "methods name": _methods,
    "teacher": _teachers,
    "protocol": _protocols,
    "download name": _downloads,
    "wheels platform": _words("linux-x86_64", "linux-aarch64", "windows-x86_64", "macos-arm64"),
    "runtime": _words("auto", "torch", "onnx", "openvino", "tensorrt"),
    "to": _words("onnx", "openvino", "tensorrt"),
    "export precision": _words("fp32", "fp16", "int8"),
    "precision": _words("auto", "fp32", "bf16", "fp16"),
    "device": _words("auto", "cpu", "cuda", "mps"),
    "calibration": _words("split", "cv"),
    "resize": _words("stretch", "letterbox"),
}
"""Names by the argument that takes them, or by the verb and the argument."""


def _brief(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= _LONGEST else f"{words[: _LONGEST - 1].rstrip()}…"
