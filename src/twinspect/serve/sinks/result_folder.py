"""A JSON file for each result, with the image and its anomaly map beside it if wanted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from twinspect.errors import NotStoredError, in_one_line
from twinspect.serve.sinks.base import UnreachableError
from twinspect.utils.files import write_atomically

if TYPE_CHECKING:
    from twinspect.serve.sinks.base import Outgoing
    from twinspect.serve.sinks.targets import FolderTarget
    from twinspect.serve.store import InspectionRow


class Pictures(Protocol):
    """Where pictures of inspections come from."""

    def image(self, row: InspectionRow) -> bytes:
        """Return the original file.

        Raises:
            NotStoredError: it was removed since.
        """

    def overlay(self, row: InspectionRow) -> bytes:
        """Return a PNG of the image with its anomaly map.

        Raises:
            NotStoredError: there is none, any more.
        """


class ResultFolder:
    """Writes ``DATE/NUMBER.json``, of the day (UTC) and the inspection, as the last one of its files.

    Args:
        target: the folder, and what is written.
        pictures: where images come from.
    """

    def __init__(self, target: FolderTarget, pictures: Pictures) -> None:
        self._target, self._pictures = target, pictures
        self._folder = Path(target.path)

    def open(self) -> None:
        """Make the folder unless it is there.

        Raises:
            UnreachableError: that is impossible.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UnreachableError(in_one_line(error, 300)) from error

    def send(self, outgoing: Outgoing) -> None:
        """Write the files of a result; those of an earlier attempt are replaced.

        Raises:
            UnreachableError: the folder cannot be written to.
        """
        row = outgoing.inspection
        try:
            if row is None:
                self._write("test.json", outgoing.record)
                return
            place = f"{outgoing.record['scored_at'][:10]}/{row.id}"
            (self._folder / place).parent.mkdir(exist_ok=True)
            self._write(f"{place}.json", outgoing.record | self._write_pictures(place, row))
        except OSError as error:
            raise UnreachableError(in_one_line(error, 300)) from error

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def _write_pictures(self, place: str, row: InspectionRow) -> dict[str, str | None]:
        files: dict[str, str | None] = {}
        if self._target.image:
            files["image_file"] = self._write_picture(f"{place}{row.image.suffix}", self._pictures.image, row)
        if self._target.overlay:
            files["overlay_file"] = self._write_picture(f"{place}_map.png", self._pictures.overlay, row)
        return files

    def _write_picture(self, name: str, make: Any, row: InspectionRow) -> str | None:
        try:
            write_atomically(self._folder / name, make(row))
        except NotStoredError:
            return None
        return name

    def _write(self, name: str, record: dict[str, Any]) -> None:
        text = json.dumps(record, allow_nan=False, ensure_ascii=False, indent=1)
        write_atomically(self._folder / name, f"{text}\n".encode("utf-8", "backslashreplace"))
