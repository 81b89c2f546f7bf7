"""The exports of a bundle: ``exports/<name>/`` with the graph's files and the record of how it was checked."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from twinspect.bundle.checksummed_json import (
    check_content,
    check_digest,
    dump_checksummed,
    load_checksummed,
    sha256,
)
from twinspect.bundle.folder import RECORD, describe_os_error, replace_folder
from twinspect.errors import BundleError, ConfigError
from twinspect.utils.files import sha256_of_file, write_durably

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER: Final = "exports"
EXPORT: Final = "export.json"
MODULES: Final = {"onnx": "onnxruntime", "openvino": "openvino"}
"""The package that runs each kind of graph."""
PRECISIONS: Final = ("fp32", "fp16", "int8")


@dataclass(frozen=True)
class Export:
    """One exported graph, as its record describes it.

    Attributes:
        folder: where its files are.
        record: plain JSON values: ``runtime``, ``precision``, ``fixed_size``, ``files``, ``parity``, ``speed``,
            ``notes`` and more.
    """

    folder: Path
    record: dict[str, Any]

    @property
    def name(self) -> str:
        """What to type: runtime and precision, and the size if it takes one size only."""
        return self.folder.name

    @property
    def runtime(self) -> str:
        """``onnx`` or ``openvino``."""
        return str(self.record["runtime"])

    @property
    def precision(self) -> str:
        """``fp32``, ``fp16`` or ``int8``."""
        return str(self.record["precision"])

    @property
    def fixed_size(self) -> tuple[int, int] | None:
        """The height and width of the only images it takes, in pixels; ``None`` for any."""
        size = self.record["fixed_size"]
        return (size[0], size[1]) if size else None

    @property
    def milliseconds(self) -> float:
        """How long an image took when the export was checked, alone, as a median."""
        return float(self.record["speed"]["milliseconds"])

    @property
    def slower_than_torch(self) -> bool:
        """Whether the trained networks took less, measured beside it."""
        return self.milliseconds > float(self.record["speed"]["torch_milliseconds"])

    def contents(self) -> dict[str, bytes]:
        """Read its files, after checking their sha256, by name.

        Raises:
            BundleError: one is missing, damaged or altered.
        """
        return {about["file"]: self._content(about) for about in self.record["files"]}

    def paths(self) -> dict[str, Path]:
        """Say where its files are, after checking their sha256, by name.

        Raises:
            BundleError: one is missing, damaged or altered.
        """
        return {about["file"]: self._checked(about) for about in self.record["files"]}

    def _checked(self, about: dict[str, Any]) -> Path:
        path = self.folder / Path(about["file"]).name
        try:
            found = sha256_of_file(path)
        except OSError as error:
            raise _missing(path) from error
        check_digest(found, about["sha256"], path, EXPORT)
        return path

    def _content(self, about: dict[str, Any]) -> bytes:
        path = self.folder / Path(about["file"]).name
        try:
            content = path.read_bytes()
        except OSError as error:
            raise _missing(path) from error
        check_content(content, about["sha256"], path, EXPORT)
        return content


def _missing(path: Path) -> BundleError:
    return BundleError(f"{path} is missing or cannot be read; export the model again")


def export_name(runtime: str, precision: str, fixed_size: tuple[int, int] | None) -> str:
    """Name an export by what tells it from others: ``onnx-fp32``, ``openvino-int8-640x480`` (width x height)."""
    size = f"-{fixed_size[1]}x{fixed_size[0]}" if fixed_size else ""
    return f"{runtime}-{precision}{size}"


def write_export(model: Path, name: str, record: dict[str, Any], files: Mapping[str, bytes]) -> Export:
    """Put an export into a bundle, replacing one of the same name only when the new one is complete.

    Raises:
        BundleError: the folder cannot be written; an older export stands.
    """
    folder = model / FOLDER / name
    about = [
        {"file": file, "sha256": sha256(content), "bytes": len(content)} for file, content in files.items()
    ]
    complete = {**record, "files": about}
    try:
        folder.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{name}.") as temporary:
            fresh = Path(temporary) / "new"
            fresh.mkdir()
            for file, content in files.items():
                write_durably(fresh / file, content)
            write_durably(fresh / EXPORT, dump_checksummed(complete))
            replace_folder(fresh, folder, aside=Path(temporary) / "old")
    except OSError as error:
        raise BundleError(f"{folder}: could not be written ({describe_os_error(error)})") from error
    return Export(folder, complete)


def list_exports(model: Path, record: dict[str, Any]) -> list[Export]:
    """List the exports of a bundle that are of its present weights, sorted by name.

    Args:
        model: the bundle.
        record: its ``model.json``.

    Raises:
        BundleError: a record of one is damaged or altered.
    """
    folders = sorted(
        path.parent for path in (model / FOLDER).glob(f"*/{EXPORT}") if path.parent.name[0] != "."
    )
    found = [
        Export(folder, load_checksummed((folder / EXPORT).read_bytes(), folder / EXPORT))
        for folder in folders
    ]
    return [each for each in found if each.record["weights_sha256"] == record["weights"]["sha256"]]


def find_export(model: Path, record: dict[str, Any], runtime: str) -> Export:
    """Find the export that a user asked for.

    Args:
        model: the bundle.
        record: its ``model.json``.
        runtime: ``onnx`` or ``openvino``, for the most precise of these; or an export's name.

    Raises:
        ConfigError: there is none of that name; says what there is and what to type.
        BundleError: a record is damaged or altered.
    """
    present = list_exports(model, record)
    own = [each for each in present if each.runtime == runtime]
    ranked = sorted(own, key=lambda each: (each.fixed_size is not None, PRECISIONS.index(each.precision)))
    named = [each for each in present if each.name == runtime]
    if found := [*named, *ranked]:
        return found[0]
    there = ", ".join(each.name for each in present) or "none"
    asked = runtime.partition("-")[0]
    remedy = f"; type: twinspect export {model} --to {asked}" if asked in MODULES else ""
    raise ConfigError(
        f"{model}: no export {runtime!r} of the weights in {RECORD}; allowed are torch, auto, and of exports: "
        f"{there}{remedy}"
    )
