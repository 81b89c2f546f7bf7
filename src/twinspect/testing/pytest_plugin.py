"""pytest's side: ``pytest --twinspect-method NAME --twinspect-teacher NAME`` adds a test for each demand.

pytest loads it by itself where twinspect is installed, so nothing heavy is imported before an option is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinspect.testing.check import Check


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("twinspect")
    for kind in ("method", "teacher"):
        group.addoption(
            f"--twinspect-{kind}",
            action="append",
            default=[],
            metavar="NAME",
            help=f"test what every {kind} of twinspect must do on this one; may be given again",
        )


def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Add a test for each demand."""
    items += [ContractItem.of(session, check) for check in _checks(session.config)]


class ContractItem(pytest.Item):
    """A demand as a test."""

    check: Check

    @classmethod
    def of(cls, session: pytest.Session, check: Check) -> ContractItem:
        """Make the test of a check."""
        item: ContractItem = cls.from_parent(session, name=check.__name__)
        item.check = check
        return item

    def runtest(self) -> None:
        """Try it."""
        self.check()

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> str:  # type: ignore[override]
        """Show the sentence; a traceback into twinspect would tell nobody anything."""
        return str(excinfo.value)

    def reportinfo(self) -> tuple[str, None, str]:
        """Name it."""
        return "twinspect", None, self.name


def _checks(config: pytest.Config) -> Iterator[Check]:
    methods, teachers = config.getoption("twinspect_method"), config.getoption("twinspect_teacher")
    if methods or teachers:
        from twinspect.testing import method_checks, teacher_checks  # noqa: PLC0415 - imports torch

        for name in methods:
            yield from method_checks(name)
        for name in teachers:
            yield from teacher_checks(name)
