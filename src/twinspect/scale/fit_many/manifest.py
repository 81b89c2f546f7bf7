"""Manifests of models: a CSV, Parquet or TOML file with one model a row."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from twinspect.data.table_rows import as_text, read_rows
from twinspect.errors import ConfigError, DataError
from twinspect.utils.toml import parse_toml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NAME, DATA, CPUS, GPUS = "name", "data", "cpus", "gpus"
PATHS: Final = ("weights", "textures")
"""Options that name a file or folder; like ``data`` they start at the manifest's own folder."""
_SUFFIXES: Final = (".csv", ".parquet", ".toml")
_TABLES: Final = "model"
"""What a TOML file calls its models: ``[[model]]``."""
_USABLE: Final = re.compile(r"[^\W_][\w .+@=-]{0,99}(?<![ .])")
"""Names that are the beginning of a file's name everywhere."""


@dataclass(frozen=True)
class ManifestRow:
    """What a manifest says of one model.

    Attributes:
        where: file and row, for messages.
        name: of the model; unique, and usable as a file name.
        data: the images, with an absolute path.
        cpus: processors that its fit takes; ``None`` where the manifest does not say.
        gpus: GPUs that it takes, likewise; a part of one is allowed.
        options: options of `fit` by name, as text.
    """

    where: str
    name: str
    data: Path
    cpus: int | None
    gpus: float | None
    options: Mapping[str, str]


def read_entries(path: Path) -> list[ManifestRow]:
    """Read a manifest of models.

    Columns: ``name`` and ``data``, which must be there; any option of `fit` and any setting of its method, by name;
    ``cpus`` and ``gpus``. What is empty is not said. A TOML file has a table ``[[model]]`` for each, with the same
    names; what stands above the first of them goes for all that do not say otherwise.

    Raises:
        DataError: it cannot be read, or a row has no name or data, or a name that was there before.
        ConfigError: ``cpus`` or ``gpus`` that are none, or another kind of file.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise ConfigError(f"{path}: a manifest of models ends in {', '.join(_SUFFIXES)}")
    base = path.absolute().parent
    entries = [_entry(f"{path}, row {number}", row, base) for number, row in _rows(path)]
    if not entries:
        raise DataError(f"{path}: no models; expected one row a model, with columns name and data")
    _check_unique(entries)
    return entries


def whole_number(text: str, what: str) -> int:
    """Read a number of processors.

    Raises:
        ConfigError: it is none.
    """
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ConfigError(f"{what} must be a whole number of 1 or more, got {text!r}")
    return int(text)


def share(text: str, what: str) -> float:
    """Read a number of GPUs: a part of one, or whole ones.

    Raises:
        ConfigError: it is none.
    """
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not (0 <= number <= 1 or (number > 1 and number.is_integer())):
        raise ConfigError(f"{what} must be 0, a part of 1 such as 0.25, or a whole number, got {text!r}")
    return number


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    if path.suffix.lower() == ".toml":
        return _toml_rows(path)
    return read_rows(str(path), lambda: path.open("rb"), needed=NAME)


def _toml_rows(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    try:
        loaded = parse_toml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as TOML: {error}") from error
    models = loaded.pop(_TABLES, [])
    if not isinstance(models, list) or not all(isinstance(model, dict) for model in models):
        raise DataError(f"{path}: {_TABLES} must be tables, one a model; type: [[{_TABLES}]]")
    for number, model in enumerate(models, start=1):
        yield number, {name: _text(value) for name, value in {**loaded, **model}.items()}


def _text(value: Any) -> str:
    return ",".join(map(as_text, value)) if isinstance(value, list) else as_text(value)


def _entry(where: str, row: Mapping[str, str], base: Path) -> ManifestRow:
    said = {name.replace("-", "_"): text for name, text in row.items() if text}
    name, data = said.pop(NAME, ""), said.pop(DATA, "")
    if not _USABLE.fullmatch(name):
        allowed = "up to 100 letters, digits, spaces and any of ._+@=-, beginning with a letter or digit"
        raise DataError(f"{where}: the name {name!r} cannot be a file's; allowed are {allowed}")
    where = f"{where} ({name})"
    if not data:
        raise DataError(f"{where}: no data; expected the folder, manifest or .npz to learn from")
    cpus, gpus = said.pop(CPUS, None), said.pop(GPUS, None)
    said |= {key: _found(base, said[key]) for key in PATHS if key in said}
    return ManifestRow(
        where,
        name,
        base / Path(data.replace("\\", "/")).expanduser(),
        None if cpus is None else whole_number(cpus, f"{where}: cpus"),
        None if gpus is None else share(gpus, f"{where}: gpus"),
        said,
    )


def _found(base: Path, text: str) -> str:
    """Give the absolute path that a text names; a word that is no file, ``random`` for instance, stays a word."""
    path = base / Path(text).expanduser()
    return str(path) if path.exists() else text


def _check_unique(entries: list[ManifestRow]) -> None:
    first: dict[str, ManifestRow] = {}
    for entry in entries:
        earlier = first.setdefault(entry.name.casefold(), entry)  # to some file systems case is nothing
        if earlier is not entry:
            raise DataError(f"{entry.where}: {earlier.where} has that name already; each model needs its own")
