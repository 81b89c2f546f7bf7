"""Runs of a benchmark: done once, shared, resumed to the bit, taken over from the dead alone."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import forked
from benchmark_data import ask, command, metrics, step_of, write_category
from drawn_parts import stripes, write_image
from messages import error_lines
from twinspect.benchmark import run_database, run_plan
from twinspect.benchmark import store as store_module
from twinspect.benchmark.environment import git_commit
from twinspect.benchmark.process_lease import DEAD_AFTER_SECONDS, ProcessIdentity, this_process
from twinspect.benchmark.records import read_records, read_series
from twinspect.benchmark.store import RunStore
from twinspect.benchmark.time_left import format_duration, plan_status
from twinspect.benchmark.trial import Costs, Trial
from twinspect.cli import main

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerProcess

needs_sigkill = pytest.mark.skipif(sys.platform == "win32", reason="sends SIGKILL")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(arguments: list[str]) -> tuple[int, str, str]:
        code = main(arguments)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def products(tmp_path: Path) -> Path:
    """Two categories in MVTec layout."""
    write_category(tmp_path / "products" / "brick", 0)
    write_category(tmp_path / "products" / "tile", 300)
    return tmp_path / "products"


def test_runs_are_resumed_and_never_repeated(run: Any, products: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, text, err = run(command(products, out, "--methods", "rd,mkd", "--seeds", "0"))
    assert code == 0
    assert "4 of 4 runs done" in text
    assert "run 4 of 4: tile, mkd, seed 0; left: about" in err
    before = ask(out, "select key, started, finished from runs")
    code, text, err = run(command(products, out, "--methods", "rd,mkd", "--seeds", "0"))
    assert (code, "run " in err, ask(out, "select key, started, finished from runs")) == (0, False, before)

    _, _, err = run(command(products, out, "--methods", "rd", "--seeds", "0,1"))
    assert err.count("twinspect: run ") == 2  # the new seed of both categories
    assert set(before) < set(ask(out, "select key, started, finished from runs"))
    assert not any((out / "checkpoints").iterdir())


def test_whatever_changes_a_number_makes_another_run(run: Any, products: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def runs(*more: object, steps: int = 2) -> int:
        assert run(command(products / "brick", out, "--seeds", "0", *more, steps=steps))[0] == 0
        return int(ask(out, "select count(*) from runs where state = 'done'")[0][0])

    assert runs() == 1
    assert runs(steps=3) == 2
    assert runs("--precision", "bf16") == 3
    assert runs("--size", "64") == 4
    assert runs("--teacher", "test_resnet", "--weights", "random") == 5
    assert runs("--workers", "2") == 5  # changes no number
    (mask,) = (products / "brick" / "ground_truth" / "square").glob("0_mask.png")
    write_image(mask, stripes(1))
    assert runs() == 6
    write_image(products / "brick" / "train" / "good" / "more.png", stripes(9))
    assert runs() == 7


def test_a_setting_goes_to_the_methods_that_have_it(run: Any, products: Path, tmp_path: Path) -> None:
    more = ("--methods", "mkd,rd", "--seeds", "0", "--set", "batch_size=2", "--set", "loss=value")
    assert run(command(products / "brick", tmp_path / "out", *more))[0] == 0
    found = ask(
        tmp_path / "out",
        "select method, json_extract(config, '$.batch_size'), json_extract(config, '$.loss') from runs order by 1",
    )
    assert found == [("mkd", 2, "value"), ("rd", 2, None)]


def test_the_runs_table_says_what_was_run_by_whom_and_what_it_took(
    run: Any, products: Path, tmp_path: Path
) -> None:
    run(command(products / "brick", tmp_path / "out", "--seeds", "5"))
    (row,) = ask(
        tmp_path / "out",
        "select protocol, method, teacher, seed, state, precision, host, pid, train, good, anomalous, unreadable, "
        "error from runs",
    )
    host = socket.gethostname()
    expected = ("folder", "rd", "test_efficientnet", 5, "done", "fp32", host, os.getpid(), 5, 3, 3, 0, None)
    assert row == expected
    (took,) = ask(
        tmp_path / "out",
        "select fit_seconds, images_per_second, peak_memory / 1e6, trained_parameters, parameters, cores, "
        "length(version), length(torch), length(device), length(teacher_sha256), length(data) from runs",
    )
    assert all(value > 0 for value in took)
    assert took[3] < took[4]


def test_two_processes_share_the_runs_each_exactly_once(products: Path, tmp_path: Path) -> None:
    arguments = command(products, tmp_path / "out", "--methods", "mkd", "--seeds", "0,1,2")
    files = [tmp_path / "one.txt", tmp_path / "other.txt"]
    both = [forked.start(arguments, errors=file) for file in files]
    codes, said = [forked.end(process) for process in both], [file.read_text() for file in files]
    assert codes == [0, 0], said
    made = [
        line.partition(": ")[2].partition(": ")[2].partition(";")[0] for text in said for line in _runs(text)
    ]
    assert len(made) == len(set(made)) == 6
    states = ask(tmp_path / "out", "select state, count(*) from runs group by state")
    assert states == [("done", 6)]
    # its category, the mean and all images at once; PRO by image of the first two
    assert len(metrics(tmp_path / "out")) == 6 * (3 * 8 + 2)


def _runs(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("twinspect: run ")]


@needs_sigkill
def test_killed_in_the_middle_of_a_training_it_ends_as_if_never_killed(
    run: Any, products: Path, tmp_path: Path
) -> None:
    def arguments(out: str) -> list[str]:
        return command(products / "brick", tmp_path / out, "--seeds", "0", "--methods", "mkd", steps=200)

    eager = "import twinspect.training.trainer as t; t.SECONDS_BETWEEN_CHECKPOINTS = 0"
    process = forked.start(arguments("cut"), first=eager)
    _wait_for_step(tmp_path / "cut" / "checkpoints", process, 5)
    process.kill()
    forked.end(process)
    assert ask(tmp_path / "cut", "select state from runs") == [("running",)]

    assert run(arguments("cut"))[0] == 0
    assert run(arguments("whole"))[0] == 0
    assert metrics(tmp_path / "cut") == metrics(tmp_path / "whole")
    assert not any((tmp_path / "cut" / "checkpoints").iterdir())
    assert ask(tmp_path / "cut", "select fit_seconds from runs") == [
        (None,)
    ]  # it went on, so nobody measured it
    assert ask(tmp_path / "whole", "select fit_seconds > 0 from runs") == [(1,)]


def _wait_for_step(folder: Path, process: ForkServerProcess, step: int) -> None:
    deadline = time.monotonic() + 300
    while process.is_alive() and time.monotonic() < deadline:
        if any(step_of(file) >= step for file in folder.glob("*/model.safetensors")):
            return
        time.sleep(0.005)
    raise AssertionError("the training ended before it could be killed")


@pytest.fixture
def planned(run: Any, products: Path, tmp_path: Path) -> Any:
    """A store with one run that is done, and its key."""
    run(command(products / "brick", tmp_path / "out", "--seeds", "0", "--methods", "mkd"))
    ((key,),) = ask(tmp_path / "out", "select key from runs")
    return tmp_path / "out", key


def claimed_by(owner: ProcessIdentity, out: Path, key: str, heartbeat: float) -> str | None:
    """Let an owner hold a run, and say what this process gets when it wants one."""
    with RunStore(out) as store:
        store.connection.execute(
            "update runs set state = 'running', host = ?, pid = ?, process = ?, heartbeat = ?",
            (owner.host, owner.pid, owner.process, heartbeat),
        )
        return store.claim([key])


def test_a_dead_claim_is_taken_over_and_a_living_one_is_not(planned: Any) -> None:
    out, key = planned
    host, now = socket.gethostname(), time.time()
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    living = ProcessIdentity.of(sleeper.pid)
    assert claimed_by(living, out, key, now) is None
    assert (
        claimed_by(living, out, key, now - 10 * DEAD_AFTER_SECONDS) is None
    )  # it may be suspended, but it lives
    reused = ProcessIdentity(host, sleeper.pid, str(float(living.process) - 60))
    assert claimed_by(reused, out, key, now) == key  # its number went to another process
    earlier = ProcessIdentity(host, sleeper.pid, "e2c58d5e-6d3c-4e0f-8a39-2d2c6d3e1f00 4711")
    assert claimed_by(earlier, out, key, now) is None  # what earlier versions wrote is not compared
    assert claimed_by(earlier, out, key, now - DEAD_AFTER_SECONDS - 1) == key
    sleeper.kill()
    sleeper.wait()
    assert claimed_by(living, out, key, now) == key
    assert claimed_by(earlier, out, key, now) == key
    elsewhere = ProcessIdentity("elsewhere", 1, "x")
    assert claimed_by(elsewhere, out, key, now) is None
    assert claimed_by(elsewhere, out, key, now - DEAD_AFTER_SECONDS - 1) == key


def test_what_was_taken_over_is_no_longer_written_by_who_lost_it(planned: Any) -> None:
    out, key = planned
    with RunStore(out) as winner, RunStore(out, owner=ProcessIdentity("elsewhere", 1, "x")) as loser:
        loser.connection.execute("update runs set state = 'waiting'")
        assert loser.claim([key]) == key
        winner.connection.execute("update runs set heartbeat = 0")
        assert winner.claim([key]) == key
        loser.fail(key, "late")
        loser.release(key)
        (row,) = winner.rows([key])
        assert (row["state"], row["error"], row["pid"]) == ("running", None, this_process().pid)


def test_a_heartbeat_is_written_while_a_run_goes_on(planned: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    out, key = planned
    monkeypatch.setattr("twinspect.benchmark.store.HEARTBEAT_SECONDS", 0.01)
    with RunStore(out) as store:
        store.connection.execute("update runs set state = 'waiting'")
        store.claim([key])
        store.connection.execute("update runs set heartbeat = 0")
        with store.heartbeat():
            deadline = time.monotonic() + 10
            while not store.rows([key])[0]["heartbeat"] and time.monotonic() < deadline:
                time.sleep(0.01)
        assert store.rows([key])[0]["heartbeat"] == pytest.approx(time.time(), abs=20)


def test_a_failing_run_is_recorded_and_the_others_go_on(run: Any, products: Path, tmp_path: Path) -> None:
    bad = products / "brick" / "train" / "good" / "0.png"
    sound = bad.read_bytes()
    bad.write_bytes(b"no image")
    arguments = command(products, tmp_path / "out", "--seeds", "0")
    code, text, err = run(arguments)
    assert code == 3
    assert "1 of 2 runs done, 1 failed" in text
    assert "--retry" in text
    assert "failed: brick, rd, seed 0" in err
    ((error,),) = ask(tmp_path / "out", "select error from runs where state = 'failed'")
    assert "0.png" in error
    assert run(arguments)[2].count("run ") == 0  # a failure is not tried over and over

    assert run([*arguments, "--retry"])[0] == 3
    code, text, _ = run(["benchmark", "report", "--out", str(tmp_path / "out")])
    assert (code, "0.png" in text, "(0 of 1)" in text) == (0, True, True)
    bad.write_bytes(sound)  # mended; as its contents differ, it is another run
    code, _, _ = run(arguments)
    assert code == 0


def test_unreadable_test_images_are_counted(run: Any, products: Path, tmp_path: Path) -> None:
    (products / "brick" / "test" / "good" / "bad.png").write_bytes(b"no image")
    code, text, _ = run(command(products, tmp_path / "out", "--seeds", "0", "--methods", "mkd", "--json"))
    assert (code, json.loads(text)["unreadable"]) == (3, 1)
    assert "Unreadable test images" in run(["benchmark", "report", "--out", str(tmp_path / "out")])[1]


def test_interrupted_it_gives_the_claim_back_and_says_how_to_go_on(
    run: Any, products: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(run_plan, "run_trial", interrupt)
        code, _, err = run(command(products, tmp_path / "out", "--seeds", "0"))
    assert (code, "go on with the same command" in err) == (130, True)
    assert ask(tmp_path / "out", "select distinct state, started from runs") == [("waiting", None)]
    assert run(command(products, tmp_path / "out", "--seeds", "0"))[0] == 0


def results_of(store: RunStore) -> list[tuple[Any, ...]]:
    """What a report takes from a store."""
    names = ("state", "finished", "pid", "train", "curves")
    return [
        ([each.row[name] for name in names], each.mean, each.pooled, each.categories)
        for each in read_records(store)
    ]


def test_a_run_that_is_made_again_keeps_its_results_until_the_new_ones_are_written(
    run: Any, products: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert run(command(products / "brick", out, "--seeds", "0"))[0] == 0
    ((key,),) = ask(out, "select key from runs")
    here = this_process()
    dead = ProcessIdentity(here.host, 2**22 + 1, "0")  # no process has such a number
    with RunStore(out) as store:
        before, row = results_of(store), dict(store.rows([key])[0])
        assert store.claim([key]) is None
        for give_up in (lambda: store.release(key), lambda: store.fail(key, "no memory")):
            store.make_again([key])
            assert store.claim([key]) == key
            assert store.claim([key]) is None
            assert results_of(store) == before
            give_up()
            assert dict(store.rows([key])[0]) == row
            assert store.claim([key]) is None
        with RunStore(out, owner=dead) as killed:
            killed.make_again([key])
            assert killed.claim([key]) == key
        assert results_of(store) == before
        assert store.claim([key]) is None
        assert dict(store.rows([key])[0]) == row


def test_of_two_processes_one_makes_a_run_again(
    run: Any, products: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    assert run(command(products / "brick", out, "--seeds", "0"))[0] == 0
    ((key,),) = ask(out, "select key from runs")
    monkeypatch.setattr(store_module, "_now", lambda: "2031-01-01T00:00:00+00:00")
    costs = Costs(1.0, 1.0, None, None, 7, 3)
    trial = Trial([], {}, {"image_auroc": 0.25}, {}, {}, {"train": 9}, costs, {"loss": [1.0]})
    with RunStore(out) as one, RunStore(out) as two:
        one.make_again([key])
        two.make_again([key])
        assert one.claim([key]) == key
        assert two.claim([key]) is None
        assert one.finish(key, trial)
        assert two.claim([key]) is None
    assert ask(out, "select scope, metric, value from metrics") == [("mean", "image_auroc", 0.25)]
    assert ask(out, "select state, train, parameters, earlier from runs") == [("done", 9, 7, None)]


def test_the_time_left_is_that_of_runs_of_the_same_method() -> None:
    def row(method: str, state: str, seconds: int = 0) -> dict[str, str]:
        times = {"started": "2026-01-01T10:00:00+00:00", "finished": f"2026-01-01T10:00:{seconds:02}+00:00"}
        return {"method": method, "state": state, **times}

    rows: Any = [row("rd", "done", 10), row("mkd", "done", 2), row("mkd", "done", 4), row("rd", "running")]
    assert plan_status(rows).seconds_left == 10
    assert plan_status([*rows, row("mkd", "waiting"), row("mkd", "running")]).seconds_left == (10 + 3 + 3) / 2
    assert plan_status([*rows, row("dual", "waiting")]).seconds_left == pytest.approx(10 + 16 / 3)
    assert plan_status([row("rd", "waiting")]).seconds_left is None
    assert [format_duration(None), format_duration(5), format_duration(600), format_duration(7400)] == [
        *("not known yet", "about 5 s", "about 10 min", "about 2 h 3 min")
    ]


def test_the_commit_is_named_of_files_that_belong_to_it(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
        done = subprocess.run(
            ["git", "-C", tmp_path, *who, *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    assert git_commit(tmp_path / "package") is None
    git("init")
    assert git_commit(tmp_path / "package") is None  # lies in a checkout, but is no part of it
    git("add", ".")
    git("commit", "-m", "x")
    assert git_commit(tmp_path / "package") == git("rev-parse", "HEAD")
    (tmp_path / "package" / "__init__.py").write_text("changed")
    assert git_commit(tmp_path / "package") == git("rev-parse", "HEAD") + "-dirty"


MISTAKES = [
    (["benchmark", "foldr", "--data", "D", "--out", "O"], "did you mean 'folder'"),
    (["benchmark", "folder", "--out", "O"], "--data"),
    (["benchmark", "folder", "--data", "D", "--out", "O", "--methods", "mdk"], "did you mean 'mkd'"),
    (["benchmark", "folder", "--data", "E", "--out", "O"], "E"),
    (["benchmark", "folder", "--data", "D", "--out", "D"], "holds other files"),
    (["benchmark", "folder", "--data", "D", "--out", "F"], "is a file"),
    (["benchmark", "folder", "--data", "D", "--out", "O", "--classes", "brick"], "sets of classes"),
    (["benchmark", "folder", "--data", "D", "--out", "O", "--steps", "0"], "steps"),
    (
        ["benchmark", "folder", "--data", "D", "--out", "O", "--teacher", "pocket", "--precision", "fp8"],
        "precision",
    ),
    (["benchmark", "folder", "--data", "T", "--out", "O", "--teacher", "pocket"], "test"),
    (
        ["benchmark", "folder", "--data", "D", "--out", "O", "--set", "batch_sise=1"],
        "did you mean 'batch_size'",
    ),
    (["benchmark", "folder", "--data", "D", "--out", "O", "--set", "batch_size"], "NAME=VALUE"),
    (["benchmark", "folder", "--data", "D", "--out", "O", "--set", "size=128"], "type: --size 128"),
    (
        ["benchmark", "folder", "--data", "D", "--out", "O", "--set", "teacher=pocket"],
        "type: --teacher pocket",
    ),
    (["benchmark", "folder", "--data", "D", "--out", "O", "--set", "batch_size=few"], "whole number"),
    (["benchmark", "report", "--out", "O"], "runs.sqlite"),
    (["benchmark", "report", "--out", "N", "--data", "D"], "no --data"),
    (["benchmark", "folder", "--data", "D", "--out", "N"], "cannot be used"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES, ids=[mistake[1] for mistake in MISTAKES])
def test_a_mistake_is_one_clear_line(
    run: Any,
    products: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    products.rename("D")
    Path("E").mkdir()
    Path("F").touch()
    Path("N").mkdir()
    Path("N/runs.sqlite").write_text("no database, but long enough to be looked at" * 50)
    write_image(Path("T/train/good/1.png"), stripes(1))
    code, out, err = run(arguments)
    assert code == 2
    assert message in err
    assert error_lines(err) == 1
    assert out == ""
    assert not Path("O").exists()


def test_a_store_of_an_earlier_version_gets_the_new_columns(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "runs.sqlite", isolation_level=None)
    for table in run_database.TABLES:  # as earlier versions made them
        connection.execute(table)
    connection.execute(f"pragma application_id = {run_database.APPLICATION_ID}")
    connection.execute(f"pragma user_version = {run_database.FORMAT}")
    names = {"key", "protocol", "task", "data", "method", "config", "teacher", "teacher_sha256", "precision"}
    values = dict.fromkeys(names, "x") | {"config": "{}", "teacher_levels": "[]", "seed": 0, "state": "done"}
    places = ", ".join(f":{name}" for name in values)
    connection.execute(f"insert into runs ({', '.join(values)}) values ({places})", values)
    connection.close()
    with RunStore(tmp_path) as store:
        (row,) = store.rows(["x"])
        assert all(row[name] is None for name in run_database.ADDED_COLUMNS)
        assert [series.runs[0].row["state"] for series in read_series(store)] == ["done"]
