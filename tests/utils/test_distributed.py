"""Fitting in several processes: the same weights, one bundle, and no process that waits for ever."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
import torch
import torch.distributed as dist
from PIL import Image
from safetensors.torch import load_file

import forked
import twinspect as ts
from drawn_parts import AS_ARGUMENTS
from twinspect.calibration.good_scores import GoodScores
from twinspect.data.samples import Sample
from twinspect.errors import ConfigError, ElsewhereError, ImageError
from twinspect.images.quality import ImageQuality
from twinspect.images.statistics import ImageStatistics
from twinspect.training.sync_batchnorm import SynchronisedBatchNorm2d, synchronise_batchnorm
from twinspect.utils.distributed import (
    SINGLE_PROCESS,
    ProcessGroup,
    check_process_counts,
)
from twinspect.utils.launch_environment import check_torchrun, is_secondary_process

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SCRIPT = Path(__file__).parents[1] / "helpers" / "fit_together.py"
BATCH = 7
"""Of two processes one takes 3 and the other 4, so that what counts an image too much or too little shows."""
IMAGES = 24


def rank(number: int, count: int) -> ProcessGroup:
    """Give the processes of a training as one of them sees them; nothing is exchanged."""
    return ProcessGroup(cast("Any", SimpleNamespace(global_rank=number, world_size=count)))


class Answering(ProcessGroup):
    """Processes of which another one raises every flag."""

    def any(self, *flags: bool) -> list[bool]:
        return [True for _ in flags]


# What each process does -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("items", "count"), [(8, 2), (5, 2), (7, 3), (3, 3), (16, 1)])
def test_slices_are_as_equal_as_possible_and_leave_nothing_out(items: int, count: int) -> None:
    parts = [list(range(items))[rank(number, count).local_slice(items)] for number in range(count)]
    assert [item for part in parts for item in part] == list(range(items))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    weights = [rank(number, count).local_weight(items) for number in range(count)]
    means = [weight * float(np.mean(part)) for weight, part in zip(weights, parts, strict=True)]
    assert np.mean(means) == pytest.approx((items - 1) / 2)


def test_dealing_out_keeps_batches_whole() -> None:
    assert rank(0, 2).local_items(range(10), 4) == [0, 1, 2, 3, 8, 9]
    assert rank(1, 2).local_items(range(10), 4) == [4, 5, 6, 7]
    assert SINGLE_PROCESS.local_items(range(3), 8) == [0, 1, 2]


def test_a_mistake_of_one_ends_all_and_is_said_once() -> None:
    with pytest.raises(ImageError, match="broken"), SINGLE_PROCESS.propagate_errors():
        raise ImageError("broken.png")
    with pytest.raises(ElsewhereError, match="another process"), Answering().propagate_errors():
        pass


def test_numbers_of_good_images_come_back_as_they_were() -> None:
    samples = [Sample(Path(f"{number}.png"), f"{number}.png", category="nut") for number in range(2)]
    good = GoodScores()
    for number, sample in enumerate(samples):
        heat = np.linspace(0, 1 / (3 + number), 12, dtype=np.float32).reshape(3, 4)
        good.add(
            sample,
            1 / 3 + number,
            heat,
            ImageStatistics(*(value / 7 for value in range(9))),
            ImageQuality(0.1, number / 3, 7),
        )
    assert GoodScores.from_numbers(samples, good.to_numbers()) == good
    assert GoodScores().to_numbers().shape == (0, GoodScores.NUMBERS)


# What cannot be -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("device", "devices", "nodes", "strategy", "message"),
    [
        ("cpu", 0, 1, "auto", "devices is 0"),
        ("cpu", 1, -1, "auto", "nodes is -1"),
        ("cpu", 2, 1, "fsdp", "did you mean 'ddp'"),
        ("cuda:1", 2, 1, "ddp", "name the kind alone"),
        ("mps", 2, 1, "ddp", "use --devices 1"),
        ("cuda", 4096, 1, "ddp", "this machine has"),
    ],
)
def test_impossible_numbers_are_refused(
    device: str, devices: int, nodes: int, strategy: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        check_process_counts(torch.device(device), devices, nodes, strategy)


def test_processes_that_would_all_fit_the_same_model_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    check_torchrun(1, 1)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(ConfigError, match=r"started 4 processes.*--devices"):
        check_torchrun(1, 1)
    check_torchrun(2, 2)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"LOCAL_RANK": "0", "NODE_RANK": "0"}, False),
        ({"LOCAL_RANK": "1", "NODE_RANK": "0"}, True),
        ({"LOCAL_RANK": "0", "NODE_RANK": "1"}, True),
        ({"TORCHELASTIC_RUN_ID": "x", "RANK": "0", "LOCAL_RANK": "0"}, False),
        ({"TORCHELASTIC_RUN_ID": "x", "RANK": "8", "LOCAL_RANK": "0"}, True),
        ({"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1"}, True),
        ({"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "0"}, False),
    ],
)
def test_one_process_talks(
    environment: dict[str, str], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "TORCHELASTIC_RUN_ID",
        "RANK",
        "LOCAL_RANK",
        "NODE_RANK",
        "SLURM_STEP_NUM_TASKS",
        "SLURM_PROCID",
    ):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert is_secondary_process() is expected


# BatchNorm ------------------------------------------------------------------------------------------------------


@pytest.fixture
def one_process(tmp_path: Path) -> Iterator[None]:
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'group'}", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize("affine", [True, False])
def test_a_synchronised_norm_of_one_process_is_torchs(affine: bool) -> None:
    torch.manual_seed(0)
    images = (torch.randn(3, 4, 5, 6) * 2 + 50).requires_grad_()
    again = images.detach().clone().requires_grad_()
    expected = torch.nn.BatchNorm2d(4, affine=affine, momentum=0.3)
    actual = SynchronisedBatchNorm2d(4, affine=affine, momentum=0.3)
    upstream = torch.randn(3, 4, 5, 6)
    (expected(images) * upstream).sum().backward()
    (actual(again) * upstream).sum().backward()
    torch.testing.assert_close(actual(again), expected(images), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(again.grad, images.grad, rtol=1e-4, atol=1e-5)
    for name, value in expected.state_dict().items():
        torch.testing.assert_close(actual.state_dict()[name], value, rtol=1e-5, atol=1e-5, msg=name)


def test_modules_are_as_before_once_the_training_is_over() -> None:
    layers = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.BatchNorm2d(4))
    weight = layers[1].weight
    with synchronise_batchnorm([layers], "cpu"):
        assert type(layers[1]) is SynchronisedBatchNorm2d
        assert layers[1].weight is weight
        layers.eval()(torch.ones(1, 3, 2, 2))  # measures nothing, so exchanges nothing
    assert type(layers[1]) is torch.nn.BatchNorm2d
    assert not hasattr(layers[1], "process_group")


# Two processes --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ranks") / "good"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for number in range(IMAGES):
        pixels = generator.integers(0, 255, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    return folder


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    return subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, text=True, timeout=400, check=False
    )


def together(arguments: Sequence[object], count: int, module: str) -> tuple[list[int | None], str]:
    """Run a command in processes that are started side by side; give their exit codes, and what they say."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    shared = {
        "GLOO_SOCKET_IFNAME": "lo",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "NODE_RANK": "0",
    }
    files = [Path(f"{arguments[1]}.{number}.txt") for number in range(count)]
    processes = [
        forked.start(arguments, module=module, errors=file, environment={**shared, "LOCAL_RANK": str(number)})
        for number, file in enumerate(files)
    ]
    codes = [forked.end(process) for process in processes]
    return codes, "".join(file.read_text() for file in files)


