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
"""Options that name a file or folder; like ``data``, they are relative to the manifest's own folder."""
_SUFFIXES: Final = (".csv", ".parquet", ".toml")
_TABLES: Final = "model"
"""The tables of models in a TOML file: ``[[model]]``."""
_USABLE: Final = re.compile(r"[^\W_][\w .+@=-]{0,99}(?<![ .])")
"""Names that are valid in file names on every system."""


@dataclass(frozen=True)
class ManifestRow:
    """One model in a manifest.

    Attributes:
        where: file and row, for messages.
        name: name of the model; unique, and valid as a file name.
        data: absolute path of the images.
        cpus: processors for its fit; ``None`` if not given.
        gpus: GPUs for its fit; a fraction is allowed; ``None`` if not given.
        options: options of `fit` by name, as text.
    """

    where: str
    name: str
    data: Path
    cpus: int | None
    gpus: float | None
    options: Mapping[str, str]


def read_manifest(path: Path) -> list[ManifestRow]:
    """Read a manifest of models.

    Columns: ``name`` and ``data``, which are required; any option of `fit` and any setting of its method, by name;
    ``cpus`` and ``gpus``. An empty cell counts as not given. A TOML file has a table ``[[model]]`` for each model,
    with the same names; values above the first table are defaults for all models.

    Raises:
        DataError: it cannot be read, or a row has no name or data, or repeats a name.
        ConfigError: ``cpus`` or ``gpus`` is not a valid number, or the file type is unknown.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise ConfigError(f"{path}: a manifest of models ends in {', '.join(_SUFFIXES)}")
    base = path.absolute().parent
    rows = [_manifest_row(f"{path}, row {number}", row, base) for number, row in _rows(path)]
    if not rows:
        raise DataError(f"{path}: no models; expected one row a model, with columns name and data")
    _check_unique(rows)
    return rows


def parse_cpus(text: str, what: str) -> int:
    """Read a number of processors.

    Raises:
        ConfigError: it is not a whole number of 1 or more.
    """
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ConfigError(f"{what} must be a whole number of 1 or more, got {text!r}")
    return int(text)


def parse_gpus(text: str, what: str) -> float:
    """Read a number of GPUs: a fraction of one, or whole ones.

    Raises:
        ConfigError: it is neither.
    """
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not (0 <= number <= 1 or (number > 1 and number.is_integer())):
        raise ConfigError(f"{what} must be 0, a fraction of 1 such as 0.25, or a whole number, got {text!r}")
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


def _manifest_row(where: str, row: Mapping[str, str], base: Path) -> ManifestRow:
    options = {name.replace("-", "_"): text for name, text in row.items() if text}
    name, data = options.pop(NAME, ""), options.pop(DATA, "")
    if not _USABLE.fullmatch(name):
        allowed = "up to 100 letters, digits, spaces and any of ._+@=-, beginning with a letter or digit"
        raise DataError(f"{where}: the name {name!r} is not valid as a file name; allowed are {allowed}")
    where = f"{where} ({name})"
    if not data:
        raise DataError(f"{where}: no data; expected the folder, manifest or .npz to learn from")
    cpus, gpus = options.pop(CPUS, None), options.pop(GPUS, None)
    options |= {key: _resolve_path(base, options[key]) for key in PATHS if key in options}
    return ManifestRow(
        where,
        name,
        base / Path(data.replace("\\", "/")).expanduser(),
        None if cpus is None else parse_cpus(cpus, f"{where}: cpus"),
        None if gpus is None else parse_gpus(gpus, f"{where}: gpus"),
        options,
    )


def _resolve_path(base: Path, text: str) -> str:
    """Make a path absolute; a text that is not an existing path, ``random`` for instance, stays as it is."""
    path = base / Path(text).expanduser()
    return str(path) if path.exists() else text


def _check_unique(rows: list[ManifestRow]) -> None:
    first: dict[str, ManifestRow] = {}
    for row in rows:
        earlier = first.setdefault(row.name.casefold(), row)  # some file systems ignore case
        if earlier is not row:
            raise DataError(f"{row.where}: {earlier.where} has that name already; each model needs its own")
