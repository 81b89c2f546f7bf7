"""A model on disk: a folder with ``weights.safetensors`` and ``model.json``. Loading runs no code from it.

``model.json`` (format 1) holds, besides the record that rebuilds the model, the sha256 of the weights file and
a digest of itself, so that a flipped byte in either is found before anything is scored.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from twinspect._version import __version__
from twinspect.errors import BundleError
from twinspect.files import write_atomically, write_durably

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1
RECORD = "model.json"
WEIGHTS = "weights.safetensors"
_ALTERED = "is damaged or was edited: its digest does not fit; copy the model again"


def write_bundle(folder: Path, record: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Write a bundle, replacing an older one only when the new one is complete.

    Args:
        folder: where to; an existing bundle is replaced, anything else that is not empty is refused.
        record: plain JSON values.
        tensors: the weights.

    Raises:
        BundleError: the place is taken by something else, or cannot be written; nothing is lost.
    """
    _refuse_foreign(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
            fresh = Path(temporary) / "new"
            fresh.mkdir()
            content = save_tensors(
                {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
            )
            write_durably(fresh / WEIGHTS, content)
            weights = {"file": WEIGHTS, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
            write_durably(fresh / RECORD, _encode({**record, "weights": weights}))
            _swap(fresh, folder, aside=Path(temporary) / "old")
    except OSError as error:
        raise BundleError(
            f"{folder}: could not be saved ({_reason(error)}); nothing was changed there"
        ) from error


def rewrite_record(folder: Path, record: dict[str, Any]) -> None:
    """Replace ``model.json`` alone, for instance after a new calibration.

    Raises:
        BundleError: the folder cannot be written; the old record stands.
    """
    try:
        write_atomically(folder / RECORD, _encode({**record, "weights": read_record(folder)["weights"]}))
    except OSError as error:
        raise BundleError(
            f"{folder}: could not be changed ({_reason(error)}); the old record stands"
        ) from error


def read_record(folder: Path) -> dict[str, Any]:
    """Read and check ``model.json``.

    Raises:
        BundleError: missing, damaged, altered, or of an unknown format.
    """
    path = folder / RECORD
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BundleError(_missing(folder, RECORD)) from error
    try:
        record = json.loads(content)
    except ValueError as error:
        raise BundleError(f"{path} is damaged: it is no JSON ({error}); copy the model again") from error
    _check_record(path, record)
    # A last digit too many can be flipped without changing the number, and hence the digest, that is read.
    if _text(record) != content:
        raise BundleError(f"{path} {_ALTERED}")
    del record["digest"]
    loaded: dict[str, Any] = record
    return loaded


def read_tensors(folder: Path, record: dict[str, Any]) -> dict[str, Tensor]:
    """Read the weights that a record names, after checking their sha256.

    Raises:
        BundleError: missing, damaged or altered.
    """
    path = folder / WEIGHTS
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BundleError(_missing(folder, WEIGHTS)) from error
    found = hashlib.sha256(content).hexdigest()
    if found != record["weights"]["sha256"]:
        raise BundleError(
            f"{path} is damaged or altered: its sha256 is {found[:12]}…, {RECORD} expects "
            f"{record['weights']['sha256'][:12]}…; copy the model again"
        )
    try:
        return load_tensors(content)
    except SafetensorError as error:
        raise BundleError(f"{path} is no safetensors file ({error}); copy the model again") from error


def _check_record(path: Path, record: Any) -> None:
    found = record.get("format") if isinstance(record, dict) else None
    if found != FORMAT:
        raise BundleError(
            f"{path} has format number {found!r}; this twinspect ({__version__}) reads format {FORMAT}: "
            "update with: pip install --upgrade twinspect"
        )
    if record.get("digest") != _digest(record):
        raise BundleError(f"{path} {_ALTERED}")


def _encode(record: dict[str, Any]) -> bytes:
    complete = {"format": FORMAT, "twinspect": __version__, **record}
    complete["digest"] = _digest(complete)
    return _text(complete)


def _text(record: dict[str, Any]) -> bytes:
    return (json.dumps(record, indent=1) + "\n").encode()


def _digest(record: dict[str, Any]) -> str:
    rest = {key: value for key, value in record.items() if key != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _missing(folder: Path, name: str) -> str:
    if not folder.exists():
        return f"no model at {folder}; train one with: twinspect fit DATA --out {folder}"
    if not folder.is_dir():
        return f"{folder} is a file; a model is a folder that holds {RECORD} and {WEIGHTS}"
    return f"{folder} is no complete model: {name} is missing or cannot be read"


def _refuse_foreign(folder: Path) -> None:
    """Never put a model where something else lives."""
    is_model = (folder / RECORD).is_file()
    is_empty = folder.is_dir() and not any(folder.iterdir())
    if folder.exists() and not is_model and not is_empty:
        raise BundleError(f"{folder} exists and is no model; choose another --out or move it away")


def _swap(fresh: Path, folder: Path, aside: Path) -> None:
    if folder.exists():
        folder.rename(aside)
    try:
        fresh.rename(folder)
    except OSError:
        if aside.exists():
            aside.rename(folder)
        raise
    if aside.exists():
        shutil.rmtree(aside)


def _reason(error: OSError) -> str:
    return error.strerror or os.strerror(error.errno or 0)
