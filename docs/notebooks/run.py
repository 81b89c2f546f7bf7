"""Run the notebooks and store what they show: `make notebooks`, or `python docs/notebooks/run.py NAME…`."""

from __future__ import annotations

import base64
import io
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import nbformat
from nbclient import NotebookClient
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDER: Final = Path(__file__).parent
SECONDS: Final = 600
"""A cell that takes longer fails."""
WIDTH: Final = 720
"""Largest side of a stored picture, in pixels."""


def run(path: Path, folder: Path) -> Any:
    """Run a notebook in a folder, from nothing; an error in a cell is raised.

    Returns:
        The notebook with what its cells show, without times and paths of this machine.
    """
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=SECONDS, resources={"metadata": {"path": str(folder)}}).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if not _is_bar(output)]
            for output in cell.outputs:
                _forget(output, folder)
    return notebook


def _is_bar(output: Any) -> bool:
    """Whether it is a bar that showed progress until it was over."""
    return output["output_type"] == "display_data" and output["data"].keys() == {"text/html", "text/plain"}


def _forget(output: Any, folder: Path) -> None:
    """Leave out where this machine keeps its files, and store pictures as small JPEG."""
    if "text" in output:
        output["text"] = output["text"].replace(f"{folder}/", "")
    data = output.get("data", {})
    for kind in [kind for kind in data if kind.startswith("text/")]:
        data[kind] = data[kind].replace(f"{folder}/", "")
    if "image/png" in data:
        data["image/jpeg"] = _as_jpeg(data.pop("image/png"))


def _as_jpeg(png: str) -> str:
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(png))) as picture:
        picture.thumbnail((WIDTH, WIDTH))
        picture.convert("RGB").save(buffer, "JPEG", quality=75)
    return base64.b64encode(buffer.getvalue()).decode()


def main(names: Iterable[str]) -> None:
    """Run notebooks by name, or all."""
    for path in [FOLDER / f"{name}.ipynb" for name in names] or sorted(FOLDER.glob("*.ipynb")):
        with TemporaryDirectory() as folder:
            notebook = run(path, Path(folder).resolve())
        nbformat.write(notebook, path)
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
