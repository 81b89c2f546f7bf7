"""How often a shard was begun by a process that died over it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twinspect.errors import DataError
from twinspect.scale.shard_plan import ATTEMPTS

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from twinspect.scale.run_folder import Folder

ISOLATED: Final = 3
"""From this attempt on, each image is first decoded by a process that may die of it."""
MOST: Final = 6
"""Attempts before a shard is given up: it is not the decoding of an image that kills."""


class Attempt:
    """A note that a shard was begun, which only the death of the process leaves behind.

    Args:
        folder: of the run.
        name: the shard's.

    Attributes:
        number: which attempt this is, from 1.

    Raises:
        DataError: too many died.
    """

    def __init__(self, folder: Folder, name: str) -> None:
        self._folder, self._name = folder, name
        self.number = 1
        while folder.has(self._note()):
            self.number += 1
        if self.number > MOST:
            raise DataError(
                f"{name}: {MOST} processes died over this shard, though none of its images kills what decodes it; is "
                f"there memory enough? To try again, remove {ATTEMPTS}/ from --out"
            )

    def __enter__(self) -> Self:
        self._folder.write(self._note(), b"")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What ends with an error, or with Ctrl-C, has not died; and what is done needs no notes.
        last = 1 if kind is None else self.number
        for number in range(last, self.number + 1):
            self.number = number
            self._folder.remove(self._note())

    def _note(self) -> str:
        return f"{ATTEMPTS}/{self._name}.{self.number}"
