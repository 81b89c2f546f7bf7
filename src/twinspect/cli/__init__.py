"""The command line: parses, calls one verb, and turns its outcome into text or JSON and an exit code.

Only the standard library is imported until a verb runs, so that ``twinspect --help`` answers at once.

Exit codes: 0 done; 1 anomalies found (only with --fail-on-anomaly); 2 a user's mistake; 3 done, but some files
could not be read or some runs failed; 4 no anomalies, but some images could not be inspected (only with
--fail-on-anomaly); 130 interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from typing import TYPE_CHECKING, Final

from twinspect.cli.completing import ASKED, answer
from twinspect.cli.console import printed_notes
from twinspect.cli.hub_models import fetch_models
from twinspect.cli.import_messages import announced_imports
from twinspect.cli.outcome import INTERRUPTED, USER_MISTAKE, Outcome
from twinspect.cli.parser import FITTING, VERBS, build_parser, verb_parser
from twinspect.cli.remedies import with_commands
from twinspect.cli.streams import prepare_streams
from twinspect.cli.typing_mistakes import check_options, check_paths, check_verb
from twinspect.errors import (
    DataError,
    ElsewhereError,
    MissingExtraError,
    TwinspectError,
    UnlabelledError,
    in_one_line,
)
from twinspect.utils.json_values import without_nan
from twinspect.utils.launch_environment import is_secondary_process
from twinspect.utils.memory import naming_exhaustion
from twinspect.utils.progress import NoProgress, report_to
from twinspect.utils.progress_bar import Bar
from twinspect.utils.spelling import spell

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONGEST: Final = 2000
"""Letters of an error: a value that it quotes may be of any length."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    prepare_streams()
    arguments = list(sys.argv[1:] if argv is None else argv)
    if ASKED in os.environ:
        return answer(arguments)
    parser = build_parser()
    try:
        check_verb(arguments, [verb.name for verb in VERBS])
        own = verb_parser(parser, arguments[0]) if arguments and arguments[0][:1] != "-" else parser
        if arguments and arguments[0] in FITTING:
            _add_method_settings(own, arguments)
        check_options(own, arguments)
        options = parser.parse_args(arguments, argparse.Namespace(typed=arguments))
        check_paths(own, options)
    except ModuleNotFoundError as error:
        return _print_error(_missing_package(arguments[0], error))
    except TwinspectError as error:
        return _print_error(error)
    except SystemExit as leaving:  # argparse: --help, --version or a mistake that it has explained
        return int(leaving.code or 0)
    options.arguments = arguments
    if options.version:
        options.verb = "version"
    if options.verb is None:
        parser.print_help()
        return 0
    return _run(options)


def _run(options: argparse.Namespace) -> int:
    """Run the verb; errors that a user can fix become one line, a bug keeps its traceback."""
    try:
        outcome = _outcome(options)
        if outcome.printed:
            print(json.dumps(without_nan(outcome.record)) if options.json else outcome.text, flush=True)
    except BrokenPipeError:  # the reader, `head` for instance, has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except UnlabelledError as error:
        return _print_error(DataError(with_commands(error, options)))
    except (TwinspectError, OSError) as error:
        return USER_MISTAKE if isinstance(error, ElsewhereError) and _is_follower() else _print_error(error)
    except (ImportError, MemoryError) as error:
        return _print_error(_what_is_missing(options.verb, error))
    except KeyboardInterrupt as interruption:
        if not _is_follower():
            print(f"\ntwinspect: interrupted{_note(interruption)}", file=sys.stderr)
        return INTERRUPTED
    return outcome.code


def _what_is_missing(verb: str, error: ImportError | MemoryError) -> TwinspectError:
    return _missing_package(verb, error) if isinstance(error, ModuleNotFoundError) else _lack_of_memory(error)


def _missing_package(verb: str, error: ModuleNotFoundError) -> TwinspectError:
    """Say what is missing where only exports were meant to be scored, without torch.

    Raises:
        ModuleNotFoundError: a module of our own, which is a bug.
    """
    package = (error.name or "").partition(".")[0]
    if package in ("", "twinspect"):
        raise error
    return MissingExtraError(
        f"{verb} needs {package!r}, which is not installed here; type: pip install twinspect"
    )


def _lack_of_memory(error: ImportError | MemoryError) -> TwinspectError:
    """Say that memory is short, which libraries that cannot be loaded are mostly a sign of.

    Raises:
        ImportError: it is no library of the system that cannot be loaded, which is a bug.
    """
    if isinstance(error, ImportError) and not (error.path or "").endswith((".so", ".pyd", ".dylib")):
        raise error
    reason = f" ({said})" if (said := str(error.__cause__ or error)) else ""
    return TwinspectError(
        f"not enough memory{reason}; free some, or raise the limit of this process (ulimit -v)"
    )


def _outcome(options: argparse.Namespace) -> Outcome:
    """Run the verb and show meanwhile what it does."""
    is_shown = (
        getattr(options, "devices", 1) * getattr(options, "nodes", 1) == 1 or not is_secondary_process()
    )
    with (
        Bar() as bar,
        report_to(bar if is_shown else NoProgress()),
        announced_imports(),
        printed_notes(is_shown=is_shown),
        naming_exhaustion(),
    ):
        verb = importlib.import_module(f"twinspect.cli.{options.verb.replace('-', '_')}")
        fetch_models(options)
        outcome: Outcome = verb.run(options)
    return outcome


def _add_method_settings(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Add the settings of the chosen method to a verb that fits."""
    from twinspect.cli.method_settings import add_settings

    add_settings(parser, arguments)


def _print_error(error: Exception) -> int:
    """Print an error in one line."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        message = f"{error.filename}: {error.strerror}"
    else:
        message = str(error)
    print(f"twinspect: error: {spell(in_one_line(message, most=_LONGEST))}", file=sys.stderr)
    return USER_MISTAKE


def _is_follower() -> bool:
    """Whether another process reports for this one: only when several fit together."""
    if "torch" not in sys.modules:
        return False
    from torch import distributed

    return distributed.is_available() and distributed.is_initialized() and distributed.get_rank() > 0


def _note(interruption: KeyboardInterrupt) -> str:
    return f"; {interruption}" if str(interruption) else ""
