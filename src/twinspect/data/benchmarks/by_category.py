"""Benchmarks with a folder for each category: which ones to read, whether they are there, and reading them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias

from twinspect.data.benchmarks.catalogue import CATALOGUE
from twinspect.data.benchmarks.loader_base import build_data_set
from twinspect.data.benchmarks.root_folder import benchmark_root, join_names, missing_parts
from twinspect.data.listing import Listing, with_category
from twinspect.errors import ConfigError, unknown_name

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from pathlib import Path

    from twinspect.data.benchmarks.catalogue import Benchmark
    from twinspect.data.samples import DataSet

Categories: TypeAlias = str | Iterable[str] | None
"""One category, several, or ``None`` for all that the benchmark has."""


def read_categories(
    key: str,
    root: str | os.PathLike[str],
    categories: Categories,
    *,
    read: Callable[[Path, Path], Listing],
    parts: tuple[str, ...],
    layout: str,
) -> DataSet:
    """Read the folders of the categories asked for.

    Args:
        key: the benchmark's name in ``ts.data``.
        root: the folder that holds the categories.
        categories: which.
        read: reads one category: (its folder, the root).
        parts: the folders that every category must have.
        layout: how it is read and split, in words.

    Raises:
        DataError: the root is not such a folder, or a category or one of its parts is missing.
        ConfigError: a category that the benchmark does not have.
    """
    entry = CATALOGUE[key]
    names = check_categories(entry, categories)
    contents = " and ".join(f"{part}/" for part in parts)
    expected = f"{contents} in a folder for each of {join_names(list(entry.categories))}"
    folder = benchmark_root(root, entry, lambda path: _holds_a_category(path, entry), expected)
    check_parts(folder, entry, names, parts)
    listing = Listing()
    for name in names:
        listing.add(with_category(read(folder / name, folder), name))
    return build_data_set(entry, listing, folder, layout, whole=len(names) == len(entry.categories))


def check_categories(entry: Benchmark, categories: Categories) -> tuple[str, ...]:
    """List the categories asked for, each once.

    Raises:
        ConfigError: one of them is unknown, or there are none.
    """
    if categories is None:
        return entry.categories
    names = tuple(dict.fromkeys([categories] if isinstance(categories, str) else categories))
    for name in names:
        if name not in entry.categories:
            raise unknown_name(f"{entry.title} category", name, entry.categories)
    if not names:
        raise ConfigError(f"no category is named; {entry.title} has: {', '.join(entry.categories)}")
    return names


def check_parts(folder: Path, entry: Benchmark, names: tuple[str, ...], parts: tuple[str, ...]) -> None:
    """Refuse a partial copy: every category asked for has all its parts.

    Raises:
        DataError: one is missing; says which, and how to ask for those that are whole.
    """
    missing_by_name = {name: _missing_folders(folder / name, parts) for name in names}
    if missing := [part for parts_missing in missing_by_name.values() for part in parts_missing]:
        whole = [name for name, parts_missing in missing_by_name.items() if not parts_missing]
        take = f", or take those that are whole: categories={whole}" if whole else ""
        raise missing_parts(folder, entry, missing, f"get it whole from {entry.page}{take}")


def _missing_folders(category: Path, parts: tuple[str, ...]) -> list[str]:
    if not category.is_dir():
        return [category.name]
    return [f"{category.name}/{part}" for part in parts if not (category / part).is_dir()]


def _holds_a_category(path: Path, entry: Benchmark) -> bool:
    return any((path / name).is_dir() for name in entry.categories)
