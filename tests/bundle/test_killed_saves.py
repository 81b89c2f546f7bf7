"""A process is killed at every step of a save: a model can always be loaded, and the next save clears the rest."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from twinspect.bundle.exports import list_exports, write_export
from twinspect.bundle.folder import read_record, read_weights, rewrite_record, write_bundle
from twinspect.errors import BundleError
from twinspect.utils import folder_replacement
from twinspect.utils.temporary_paths import clear_abandoned, temporary_beside

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes, which is POSIX")

CHECKED = {"runtime": "onnx", "precision": "fp32", "speed": {"milliseconds": 1.0, "torch_milliseconds": 2.0}}
"""What every record of an export has."""
# Saves once a child is killed before its n-th operation on files, for every n until a child gets through.
SCRIPT = """
import os, signal, sys
from pathlib import Path
from twinspect.bundle.exports import list_exports, write_export
from twinspect.bundle.folder import read_record, read_weights, rewrite_record, write_bundle
from twinspect.utils import folder_replacement

root, what, exchanges = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "exchange"
model = root / "a.twin"
# What every record of an export has.
CHECKED = {"runtime": "onnx", "precision": "fp32", "speed": {"milliseconds": 1.0, "torch_milliseconds": 2.0}}
exchange = folder_replacement._exchange if exchanges else lambda one, other: False


def save(text):
    if what == "export":
        old = read_record(model)
        record = {**old, "text": text, "weights_sha256": old["weights"]["sha256"], **CHECKED}
        write_export(model, "onnx-fp32", record, {"model.onnx": text.encode()})
    elif what == "record":
        rewrite_record(model, {**read_record(model), "text": text})
    else:
        write_bundle(model, {"text": text}, text.encode(), [text.encode()])


def text_now():
    record = read_record(model)
    if what == "export":
        (export,) = list_exports(model, record)
        assert export.contents()["model.onnx"].decode() == export.record["text"]
        return export.record["text"]
    if what == "bundle":
        assert read_weights(model, record).decode() == record["text"]
    return record["text"]


def killed_at(number):
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1] != 0
    left = [number]

    def watch(event, arguments):
        if event.startswith(("os.", "shutil.")) or (event == "open" and str(arguments[0]).startswith(str(root))):
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def watched_exchange(one, other):
        watch("os.exchange", ())
        return exchange(one, other)

    folder_replacement._exchange = watched_exchange
    sys.addaudithook(watch)
    save("new")
    os._exit(0)


if what != "bundle":
    write_bundle(model, {}, b"weights")
save("old")
number = 0
seen = set()
while killed_at(number):
    seen.add(text_now())
    save("old")
    assert text_now() == "old"
    left = sorted(str(path.relative_to(root)) for path in root.rglob(".*"))
    assert not left, (number, left)
    number += 1
