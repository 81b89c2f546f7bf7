"""The result of a verb: a text for people, a record for machines, and an exit code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

DONE, ANOMALIES, USER_MISTAKE, SOME_UNREADABLE, INTERRUPTED = 0, 1, 2, 3, 130


def code_of(anomalous: int, unreadable: int, *, fail_on_anomaly: bool) -> int:
    """Give the exit code of a verb that scored so many anomalous and unreadable images."""
    if anomalous and fail_on_anomaly:
        return ANOMALIES
    return SOME_UNREADABLE if unreadable else DONE


@dataclass(frozen=True)
class Outcome:
    """The result of a verb.

    Attributes:
        text: what a person reads on standard output.
        record: the same in plain JSON values, printed with ``--json``.
        code: the exit code.
        printed: whether it is printed; not by a process that another one reports for.
    """

    text: str
    record: dict[str, Any] = field(default_factory=dict)
    code: int = DONE
    printed: bool = True
