"""How often a process died while it scored a shard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twinspect.errors import DataError
from twinspect.scale.shard_plan import ATTEMPTS

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from twinspect.scale.run_folder import RunFolder

ISOLATED: Final = 3
"""From this attempt on, each image is first decoded in a child process."""
MOST_ATTEMPTS: Final = 6
"""Attempts before a shard is given up: then the crashes do not come from decoding."""


class Attempt:
    """A note that a shard was started; it stays behind only if the process dies.

    Args:
        folder: folder of the run.
        name: name of the shard.

    Attributes:
        number: number of this attempt, from 1.

    Raises:
        DataError: too many processes died.
    """

    def __init__(self, folder: RunFolder, name: str) -> None:
        self._folder, self._name = folder, name
        self.number = 1
        while folder.has(self._note()):
            self.number += 1
        if self.number > MOST_ATTEMPTS:
            raise DataError(
                f"{name}: {MOST_ATTEMPTS} processes died while scoring this shard, though none of its images crashes "
                f"the decoder; is there enough memory? To try again, remove {ATTEMPTS}/ from --out"
            )

    def __enter__(self) -> Self:
        self._folder.write(self._note(), b"")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A process that ends with an error, or by Ctrl-C, has not died; a finished shard needs no notes at all.
        first = 1 if kind is None else self.number
        for number in range(first, self.number + 1):
            self.number = number
            self._folder.remove(self._note())

    def _note(self) -> str:
        return f"{ATTEMPTS}/{self._name}.{self.number}"
