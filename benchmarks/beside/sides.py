"""One side of the comparison: an interpreter and a folder of scripts; what it runs is timed and weighed.

This process imports nothing heavy: on Linux a child's peak memory begins at that of the process which started it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from beside.answering import SHOWN, Answering

if TYPE_CHECKING:
    from pathlib import Path

SHARED = "both"
"""Beside the folders of the sides: what the scripts of both import."""


@dataclass(frozen=True)
class Run:
    """What became of one child process.

    Attributes:
        output: the JSON object of its last line, if there is one.
        seconds: wall time from start to end.
        began: when it was started, in seconds since the epoch.
        mib: peak resident memory (ru_maxrss) of the largest of the child and what it started, in MiB.
    """

    output: dict[str, Any]
    seconds: float
    mib: float
    began: float


@dataclass(frozen=True)
class Side:
    """Where one of the two lives.

    Attributes:
        name: as it is printed.
        python: its interpreter.
        folder: its scripts.
        source: put before its installed packages, as what both sides share is; ``None`` for nothing more.
    """

    name: str
    python: Path
    folder: Path
    source: Path | None

    def run(self, script: str, *options: object) -> Run:
        """Run one of the side's scripts."""
        return self.call(str(self.folder / script), *options)

    def stay(self, script: str, *options: object) -> Answering:
        """Start one of the side's scripts that answers until it is let go."""
        command = [str(self.python), str(self.folder / script), *map(str, options)]
        return Answering(command, self._environment())

    def call(self, *arguments: object) -> Run:
        """Run the side's interpreter; a child that fails ends this program with its last words."""
        command = [str(self.python), *map(str, arguments)]
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
            started, began = time.time(), time.perf_counter()
            child = subprocess.Popen(command, stdout=out, stderr=errors, env=self._environment())
            _, status, usage = os.wait4(child.pid, 0)
            seconds = time.perf_counter() - began
            child.returncode = os.waitstatus_to_exitcode(status)
            for stream in (out, errors):
                stream.seek(0)
            if child.returncode:
                raise SystemExit(f"failed: {' '.join(command)}\n{errors.read()[-SHOWN:]}")
            unit = 2**20 if sys.platform == "darwin" else 2**10
            return Run(_record(out.read()), seconds, usage.ru_maxrss / unit, started)

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        paths = [str(self.folder.parent / SHARED), *([str(self.source)] if self.source else [])]
        return {**kept, "PYTHONPATH": os.pathsep.join(paths), "HF_HUB_OFFLINE": "1"}


def _record(printed: str) -> dict[str, Any]:
    lines = printed.strip().splitlines()
    if not lines or not lines[-1].startswith("{"):
        return {}
    found: dict[str, Any] = json.loads(lines[-1])
    return found
