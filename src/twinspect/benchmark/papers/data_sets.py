"""Which of the folders that were named hold the data of a table, and what takes the place of what."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from twinspect.benchmark.partial_copies import partial_copies
from twinspect.benchmark.protocols import (
    BY_CLASS,
    GENERIC,
    PER_CATEGORY,
    PROTOCOLS,
    ClassSelection,
    ProtocolTask,
    tasks,
)
from twinspect.data.benchmarks.catalogue import CATALOGUE
from twinspect.data.benchmarks.root_folder import NotThereError, folders_below
from twinspect.errors import DataError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from twinspect.benchmark.protocols import Protocol

TEXTURES: Final = "dtd"
"""What to type for the folder of the Describable Textures."""
_ENDINGS: Final = ("-multiclass", "-ovr", "-all-but-one")
_FEW_TEXTURES: Final = ("banded", "braided", "zigzagged")
"""Some of the kinds of textures, by which the folder is known."""
_FASHION: Final = ("fashion", "fmnist")
"""Words in the name of a folder of Fashion-MNIST, whose files are called as those of MNIST."""


@dataclass(frozen=True)
class Source:
    """A folder or file that was named.

    Attributes:
        path: of it.
        stands_for: the set whose place it takes; empty: to be searched for public sets.
    """

    path: Path
    stands_for: str = ""


@dataclass(frozen=True)
class FoundSet:
    """The data of one protocol of a table.

    Attributes:
        protocol: that the table names.
        run_protocol: that its runs follow; another one where something stands in for the public set.
        root: where it lies.
        tasks: what is trained and tested by itself.
        missing: categories of the public set that the copy lacks.
        partial: what is said of a copy that has other numbers of images than published.
        selection: of its classes; the default for sets without any.
    """

    protocol: str
    run_protocol: str
    root: Path
    tasks: tuple[ProtocolTask, ...]
    missing: tuple[str, ...] = ()
    partial: tuple[str, ...] = ()
    selection: ClassSelection = field(default_factory=ClassSelection)

    @property
    def stands_in(self) -> bool:
        """Whether it takes the place of the public set."""
        return self.run_protocol != self.protocol

    @property
    def title(self) -> str:
        """The protocol, and what takes its place."""
        return f"{self.protocol}, in its place {self.root.name}" if self.stands_in else self.protocol


def set_name(protocol: str) -> str:
    """Return the name of a protocol's set.

    >>> set_name("cifar10-all-but-one")
    'cifar10'
    """
    for ending in _ENDINGS:
        protocol = protocol.removesuffix(ending)
    return protocol


def parse_sources(texts: Sequence[str]) -> list[Source]:
    """Read what was typed: folders, and ``SET=FOLDER`` for one that takes the place of a set.

    Sets that a table does not have are left for other tables, so that the same words serve all of them.

    Raises:
        ConfigError: there is no such set.
        DataError: there is no such folder or file.
    """
    known = {TEXTURES, *(set_name(name) for name, protocol in PROTOCOLS.items() if protocol.loader)}
    sources = []
    for text in texts:
        name, equals, path = text.partition("=")
        source = Source(Path(path), name) if equals and not Path(text).exists() else Source(Path(text))
        if source.stands_for and source.stands_for not in known:
            raise unknown_name("set", source.stands_for, known)
        if not source.path.exists():
            raise DataError(f"--data {text}: there is no {source.path}")
        sources.append(source)
    return sources


def find_set(
    name: str,
    sources: Sequence[Source],
    selection: ClassSelection | None = None,
    categories: Sequence[str] = (),
) -> FoundSet:
    """Find the data of a protocol in the folders that were named, or up to two levels below.

    Args:
        name: of the protocol.
        sources: what was named.
        selection: of classes, where the protocol has any.
        categories: the only ones to use, of the public set; empty for all.

    Raises:
        DataError: it is not there, or has nothing whole that the protocol can use; says so.
    """
    protocol = PROTOCOLS[name]
    selection = selection if selection and protocol.division in BY_CLASS else ClassSelection()
    for source in (source for source in sources if source.stands_for == set_name(name)):
        try:
            return _find_public([source.path], protocol, selection, categories, named=True)
        except DataError:  # noqa: PERF203 - not the public set, so what stands in for it
            other = PROTOCOLS[GENERIC[protocol.division]]
            found = tuple(tasks(other, str(source.path), selection))
            return FoundSet(name, other.name, source.path.resolve(), found, selection=selection)
    roots = [source.path for source in sources if not source.stands_for]
    return _find_public(roots, protocol, selection, categories)


def find_textures(sources: Sequence[Source]) -> Path | None:
    """Find the Describable Textures (DTD), or what was named in their place; ``None`` where they are not."""
    for source in sources:
        if source.stands_for == TEXTURES:
            return source.path
    for folder in _candidates([source.path for source in sources if not source.stands_for]):
        for inside in (folder, folder / "images"):
            if all((inside / kind).is_dir() for kind in _FEW_TEXTURES):
                return inside
    return None


def _find_public(
    roots: Sequence[Path],
    protocol: Protocol,
    selection: ClassSelection,
    categories: Sequence[str],
    *,
    named: bool = False,
) -> FoundSet:
    places = f"not in {', '.join(map(str, roots))}" if roots else "not named, and no folder to look for it in"
    problem, partial = DataError(f"{CATALOGUE[protocol.loader].title} is {places}"), None
    for folder in _candidates(roots):
        if not named and not _name_fits(folder, protocol.loader):
            continue
        try:
            return _public(folder, protocol, selection, categories)
        except NotThereError:
            continue
        except DataError as error:  # begins here, but is not whole; a whole copy may lie elsewhere
            problem, partial = error, partial or _partial(folder, protocol, categories)
    if partial is None or named:
        raise problem
    return partial


def _public(
    folder: Path,
    protocol: Protocol,
    selection: ClassSelection,
    categories: Sequence[str],
    missing: Sequence[str] = (),
) -> FoundSet:
    """Read a public set, or some of its categories."""
    some = {"categories": tuple(categories)} if categories else {}
    with partial_copies() as partial:
        found = tasks(replace(protocol, options={**protocol.options, **some}), str(folder), selection)
    if len(categories) == 1:  # a task of a single category is called as the set is
        found = [ProtocolTask(categories[0], task.read) for task in found]
    return FoundSet(
        protocol.name, protocol.name, folder, tuple(found), tuple(missing), tuple(partial), selection
    )


def _partial(folder: Path, protocol: Protocol, categories: Sequence[str]) -> FoundSet | None:
    """Read the categories that a partial copy has whole; ``None`` without any, or where one model is for all."""
    if protocol.division != PER_CATEGORY:
        return None
    wanted = categories or CATALOGUE[protocol.loader].categories
    whole = [category for category in wanted if _is_whole(folder, protocol, category)]
    missing = [category for category in wanted if category not in whole]
    return _public(folder, protocol, ClassSelection(), whole, missing) if whole else None


def _is_whole(folder: Path, protocol: Protocol, category: str) -> bool:
    try:
        _public(folder, protocol, ClassSelection(), [category])
    except DataError:
        return False
    return True


def _candidates(roots: Sequence[Path]) -> Iterator[Path]:
    for root in roots:
        yield root
        if root.is_dir():
            yield from folders_below(root)


def _name_fits(folder: Path, loader: str) -> bool:
    """Tell MNIST from Fashion-MNIST by the name of the folder; the other sets differ in what they hold."""
    is_fashion = any(word in folder.resolve().name.casefold() for word in _FASHION)
    return {"MNIST": not is_fashion, "FashionMNIST": is_fashion}.get(loader, True)
