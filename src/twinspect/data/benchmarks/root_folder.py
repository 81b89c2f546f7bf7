"""Whether the folder given is the unpacked benchmark, and if not, what to name or unpack instead."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from twinspect.data.benchmarks.download_urls import SOURCES
from twinspect.data.opening import as_path
from twinspect.errors import DataError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from twinspect.data.benchmarks.catalogue import Benchmark

_ARCHIVES: Final = (
    *(".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2"),
    *(".zip", ".7z", ".rar"),
)
_MAX_NAMES: Final = 5


class NotThereError(DataError):
    """A folder in which a benchmark does not begin: another one, an archive, or none."""


def benchmark_root(
    root: str | os.PathLike[str], entry: Benchmark, fits: Callable[[Path], bool], expected: str
) -> Path:
    """Check that a folder is where a benchmark begins.

    Args:
        root: what the user typed.
        entry: the benchmark.
        fits: tells whether a folder is it.
        expected: what such a folder holds, for the error.

    Raises:
        NotThereError: it is an archive, a folder above or below, another folder, a file or missing; says what to
            type.
    """
    path = as_path(root)
    if path.is_dir():
        if fits(path):
            return path
        raise NotThereError(
            f"{path}: no copy of {entry.title} begins here; {_remedy(path, entry, fits, expected)}"
        )
    if not path.exists():
        raise NotThereError(f"{path}: no such folder; {_where_to_get(entry, str(path))}; expected {expected}")
    if _is_archive(path):
        raise NotThereError(
            f"{path}: is an archive; {_how_to_unpack(path)}, then name the folder that has {expected}"
        )
    raise NotThereError(f"{path}: is a file; expected the folder of {entry.title}, which has {expected}")


def complete_root(root: str | os.PathLike[str], entry: Benchmark, parts: Sequence[str]) -> Path:
    """Check that a folder is where a benchmark begins, told by any of its parts, and has them all.

    Args:
        root: what the user typed.
        entry: the benchmark.
        parts: its folders or files, relative to the root.

    Raises:
        DataError: it is not, or some are missing; names them.
    """
    folder = benchmark_root(
        root, entry, lambda path: any((path / part).exists() for part in parts), " and ".join(parts)
    )
    if missing := [part for part in parts if not (folder / part).exists()]:
        raise missing_parts(folder, entry, missing, f"get it whole from {entry.page}")
    return folder


def missing_parts(root: Path, entry: Benchmark, missing: Iterable[str], remedy: str) -> DataError:
    """Build the error for an incomplete copy; it names the first few missing parts and an archive to unpack."""
    names = list(missing)
    archives = [path for path in _entries(root) if _is_archive(path)]
    unpack = f"; there are archives: {_how_to_unpack(archives[0])}" if archives else ""
    return DataError(
        f"{root}: a partial copy of {entry.title}, without {join_names(names)}{unpack}; {remedy}"
    )


def join_names(names: list[str]) -> str:
    """Join names, the first few of many."""
    more = len(names) - _MAX_NAMES
    return ", ".join(names[:_MAX_NAMES]) + (f" and {more} more" if more > 0 else "")


def folders_below(path: Path) -> Iterator[Path]:
    """Give the folders one and two levels down, the nearer first."""
    folders = [entry for entry in _entries(path) if entry.is_dir()]
    yield from folders
    for folder in folders:
        yield from (entry for entry in _entries(folder) if entry.is_dir())


def _remedy(path: Path, entry: Benchmark, fits: Callable[[Path], bool], expected: str) -> str:
    if inside := next((folder for folder in folders_below(path) if fits(folder)), None):
        return f"it lies further down: type {_python_call(entry, inside)}"
    above = path.absolute().parent
    if fits(above):
        return f"this is one part of it: type {_python_call(entry, above)}"
    archives = [inside for inside in _entries(path) if _is_archive(inside)]
    contents = join_names([inside.name for inside in _entries(path)]) or "nothing"
    unpack = f"{_how_to_unpack(archives[0])}; " if archives else ""
    return f"{unpack}expected {expected}; there is: {contents}; {_where_to_get(entry, 'DIR')}"


def _python_call(entry: Benchmark, folder: Path) -> str:
    return f"ts.data.{entry.key}({folder.as_posix()!r})"


def _where_to_get(entry: Benchmark, folder: str) -> str:
    direct = (
        f", or type: twinspect download {entry.key} {shlex.quote(folder)}" if entry.key in SOURCES else ""
    )
    return f"{entry.title} is at {entry.page}{direct}"


def _is_archive(path: Path) -> bool:
    return path.is_file() and path.name.casefold().endswith(_ARCHIVES)


def _how_to_unpack(archive: Path) -> str:
    """Say how to unpack an archive, with a command that works on every system where there is one."""
    folder, name = archive.parent, archive.name.casefold()
    if name.endswith((".7z", ".rar")):
        return f"unpack {archive} into {folder}"
    module = "zipfile" if name.endswith(".zip") else "tarfile"
    return f"unpack it with: python -m {module} -e {archive} {folder}"


def _entries(path: Path) -> list[Path]:
    try:
        return sorted(path.iterdir())
    except OSError:  # a folder that may not be opened holds nothing that could be named
        return []
