"""Experiment trackers are told of a fit, and neither stop nor change it."""

from __future__ import annotations

import math
import os
import sys
import threading
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest
import torch

import twinspect as ts
from drawn_parts import AS_ARGUMENTS, QUICK, stripes
from twinspect.calibration.detectability import Detectability, Trial
from twinspect.errors import ConfigError, MissingExtraError
from twinspect.training import loggers, trackers
from twinspect.training.loggers import open_run
from twinspect.training.trackers import Tracker

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from twinspect.training.trackers import Point

SHORT: dict[str, Any] = {**QUICK, "steps": 5}
GOOD = np.stack([stripes(seed) for seed in range(24)])


class Memory(Tracker):
    """A tracker that remembers what it was told; broken after so many calls."""

    extra = "memory"
    told: ClassVar[list[tuple[str, Any]]] = []
    broken_after: ClassVar[float] = math.inf
    wait: ClassVar[threading.Event | None] = None

    def load(self) -> None:
        pass

    def begin(self) -> None:
        if self.wait:
            self.wait.wait(10)
        self._tell("begin", (self.name, self.destination, self.run))
        self.run = self.run or "run-1"

    def parameters(self, values: Mapping[str, str]) -> None:
        self._tell("parameters", dict(values))

    def points(self, points: Sequence[Point]) -> None:
        self._tell("points", list(points))

    def metrics(self, values: Mapping[str, float]) -> None:
        self._tell("metrics", dict(values))

    def text(self, name: str, text: str) -> None:
        self._tell("text", (name, text))

    def artefact(self, path: Path) -> None:
        self._tell("artefact", path.name)

    def end(self, status: str) -> None:
        self._tell("end", status)

    def _tell(self, what: str, value: Any) -> None:
        if len(self.told) >= self.broken_after:
            raise ConnectionError("the server is away:\nport 5000")
        self.told.append((what, value))


def told(what: str) -> list[Any]:
    return [value for kind, value in Memory.told if kind == what]


@pytest.fixture(autouse=True)
def _memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Memory, "told", [])
    monkeypatch.setitem(trackers.TRACKERS, "memory", Memory)


def weights(detector: ts.Detector) -> dict[str, torch.Tensor]:
    return detector.model_.state_dict()


def same(one: ts.Detector, other: ts.Detector) -> bool:
    mine, theirs = weights(one), weights(other)
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_it_is_told_what_was_fitted_how_the_loss_fell_and_what_came_of_it() -> None:
    detector = ts.Detector("mkd", **SHORT, seed=3).fit(GOOD, log="memory:there")
    assert Memory.told[0] == ("begin", ("mkd", "there", ""))
    assert Memory.told[-1] == ("end", "finished")
    given, found = told("parameters")
    assert given["method"] == "mkd"
    assert given["seed"] == "3"
    assert given["twinspect"] == ts.__version__
    assert found["data.fingerprint"] == detector.data_["fingerprint"]
    assert found["teacher.sha256"] == detector.about()["teacher"]["sha256"]
    points = [point for batch in told("points") for point in batch]
    losses = [(point.step, point.value) for point in points if point.name == "loss/distil"]
    assert losses == list(enumerate(detector.losses_["distil"], start=1))
    assert [point.value > 0 for point in points if point.name == "images_per_second/distil"] == [True]
    assert told("metrics")[0] == {
        "threshold": detector.calibration_.threshold,
        "false_alarm_rate_promised": detector.calibration_.false_alarm_rate,
        "images/train": 15.0,
        "images/calibration": 9.0,
    }
    assert ("promise", detector.calibration_.promise()) in told("text")


