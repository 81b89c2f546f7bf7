"""Downloading a benchmark into a folder that its loader reads: whole, or not at all."""

from __future__ import annotations

import shutil
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from twinspect.data import benchmarks
from twinspect.data.benchmarks.archive_extraction import check_room, unpack
from twinspect.data.benchmarks.catalogue import CATALOGUE
from twinspect.data.benchmarks.download_urls import SOURCES
from twinspect.data.benchmarks.http_download import fetch, matches
from twinspect.data.benchmarks.root_folder import folders_below, join_names
from twinspect.data.opening import as_path
from twinspect.errors import DataError, DownloadError, PartialCopyWarning, unknown_name
from twinspect.utils.progress import NoProgress

if TYPE_CHECKING:
    import os

    from twinspect.data.benchmarks.catalogue import Benchmark
    from twinspect.utils.progress import Progress

WORK_SUFFIX: Final = ".part"
_UNPACKED: Final = "unpacked"


def download(name: str, root: str | os.PathLike[str], *, progress: Progress | None = None) -> Path:
    """Fetch a public benchmark into a folder that its loader reads.

    Only those can be fetched whose authors let anybody download them without a form; ``twinspect download`` lists
    them. What may be done with one, ``twinspect.data.benchmarks.CATALOGUE[name].licence`` says. Every file is checked
    against the checksum that was published. ``<root>.part`` holds what has come until all of it is there: ``root``
    itself is whole or does not exist, and the same call goes on where an earlier one was cut off.

    Args:
        name: as in ``ts.data``: ``"FashionMNIST"``.
        root: a folder that is new, or empty; of a whole copy nothing is fetched again.
        progress: is told of megabytes fetched and files unpacked.

    Returns:
        ``root``, for ``ts.data.<name>(root)``.

    Raises:
        DownloadError: the benchmark is available on its page only, the folder holds something else, the network or
            the disk does not suffice, or what came is not what was published; says what to do.
        ConfigError: there is no such benchmark.
    """
    return obtain(name, root, progress or NoProgress())[0]


def obtain(name: str, root: str | os.PathLike[str], progress: Progress) -> tuple[Path, bool]:
    """Do what :func:`download` does, and also tell whether anything had to be fetched."""
    entry = find_benchmark(name)
    if name not in SOURCES:
        raise DownloadError(f"{entry.title} is not downloaded by twinspect: {manual_instructions(entry)}")
    path = as_path(root)
    target = path.resolve()
    if _is_there(entry, path, target):
        return path, False
    work = target.with_name(f"{target.name}{WORK_SUFFIX}")
    work.mkdir(parents=True, exist_ok=True)
    _check_work_folder(entry, work)
    try:
        _move_into_place(_fetch_and_unpack(entry, work, progress), target)
        shutil.rmtree(work, ignore_errors=True)
    except KeyboardInterrupt as interruption:
        raise KeyboardInterrupt(
            f"{work} keeps what has come; the same command goes on from there"
        ) from interruption
    finally:
        shutil.rmtree(work / _UNPACKED, ignore_errors=True)
        with suppress(OSError):  # not empty: something is kept
            work.rmdir()
    return path, True


def find_benchmark(name: str) -> Benchmark:
    """Find a benchmark in the catalogue.

    Raises:
        ConfigError: there is no such benchmark.
    """
    if name not in CATALOGUE:
        raise unknown_name("benchmark", name, CATALOGUE)
    return CATALOGUE[name]


def manual_instructions(entry: Benchmark) -> str:
    """Say how to get a benchmark without twinspect."""
    licence = f"licence: {entry.licence}"
    return f"get it from {entry.page} ({licence}), unpack it and type ts.data.{entry.key}('FOLDER')"


def _is_there(entry: Benchmark, path: Path, target: Path) -> bool:
    """Tell whether a folder is a whole copy already; a new or empty one is not.

    Raises:
        DownloadError: something else is there.
    """
    if not target.exists():
        return False
    if not target.is_dir():
        raise DownloadError(f"{path}: is a file; name a new folder for {entry.title}")
    if any(target.iterdir()):
        if why := _why_incomplete(entry, target):
            remedy = f"name a new folder for {entry.title}"
            raise DownloadError(
                f"{path}: holds something already, which is not a whole copy ({why}); {remedy}"
            )
        return True
    if target == Path.cwd().resolve():
        raise DownloadError(f"{path}: is the folder you are in; name a new one in it: {path / entry.key}")
    return False


def _why_incomplete(entry: Benchmark, folder: Path) -> str:
    """Say why a folder is not a whole copy; empty if it is one."""
    for file in SOURCES[entry.key]:
        if (folder / file.name).is_file() and not file.packed and not matches(file, folder / file.name):
            return f"{file.name} is not the one that was published"
    return _loader_error(entry, folder, partial="error")


def _check_work_folder(entry: Benchmark, work: Path) -> None:
    """Refuse a work folder that holds other files: in the end it is moved or removed."""
    names = [file.name for file in SOURCES[entry.key]]
    expected = {_UNPACKED, *names, *(f"{name}.part" for name in names)}
    if others := sorted(path.name for path in work.iterdir() if path.name not in expected):
        remedy = "name another folder, or move that one away"
        raise DownloadError(f"{work}: is needed for {entry.title}, but holds {join_names(others)}; {remedy}")


def _fetch_and_unpack(entry: Benchmark, work: Path, progress: Progress) -> Path:
    """Fetch and unpack everything, and return the folder where the benchmark begins."""
    files = SOURCES[entry.key]
    missing = [file for file in files if not (work / file.name).is_file()]
    check_room(
        work, sum(file.size or 0 for file in missing) - _bytes_kept(work), f"downloading {entry.title}"
    )
    try:
        fetched = [fetch(file, work, progress) for file in files]
    except DownloadError as error:
        kept = f", which goes on from what {work} keeps" if any(work.iterdir()) else ""
        remedy = f"type the same again{kept}; behind a proxy, set HTTPS_PROXY"
        raise DownloadError(f"{error}; {remedy}; or {manual_instructions(entry)}") from error
    if not any(file.packed for file in files):
        return _find_root(entry, work)
    shutil.rmtree(work / _UNPACKED, ignore_errors=True)  # of a run that was killed
    for archive in fetched:
        unpack(archive, work / _UNPACKED, progress)
    return _find_root(entry, work / _UNPACKED)


def _bytes_kept(work: Path) -> int:
    return sum(part.stat().st_size for part in work.glob("*.part"))


def _find_root(entry: Benchmark, folder: Path) -> Path:
    """Find the folder that the loader reads: archives differ in how deep they put it."""
    # The checksum has said that it is whole.
    for candidate in (folder, *folders_below(folder)):
        if not _loader_error(entry, candidate, partial="ignore"):
            return candidate
    why = _loader_error(entry, folder, partial="ignore")
    raise DownloadError(f"what was fetched is not laid out as {entry.title} should be: {why}")


def _loader_error(entry: Benchmark, folder: Path, *, partial: Literal["error", "ignore"]) -> str:
    """Say why the loader does not read a folder, or that it holds too few images if these are an error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(partial, PartialCopyWarning)
            getattr(benchmarks, entry.key)(folder)
    except (DataError, PartialCopyWarning) as error:
        return str(error)
    return ""


def _move_into_place(folder: Path, target: Path) -> None:
    if target.is_dir():
        target.rmdir()  # is empty; without this Windows would not rename
    folder.rename(target)
