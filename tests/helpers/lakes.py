"""What tests of scoring in shards share: images in every kind of container, and a run by name."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

import twinspect
from drawn_parts import blemish, stripes
from twinspect.scale.job import ScoringJob
from twinspect.scale.score_shards import score_lake
from twinspect.utils.progress import NoProgress

POISON = b"\x89PNG\r\n\x1a\nPOISON"
"""A file over which the decoder of `poisoned` processes dies."""
KILLING = """
import os, signal
import twinspect.images.reading as images
read = images.stored_values
def deadly(path, *, content=None, **options):
    data = open(path, "rb").read(20) if content is None else content
    if b"POISON" in data:
        os.kill(os.getpid(), signal.SIGKILL)
    return read(path, content=content, **options)
images.stored_values = deadly
"""


def png(number: int) -> bytes:
    """A part, every fourth with a blemish, as a PNG file."""
    values = blemish(stripes(number)) if number % 4 == 0 else stripes(number)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "png")
    return buffer.getvalue()


def write_folder(folder: Path, count: int, first: int = 0) -> Path:
    """Parts as files."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        (folder / f"{number:03d}.png").write_bytes(png(number))
    return folder


def write_tar(path: Path, files: dict[str, bytes]) -> Path:
    """A tar file as WebDataset writes them."""
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def write_parquet(path: Path, columns: dict[str, Any], rows_a_group: int = 1000) -> Path:
    """A table."""
    pq.write_table(pa.table(columns), path, row_group_size=rows_a_group)
    return path


def score(model: Path, out: object, *inputs: object, shard_images: int = 16, **more: Any) -> dict[str, Any]:
    """Score in shards in silence, and by the local engine if no other is named."""
    how = {name: more.pop(name) for name in ("category", "threads", "device", "export") if name in more}
    job = ScoringJob(model=model, out=str(out), **{"device": "cpu", "workers": 2, **how})
    told = {"progress": more.pop("progress", NoProgress()), "note": more.pop("note", lambda text: None)}
    return score_lake(job, [str(each) for each in inputs], shard_images=shard_images, **told, **more)


def rows_of(out: Path) -> list[dict[str, Any]]:
    """All rows of a run, in the order of the plan."""
    return [row for part in sorted((out / "rows").iterdir()) for row in pq.read_table(part).to_pylist()]


def files_of(out: Path) -> dict[str, bytes]:
    """Everything that a run wrote."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


def deadly(folder: Path) -> str:
    """Make the PYTHONPATH of processes that die over a poisonous image."""
    site = folder / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(KILLING)
    return os.pathsep.join([str(site), str(Path(twinspect.__file__).parents[1])])
