"""Tables and records that were damaged or half written: read, or refused in a line; nothing else is touched."""

from __future__ import annotations

import io
import json
import shutil
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from altered import TEXTS, altered, flipped, spliced
from drawn_parts import stripes, write_image
from shard_data import score as score_in_shards
from trials import seeds, trying
from twinspect.cli.config_file import read_config
from twinspect.cli.score_files import open_table
from twinspect.data import open_data
from twinspect.errors import ConfigError, DataError
from twinspect.scale.fit_many.manifest import read_manifest as read_models

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = (
    "path,split,label,mask,category\n"
    + "".join(f"images/{number}.png,train,good,,a\n" for number in range(4))
    + "images/4.png,test,scratch,masks/4.png,b\nimages/5.png,,,,\n"
)
MODELS = "name,data,method,steps,seed,cpus\n" + "".join(f"m{n},parts,mkd,3,{n},1\n" for n in range(4))
TOML = 'method = "mkd"\nseed = 3\nsteps = 600\nfalse-alarm-rate = 0.05\nlayers = [1, 2]\nsigma = 2.5\n'


def damaged(content: bytes, seed: int) -> bytes:
    return flipped(content, seed) if seed % 2 else spliced(content, TEXTS, seed)


def as_parquet(text: str, seed: int) -> bytes:
    """The same rows in Parquet; every other time with values of other types."""
    header, *lines = text.splitlines()
    rows = [dict(zip(header.split(","), line.split(","), strict=True)) for line in lines]
    buffer = io.BytesIO()
    try:
        table = pa.Table.from_pylist(altered(rows, seed) if seed % 2 else rows)
        pq.write_table(table, buffer)
    except (pa.ArrowException, OverflowError, AttributeError, TypeError):  # not to be written at all
        return b"PAR1"
    return buffer.getvalue() if seed % 2 else flipped(buffer.getvalue(), seed)


@pytest.mark.usefixtures("limited_memory")
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@seeds(60, 1000)
def test_manifests(suffix: str, seeds: range, tmp_path: Path) -> None:
    path = tmp_path / f"manifest{suffix}"
    for name in ("images/0.png", "images/4.png", "masks/4.png"):
        write_image(tmp_path / name, stripes(1))

    def read() -> None:
        for sample in open_data(path).samples:
            assert isinstance(sample.name + sample.label + sample.category, str)

    with trying(f"manifests, {suffix[1:]}") as trial:
        for seed in seeds:
            path.write_bytes(
                damaged(MANIFEST.encode(), seed) if suffix == ".csv" else as_parquet(MANIFEST, seed)
            )
            trial.refusal(seed, read, DataError)


@seeds(60, 1000)
def test_tables_of_models(seeds: range, tmp_path: Path) -> None:
    with trying("tables of models (fit-many)") as trial:
        for seed in seeds:
            path = tmp_path / ("m.csv" if seed % 3 else "m.parquet")
            path.write_bytes(damaged(MODELS.encode(), seed) if seed % 3 else as_parquet(MODELS, seed))
            trial.refusal(seed, lambda path=path: read_models(path))  # type: ignore[misc]


@seeds(60, 1500)
def test_configuration_files(seeds: range, tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    with trying("--config files") as trial:
        for seed in seeds:
            path.write_bytes(damaged(TOML.encode(), seed))
            trial.refusal(seed, lambda: read_config(path), ConfigError)


@pytest.fixture(scope="module")
def scored(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images, and their scores in tables and as a sharded run."""
    from twinspect.cli import main

    place = tmp_path_factory.mktemp("scored")
    for number in range(3):
        write_image(place / "images" / f"{number}.png", stripes(number))
    for suffix in ("csv", "jsonl", "parquet"):
        assert main(["score", str(bundle), str(place / "images"), "--out", str(place / f"s.{suffix}")]) == 0
    score_in_shards(bundle, place / "run", place / "images")
    return place


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
@seeds(60, 1000)
def test_score_tables(suffix: str, seeds: range, scored: Path, tmp_path: Path) -> None:
    content = (scored / f"s.{suffix}").read_bytes()
    with trying("score tables") as trial:
        for seed in seeds:
            path = tmp_path / f"s.{suffix}"
            path.write_bytes(damaged(content, seed))

            def read(path: Path = path) -> None:
                for row in open_table(path).rows():
                    assert isinstance(row["path"], str)
                    assert row["score"] is None or isinstance(row["score"], float)

            trial.refusal(seed, read, DataError)
            for file in tmp_path.iterdir():
                file.unlink()


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
@seeds(8, 150)
def test_scoring_goes_on_or_refuses(
    suffix: str, seeds: range, scored: Path, bundle: Path, run: Any, tmp_path: Path
) -> None:
    names = (f"s.{suffix}", f".s.{suffix}.twinspect.json")
    with trying("tables and their owners, scoring resumed") as trial:
        for seed in seeds:
            place = tmp_path / str(seed)
            place.mkdir()
            for name in names:
                shutil.copy(scored / name, place / name)
            target = place / names[seed % 3 == 0]
            content = target.read_bytes()
            if seed % 3 == 0 and seed % 2:
                target.write_text(json.dumps(altered(json.loads(content), seed)))
            else:
                target.write_bytes(damaged(content, seed))

            def resume(place: Path = place) -> None:
                code, _, notes = run("score", bundle, scored / "images", "--out", place / names[0])
                assert code in (0, 2, 3), notes  # 3: a row that was altered to have an error
                assert code != 2 or len([line for line in notes.splitlines() if "error:" in line]) == 1

            trial.refusal(seed, resume)
            assert {path.name for path in place.iterdir()} <= {*names, f".s.{suffix}.lock"}
            shutil.rmtree(place)


@seeds(20, 400)
def test_runs_in_shards(seeds: range, scored: Path, bundle: Path, tmp_path: Path) -> None:
    files = [
        path.relative_to(scored / "run") for path in sorted((scored / "run").rglob("*")) if path.is_file()
    ]
    files = [path for path in files if not path.name.startswith(".")]
    with trying("plans and parts of sharded scoring") as trial:
        for seed in seeds:
            out = tmp_path / str(seed)
            shutil.copytree(scored / "run", out)
            target = out / files[seed % len(files)]
            content = target.read_bytes()
            if target.suffix == ".json" and seed % 2:
                target.write_text(json.dumps(altered(json.loads(content), seed)))
            else:
                target.write_bytes(damaged(content, seed))
            (out / "manifest.json").unlink(missing_ok=True)
            trial.refusal(seed, lambda out=out: score_in_shards(bundle, out, scored / "images"))  # type: ignore[misc]
            shutil.rmtree(out)
        assert [path.name for path in tmp_path.iterdir()] == []
