"""Many models from one table: checked first, then each fitted once, as `fit` does, even if processes are killed."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import forked
from benchmark_data import QUICKLY, ask, metrics, step_of, write_category
from drawn_parts import stripes, write_image
from twinspect.benchmark.store import RunStore
from twinspect.cli import main
from twinspect.data import open_data
from twinspect.detector import Detector
from twinspect.errors import ConfigError, TwinspectError
from twinspect.scale.fit_many.engines import LocalFitEngine, has_room
from twinspect.scale.fit_many.manifest import read_manifest
from twinspect.scale.fit_many.plan import FitJob, FitRequest, plan_fits
from twinspect.scale.fit_many.run import prepare

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.context import ForkServerProcess

needs_proc = pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes through /proc")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A product in MVTec layout, a plain folder of good images, and a manifest of a model for each."""
    root = tmp_path_factory.mktemp("plant")
    write_category(root / "data" / "brick", 0)
    for number in range(6):
        write_image(root / "data" / "plain" / f"{number}.png", stripes(300 + number))
    write_manifest(root, "brick,data/brick,rd,,2", "camera 7,data/plain,,4,")
    return root


def write_manifest(root: Path, *rows: str, name: str = "models.csv") -> Path:
    path = root / name
    path.write_text("\n".join(["name,data,method,steps,batch-size", *rows]) + "\n")
    return path


def command(root: Path, out: Path, *more: object, engine: str = "local", steps: int = 2) -> list[str]:
    words = (
        "fit-many",
        root / "models.csv",
        "--out",
        out,
        "--engine",
        engine,
        "--steps",
        steps,
        *QUICKLY,
        *more,
    )
    return [str(word) for word in words]


def table(out: Path) -> dict[str, dict[str, str]]:
    with (out / "models.csv").open(newline="") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def weights(out: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in out.glob("*.twin/weights.safetensors")}


