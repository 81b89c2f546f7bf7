"""Runs the blocks of a page in the current folder, as a user would, and says what they print."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import warnings
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final

import page_command
from pages import SHELL, Block, Page

if TYPE_CHECKING:
    from collections.abc import Iterator

_SERVER: Final = re.compile(r"^(twinspect serve (?!.*--add-token).*?)(\s+#.*)?$", re.MULTILINE)
_READY: Final = (
    "until curl --silent --fail --output /dev/null http://127.0.0.1:8000/readyz; do sleep 0.2; done"
)
_NUMBER: Final = re.compile(r"\S*\d\S*")
_WORD: Final = re.compile(r"[^\W\d_]{2,}")


def write_programs(folder: Path) -> None:
    """Write the programs that pages call."""
    for name in ("twinspect", "pip"):
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{page_command.__file__}" {name} "$@"\n')
        program.chmod(0o755)


@contextmanager
def module_of(page: Page) -> Iterator[ModuleType]:
    """Make the module that a page's Python is: its file has each line where the page has it."""
    module = ModuleType(page.path.stem)
    module.__file__ = str(Path(f"{page.path.stem}.py").resolve())
    lines = [""] * len(page.path.read_text(encoding="utf-8").splitlines())
    for block in page.blocks:
        if block.language == "python":
            code = block.code.splitlines()
            lines[block.line - 1 : block.line - 1 + len(code)] = code
    Path(module.__file__).write_text("\n".join(lines), encoding="utf-8")
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


def run_python(block: Block, module: ModuleType) -> str:
    """Run a block in the module of its page."""
    code = compile("\n" * (block.line - 1) + block.code, str(module.__file__), "exec")
    with redirect_stdout(StringIO()) as printed, redirect_stderr(printed), warnings.catch_warnings():
        warnings.simplefilter("default")
        exec(code, vars(module))
    return printed.getvalue()


@contextmanager
def shell_with(programs: Path) -> Iterator[Shell]:
    """Give a shell that finds the programs; what it started is stopped in the end."""
    shell = Shell(programs)
    yield shell
    for group in shell.groups:
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


class Shell:
    """Runs blocks by bash, each in a process of its own.

    Attributes:
        groups: the process groups of what was run; a server goes on behind its block.
    """

    def __init__(self, programs: Path) -> None:
        self.groups: list[int] = []
        path = f"{programs}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        found = os.pathsep.join(folder for folder in sys.path if folder)
        self.environment = {**os.environ, "PATH": path, "PYTHONPATH": found, "COLUMNS": "200"}

    def run(self, block: Block) -> str:
        """Run a block, and give what it printed; a server is ready before the next line runs."""
        with Path("printed.txt").open("w+", encoding="utf-8") as printed:
            process = subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", _SERVER.sub(rf"\1 &\n{_READY}", block.code)],
                stdout=printed,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=self.environment,
                start_new_session=True,
            )
            self.groups.append(process.pid)
            code = process.wait()
            printed.seek(0)
            said = printed.read()
        assert code == 0, f"{block}: exit code {code}\n{said}"
        return said


def run_block(block: Block, module: ModuleType, shell: Shell) -> str:
    """Run a block of either language."""
    return shell.run(block) if block.language in SHELL else run_python(block, module)


def lines_not_printed(expected: str, printed: str) -> list[str]:
    """Find the lines that were not printed, whatever the numbers; … stands for any words, in a line or of lines.

    >>> lines_not_printed("took 3 s\\nat most 5 % of …\\n…\\nlost", "took 12.5 s\\nat most 4 % of good parts\\n")
    ['lost']
    """
    said = [_words(line) for line in printed.splitlines()]
    return [line for line in expected.splitlines() if not any(_is_like(line, words) for words in said)]


def _words(line: str) -> list[str]:
    return _WORD.findall(_NUMBER.sub(" ", line))


def _is_like(line: str, words: list[str]) -> bool:
    begin, ellipsis, _ = line.partition("…")
    expected = _words(begin)
    return not _words(line) or expected == (words[: len(expected)] if ellipsis else words)
