"""A child process that stays: it is asked again and again, and others have their turns in between."""

from __future__ import annotations

import json
import subprocess
import tempfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from typing_extensions import Self

SHOWN = 3000
"""Characters of a failed child's errors that are repeated."""


class Answering:
    """A child that reads lines of words and answers each with a line of JSON.

    Args:
        command: what to start.
        environment: of the child.
    """

    def __init__(self, command: list[str], environment: Mapping[str, str]) -> None:
        self._command = command
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - as long as the child
        self._child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment,
        )

    def ask(self, *words: object) -> dict[str, Any]:
        """Send a line and wait for the answer; a child that ended ends this program with its last words."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        try:
            print(*words, file=self._child.stdin, flush=True)
        except BrokenPipeError:
            self._fail()
        for line in self._child.stdout:
            # Libraries print, too.
            if line.startswith("{"):
                found: dict[str, Any] = json.loads(line)
                return found
        return self._fail()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # At the end of its input it ends.
        self._child.communicate()
        self._errors.close()

    def _fail(self) -> Any:
        self._child.wait()
        self._errors.seek(0)
        raise SystemExit(f"failed: {' '.join(self._command)}\n{self._errors.read()[-SHOWN:]}")
