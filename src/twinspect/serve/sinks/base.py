"""What every kind of sink does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from twinspect.serve.store import InspectionRow


class UnreachableError(Exception):
    """Nobody answers, so no other delivery can arrive now either."""


class RefusedError(Exception):
    """This delivery did not arrive; others may."""


@dataclass(frozen=True)
class Outgoing:
    """A delivery on its way.

    Attributes:
        uuid: the same one whenever it is sent again.
        attempt: counted from 1.
        record: as :func:`.result_record` makes it.
        inspection: whose result it is; ``None`` for a test.
    """

    uuid: str
    attempt: int
    record: dict[str, Any]
    inspection: InspectionRow | None = None


class Sink(Protocol):
    """A receiver of results; used by one thread."""

    def open(self) -> None:
        """Connect unless connected; called again and again.

        Raises:
            UnreachableError: that is impossible now.
        """

    def send(self, outgoing: Outgoing) -> None:
        """Return once the receiver has it.

        Raises:
            UnreachableError: nobody answers.
            RefusedError: the receiver did not take it.
        """

    def close(self) -> None:
        """Disconnect."""