def fit(good: Path, out: Path, *options: str, devices: int = 1) -> tuple[list[int | None], str]:
    arguments = (good, out, "--batch", BATCH, "--devices", devices, *options)
    return together(arguments, devices, "fit_together")


@pytest.fixture(scope="module")
def two(good: Path) -> Path:
    """A model of two processes, of which the first starts the other."""
    out = good.with_name("two.twin")
    done = run([str(SCRIPT), str(good), str(out), "--batch", str(BATCH), "--devices", "2"])
    assert done.returncode == 0, done.stderr
    return out


def record(bundle: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((bundle / "model.json").read_bytes())
    return loaded


def distances(first: Path, second: Path) -> dict[str, float]:
    """Measure how far apart two bundles' tensors are, each against its own size, and all at once."""
    one, other = (load_file(bundle / "weights.safetensors") for bundle in (first, second))
    assert one.keys() == other.keys()
    sizes = {name: float(tensor.double().norm()) for name, tensor in one.items() if tensor.numel()}
    apart = {name: float((one[name].double() - other[name].double()).norm()) for name in sizes}
    actual = {name: apart[name] / size for name, size in sizes.items() if size}
    return {
        **actual,
        "all": float(np.linalg.norm(list(apart.values())) / np.linalg.norm(list(sizes.values()))),
    }


def test_two_processes_reach_the_weights_of_one(good: Path, two: Path) -> None:
    """After three steps: all weights and statistics to 3e-5 of their size, and each tensor for itself to 5 %.

    Biases of BatchNorm begin at 0 and are nothing but sums of gradients, some of them hardly above rounding errors:
    one process that adds up in another order (2 threads for 1) moves them by 0.8 %, and two processes by 1.2 %.
    Parts of 3 and 4 images that counted the same would move them by 19 %, and all weights by 1.5e-4.
    """
    one = good.with_name("one.twin")
    codes, said = fit(good, one)
    assert codes == [0], said
    apart = distances(one, two)
    assert apart["all"] < 3e-5
    assert max(apart.values()) < 0.05, max(apart, key=lambda name: apart[name])
    alone, together = record(one), record(two)
    assert together["losses"]["distil"] == pytest.approx(alone["losses"]["distil"], rel=1e-5)
    assert together["calibration"]["names"] == alone["calibration"]["names"]
    assert together["calibration"]["scores"] == pytest.approx(alone["calibration"]["scores"], rel=1e-4)
    assert together["calibration"]["looks"] == alone["calibration"]["looks"]
    assert together["data"] == alone["data"]


def test_a_model_of_two_processes_is_a_model(good: Path, two: Path) -> None:
    scores = ts.load(two).score(good, maps=False)
    assert np.isfinite(scores.image).all()
    assert scores.image.shape == (IMAGES,)


def test_two_processes_stopped_and_resumed_reach_the_same_bits(good: Path, two: Path) -> None:
    out = good.with_name("stopped.twin")
    codes, _ = fit(good, out, "--stop", "2", devices=2)
    assert 0 not in codes
    assert not out.exists()
    assert [file.name for file in Path(f"{out}.checkpoint").iterdir()] == ["model.safetensors"]
    codes, said = fit(good, out, devices=2)
    assert codes == [0, 0], said
    assert max(distances(out, two).values()) == 0


def test_what_two_processes_gather_is_what_one_gathers(good: Path) -> None:
    options = ["--method", "patchcore", "--set", "patches=1000"]
    one, two = (good.with_name(f"gathered-{count}.twin") for count in (1, 2))
    for count, out in ((1, one), (2, two)):
        codes, said = fit(good, out, *options, devices=count)
        assert codes == [0] * count, said
    assert set(distances(one, two).values()) == {0.0}
    assert record(one)["calibration"]["scores"] == record(two)["calibration"]["scores"]


def test_torchrun_and_an_image_that_one_process_cannot_read(good: Path) -> None:
    options = ["--method", "rd", *AS_ARGUMENTS, "--size", "64", "--steps", "1", "--device", "cpu"]
    options += ["--batch-size", "4", "--devices", "2"]
    command = ["-m", "twinspect", "fit", str(good), *options, "--out"]
    out, none = good.with_name("torchrun.twin"), good.with_name("none.twin")
    done = run(["-m", "torch.distributed.run", "--nproc-per-node", "2", *command, str(out)])
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("rd fitted on") == 1
    broken = good / record(out)["calibration"]["names"][-1]  # the ninth is the second process's to read
    content = broken.read_bytes()
    broken.write_bytes(content[: len(content) // 2])
    try:
        failed, said = together([*command[2:], none, "--strict"], 2, "twinspect.cli")
        codes, noted = together([*command[2:], good.with_name("without.twin")], 2, "twinspect.cli")
    finally:
        broken.write_bytes(content)
    assert codes == [3, 0]  # of the first process, whose exit code is the command's, and the other
    assert noted.count(broken.name) == 1
    assert "1 of the 24 images cannot be read" in noted
    assert list(record(good.with_name("without.twin"))["data"]["unreadable"]["reasons"]) == [broken.name]
    assert failed == [2, 2], said
    assert "Traceback" not in said
    assert not none.exists()