def test_weights_are_the_same_with_and_without(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = ts.Detector("mkd", **SHORT).fit(GOOD)
    assert same(plain, ts.Detector("mkd", **SHORT).fit(GOOD, log="memory"))
    for calls in (0, 3):
        said: list[str] = []
        monkeypatch.setattr(Memory, "told", [])
        monkeypatch.setattr(Memory, "broken_after", calls)
        assert same(plain, ts.Detector("mkd", **SHORT).fit(GOOD, log="memory", say=said.append))
        assert said == ["memory failed, and the run goes on without it: the server is away: port 5000"]
        assert len(Memory.told) == calls


def test_a_server_that_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    wait = threading.Event()
    monkeypatch.setattr(Memory, "wait", wait)
    monkeypatch.setattr(loggers, "LAST", 0.05)
    said: list[str] = []
    ts.Detector("mkd", **SHORT).fit(GOOD, log="memory", say=said.append)
    assert said == ["memory: not all of the run was sent within 0 s"]
    wait.set()


def test_folds_have_curves_of_their_own() -> None:
    ts.Detector("mkd", **{**SHORT, "steps": 2}, calibration="cv").fit(GOOD[:4], log="memory")
    names = {point.name for batch in told("points") for point in batch if point.name.startswith("loss/")}
    assert {"loss/distil", "loss/distil-2"} <= names


@pytest.mark.parametrize(
    ("log", "message"),
    [("mlflo", "no tracker 'mlflo'; did you mean 'mlflow'"), (" , ", "names no tracker; allowed are mlflow")],
)
def test_a_wrong_name_is_said_before_an_image_is_read(log: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ts.Detector("mkd").fit("/nowhere", log=log)


@pytest.mark.parametrize(
    ("log", "module", "extra"),
    [
        ("mlflow", "mlflow", "trackers"),
        ("tensorboard", "tensorboard", "trackers"),
        ("wandb", "wandb", "wandb"),
    ],
)
def test_a_missing_package_is_said_before_an_image_is_read(
    log: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"'{module}', .* pip install 'twinspect\[{extra}\]'"):
        ts.Detector("mkd").fit("/nowhere", log=log)


def test_a_wrong_setting_begins_no_run() -> None:
    with pytest.raises(ConfigError):
        ts.Detector("mkd", **SHORT, sigma="wide").fit(GOOD, log="memory")
    assert Memory.told == []


def test_an_interrupted_fit_is_gone_on_with_in_the_same_run(tmp_path: Path) -> None:
    class Stop:
        steps = 0

        def start(self, stage: str, total: int, done: int) -> None:
            pass

        def advance(self, loss: float | None = None, *, steps: int = 1) -> None:
            self.steps += loss is not None
            if self.steps == 3:
                os.kill(os.getpid(), 2)  # as Ctrl-C does: the step is finished and kept first

        def finish(self) -> None:
            pass

    with pytest.raises(KeyboardInterrupt):
        ts.Detector("mkd", **SHORT).fit(GOOD, log="memory", checkpoint=tmp_path, progress=Stop())
    assert Memory.told[-1] == ("end", "killed")
    assert (tmp_path / "memory.run").read_text() == "run-1"
    ts.Detector("mkd", **SHORT).fit(GOOD, log="memory", checkpoint=tmp_path, resume=True)
    assert told("begin") == [("mkd", "", ""), ("mkd", "", "run-1")]
    steps = [p.step for batch in told("points") for p in batch if p.name == "loss/distil"]
    assert steps == [1, 2, 3, 4, 5]
    assert not (tmp_path / "memory.run").exists()


def test_the_command_line_tells_of_what_would_be_found_and_of_an_evaluation(
    run: Any, parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = Detectability({"spot": "spots"}, {"spot": (Trial(0.1, (9e9,) * 9),)}, ("",) * 9, 0.1, 1.0)
    monkeypatch.setattr("twinspect.cli.fit.measure_detectability", lambda *_, **__: tried)
    model = tmp_path / "m.twin"
    fit = ("fit", parts, "--out", model, *AS_ARGUMENTS, "--method", "mkd", "--size", 64, "--steps", 3)
    code, _, err = run(*fit, "--log", "memory")
    assert code == 0, err
    assert told("begin")[0][0] == "m"
    assert {"would_find/spots": 0.1} in told("metrics")
    assert any(name == "would_find" for name, _ in told("text"))
    assert not list(tmp_path.glob("*.checkpoint"))
    Memory.told.clear()
    code, _, err = run("evaluate", model, parts, "--out", tmp_path / "report", "--log", "memory")
    assert code == 0, err
    assert told("begin")[0][0] == "m on parts"
    assert told("artefact") == ["metrics.json", "report.html", "scores.csv"]
    assert "image_auroc" in told("metrics")[-1]
    code, _, err = run(*fit, "--overwrite", "--log", "memory", "--method", "auto")
    assert (code, "name a method" in err) == (2, True)


class StubRun:
    """What a run of wandb was given."""

    def __init__(self) -> None:
        self.id, self.logged, self.files, self.code = "w1", [], [], None
        self.config, self.summary = _Kept(), _Kept()

    def log(self, values: dict[str, Any]) -> None:
        self.logged.append(values)

    def log_artifact(self, path: str, name: str) -> None:
        self.files.append(name)

    def finish(self, exit_code: int) -> None:
        self.code = exit_code


class _Kept(dict[str, Any]):
    def update(self, values: Any, allow_val_change: bool = True) -> None:  # type: ignore[override]
        super().update(values)


@pytest.mark.parametrize("is_active", [False, True])
def test_wandb_is_called_as_it_documents(is_active: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    stub, begun = StubRun(), []
    module = ModuleType("wandb")
    module.run = stub if is_active else None  # type: ignore[attr-defined]
    module.init = lambda **options: begun.append(options) or stub  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", module)
    monkeypatch.setenv("WANDB_PROJECT", "line 3")
    detector = ts.Detector("mkd", **SHORT).fit(GOOD, log="wandb")
    named = {"project": "line 3", "name": "mkd", "id": None, "resume": "allow"}
    assert begun == ([] if is_active else [named])
    assert stub.code == (None if is_active else 0)
    assert stub.config["method"] == "mkd"
    assert stub.summary["threshold"] == detector.calibration_.threshold
    losses = [(each["step/distil"], each["loss/distil"]) for each in stub.logged if "loss/distil" in each]
    assert losses == list(enumerate(detector.losses_["distil"], start=1))


@pytest.fixture
def _at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("DO_NOT_TRACK", "true")


@pytest.mark.slow
@pytest.mark.usefixtures("_at_home")
@pytest.mark.filterwarnings("default")
def test_mlflow_gives_it_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="pip install 'twinspect[trackers]'")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "line 3")
    uri = f"sqlite:///{tmp_path / 'runs.db'}"
    detector = ts.Detector("mkd", **SHORT).fit(GOOD, log=f"mlflow:{uri}")
    client = mlflow.tracking.MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("line 3")
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.status == "FINISHED"
    assert found.info.run_name == "mkd"
    assert found.data.params["data.fingerprint"] == detector.data_["fingerprint"]
    assert found.data.metrics["threshold"] == pytest.approx(detector.calibration_.threshold)
    assert found.data.tags["twinspect.promise"] == detector.calibration_.promise()
    history = client.get_metric_history(found.info.run_id, "loss/distil")
    assert [each.value for each in history] == pytest.approx(detector.losses_["distil"])
    page = tmp_path / "report.html"
    page.write_text("<p>")
    with open_run(f"mlflow:{uri}", "again", say=pytest.fail) as run:
        run.begin({"method": "mkd"})
        run.artefact(page)
    newest = client.search_runs([experiment.experiment_id], order_by=["attribute.start_time DESC"])[0]
    assert [each.path for each in client.list_artifacts(newest.info.run_id)] == ["report.html"]


@pytest.mark.slow
@pytest.mark.usefixtures("_at_home")
@pytest.mark.filterwarnings("default")
def test_tensorboard_reads_it_back(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="pip install 'twinspect[trackers]'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    detector = ts.Detector("mkd", **SHORT).fit(GOOD, log=f"tensorboard:{tmp_path / 'tb'}")
    (folder,) = (tmp_path / "tb").iterdir()
    assert folder.name.startswith("mkd-")
    read = EventAccumulator(str(folder)).Reload()
    losses = [(event.step, event.value) for event in read.Scalars("loss/distil")]
    assert [value for _, value in losses] == pytest.approx(detector.losses_["distil"])
    assert [step for step, _ in losses] == [1, 2, 3, 4, 5]
    assert read.Scalars("threshold")[0].value == pytest.approx(detector.calibration_.threshold)
    assert {"promise/text_summary", "parameters/text_summary"} <= set(read.Tags()["tensors"])