@pytest.fixture(scope="module")
def fitted(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models of the manifest, fitted in this process; tests must not change them."""
    out = tmp_path_factory.mktemp("fitted") / "out"
    assert main(command(place, out)) == 0
    return out


def test_each_model_is_the_one_that_fit_makes(place: Path, fitted: Path, tmp_path: Path) -> None:
    alone = tmp_path / "brick.twin"
    fit = ("fit", place / "data" / "brick", "--out", alone, "--method", "rd", "--steps", 2, "--batch-size", 2)
    assert main([str(word) for word in (*fit, *QUICKLY)]) == 0
    assert (alone / "weights.safetensors").read_bytes() == weights(fitted)["brick.twin"]


def test_the_table_gives_the_state_of_each(fitted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = table(fitted)
    brick, plain = rows["brick"], rows["camera 7"]
    assert (brick["state"], brick["method"], brick["model"], brick["error"]) == (
        "done",
        "rd",
        "brick.twin",
        "",
    )
    ((auroc,),) = ask(
        fitted,
        "select value from runs join metrics on run = key where task = 'brick' and scope = 'mean' and "
        "metric = 'image_auroc'",
    )
    assert float(brick["image_auroc"]) == auroc
    assert (plain["state"], plain["method"], plain["image_auroc"]) == ("done", "hybrid", "")
    assert float(plain["threshold"]) > 0
    assert 0 < float(plain["false_alarm_rate"]) < 1
    assert int(plain["images"]) == 6  # so few set the threshold, too
    assert main(["benchmark", "report", "--out", str(fitted)]) == 0
    assert "| brick | rd |" in capsys.readouterr().out


def test_what_is_done_stays_until_it_is_lost_or_changed(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    manifest = write_manifest(tmp_path, f"a,{place}/data/plain,mkd,2,2", f"b,{place}/data/plain,mkd,3,2")

    def made(*more: str) -> dict[str, tuple[str, int]]:
        """The key of each model, and when its weights were written."""
        assert main(command(manifest.parent, out, *more)) == 0
        keys = dict(ask(out, "select task, key from runs"))
        return {
            name: (key, (out / f"{name}.twin" / "weights.safetensors").stat().st_mtime_ns)
            for name, key in keys.items()
        }

    first = made()
    assert made() == first
    shutil.rmtree(out / "a.twin")
    second = made()
    assert second["a"][0] == first["a"][0]
    assert second["a"][1] > first["a"][1]
    assert second["b"] == first["b"]
    write_manifest(tmp_path, f"a,{place}/data/plain,mkd,2,2", f"b,{place}/data/plain,mkd,4,2")
    third = made("--overwrite")
    assert third["a"] == second["a"]
    assert third["b"][0] != second["b"][0]
    assert third["b"][1] > second["b"][1]


def test_a_failure_is_one_row_and_the_others_go_on(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad").mkdir()
    for number in range(4):
        (tmp_path / "bad" / f"{number}.png").write_bytes(b"no image")
    write_manifest(tmp_path, f"bad,{tmp_path}/bad,mkd,2,2", f"good,{place}/data/plain,mkd,2,2")
    assert main(command(tmp_path, tmp_path / "out")) == 3
    text, err = capsys.readouterr()
    assert "1 of 2 models done, 1 failed" in text
    assert "failed: bad: " in err
    rows = table(tmp_path / "out")
    assert (rows["bad"]["state"], "0.png" in rows["bad"]["error"]) == ("failed", True)
    assert rows["good"]["state"] == "done"
    assert main(command(tmp_path, tmp_path / "out")) == 3
    assert "failed: bad" not in capsys.readouterr()[1]  # it is not tried over and over
    assert main(command(tmp_path, tmp_path / "out", "--retry")) == 3
    assert "failed: bad" in capsys.readouterr()[1]


def test_an_image_that_cannot_be_read_is_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(6):
        write_image(tmp_path / "some" / f"{number}.png", stripes(number))
    (tmp_path / "some" / "0.png").write_bytes(b"no image")
    write_manifest(tmp_path, f"some,{tmp_path}/some,mkd,2,2")
    assert main(command(tmp_path, tmp_path / "out")) == 3
    err = capsys.readouterr().err
    assert "some: 1 of the 6 images cannot be read: left out" in err
    assert "0.png" in err
    assert table(tmp_path / "out")["some"]["state"] == "done"


MISTAKES = [
    (("", "data", "", "", ""), "is not valid as a file name"),
    (("../up", "data", "", "", ""), "is not valid as a file name"),
    (("a", "", "", "", ""), "row 2 (a): no data"),
    (("a", "nowhere", "", "", ""), "row 2 (a):"),
    (("a", "plain", "mdk", "", ""), "did you mean 'mkd'"),
    (("a", "plain", "", "many", ""), "argument --steps: invalid int value: 'many'"),
    (("a", "plain", "", "", "0"), "batch_size must be 1 or more"),
]


@pytest.mark.parametrize(("values", "message"), MISTAKES)
def test_a_mistake_is_named_by_its_row_before_anything_is_fitted(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], values: tuple[str, ...], message: str
) -> None:
    name, data, *rest = values
    where = f"{place}/data/{data}" if data else ""
    write_manifest(tmp_path, ",".join((name, where, *rest)))
    assert main(command(tmp_path, tmp_path / "out")) == 2
    err = capsys.readouterr()[1]
    assert "models.csv, row 2" in err
    assert message in err
    assert not weights(tmp_path / "out")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,data\na,x\nA,y\n", "row 3 (A): "),
        ("name,data,cpus\na,x,0\n", "cpus must be a whole number of 1 or more, got '0'"),
        ("name,data,gpus\na,x,1.5\n", "gpus must be 0, a fraction of 1"),
        ("data\nx\n", "no column 'name'"),
        ("name,data,name\na,x,b\n", "two columns are called 'name'"),
        ("name,data\n", "no models"),
    ],
)
def test_invalid_manifests_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(TwinspectError, match=r"m\.csv") as caught:
        read_manifest(tmp_path / "m.csv")
    assert message in str(caught.value)


def test_an_unknown_column_is_named(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "models.csv").write_text(f"name,data,stepz\na,{place}/data/plain,3\n")
    assert main(command(tmp_path, tmp_path / "out")) == 2
    assert "no option 'stepz'; did you mean 'steps'?" in capsys.readouterr()[1]


def test_three_kinds_of_manifest_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(
        "name;data;cpus;gpus;false-alarm-rate;layers\na;x;2;0.5;0.1;1,2\nb;y;;;;\n"
    )
    columns = {
        "name": ["a", "b"],
        "data": ["x", "y"],
        "cpus": [2, None],
        "gpus": [0.5, None],
        "false_alarm_rate": [0.1, None],
        "layers": ["1,2", None],
    }
    pq.write_table(pa.table(columns), tmp_path / "m.parquet")
    (tmp_path / "m.toml").write_text(
        '[[model]]\nname = "a"\ndata = "x"\ncpus = 2\ngpus = 0.5\nfalse-alarm-rate = 0.1\nlayers = [1, 2]\n'
        '[[model]]\nname = "b"\ndata = "y"\n'
    )
    found = [
        [(e.name, e.data, e.cpus, e.gpus, dict(e.options)) for e in read_manifest(tmp_path / f"m.{suffix}")]
        for suffix in ("csv", "parquet", "toml")
    ]
    expected = [
        ("a", tmp_path / "x", 2, 0.5, {"false_alarm_rate": "0.1", "layers": "1,2"}),
        ("b", tmp_path / "y", None, None, {}),
    ]
    assert found == [expected] * 3


def test_values_above_the_models_are_defaults(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(
        'method = "rd"\nsteps = 5\n[[model]]\nname = "a"\ndata = "x"\n[[model]]\nname = "b"\ndata = "y"\nsteps = 7\n'
    )
    found = {row.name: dict(row.options) for row in read_manifest(tmp_path / "m.toml")}
    assert found == {"a": {"method": "rd", "steps": "5"}, "b": {"method": "rd", "steps": "7"}}


def test_a_row_wins_over_the_command_line_also_where_one_excludes_the_other() -> None:
    from twinspect.cli.fit import build
    from twinspect.cli.method_settings import add_settings, options_of_row
    from twinspect.cli.parser import build_parser, verb_parser

    arguments = ["fit-many", "m.csv", "--out", "o", "--steps", "9", "--loss", "value", "--batch-size", "4"]
    arguments += ["--method", "mkd"]
    parser = build_parser()
    add_settings(verb_parser(parser, "fit-many"), arguments)
    options = parser.parse_args(arguments)
    plain = build(options_of_row(options, {}))
    assert (plain.method, plain.steps, plain.settings) == ("mkd", 9, {"loss": "value", "batch_size": 4})
    other = build(options_of_row(options, {"method": "rd", "epochs": "3", "batch_size": "2"}))
    assert (other.method, other.steps, other.epochs, other.settings) == ("rd", None, 3, {"batch_size": 2})


def test_settings_are_checked_once_and_each_false_alarm_rate_has_its_key(place: Path, tmp_path: Path) -> None:
    calls = []

    def identify(detector: Detector, gpus: float) -> dict[str, Any]:
        calls.append(gpus)
        return LocalFitEngine().identify(detector, gpus)

    def request(name: str, **more: Any) -> FitRequest:
        detector = Detector("mkd", teacher="pocket", size=32, steps=2, **more)
        return FitRequest(name, name, detector, lambda: open_data(place / "data" / "plain"), 1, 0)

    first, second, third = plan_fits(
        [request("a"), request("b"), request("c", false_alarm_rate=0.5)], tmp_path, identify
    )
    assert len(calls) == 2
    assert len({job.run.key for job in (first, second, third)}) == 3
    assert first.model == tmp_path / "a.twin"


def test_a_model_that_is_being_fitted_is_not_planned_with_other_settings(place: Path, tmp_path: Path) -> None:
    def jobs(steps: int) -> list[FitJob]:
        detector = Detector("mkd", teacher="pocket", size=32, steps=steps)
        request = FitRequest("a", "a", detector, lambda: open_data(place / "data" / "plain"), 1, 0)
        return plan_fits([request], tmp_path, LocalFitEngine().identify)

    first, second = jobs(2), jobs(3)
    with RunStore(tmp_path / "out", create=True) as store:
        prepare(store, first, retry=False)
        key = store.claim([first[0].run.key])
        assert key is not None
        with pytest.raises(ConfigError, match="a is being made with other settings or images by process"):
            prepare(store, second, retry=False)
        store.release(key)
        prepare(store, second, retry=False)
    assert ask(tmp_path / "out", "select key from runs") == [(second[0].run.key,)]


def test_jobs_are_submitted_for_a_quarter_more_than_the_cluster_has() -> None:
    def jobs(*sizes: tuple[int, float]) -> list[Any]:
        return [FitJob(None, Path(), Path(), cpus, gpus) for cpus, gpus in sizes]  # type: ignore[arg-type]

    four = {"CPU": 4.0, "GPU": 1.0}  # jobs for five processors are submitted
    assert has_room(jobs((2, 0), (2, 0)), four)
    assert not has_room(jobs((2, 0), (3, 0)), four)
    assert has_room(jobs((1, 1)), four)
    assert not has_room(jobs((1, 1), (1, 0.25)), four)


# Ray -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """A cluster of two processors whose trainings write a checkpoint after every step."""
    module = pytest.importorskip("ray")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

    def often() -> None:
        from twinspect.training import trainer

        trainer.SECONDS_BETWEEN_CHECKPOINTS = 0.0

    module.init(
        "local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=2**27,
        _node_ip_address="127.0.0.1",
        runtime_env={"worker_process_setup_hook": often},
    )
    yield module
    module.shutdown()


def test_ray_makes_the_same_models_from_wherever_it_is_told(
    ray: Any, place: Path, fitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    assert main(command(Path(), Path(os.path.relpath(tmp_path / "out")), engine="ray")) == 0
    assert weights(tmp_path / "out") == weights(fitted)
    assert metrics(tmp_path / "out") == metrics(fitted)


@needs_proc
def test_a_worker_that_is_killed_is_replaced_and_goes_on(ray: Any, place: Path, tmp_path: Path) -> None:
    manifest = write_manifest(
        tmp_path, f"cut,{place}/data/plain,mkd,50,2", f"other,{place}/data/plain,mkd,2,2"
    )
    with killing("ray::fit cut", tmp_path / "out" / "checkpoints") as killed:
        assert main(command(manifest.parent, tmp_path / "out", engine="ray")) == 0
    assert len(killed) == 1
    assert main(command(manifest.parent, tmp_path / "expected")) == 0
    assert weights(tmp_path / "out") == weights(tmp_path / "expected")
    # What went on from a checkpoint has no time of its own; the other has.
    assert ask(tmp_path / "out", "select task, fit_seconds is null from runs order by 1") == [
        ("cut", 1),
        ("other", 0),
    ]
    assert not any((tmp_path / "out" / "checkpoints").iterdir())


@needs_proc
def test_a_killed_driver_is_followed_by_the_same_command(ray: Any, place: Path, tmp_path: Path) -> None:
    write_manifest(tmp_path, f"a,{place}/data/plain,mkd,2,2", f"b,{place}/data/plain,mkd,150,2")
    address = ray.get_runtime_context().gcs_address
    out, given = tmp_path / "out", command(tmp_path, tmp_path / "out", "--address", address, engine="ray")
    driver = forked.start(given)
    try:
        until(lambda: (out / "a.twin").is_dir() and states(out)["a"] == "done", driver)
    finally:
        driver.kill()
        forked.end(driver)
    assert states(out) == {"a": "done", "b": "running"}
    before = ask(out, "select finished from runs where task = 'a'")
    assert main(command(tmp_path, out, engine="ray")) == 0
    assert states(out) == {"a": "done", "b": "done"}
    assert ask(out, "select finished from runs where task = 'a'") == before
    assert main(command(tmp_path, tmp_path / "whole")) == 0
    assert weights(out) == weights(tmp_path / "whole")


def states(out: Path) -> dict[str, str]:
    return dict(ask(out, "select task, state from runs"))


def until(true: Any, process: ForkServerProcess) -> None:
    deadline = time.monotonic() + 120
    while not true():
        assert process.is_alive(), "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def killing(title: str, checkpoints: Path) -> Iterator[list[int]]:
    """Kill the process with a title as soon as there is a checkpoint of a few steps, beside the block."""
    killed: list[int] = []
    over = threading.Event()

    def watch() -> None:
        while not killed and not over.wait(0.01):
            if any(step_of(file) >= 5 for file in checkpoints.glob("*/model.safetensors")):
                for number in titled(title):
                    os.kill(number, signal.SIGKILL)
                    killed.append(number)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield killed
    finally:
        over.set()
        watching.join()


def titled(title: str) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().rstrip(b"\0").decode(errors="replace")
        except OSError:
            continue
        if line == title:
            found.append(int(folder.name))
    return found
