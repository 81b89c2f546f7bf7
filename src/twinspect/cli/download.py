"""`twinspect download`: public benchmarks, downloaded where their authors allow it, or else the page to visit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.cli.console import table, warn
from twinspect.cli.outcome import Outcome
from twinspect.data.benchmarks.catalogue import CATALOGUE
from twinspect.data.benchmarks.download import find_benchmark, obtain
from twinspect.data.benchmarks.download_urls import SOURCES, total_size
from twinspect.errors import ConfigError
from twinspect.utils.progress_bar import Bar

if TYPE_CHECKING:
    import argparse

    from twinspect.data.benchmarks.catalogue import Benchmark


def run(options: argparse.Namespace) -> Outcome:
    """List the benchmarks, or fetch one."""
    if options.name is None:
        return _list()
    entry = find_benchmark(options.name)
    if options.folder is None and entry.key in SOURCES:
        raise ConfigError(f"where to? type: twinspect download {entry.key} DIR")
    return _fetch(entry, options.folder or "")


def _list() -> Outcome:
    entries = sorted(CATALOGUE.values(), key=lambda entry: (entry.key not in SOURCES, entry.key.casefold()))
    rows = [(entry.key, entry.licence, _megabytes(entry), _how(entry)) for entry in entries]
    text = table(("benchmark", "licence", "MB", "how to get it"), rows)
    note = "direct: twinspect download NAME DIR. Every other one has a page to visit, some with a form to fill in."
    return Outcome(f"{text}\n\n{note}", {"benchmarks": [_record(entry) for entry in entries]})


def _fetch(entry: Benchmark, folder: str) -> Outcome:
    if entry.key in SOURCES:
        warn(f"{entry.title}: licence {entry.licence}; {entry.page}")
    with Bar() as bar:
        path, fetched = obtain(entry.key, folder, bar)
    state = f"{entry.title}, checked and whole" if fetched else f"a whole copy of {entry.title} already"
    text = f"{path}: {state}; in Python: ts.data.{entry.key}({path.as_posix()!r})"
    return Outcome(text, {**_record(entry), "path": str(path), "fetched": fetched})


def _record(entry: Benchmark) -> dict[str, object]:
    return {
        "name": entry.key,
        "title": entry.title,
        "licence": entry.licence,
        "page": entry.page,
        "direct": entry.key in SOURCES,
        "bytes": total_size(entry.key),
    }


def _megabytes(entry: Benchmark) -> str:
    size = total_size(entry.key)
    return "-" if size is None else f"{size / 1e6:.0f}"


def _how(entry: Benchmark) -> str:
    return "direct" if entry.key in SOURCES else entry.page
