"""A model on disk: a folder with ``weights.safetensors`` and ``model.json``. Loading runs no code from it.

``model.json`` (format 1) holds, besides the record that rebuilds the model, the sha256 of the weights file and of
the images kept with it, and a digest of itself, so that a flipped byte in any of them is detected before anything
is scored. Nothing here needs torch; :mod:`twinspect.bundle.weights` interprets the bytes of the weights.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from twinspect.bundle.checksummed_json import check_content, dump_checksummed, load_checksummed, sha256
from twinspect.bundle.schema import FolderRecord, JoinedRecord, NetworksRecord, validate
from twinspect.errors import BundleError
from twinspect.utils.files import atomic_replacement, read_regular, write_durably
from twinspect.utils.folder_replacement import recover_folder, replacement_folder
from twinspect.utils.temporary_paths import clear_abandoned, temporary_beside

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

RECORD = "model.json"
WEIGHTS = "weights.safetensors"
IMAGES = "images"
"""Folder of the good images that are kept with a model to check its exports."""
LEARNT = "learnt_images.json"
"""The hashes of the images that the model was learnt from."""
EXPORTS = "exports"
_OWN = frozenset({RECORD, WEIGHTS, IMAGES, LEARNT, EXPORTS})
JOINED = "noisy_or"
"""The method name of a joined model."""


def write_bundle(
    folder: Path,
    record: dict[str, Any],
    weights: bytes,
    images: Sequence[bytes] = (),
    learnt: bytes | None = None,
) -> None:
    """Write a bundle, replacing an older one only when the new one is complete.

    Exports of the older one are deleted with it: they have other weights.

    Args:
        folder: an existing bundle is replaced; anything else that is not empty is refused.
        record: plain JSON values.
        weights: content of the weights file.
        images: contents of the PNG files to keep in it.
        learnt: content of the file of hashes; ``None`` if the images that the model was learnt from are not known.

    Raises:
        BundleError: the folder holds something else or cannot be written; nothing is lost.
    """
    check_place(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with replacement_folder(folder) as fresh:
            files: dict[str, Any] = {
                "weights": _write_file(fresh, WEIGHTS, weights),
                "images": _write_images(fresh, images),
            }
            if learnt is not None:
                files["learnt_images"] = _write_file(fresh, LEARNT, learnt)
            write_durably(fresh / RECORD, dump_checksummed({**record, **files}))
    except OSError as error:
        raise BundleError(
            f"{folder}: could not be saved ({describe_os_error(error)}); nothing was changed there"
        ) from error


def rewrite_record(folder: Path, record: dict[str, Any]) -> None:
    """Replace ``model.json`` alone, for instance after a new calibration.

    Raises:
        BundleError: the folder cannot be written; the old record stands.
    """
    path = folder / RECORD
    content = dump_checksummed({**record, "weights": read_record(folder)["weights"]})
    try:
        clear_abandoned(path)
        with atomic_replacement(path, temporary_beside(path)) as temporary:
            write_durably(temporary, content)
    except OSError as error:
        raise BundleError(
            f"{folder}: could not be changed ({describe_os_error(error)}); the old record stands"
        ) from error


def read_record(folder: Path) -> dict[str, Any]:
    """Read and check ``model.json``.

    Raises:
        BundleError: missing, damaged, altered, or of an unknown format.
    """
    remedy = f"copy the model again; a threshold is changed by: twinspect calibrate {folder}"
    return load_checksummed(_read(folder, RECORD), folder / RECORD, remedy)


def read_model_record(folder: Path) -> dict[str, Any]:
    """Read ``model.json`` and check every field: for whoever builds something from it.

    Raises:
        BundleError: as for :func:`read_record`; or a field is missing, of another type or out of range.
    """
    record, path = read_record(folder), folder / RECORD
    validate(record, FolderRecord, path)
    validate(record, JoinedRecord if record.get("method") == JOINED else NetworksRecord, path)
    return record


def model_key(folder: Path, by: str) -> str:
    """Compute a key that identifies a model with its calibration and, if it is one, its export.

    Args:
        folder: the bundle.
        by: the export's name; empty for the networks as they were trained.

    Returns:
        Hexadecimal sha256.

    Raises:
        BundleError: ``model.json`` is missing or cannot be read.
    """
    return sha256(_read(folder, RECORD) + by.encode())


def read_weights(folder: Path, record: dict[str, Any]) -> bytes:
    """Read the weights file that a record names, after checking its sha256.

    Raises:
        BundleError: missing, damaged or altered.
    """
    return _read_checked(folder, WEIGHTS, record["weights"])


def read_images(folder: Path, record: dict[str, Any]) -> tuple[bytes, ...]:
    """Read the PNG files kept with a model, if any, after checking their sha256.

    Raises:
        BundleError: one is missing, damaged or altered.
    """
    entries = record.get("images", [])  # absent from the first bundles of format 1
    return tuple(_read_checked(folder, _image_name(number), entry) for number, entry in enumerate(entries))


def read_listed_file(folder: Path, name: str, entry: dict[str, Any] | None) -> bytes | None:
    """Read a file that a record may list, after checking its sha256; ``None`` if it does not.

    Raises:
        BundleError: missing, damaged or altered.
    """
    return None if entry is None else _read_checked(folder, name, entry)


def describe_os_error(error: OSError) -> str:
    """Return the operating system's message."""
    return error.strerror or os.strerror(error.errno or 0)


