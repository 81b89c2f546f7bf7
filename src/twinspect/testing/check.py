"""A demand on a method or a teacher, and how it fails."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar
from unittest import SkipTest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Subject = TypeVar("Subject")


@dataclass(frozen=True)
class Check:
    """A demand; call it, and it returns or says what is wrong.

    Attributes:
        subject: the method or teacher it is about.
        name: of the demand, as in ``same_seed_same_weights``.
        expects: the demand in a sentence.
        run: tries it; raises anything where the subject does not do what is expected.
    """

    subject: str
    name: str
    expects: str
    run: Callable[[], None]

    @property
    def __name__(self) -> str:
        """What pytest calls the test."""
        return f"{self.subject}-{self.name}"

    def __call__(self) -> None:
        """Try it.

        Raises:
            AssertionError: what was expected, and what came instead.
            SkipTest: it cannot be tried, for a reason that another check has reported; pytest skips such a test.
        """
        try:
            self.run()
        except SkipTest:
            raise
        except Exception as error:
            found = str(error) if isinstance(error, AssertionError) else in_words(error)
            raise AssertionError(
                f"{self.subject} fails the check {self.name}. Expected: {self.expects} Found: {found}"
            ) from error

    def failure(self) -> AssertionError | None:
        """Try it, and return what is wrong, if anything."""
        try:
            self()
        except SkipTest:
            return None
        except AssertionError as failure:
            return failure
        return None


@dataclass(frozen=True)
class Contract(Generic[Subject]):
    """Functions that each try a demand on a subject; the first paragraph of a docstring says what is expected.

    Attributes:
        demands: those functions.
    """

    demands: tuple[Callable[[Subject], None], ...]

    def of(self, name: str, subject: Subject) -> list[Check]:
        """List the checks of a subject."""
        return [
            Check(name, demand.__name__, _first_paragraph(demand), _bind(demand, subject))
            for demand in self.demands
        ]


def run_all(checks: Iterable[Check]) -> None:
    """Try all, whichever fail.

    Raises:
        AssertionError: a line for each that fails.
    """
    failures = [failure for check in checks if (failure := check.failure())]
    if failures:
        raise AssertionError("\n".join(map(str, failures))) from failures[0]


def expect(holds: object, found: str) -> None:
    """Fail unless something holds.

    Raises:
        AssertionError: it does not; the message is what was found.
    """
    if not holds:
        raise AssertionError(found)


def in_words(error: Exception) -> str:
    """Name an error's kind and say what it says."""
    return f"{type(error).__name__}: {error}"


def _first_paragraph(demand: Callable[..., None]) -> str:
    return " ".join((inspect.getdoc(demand) or "").partition("\n\n")[0].split())


def _bind(demand: Callable[[Subject], None], subject: Subject) -> Callable[[], None]:
    return lambda: demand(subject)
