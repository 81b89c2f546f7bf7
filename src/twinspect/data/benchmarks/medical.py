"""Several medical sets below one folder, each found by what it holds."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

from twinspect.data import benchmarks
from twinspect.data.benchmarks.catalogue import CATALOGUE
from twinspect.data.benchmarks.root_folder import folders_below
from twinspect.data.opening import as_path
from twinspect.errors import DataError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from pathlib import Path

    from twinspect.data.samples import DataSet

_CONTENTS: Final = {
    "BrainMRI": ("yes", "no"),
    "HeadCT": ("labels.csv",),
    "RetinalOCT": ("train/NORMAL", "test/NORMAL"),
}
"""Where a set begins, the folder holds any of these; by the name of its loader."""


def medical_sets(root: str | os.PathLike[str]) -> dict[str, DataSet | None]:
    """Read those of brain MRI, head CT and retinal OCT that a folder holds.

    A set begins in the folder itself or up to two levels below, in the first folder that holds what the set does
    (``yes`` and ``no``; ``labels.csv``; ``train/NORMAL`` and ``test/NORMAL``), or else has the set's name
    (``brain-mri``, ``Head CT``, ``RetinalOCT``).

    Args:
        root: the folder.

    Returns:
        Each set by its title, as its own loader reads it; ``None`` for one that is not there.

    Raises:
        DataError: it is not a folder, or none of them is there, or one that is there is not whole; says what to type.
    """
    folder = as_path(root)
    if not folder.is_dir():
        raise DataError(f"{folder}: is not a folder; {_expected()}")
    places = {key: _find_set(key, folder) for key in _CONTENTS}
    if not any(places.values()):
        raise DataError(f"{folder}: none of the medical sets is in it; {_expected()}")
    return {
        CATALOGUE[key].title: getattr(benchmarks, key)(place) if place else None
        for key, place in places.items()
    }


def _find_set(key: str, root: Path) -> Path | None:
    """Find where a set begins, as far as can be told without reading it."""

    def first(fitting: Iterable[Path]) -> Path | None:
        return next(iter(fitting), None)

    names = {_letters(key), _letters(CATALOGUE[key].title)}
    holding = (
        path
        for path in chain([root], folders_below(root))
        if any((path / mark).exists() for mark in _CONTENTS[key])
    )
    return first(holding) or first(path for path in folders_below(root) if _letters(path.name) in names)


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))


def _expected() -> str:
    sets = "; ".join(
        f"{CATALOGUE[key].title}, a folder with {' and '.join(contents)}"
        for key, contents in _CONTENTS.items()
    )
    return f"expected any of: {sets}"