def _write_images(folder: Path, images: Sequence[bytes]) -> list[dict[str, Any]]:
    if images:
        (folder / IMAGES).mkdir()
    return [_write_file(folder, _image_name(number), content) for number, content in enumerate(images)]


def _image_name(number: int) -> str:
    return f"{IMAGES}/{number}.png"


def _write_file(folder: Path, name: str, content: bytes) -> dict[str, Any]:
    """Write one file, and return its entry in the record."""
    write_durably(folder / name, content)
    return {"file": name, "sha256": sha256(content), "bytes": len(content)}


def _read_checked(folder: Path, name: str, entry: dict[str, Any]) -> bytes:
    content = _read(folder, name)
    check_content(content, entry["sha256"], folder / name, RECORD)
    return content


def _read(folder: Path, name: str) -> bytes:
    recover_folder(folder)
    try:
        return read_regular(folder / name)
    except (OSError, MemoryError) as error:
        raise BundleError(_missing(folder, name)) from error


def _missing(folder: Path, name: str) -> str:
    if not folder.exists():
        return f"no model at {folder}; train one with: twinspect fit DATA --out {folder}"
    if not folder.is_dir():
        return f"{folder} is a file; a model is a folder that holds {RECORD} and {WEIGHTS}"
    return (
        f"{folder} is not a complete model: {name} is missing or cannot be read; copy the whole folder again, or "
        "train one with: twinspect fit DATA --out M.twin"
    )


def is_model(folder: Path) -> bool:
    """Tell whether a folder holds a finished model."""
    recover_folder(folder)
    return (folder / RECORD).is_file()


def is_on_hub(path: str | Path) -> bool:
    """Tell whether a path is an address of a model on the hub, ``hf://owner/name``; of a Path one slash is left."""
    return str(path).startswith("hf:/")


def check_place(folder: Path) -> None:
    """Refuse to write a model over something else.

    Raises:
        BundleError: there is a file, or a folder that is neither a model nor empty, or holds more than a model.
    """
    if is_on_hub(folder):
        raise BundleError(
            f"{folder} is an address of the hub; save to a folder, then: twinspect push FOLDER hf://…"
        )
    is_empty = folder.is_dir() and not any(folder.iterdir())
    if folder.exists() and not is_model(folder) and not is_empty:
        raise BundleError(f"{folder} exists and is not a model; choose another --out or move it away")
    others = [path.name for path in folder.iterdir() if path.name not in _OWN] if is_model(folder) else []
    if others := sorted(name for name in others if not name.startswith(".")):
        raise BundleError(
            f"{folder} holds more than a model, and would be replaced as a whole: {', '.join(others[:3])}"
            f"{' …' if len(others) > 3 else ''}; move that away, or choose another --out"
        )
