"""Every error a user can cause, as one tree.

    TwinspectError
    ├── ConfigError        a setting that is not allowed, or an unknown name
    ├── DataError          a folder, manifest or mask whose content is not as required
    │   ├── UnlabelledError    a folder that does not say which of its images are good
    │   └── ImageError     one file that cannot be read as an image
    │       ├── TooManyPixelsError     it has more pixels than the limit
    │       └── SeveralPicturesError   it is an animation or has several pages
    ├── DownloadError      a benchmark that cannot be fetched, or differs from what was published
    ├── TeacherError       a teacher or weights file that is not available or does not fit
    ├── CalibrationError   a false-alarm rate that the available images cannot guarantee
    ├── NotFittedError     a detector asked to score before it was fitted
    ├── BundleError        a model folder that is damaged, altered or too new
    ├── ExportError        an exported graph whose results differ from its model's
    ├── TrainingError      training that cannot go on (a loss that is not finite, a checkpoint that does not fit)
    │   └── ElsewhereError     another process of the same training could not go on
    ├── StoreError         a database or archive of inspections that cannot be used
    │   └── NotStoredError a model, inspection, calibration or image that it does not hold
    └── MissingExtraError  an optional dependency that is not installed

Each message says what was given, what is allowed and what to type. The command line turns these, and only these,
into one line and exit code 2; anything else is a bug and keeps its traceback.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
import traceback
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class TwinspectError(Exception):
    """A mistake that the user can correct; the message says how.

    IPython and notebooks show it in one line, and after ``%xmode Verbose`` with its traceback, as scripts do.
    """

    def _render_traceback_(self) -> list[str]:
        """Say in one line what a traceback would end with."""
        shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
        if getattr(getattr(shell, "InteractiveTB", None), "mode", "") == "Verbose":
            return traceback.format_exception(self)
        said = "".join(
            letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in in_one_line(self, 2000)
        )
        return [f"\x1b[31m{type(self).__name__}\x1b[0m: {said}"]


class ConfigError(TwinspectError, ValueError):
    """A setting that is not allowed, or an unknown name."""


class DataError(TwinspectError, ValueError):
    """A folder, manifest or mask whose content is not as required."""


class Remedy(NamedTuple):
    """A way to say which images are good.

    Attributes:
        folder: what to name instead of the folder that was named; perhaps the same.
        options: what to add on the command line.
        call: what to pass from Python.
        meaning: when this is meant, a clause.
    """

    folder: str
    options: tuple[str, ...]
    call: str
    meaning: str


class UnlabelledError(DataError):
    """A folder that does not say which of its images are good.

    Args:
        problem: what does not say it.
        source: the folder that was named.
        remedies: the ways to say it.
    """

    def __init__(self, problem: str, source: str, remedies: tuple[Remedy, ...]) -> None:
        super().__init__(problem, source, remedies)
        self.problem, self.source, self.remedies = problem, source, remedies

    def __str__(self) -> str:
        return self.say([f"pass {remedy.call}" for remedy in self.remedies])

    def say(self, ways: Sequence[str]) -> str:
        """Return the message, with each remedy said in one way."""
        pairs = zip(ways, self.remedies, strict=True)
        return f"{self.problem}; {', or '.join(f'{way} if {remedy.meaning}' for way, remedy in pairs)}"


class ImageError(DataError):
    """One file that cannot be read as an image."""


class TooManyPixelsError(ImageError):
    """An image with more pixels than the limit, refused before anything is decoded."""


class SeveralPicturesError(ImageError):
    """A file that holds more than one image: an animation or several pages."""


class DownloadError(TwinspectError):
    """A benchmark that cannot be fetched, or differs from what was published."""


class TeacherError(TwinspectError):
    """A teacher or weights file that is not available or does not fit."""


class CalibrationError(TwinspectError, ValueError):
    """A false-alarm rate that the available images cannot guarantee."""


class NotFittedError(TwinspectError, RuntimeError):
    """A detector that was asked to score before it was fitted."""


class BundleError(TwinspectError):
    """A model folder that is damaged, altered or written by a newer twinspect."""


class ExportError(TwinspectError, RuntimeError):
    """An exported graph whose results differ from its model's."""


class TrainingError(TwinspectError, RuntimeError):
    """Training that cannot go on."""


class ElsewhereError(TrainingError):
    """Another process of the same training failed by a mistake of the user, and has reported it."""


class StoreError(TwinspectError, RuntimeError):
    """A database or archive of inspections that cannot be used as it is."""


class NotStoredError(StoreError, LookupError):
    """A model, inspection, calibration or image that the store does not hold."""


class MissingExtraError(TwinspectError, ImportError):
    """An optional dependency that is not installed."""


class PartialCopyWarning(UserWarning):
    """A copy of a benchmark whose numbers of images differ from the published ones."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> ConfigError:
    """Build the error for a name that is not in a registry, with the nearest known name.

    >>> print(unknown_name("method", "mdk", ["mkd", "rd"]))
    no method 'mdk'; did you mean 'mkd'? known: mkd, rd
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return ConfigError(f"no {kind} {name!r}; {hint}known: {', '.join(names) or 'none'}")


def is_installed(module: str) -> bool:
    """Tell whether a package can be imported, without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # blocked by an import hook
        return False


def optional(module: str, extra: str) -> Any:
    """Import an optional dependency, or raise an error that names its extra.

    Raises:
        MissingExtraError: the module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        message = f"this needs {module!r}, which is not installed; type: pip install 'twinspect[{extra}]'"
        raise MissingExtraError(message) from error


def in_one_line(error: BaseException | str, most: int = 500) -> str:
    r"""Give what an error says in one line of at most so many letters.

    >>> in_one_line(RuntimeError("size mismatch:\n\tweight"))
    'size mismatch: weight'
    """
    return " ".join(str(error).split())[:most]
