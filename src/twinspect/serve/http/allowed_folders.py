"""Folders of the server that admins may name over the network: those that whoever started it allowed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from twinspect.serve.api_errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def check_allowed(path: str, allowed: Sequence[Path]) -> Path:
    """Return a folder's own path, links followed, if it is one of the allowed folders or below one.

    Raises:
        ApiError: ``folder_not_allowed``.
    """
    if not allowed:
        raise ApiError(
            "folder_not_allowed",
            "no folder is allowed; start the server with --allow-folder DIR to allow one",
        )
    try:
        real = Path(path).resolve()
    except (OSError, ValueError, RuntimeError):
        real = None
    if real is None or not any(real.is_relative_to(folder.resolve()) for folder in allowed):
        names = ", ".join(map(str, allowed))
        raise ApiError(
            "folder_not_allowed", f"{path[:200]!r} is not below an allowed folder; allowed are: {names}"
        )
    return real


def check_apart(path: Path, others: Iterable[Path], what: str) -> None:
    """Refuse a folder that lies in another or around it: results would be taken for new images.

    Raises:
        ApiError: ``conflict``.
    """
    for other in others:
        if path.is_relative_to(other) or other.is_relative_to(path):
            raise ApiError(
                "conflict", f"{path} and {other}, {what}, lie in each other; choose another folder"
            )
