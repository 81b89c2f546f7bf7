"""Folders whose names do not say which images are good: when that is in doubt, and what settles it."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Final

from twinspect.data.folder_names import looks_defective, role_of
from twinspect.data.samples import GOOD
from twinspect.errors import DataError, Remedy, UnlabelledError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from twinspect.data.samples import Sample

_NEUTRAL: Final = frozenset({"batch", "images"})
_LAYOUT_ROLES: Final = frozenset({"train", "calibration", "test", "unlabelled", "good", "defect"})
_SHOWN: Final = 3


def doubt_about(root: Path, samples: Sequence[Sample]) -> DataError | None:
    """Say why the images of a plain folder cannot all be taken for good; ``None`` where they can.

    They can where all lie in one folder, or in folders that are called by dates, batches, cameras and the like.
    """
    folders = Counter(sample.path.parent for sample in samples if sample.is_good)
    for folder in folders:
        for parent in (folder, *folder.parents):
            if parent == root or not parent.is_relative_to(root):
                break
            if role_of(parent.name) in _LAYOUT_ROLES:
                return DataError(_part_of_a_layout(root, parent))
    groups = {_without_neutral(folder.relative_to(root)) for folder in folders}
    if len(groups) < 2:
        return None
    return _unlabelled(root, root.__class__(os.path.commonpath(folders)), folders, may_be_good=True)


def doubt_about_classes(root: Path, classes: Counter[Path]) -> DataError | None:
    """Say why class folders without a good one cannot all be taken for defects; ``None`` where they can.

    They can where all are called by words for defects or damage.

    Args:
        root: the folder that was named.
        classes: the class folders, with how many images each holds.
    """
    if all(looks_defective(path.name) for path in classes):
        return None
    base = root.__class__(os.path.commonpath([path.parent for path in classes]))
    return _unlabelled(root, base, classes, may_be_good=False)


def _part_of_a_layout(root: Path, folder: Path) -> str:
    inner = folder.relative_to(root).as_posix()
    if role_of(folder.name) == "defect":
        return (
            f"{root}: {inner}/ holds defects by its name, so the images beside it are not all good; "
            f"put good ones into {(folder.parent / GOOD).relative_to(root).as_posix()}/"
        )
    remedy = f"name the folder that holds {folder.name}/, or move the images"
    return f"{root}: {inner}/ is part of a layout that does not start here; {remedy}"


def _without_neutral(folder: Path) -> tuple[str, ...]:
    return tuple(name for name in folder.parts if role_of(name) not in _NEUTRAL)


def _unlabelled(root: Path, base: Path, folders: Counter[Path], *, may_be_good: bool) -> UnlabelledError:
    """Name what is in doubt, and the ways to say what is meant.

    Args:
        root: the folder that was named.
        base: the folder above all that are in doubt.
        folders: folders with how many images each holds.
        may_be_good: whether all of them may be good.
    """
    classes: Counter[str] = Counter()
    for folder, number in folders.items():
        if folder != base:
            classes[folder.relative_to(base).parts[0]] += number
    names = sorted(classes)
    listed = ", ".join(f"{name}/" for name in names[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    problem = f"{base}: its sub-folders {listed}{more} do not say which images are good"
    remedies = _some_are_good(base, classes)
    if may_be_good:
        call = f"twinspect.data.all_good({str(root)!r})"
        remedies.append(Remedy(str(root), ("--all-good",), call, "all are good"))
    return UnlabelledError(problem, str(root), tuple(remedies))


def _some_are_good(base: Path, classes: Counter[str]) -> list[Remedy]:
    good = _likely_good(classes)
    if not good:
        return []
    called = " and ".join(good) + (" is good" if len(good) == 1 else " are good")
    if len(good) == len(classes) == 1:
        inner = str(base / good[0])
        return [Remedy(inner, (), repr(inner), f"{called} and the images beside it something else")]
    call = f"twinspect.data.one_vs_rest({str(base)!r}, {good!r})"
    return [Remedy(str(base), ("--normal", ",".join(good)), call, f"{called} and the others defects")]


def _likely_good(classes: Counter[str]) -> list[str]:
    """Choose the class of most images that does not look like defects or masks, if any; batches are one class."""
    kinds: dict[str, list[str]] = {}
    for name in sorted(classes):
        kinds.setdefault("batch" if role_of(name) in _NEUTRAL else f"/{name}", []).append(name)
    groups = list(kinds.values())
    likely = [group for group in groups if not any(map(_is_not_good, group))]
    return max(likely, key=lambda group: sum(classes[name] for name in group), default=[])


def _is_not_good(name: str) -> bool:
    return looks_defective(name) or role_of(name) == "masks"
