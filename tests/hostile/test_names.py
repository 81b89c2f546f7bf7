"""Names of files as no editor would write them: every table gives back the same bytes, a row each."""

from __future__ import annotations

import csv
import json
import os
import shutil
import unicodedata
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from altered import file_name
from drawn_parts import stripes, write_image
from trials import seeds, trying
from twinspect.cli.score_files import open_table
from twinspect.inference.score_table import COLUMNS
from twinspect.utils.spelling import spell, unspell

if TYPE_CHECKING:
    from pathlib import Path

    from twinspect.inference.score_table import Row


def row(name: str) -> Row:
    cells: Row = {**dict.fromkeys(COLUMNS), "path": spell(name), "category": spell(name[:9]), "score": 0.1}
    return {**cells, "error": "", "notice": "", "part": "", "is_anomalous": False, "inspectable": True}


def paths(table: Path) -> list[str]:
    """Read the paths as other programs do."""
    if table.suffix == ".parquet":
        return list(pq.read_table(table).column("path").to_pylist())
    text = table.read_bytes().decode()
    if table.suffix == ".jsonl":
        return [json.loads(line)["path"] for line in text.splitlines()]
    return [cells["path"] for cells in csv.DictReader(text.splitlines())]


def check_table(names: list[bytes], path: Path) -> None:
    """Write a table in two goes, with a torn row between them, and read it back."""
    table, half = open_table(path), len(names) // 2
    texts = [os.fsdecode(name) for name in names]
    table.append([row(name) for name in texts[:half]])
    with table.journal.open("ab") as file:
        file.write(table.encode([row(texts[half])]).encode()[:-1])  # killed before the end of the line
    again = open_table(path)
    assert len(again.rows()) == half
    again.append([row(name) for name in texts[half:]])
    again.finish()
    assert [os.fsencode(unspell(text)) for text in paths(path)] == names


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
@seeds(60, 2000)
def test_tables_give_back_the_bytes_of_every_name(suffix: str, seeds: range, tmp_path: Path) -> None:
    with trying("names of files") as trial:
        for first in seeds[::10]:
            names = [file_name(seed) for seed in range(first, first + 10)]
            path = tmp_path / f"{first}{suffix}"
            assert trial.refusal(first, lambda names=names, path=path: check_table(names, path)) == ""  # type: ignore[misc]
            trial.kind.inputs += len(names) - 1


@seeds(400, 4000)
def test_a_spelling_is_a_line_of_text_that_can_be_undone(seeds: range) -> None:
    for seed in seeds:
        name = os.fsdecode(file_name(seed))
        text = spell(name)
        assert unspell(text) == name
        assert len(f"a{text}b".splitlines()) == 1
        assert not {unicodedata.category(letter) for letter in text} & {"Cc", "Cs", "Zl", "Zp"}
        assert not any(ord(letter) < 32 or ord(letter) == 127 for letter in text)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
@seeds(12, 150)
def test_files_of_such_names_are_scored(
    suffix: str, seeds: range, bundle: Path, run: Any, tmp_path: Path
) -> None:
    folder, image = tmp_path / "images", tmp_path / "a.png"
    folder.mkdir()
    write_image(image, stripes(1))
    names = sorted({file_name(seed) for seed in seeds})
    for name in names:
        shutil.copy(os.fsencode(image), os.fsencode(folder) + b"/" + name)
    with trying("names of files, scored") as trial:

        def score() -> None:
            out = tmp_path / f"s{suffix}"
            maps = tmp_path / "maps"
            code, said, notes = run("score", bundle, folder, "--out", out, "--maps", maps)
            assert code == 0, notes
            assert "\x1b" not in said + notes
            found = sorted(os.fsencode(unspell(text)) for text in paths(out))
            assert [os.path.basename(name) for name in found] == names  # noqa: PTH119 - bytes
            assert {path.parent for path in maps.rglob("*.png")} <= {maps}

        before = set(tmp_path.iterdir())
        for first in range(1):
            trial.refusal(first, score)
        trial.kind.inputs += len(names) - 1
        assert {path.name for path in set(tmp_path.iterdir()) - before if path.name[0] != "."} == {
            "maps",
            f"s{suffix}",
        }
