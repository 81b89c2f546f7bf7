"""Folders whose names do not say which images are good: when that is in doubt, and which commands settle it."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, Final

from twinspect.data.folder_names import role_of
from twinspect.data.samples import GOOD

if TYPE_CHECKING:
    from pathlib import Path

    from twinspect.data.samples import DataSet

_NEUTRAL: Final = frozenset({"batch", "images"})
_LAYOUT_ROLES: Final = frozenset({"train", "calibration", "test", "unlabelled", "good", "defect"})
_SHOWN: Final = 3


def doubt_about(data: DataSet, command: str) -> str:
    """Say why images cannot all be taken for good; empty where they can.

    They can where all lie in one folder, or in folders that are called by dates, batches, cameras and the like.

    Args:
        data: a plain folder's images.
        command: ``fit``, or another that is to read it.
    """
    root = data.root
    folders = {sample.path.parent: None for sample in data if sample.is_good}
    if root is None or not folders:
        return ""
    for folder in folders:
        for parent in (folder, *folder.parents):
            if parent == root or not parent.is_relative_to(root):
                break
            if role_of(parent.name) in _LAYOUT_ROLES:
                inner = parent.relative_to(root).as_posix()
                if role_of(parent.name) == "defect":
                    return (
                        f"{root}: {inner}/ holds defects by its name, so the images beside it are not all good; "
                        f"put good ones into {(parent.parent / GOOD).relative_to(root).as_posix()}/"
                    )
                remedy = f"name the folder that holds {parent.name}/, or move the images"
                return f"{root}: {inner}/ is part of a layout that does not start here; {remedy}"
    groups = {_without_neutral(folder.relative_to(root)) for folder in folders}
    return _settle(root, list(folders), command) if len(groups) > 1 else ""


def _without_neutral(folder: Path) -> tuple[str, ...]:
    return tuple(name for name in folder.parts if role_of(name) not in _NEUTRAL)


def _settle(root: Path, folders: list[Path], command: str) -> str:
    """Name the two commands of which one is meant."""
    common = os.path.commonpath(folders)
    base = root if not common else type(root)(common)
    names = sorted({folder.relative_to(base).parts[0] for folder in folders if folder != base})
    listed = ", ".join(f"{name}/" for name in names[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    start = f"twinspect {command}"
    some = (
        f"{start} {_quoted(base)} --normal {_quoted(names[0])}"
        if len(names) > 1
        else f"{start} {_quoted(base / names[0])}"
    )
    others = "the others defects" if len(names) > 1 else "the images beside it something else"
    return (
        f"{base}: its sub-folders {listed}{more} do not say which images are good; type {some} "
        f"if {names[0]} is good and {others}, or {start} {_quoted(root)} --all-good if all are good"
    )


def _quoted(path: object) -> str:
    return shlex.quote(str(path))
