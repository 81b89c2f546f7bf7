"""`twinspect score`: maps, one writer a table, odd arguments, and what a person sees on a terminal."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from drawn_parts import blemish, stripes, write_image
from twinspect.cli.score_files import ScoreTable, open_table
from twinspect.errors import DataError
from twinspect.inference.score_table import COLUMNS
from twinspect.utils.locks import single_writer

HOLD = """
import sys, time; from pathlib import Path; from twinspect.inference.score_table import COLUMNS
from twinspect.utils.locks import single_writer
with single_writer(Path(sys.argv[1])):
    print("held", flush=True); time.sleep(60)
"""


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Three good images and a damaged one."""
    for number in range(3):
        write_image(tmp_path / "today" / f"{number}.png", stripes(600 + number))
    write_image(tmp_path / "today" / "bad.png", blemish(stripes(605)))
    return tmp_path / "today"


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


# Maps ------------------------------------------------------------------------------------------------------------


def test_maps_of_a_manifest_of_absolute_paths_lie_in_their_folder(
    run: Any, model: Path, images: Path, tmp_path: Path
) -> None:
    before = {path: path.read_bytes() for path in images.iterdir()}
    (tmp_path / "lists").mkdir()
    manifest = tmp_path / "lists" / "m.csv"
    manifest.write_text(f"path\n{images / '0.png'}\n../today/1.png\n")
    assert run("score", model, manifest, "--maps", tmp_path / "maps", "--out", tmp_path / "o.csv")[0] == 0
    assert {path: path.read_bytes() for path in images.iterdir()} == before
    assert sorted(path.name for path in (tmp_path / "maps").glob("*.png")) == ["0.png", "1.png"]


def test_maps_in_the_folder_of_the_images_are_refused_before_anything_is_scored(
    run: Any, model: Path, images: Path
) -> None:
    before = {path: path.read_bytes() for path in images.iterdir()}
    code, _, errors = run("score", model, images, "--maps", images)
    assert code == 2
    assert "would replace" in errors
    assert {path: path.read_bytes() for path in images.iterdir()} == before


@pytest.mark.parametrize("length", [244, 255])
def test_an_image_with_a_long_name_has_a_map(
    run: Any, model: Path, images: Path, tmp_path: Path, length: int
) -> None:
    shutil.copy(images / "0.png", images / f"{'n' * (length - 4)}.png")
    assert run("score", model, images, "--maps", tmp_path / "maps", "--out", tmp_path / "o.csv")[0] == 0
    assert len(list((tmp_path / "maps").glob("*.png"))) == len(table(tmp_path / "o.csv")) == 5


def test_a_table_with_a_long_name_is_written(run: Any, model: Path, images: Path, tmp_path: Path) -> None:
    for suffix in (".csv", ".parquet"):
        out = tmp_path / f"{'t' * (255 - len(suffix))}{suffix}"
        assert run("score", model, images, "--out", out)[0] == 0
        assert run("score", model, images, "--out", out)[0] == 0
        assert out.is_file()


def test_a_map_that_cannot_be_written_is_an_error_of_its_row_and_the_score_stands(
    run: Any, model: Path, images: Path, tmp_path: Path
) -> None:
    (tmp_path / "maps" / "1.png").mkdir(parents=True)
    code, _, errors = run("score", model, images, "--maps", tmp_path / "maps", "--out", tmp_path / "o.csv")
    assert code == 3
    assert "1 of 4 maps could not be written" in errors
    rows = {Path(row["path"]).name: row for row in table(tmp_path / "o.csv")}
    assert [name for name, row in rows.items() if row["error"]] == ["1.png"]
    assert "its map could not be written" in rows["1.png"]["error"]
    assert rows["1.png"]["score"]


def test_a_map_that_could_not_be_written_is_written_by_the_same_command(
    run: Any, model: Path, images: Path, tmp_path: Path
) -> None:
    command = ("score", model, images, "--maps", tmp_path / "maps", "--out", tmp_path / "o.csv")
    (tmp_path / "maps" / "1.png").mkdir(parents=True)
    assert run(*command)[0] == 3
    (tmp_path / "maps" / "1.png").rmdir()
    assert run("score", model, images, "--out", tmp_path / "o.csv")[0] == 3  # not asked for
    assert run(*command)[0] == 0
    assert (tmp_path / "maps" / "1.png").is_file()
    assert not any(row["error"] for row in table(tmp_path / "o.csv"))


