"""`studio backup` and `studio restore`: all that is kept, also while it is in use; damaged files leave nothing."""

from __future__ import annotations

import json
import sqlite3
import tarfile
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("fastapi")

from serving import good, site
from twinspect.cli import main

if TYPE_CHECKING:
    from pathlib import Path


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(("store.db", "."))
    }


def rows(database: Path) -> dict[str, list[Any]]:
    with closing(sqlite3.connect(database)) as connection:
        names = [
            name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")
        ]
        return {name: connection.execute(f"select * from {name}").fetchall() for name in names}


def test_a_restored_studio_holds_what_was_backed_up_while_it_ran(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, packed, again = tmp_path / "data", tmp_path / "backup.tar", tmp_path / "again"
    with site(bundle, data, studio=True) as running:
        running.scored(good(1), good(2))
        running.client.post("/v1/products", json={"name": "tiles"})
        running.client.post("/v1/products/tiles/photos", files=[("images", ("1.png", good(3)))])
        assert main(["studio", "backup", str(data), str(packed), "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["files"] == len(files(data)) + 1
        kept = files(data), rows(data / "store.db")
        running.scored(good(4))
    assert main(["studio", "restore", str(packed), str(again)]) == 0
    assert (files(again), rows(again / "store.db")) == kept
    with site(bundle, again, studio=True) as running:
        photos = running.client.get("/v1/products/tiles/photos").json()["photos"]
        assert [photo["name"] for photo in photos] == ["1.png"]
        assert running.client.get(photos[0]["url"]).content == good(3)
        assert len(running.client.get("/v1/inspections").json()["inspections"]) == 2


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["backup", "{here}/none", "{here}/b.tar"], "holds no store.db"),
        (["backup", "{here}/none"], "takes two places"),
        (["backup", "{here}/damaged", "{here}/b.tar"], "cannot be copied: file is not a database"),
        (["backup", "{here}/damaged", "{here}/damaged/store.db"], "choose a file outside of"),
        (["backup", "{here}/damaged", "/"], "choose a file outside of"),
        (["restore", "{here}/cut.tar.gz", "{here}/new"], "or is damaged"),
        (["restore", "{here}/garbage.tar", "{here}/new"], "holds no store.db"),
        (["restore", "{here}/none.tar", "{here}/new"], "No such file"),
        (["restore", "{here}/text.tar", "{here}/new"], "not a backup of a studio"),
        (["restore", "{here}/other.tar", "{here}/new"], "holds no store.db"),
        (["restore", "{here}/other.tar", "{here}"], "exists; restore into a folder that does not"),
        ([], "studio takes one folder, got 0"),
        (["a", "b"], "studio takes one folder, got 2"),
    ],
)
def test_mistakes_are_told_in_a_line_and_leave_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str
) -> None:
    (tmp_path / "text.tar").write_text("no tar file")
    with tarfile.open(tmp_path / "other.tar", "w") as packed:
        packed.add(tmp_path / "text.tar", "text.tar")
    with tarfile.open(tmp_path / "garbage.tar", "w") as packed:
        packed.add(tmp_path / "text.tar", "store.db")
    with tarfile.open(tmp_path / "cut.tar.gz", "w:gz") as packed:
        packed.add(tmp_path / "text.tar", "store.db")
    cut = (tmp_path / "cut.tar.gz").read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(cut[: len(cut) // 2])
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "store.db").write_text("no database")
    before = sorted(tmp_path.rglob("*"))
    assert main(["studio", *[argument.format(here=tmp_path) for argument in arguments]]) == 2
    said = capsys.readouterr().err.strip()
    assert reason in said
    assert "\n" not in said
    assert sorted(tmp_path.rglob("*")) == before


def test_a_damaged_backup_leaves_nothing(bundle: Path, tmp_path: Path) -> None:
    data, packed = tmp_path / "data", tmp_path / "backup.tar"
    with site(bundle, data, studio=True) as running:
        running.scored(good(1))
    assert main(["studio", "backup", str(data), str(packed)]) == 0
    content = packed.read_bytes()
    packed.write_bytes(content[: len(content) // 2])
    assert main(["studio", "restore", str(packed), str(tmp_path / "again")]) == 2
    assert not (tmp_path / "again").exists()
