"""Teachers that are built by a factory: the pocket teacher of this package, and those that other packages bring.

Other packages register through the entry-point group ``twinspect.teachers``; the pocket teacher is an entry of
the same kind, which needs no installation to be found.

An entry is a callable ``factory(*, weights, layers, seed) -> Teacher`` with the meaning of
:func:`twinspect.teachers.registry.create_teacher`. It must also take ``weights="none"``: the bare network, at
once and offline, for a saved model that brings its weights itself; ``layers`` then holds level names.
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
"""What a factory is given as weights where a saved model brings them."""
POCKET = "pocket"
BUILT_IN = {POCKET: "twinspect.teachers.pocket.teacher:create"}
"""What this package itself brings, as an entry point would say it."""


class Factory(Protocol):
    """What an entry of the group is."""

    def __call__(
        self, *, weights: Path | str | None, layers: Sequence[int | str] | None, seed: int
    ) -> Teacher:
        """Build a teacher."""
        ...


def plugins() -> dict[str, EntryPoint]:
    """List the teachers of other packages by name, without importing them."""
    # A tenth of the time that a command takes to answer; not every command asks.
    from importlib.metadata import entry_points  # noqa: PLC0415

    return {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}


def factories() -> dict[str, EntryPoint]:
    """List all teachers that a factory builds; another package cannot take the name of this one's."""
    from importlib.metadata import EntryPoint  # noqa: PLC0415 - as above

    return {**plugins(), **{name: EntryPoint(name, value, ENTRY_POINTS) for name, value in BUILT_IN.items()}}


def package_of(entry: EntryPoint) -> str:
    """Name the package that brings a teacher."""
    return f"package {entry.dist.name}" if entry.dist else f"module {entry.value.partition(':')[0]}"


def factory(name: str) -> Factory:
    """Load the callable that builds a teacher of another package.

    Raises:
        TeacherError: no installed package brings this teacher, or its package cannot be imported.
    """
    known = factories()
    if name not in known:
        raise TeacherError(
            f"the teacher {name!r} comes from another package, and no installed one brings it; "
            f"install that package (brought by packages now: {', '.join(sorted(known)) or 'none'})"
        )
    try:
        loaded: Factory = known[name].load()
    except (ImportError, AttributeError) as error:
        raise TeacherError(
            f"the teacher {name!r} of {package_of(known[name])} cannot be loaded: {error}; "
            f"reinstall or remove that package"
        ) from error
    return loaded