def test_maps_of_a_resumed_run_have_the_names_of_one_that_was_not_interrupted(
    run: Any, model: Path, images: Path, tmp_path: Path
) -> None:
    shutil.copytree(images, tmp_path / "other")
    shutil.copy(images / "0.png", images / "0.bmp")
    both = (images, tmp_path / "other")
    run("score", model, *both, "--maps", tmp_path / "whole", "--out", tmp_path / "whole.csv")
    run("score", model, *both, "--out", tmp_path / "half.csv", "--maps", tmp_path / "half")
    lines = (tmp_path / "half.csv").read_text().splitlines(keepends=True)
    (tmp_path / "half.csv").write_text("".join(lines[:4]))
    for path in list((tmp_path / "half").rglob("*.png"))[:5]:
        path.unlink()
    run("score", model, *both, "--out", tmp_path / "half.csv", "--maps", tmp_path / "half")

    def names(folder: str) -> set[str]:
        return {path.relative_to(tmp_path / folder).as_posix() for path in (tmp_path / folder).rglob("*.png")}

    assert len(names("whole")) == 9
    assert names("half") <= names("whole")
    assert (tmp_path / "half.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


# One writer ------------------------------------------------------------------------------------------------------


def hold(path: Path) -> subprocess.Popen[str]:
    """Write a file in another process, until that is killed."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.parametrize("name", ["o.csv", "o.jsonl", "o.parquet"])
def test_a_second_run_into_a_table_is_told_at_once_and_a_killed_one_leaves_no_lock(
    run: Any, model: Path, images: Path, tmp_path: Path, name: str
) -> None:
    out = tmp_path / name
    with hold(out) as process:
        code, _, errors = run("score", model, images, "--out", out, "--overwrite")
        assert code == 2
        assert errors.count("\n") == 1
        assert f"{out} is being written by another run" in errors
        process.send_signal(signal.SIGKILL)
    assert run("score", model, images, "--out", out)[0] == 0
    assert len(open_table(out).rows()) == 4


def test_without_filelock_it_says_what_to_install(
    run: Any, model: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "filelock", None)
    code, _, errors = run("score", model, images, "--out", tmp_path / "o.csv")
    assert code == 2
    assert "pip install filelock" in errors


def test_shards_and_evaluations_have_one_writer_too(
    run: Any, model: Path, parts: Path, images: Path, tmp_path: Path
) -> None:
    shards = ("score", model, images, "--engine", "local", "--out", tmp_path / "shards")
    evaluation = ("evaluate", model, parts, "--out", tmp_path / "report")
    for command, file in ((shards, "shards/manifest.json"), (evaluation, "report/scores.csv")):
        with single_writer(tmp_path / file):
            code, _, errors = run(*command)
            assert code == 2
            assert "another run" in errors
        assert run(*command)[0] == 0
    assert len(pq.read_table(tmp_path / "shards" / "rows")) == 4
    assert len(table(tmp_path / "report" / "scores.csv")) == 12


@pytest.mark.parametrize("name", ["o.csv", "o.jsonl", "o.parquet"])
def test_a_table_that_vanishes_or_changes_while_it_grows_is_an_error(tmp_path: Path, name: str) -> None:
    rows = [{**dict.fromkeys(COLUMNS), "path": "a", "category": "", "error": "", "notice": "", "part": ""}]

    def grown() -> ScoreTable:
        growing = open_table(tmp_path / name)
        growing.clear()
        growing.append(rows)
        growing.append(rows)
        return growing

    moved = grown()
    moved.journal.rename(tmp_path / "moved")
    with pytest.raises(DataError, match="is gone"):
        moved.append(rows)
    with pytest.raises(DataError, match="is gone"):
        moved.finish()
    assert not moved.journal.exists()
    changed = grown()
    with changed.journal.open("ab") as file:
        file.write(b"x")
    with pytest.raises(DataError, match="was changed"):
        changed.append(rows)
    resumed = open_table(tmp_path / name)
    grown().rows()
    resumed.rows()
    resumed.journal.unlink()
    with pytest.raises(DataError, match="is gone"):
        resumed.append(rows)


# Odd arguments ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", [(), ("--engine", "local")])
def test_an_odd_argument_does_not_stop_the_others(
    run: Any, model: Path, images: Path, tmp_path: Path, engine: tuple[str, ...]
) -> None:
    (tmp_path / "readme.txt").write_text("hello")
    (tmp_path / "empty").mkdir()
    odd = [tmp_path / name for name in ("readme.txt", "gone.png", "empty")]
    out = ("--out", tmp_path / "out") if engine else ()
    code, text, errors = run("score", model, odd[0], images, *odd[1:], "--json", *engine, *out)
    assert code == 3
    assert all(path.name in errors for path in odd)
    assert json.loads(text)["images"] == 4


def test_what_is_left_out_is_named_by_doctor(run: Any, model: Path, images: Path) -> None:
    for number in range(30):
        (images / f"{number}.abc").touch()
    _, _, errors = run("score", model, images)
    (line,) = [line for line in errors.splitlines() if "left out" in line]
    assert line.startswith("twinspect: today: 30 files left out, for instance 0.abc: ")
    assert line.endswith(f"; all of them: twinspect doctor {images} --list")
    named = run("doctor", images, "--quick", "--list")[1]
    assert sum(f"  {images / str(number)}.abc: " in named for number in range(30)) == 30
    assert "and 10 more; --list names all" in run("doctor", images, "--quick")[1]


def test_only_odd_arguments_are_a_mistake(run: Any, model: Path, tmp_path: Path) -> None:
    code, _, errors = run("score", model, tmp_path / "gone.png", tmp_path / "gone.jpg")
    assert code == 2
    assert "none of the 2 arguments" in errors
    assert "gone.png: no such file" in errors


def test_one_file_named_in_two_ways_is_scored_once(run: Any, model: Path, images: Path) -> None:
    _, text, _ = run("score", model, images, f"{images}/../today/0.png", "--json")
    assert json.loads(text)["images"] == 4


# On a terminal ---------------------------------------------------------------------------------------------------


def test_a_person_reads_verdicts_the_worst_first(
    run: Any, model: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    (images / "text\n.png").write_text("not an image")
    rows = json.loads(run("score", model, images, "--json")[1])["rows"]
    worst = max(row["score"] for row in rows if row["score"] is not None)
    code, text, _ = run("score", model, images)
    assert code == 3
    lines = text.splitlines()
    assert lines[0].split() == ["verdict", "score", "image"]
    assert lines[1].startswith("anomalous")
    assert "× threshold" in lines[1]
    assert next(row["path"] for row in rows if row["score"] == worst) in lines[1]
    anomalous = sum(row["is_anomalous"] is True for row in rows)
    assert lines[1 + anomalous].startswith("unreadable")
    assert r"text\u000a.png" in text
    assert lines[-1].startswith(f"{anomalous} of 5 images anomalous, 1 unreadable; regions in ")


def test_a_pipe_reads_csv(run: Any, model: Path, images: Path) -> None:
    rows = list(csv.DictReader(run("score", model, images)[1].splitlines()))
    assert [Path(row["path"]).name for row in rows] == ["0.png", "1.png", "2.png", "bad.png"]


# Shards ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_shards_are_a_folder_and_not_a_file(
    run: Any, model: Path, images: Path, tmp_path: Path, suffix: str
) -> None:
    code, _, errors = run("score", model, images, "--engine", "local", "--out", tmp_path / f"r{suffix}")
    assert code == 2
    assert f"type --out {tmp_path / 'r'}" in errors
    assert not (tmp_path / f"r{suffix}").exists()


def test_shards_say_what_they_are(run: Any, model: Path, images: Path, tmp_path: Path) -> None:
    code, text, _ = run("score", model, images, "--engine", "local", "--out", tmp_path / "r")
    assert code == 0
    assert "rows/part-" in text
    assert "manifest.json" in text
