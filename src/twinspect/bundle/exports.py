"""The exports of a bundle: ``exports/<name>/`` with the graph's files and the record of how it was checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from twinspect.bundle.calibration_history import ROI
from twinspect.bundle.checksummed_json import (
    check_content,
    check_digest,
    dump_checksummed,
    load_checksummed,
    sha256,
)
from twinspect.bundle.folder import EXPORTS, describe_os_error
from twinspect.bundle.schema import ExportRecord, validate
from twinspect.errors import BundleError
from twinspect.utils.files import read_regular, sha256_of_file, write_durably
from twinspect.utils.folder_replacement import recover_folders_in, replacement_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FOLDER: Final = EXPORTS
EXPORT: Final = "export.json"
PRECISIONS: Final = ("fp32", "fp16", "int8")
"""The most precise first."""


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
        """What to type: runtime and precision, and the image size if it takes one size only."""
        return self.folder.name

    @property
    def runtime(self) -> str:
        """What runs it: ``onnx``, ``openvino`` or ``tensorrt``."""
        return str(self.record["runtime"])

    @property
    def precision(self) -> str:
        """``fp32``, ``fp16`` or ``int8``."""
        return str(self.record["precision"])

    @property
    def fixed_size(self) -> tuple[int, int] | None:
        """The height and width of the only images it takes, in pixels; ``None`` for any."""
        size = self.record.get("fixed_size")
        return (size[0], size[1]) if size else None

    @property
    def takes_regions(self) -> bool:
        """Whether it takes a region of interest beside each image."""
        return bool(self.record.get("roi_input"))

    @property
    def milliseconds(self) -> float:
        """Median time of one image, alone, when the export was checked."""
        return float(self.record["speed"]["milliseconds"])

    @property
    def slower_than_torch(self) -> bool:
        """Whether the trained networks, measured beside it, took less."""
        return self.milliseconds > float(self.record["speed"]["torch_milliseconds"])

    def contents(self) -> dict[str, bytes]:
        """Read its files, after checking their sha256, by name.

        Raises:
            BundleError: one is missing, damaged or altered.
        """
        return {file["file"]: self._content(file) for file in self.record["files"]}

    def paths(self) -> dict[str, Path]:
        """Give the paths of its files, after checking their sha256, by name.

        Raises:
            BundleError: one is missing, damaged or altered.
        """
        return {file["file"]: self._checked(file) for file in self.record["files"]}

    def _checked(self, file: dict[str, Any]) -> Path:
        path = self.folder / Path(file["file"]).name
        try:
            digest = sha256_of_file(path)
        except OSError as error:
            raise _missing(path) from error
        check_digest(digest, file["sha256"], path, EXPORT)
        return path

    def _content(self, file: dict[str, Any]) -> bytes:
        path = self.folder / Path(file["file"]).name
        try:
            content = read_regular(path)
        except (OSError, MemoryError) as error:
            raise _missing(path) from error
        check_content(content, file["sha256"], path, EXPORT)
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
    listed = [
        {"file": file, "sha256": sha256(content), "bytes": len(content)} for file, content in files.items()
    ]
    complete = {**record, "files": listed}
    try:
        folder.parent.mkdir(exist_ok=True)
        with replacement_folder(folder) as fresh:
            for file, content in files.items():
                write_durably(fresh / file, content)
            write_durably(fresh / EXPORT, dump_checksummed(complete))
    except OSError as error:
        raise BundleError(f"{folder}: could not be written ({describe_os_error(error)})") from error
    return Export(folder, complete)


def _read_export(path: Path) -> dict[str, Any]:
    try:
        content = read_regular(path)
    except OSError as error:
        raise _missing(path) from error
    record = load_checksummed(content, path)
    validate(record, ExportRecord, path)
    return record


def list_exports(
    model: Path, record: dict[str, Any], damaged: Callable[[BundleError], None] | None = None
) -> list[Export]:
    """List the exports of a bundle that were made from its current weights and look where it does, sorted by name.

    Args:
        model: the bundle.
        record: its ``model.json``.
        damaged: called with the error of each export whose record is damaged, which is then left out.

    Raises:
        BundleError: a record of one is damaged or altered, and ``damaged`` is ``None``.
    """
    recover_folders_in(model / FOLDER)
    exports, current = [], (record["weights"]["sha256"], record.get(ROI, {}).get("sha256"))
    for path in sorted((model / FOLDER).glob(f"*/{EXPORT}")):
        if path.parent.name[0] == ".":
            continue
        try:
            export = Export(path.parent, _read_export(path))
        except BundleError as error:
            if damaged is None:
                raise
            damaged(error)
            continue
        if (export.record["weights_sha256"], export.record.get("roi")) == current:
            exports.append(export)
    return exports
