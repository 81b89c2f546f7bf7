"""Teachers built by a factory: those whose networks are in this package, and those of other packages.

Other packages register factories through the entry-point group ``twinspect.teachers``; this package's own are entries
of the same kind that need no registration.

An entry is a callable ``factory(*, weights, layers, seed) -> Teacher`` with the meaning of
:func:`twinspect.teachers.registry.create_teacher`. It must also accept ``weights="none"``: the network without
weights, built offline, for a saved model that has its own; ``layers`` then holds level names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from twinspect.errors import TeacherError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.metadata import EntryPoint
    from pathlib import Path

    from twinspect.teachers.base import Teacher

ENTRY_POINTS = "twinspect.teachers"
BARE = "none"
"""The ``weights`` argument of a factory where a saved model has its own weights."""
POCKET = "pocket"
BUILT_IN = {
    POCKET: "twinspect.teachers.pocket.teacher:create",
    "pdn_small": "twinspect.teachers.pdn.teacher:small",
    "pdn_medium": "twinspect.teachers.pdn.teacher:medium",
}
"""Teachers of this package, in the form of an entry point."""


class Factory(Protocol):
    """The interface of an entry."""

    def __call__(
        self, *, weights: Path | str | None, layers: Sequence[int | str] | None, seed: int
    ) -> Teacher:
        """Build a teacher."""
        ...


def plugins() -> dict[str, EntryPoint]:
    """List the teachers of other packages by name, without importing them."""
    # Takes a tenth of the start-up time of a command, and not every command needs it.
    from importlib.metadata import entry_points  # noqa: PLC0415

    return {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}


def find(name: str) -> EntryPoint | None:
    """Find the factory of a teacher; other packages cannot override those of this package."""
    from importlib.metadata import EntryPoint  # noqa: PLC0415 - as above

    if name in BUILT_IN:
        return EntryPoint(name, BUILT_IN[name], ENTRY_POINTS)
    return plugins().get(name)


def package_of(entry: EntryPoint) -> str:
    """Return the name of the package that provides a teacher."""
    return f"package {entry.dist.name}" if entry.dist else f"module {entry.value.partition(':')[0]}"


def factory(name: str) -> Factory:
    """Load the callable that builds a teacher of another package.

    Raises:
        TeacherError: no installed package provides this teacher, or its package cannot be imported.
    """
    entry = find(name)
    if entry is None:
        raise TeacherError(
            f"the teacher {name!r} comes from another package, and no installed package provides it; "
            f"install that package (provided now: {', '.join(sorted({*BUILT_IN, *plugins()}))})"
        )
    try:
        loaded: Factory = entry.load()
    except (ImportError, AttributeError) as error:
        raise TeacherError(
            f"the teacher {name!r} of {package_of(entry)} cannot be loaded: {error}; "
            f"reinstall or remove that package"
        ) from error
    return loaded
