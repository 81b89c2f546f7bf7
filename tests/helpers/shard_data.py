"""What tests of sharded scoring share: images in every kind of container, and a run in one call."""

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
from twinspect.scale.score_shards import score_in_shards
from twinspect.utils.progress import NoProgress

CRASHING = b"\x89PNG\r\n\x1a\nCRASHING"
"""An image that crashes processes that start with :func:`crashing_decoder` on their path."""
SITE = """
import os, signal
from twinspect.images import bounded, decoding
opened = decoding.opened
def crash_or_open(path, content=None, *options):
    data = open(path, "rb").read(20) if content is None else content
    if b"CRASHING" in data:
        os.kill(os.getpid(), signal.SIGKILL)
    return opened(path, content, *options)
bounded.opened = decoding.opened = crash_or_open
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
    """Score in shards in silence, by the local engine if no other is named."""
    given = {name: more.pop(name) for name in ("category", "threads", "device", "export") if name in more}
    job = ScoringJob(model=model, out=str(out), **{"device": "cpu", "workers": 2, **given})
    listeners = {"progress": more.pop("progress", NoProgress()), "note": more.pop("note", lambda text: None)}
    return score_in_shards(job, list(map(str, inputs)), shard_images=shard_images, **listeners, **more)


def rows_of(out: Path) -> list[dict[str, Any]]:
    """All rows of a run, in the order of the plan."""
    return [row for part in sorted((out / "rows").iterdir()) for row in pq.read_table(part).to_pylist()]


def files_of(out: Path) -> dict[str, bytes]:
    """Everything that a run wrote."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def crashing_decoder(folder: Path) -> str:
    """Make a PYTHONPATH under which decoding :data:`CRASHING` kills the process."""
    site = folder / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(SITE)
    return os.pathsep.join([str(site), str(Path(twinspect.__file__).parents[1])])
