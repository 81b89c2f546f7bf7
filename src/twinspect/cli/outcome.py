"""The result of a verb: a text for people, a record for machines, and an exit code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

DONE, ANOMALIES, USER_MISTAKE, SOME_UNREADABLE, NOT_INSPECTABLE, INTERRUPTED = 0, 1, 2, 3, 4, 130
SOME_FAILED = SOME_UNREADABLE
"""Of verbs that do many runs: the others are done, and the command itself was no mistake."""


def code_of(anomalous: int, unreadable: int, not_inspectable: int, *, fail_on_anomaly: bool) -> int:
    """Give the exit code of a verb that scored images, so many of them anomalous, unreadable or not inspectable.

    An anomaly comes first: it is certain. A frame that cannot be inspected comes before an unreadable file, since the
    camera that took it takes the next ones.
    """
    if anomalous and fail_on_anomaly:
        return ANOMALIES
    if not_inspectable and fail_on_anomaly:
        return NOT_INSPECTABLE
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