assert text_now() == "new"
print(number, sorted(seen))
"""


@pytest.mark.parametrize("exchange", ["exchange", "two renames"])
@pytest.mark.parametrize("what", ["bundle", "export", "record"])
def test_a_kill_at_any_step_leaves_one_model_and_the_next_save_nothing_else(
    what: str, exchange: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), what, exchange],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    steps, _, seen = done.stdout.partition(" ")
    assert int(steps) >= 5
    assert seen.strip() == "['new', 'old']"


def fork(work: Callable[[], None]) -> int:
    """Run work in a child that then kills itself; return its number."""
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        return pid
    work()
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def write(folder: Path, text: str) -> None:
    write_bundle(folder, {"text": text}, text.encode())


def test_what_a_living_process_writes_is_never_cleared(tmp_path: Path) -> None:
    model = tmp_path / "m.twin"
    write(model, "old")
    ours = temporary_beside(model)
    ours.mkdir()
    dead: list[Path] = []
    fork(lambda: temporary_beside(model).mkdir())
    dead = [path for path in tmp_path.iterdir() if path not in (ours, model)]
    assert len(dead) == 1
    write(model, "new")
    assert sorted(tmp_path.iterdir()) == sorted([ours, model])
    clear_abandoned(model)
    assert ours.is_dir()


def test_a_process_with_the_number_of_a_dead_one_does_not_protect_what_that_left(tmp_path: Path) -> None:
    ours = temporary_beside(tmp_path / "m.twin")
    host, pid, start, rest = ours.name.removeprefix(".m.twin.").split("-")
    theirs = tmp_path / f".m.twin.{host}-{pid}-{int(start) - 1000}-{rest}"
    theirs.mkdir()
    clear_abandoned(tmp_path / "m.twin")
    assert not theirs.exists()


def test_what_another_machine_left_is_cleared_when_it_is_old(tmp_path: Path) -> None:
    for name, age in (("new", 0), ("old", 3600)):
        path = tmp_path / f".{name}.twin.abcdef-1-1-0000.tmp"
        path.mkdir()
        os.utime(path, (path.stat().st_mtime - age,) * 2)
        clear_abandoned(tmp_path / f"{name}.twin")
        assert path.exists() == (name == "new")


def test_other_hidden_folders_beside_a_model_stay(tmp_path: Path) -> None:
    for name in (".m.twin.backup", ".m.twin.tmp", ".git", ".other.twin.abcdef-1-1-0000.tmp"):
        (tmp_path / name).mkdir()
    write(tmp_path / "m.twin", "x")
    assert len(list(tmp_path.iterdir())) == 5


def test_a_model_that_was_deleted_does_not_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tmp_path / "m.twin"
    write(model, "old")
    monkeypatch.setattr(folder_replacement.shutil, "rmtree", lambda *_, **__: None)  # as if killed before it
    fork(lambda: write(model, "new"))
    assert read_record(model)["text"] == "new"
    monkeypatch.undo()
    for file in model.iterdir():
        file.unlink()
    model.rmdir()
    with pytest.raises(BundleError, match="no model at"):
        read_record(model)


def test_a_failed_or_interrupted_exchange_leaves_the_old_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "m.twin"
    write(model, "old")
    monkeypatch.setattr(folder_replacement, "_exchange", lambda *_: False)
    rename = type(model).rename
    for error in (OSError(28, "No space left on device"), KeyboardInterrupt()):

        def fail(path: Path, target: Path, error: BaseException = error) -> Path:
            if path.name == "new":
                raise error
            return rename(path, target)

        monkeypatch.setattr(type(model), "rename", fail)
        with pytest.raises((BundleError, KeyboardInterrupt)):
            write(model, "new")
        assert [path.name for path in tmp_path.iterdir()] == ["m.twin"]
        assert read_weights(model, read_record(model)) == b"old"


def test_a_link_to_a_model_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    write(tmp_path / "disk" / "real.twin", "old")
    link = tmp_path / "m.twin"
    link.symlink_to(tmp_path / "disk" / "real.twin")
    write(link, "new")
    assert link.is_symlink()
    assert read_record(tmp_path / "disk" / "real.twin")["text"] == "new"
    assert len(list(tmp_path.rglob("*.twin"))) == 2


def test_a_long_name_can_be_saved_and_saved_again(tmp_path: Path) -> None:
    model = tmp_path / ("n" * 250 + ".twin")
    write(model, "old")
    write(model, "new")
    assert read_record(model)["text"] == "new"
    assert len(list(tmp_path.iterdir())) == 1


def test_the_record_and_the_exports_stay_where_a_rewrite_fails(tmp_path: Path) -> None:
    model = tmp_path / "m.twin"
    write(model, "old")
    record = read_record(model)
    write_export(model, "onnx-fp32", {"weights_sha256": record["weights"]["sha256"], **CHECKED}, {"g": b"1"})
    with pytest.raises((TypeError, BundleError)):
        rewrite_record(model, {**record, "text": object()})
    assert json.loads((model / "model.json").read_text())["text"] == "old"
    assert [export.name for export in list_exports(model, record)] == ["onnx-fp32"]
