"""Fixtures shared by the whole suite."""

from __future__ import annotations

import gc
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from drawn_parts import QUICK, blemish, quick, stripes, write_image
from postgres import binaries, server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store_data import Clock
    from twinspect.detector import Detector
    from twinspect.serve.store import Store

TESTS = Path(__file__).resolve().parent
SHARED = TESTS.parents[1] / "shared"
LONGEST = (
    "test_contract.py",
    "scale/test_fit_many.py",
    "serve/test_untold_paths.py",
    "export/test_export.py",
    "serve/test_web.py",
    "comparison/test_compare.py",
    "scale/test_ray_engine.py",
    "benchmark/test_paper_tables.py",
    "serve/test_web_real.py",
    "utils/test_distributed.py",
    "test_detector.py",
    "serve/test_web_products.py",
    "export/test_shape_graphs.py",
    "methods/test_dual.py",
    "export/test_gathered.py",
    "export/test_region_graphs.py",
    "regions/test_alignment.py",
    "benchmark/test_runs.py",
    "export/test_int8.py",
    "cli/test_cli.py",
    "serve/test_web_languages.py",
    "regions/test_methods_inside.py",
    "scale/test_plan.py",
    "serve/test_products.py",
    "methods/test_efficientad.py",
    "benchmark/test_tables.py",
    "serve/test_same_verdict.py",
    "scale/test_score_shards.py",
    "model/test_tiled.py",
    "methods/test_rd.py",
    "regions/test_scoring_inside.py",
    "cli/test_config_schema.py",
    "inference/test_part_scores.py",
    "serve/test_schema.py",
    "methods/test_aand.py",
    "methods/test_destseg.py",
    "training/test_checkpoint.py",
    "methods/test_default.py",
    "methods/test_shortfall.py",
    "images/test_dicom.py",
    "training/test_budget.py",
    "hostile/test_graphs.py",
)
"""Files that take more than ten seconds, the longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take long: what is left for the end is dealt out evenly among processes."""
    places = {TESTS / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))
    _skip_without_cuda([item for item in items if item.get_closest_marker("gpu")])


def _skip_without_cuda(items: list[pytest.Item]) -> None:
    if not items:
        return
    import torch

    for item in () if torch.cuda.is_available() else items:
        item.add_marker(pytest.mark.skip(reason="no CUDA device"))


def pytest_collection() -> None:
    """Nearly all that is made while tests are collected stays: looking for garbage among it takes seconds."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Leave what was collected, thousands of tests and all that they import, out of later garbage collections."""
    gc.freeze()
    gc.enable()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """End a long run with the table of the hostile inputs that it tried."""
    import trials

    if trials.KINDS and "slow" in terminalreporter.config.option.markexpr.replace("not slow", ""):
        terminalreporter.section("hostile inputs")
        for line in trials.table():
            terminalreporter.write_line(line)


@pytest.fixture(scope="session", autouse=True)
def _few_of_what_is_measured() -> Iterator[None]:
    """Let a benchmark time three passes and not twenty, and `fit` draw ten defects of a kind and not thirty.

    No test looks at how long the passes take; those of the defects that are found draw as many as a user's command.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("twinspect.benchmark.batch_one.MOST_PASSES", 3)
        patch.setattr("twinspect.evaluation.detectability.TRIED", 10)
        yield


@pytest.fixture(scope="session", autouse=True)
def _without_waiting_for_the_disk() -> Iterator[None]:
    """Let `os.fsync` return at once: a process may be killed at any time, but the power stays on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture
def limited_memory() -> Iterator[None]:
    """Leave this process 4 GiB beyond what it has."""
    resource = pytest.importorskip("resource")
    if sys.platform != "linux":
        pytest.skip("address space is limited on Linux only")
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 4 * 2**30, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.fixture
def shared() -> Path:
    """The folder of real images and weights beside the checkout; the test is skipped without it."""
    if not (SHARED / "data").is_dir():
        pytest.skip(f"real images and weights are not at {SHARED}")
    return SHARED


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command line in this process; gives its exit code, standard output and standard error."""
    from twinspect.cli import main

    def call(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set in MVTec layout: 24 good training images, 6 good and 6 damaged test images with masks."""
    root = tmp_path_factory.mktemp("data") / "parts"
    for number in range(24):
        write_image(root / "train" / "good" / f"{number}.png", stripes(number))
    for number in range(6):
        write_image(root / "test" / "good" / f"{number}.png", stripes(100 + number))
        write_image(root / "test" / "square" / f"{number}.png", blemish(stripes(200 + number)))
        mask = np.zeros((48, 48), dtype=np.uint8)
        mask[8:20, 28:40] = 255
        write_image(root / "ground_truth" / "square" / f"{number}_mask.png", mask)
    return root


@pytest.fixture(scope="session")
def fitted(parts: Path) -> Detector:
    """A detector fitted on the parts; tests must not change it."""
    from twinspect.detector import Detector

    return Detector("mkd", **QUICK).fit(parts)


@pytest.fixture(scope="session")
def bundle(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hardly trained model on disk, for tests of what is around it; tests must not change it."""
    from twinspect.detector import Detector

    path = tmp_path_factory.mktemp("bundle") / "parts.twin"
    Detector("mkd", **quick("mkd", 4)).fit(parts).save(path)
    return path


@pytest.fixture(scope="session")
def model(fitted: Detector, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same detector on disk; tests must not change it."""
    path = tmp_path_factory.mktemp("models") / "parts.twin"
    fitted.save(path)
    return path


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a PostgreSQL server, up to the database's name; the test is skipped where none is installed."""
    programs = binaries()
    if programs is None or find_spec("pg8000") is None:
        pytest.skip("no PostgreSQL server, or no pg8000: on Debian, apt install postgresql")
    with server(programs) as url:
        yield url


@pytest.fixture(scope="session")
def template(postgres: str) -> str:
    """Name of a PostgreSQL database of which others are copies: its tables are those that the migrations lead to."""
    from twinspect.serve.store.database import open_database

    create_database(postgres, "upgraded", "template1")
    open_database(f"{postgres}upgraded").dispose()
    return "upgraded"


def create_database(postgres: str, name: str, template: str) -> None:
    import sqlalchemy

    engine = sqlalchemy.create_engine(f"{postgres}postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"create database {name} template {template}")
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a database without rows, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    url = request.getfixturevalue("postgres")
    name = f"test_{os.urandom(4).hex()}"
    create_database(url, name, request.getfixturevalue("template"))
    return f"{url}{name}"


@pytest.fixture
def clock() -> Clock:
    """Time of a store, that passes when it is told to."""
    from store_data import Clock

    return Clock()


@pytest.fixture
def store(database: str, tmp_path: Path, clock: Clock) -> Iterator[Store]:
    """An empty store, once on each kind of database."""
    from twinspect.serve.store import Store

    with Store(database, tmp_path, now=clock) as opened:
        yield opened
