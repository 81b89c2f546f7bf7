"""What the scripts in ``benchmarks/`` compute from times: the figures that end up in documents."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable

pytest.importorskip("openvino", reason="pip install 'twinspect[openvino]'")
pytest.importorskip("onnxruntime", reason="pip install 'twinspect[onnx]'")

SCRIPTS = Path(__file__).resolve().parents[2] / "benchmarks"
ECHO = """
import json, sys
for line in sys.stdin:
    print("a library's noise")
    print(json.dumps({"heard": line.split()}), flush=True)
"""


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    monkeypatch.syspath_prepend(SCRIPTS)
    return importlib.import_module


def test_turns_go_round_and_back_and_the_first_round_does_not_count(script: Callable[[str], Any]) -> None:
    calls: list[str] = []

    def contestant(name: str, seconds: list[float]) -> Callable[[object], float]:
        def call(_: object) -> float:
            calls.append(name)
            return seconds.pop(0)

        return call

    found = script("running.turns").in_turns(
        {"a": contestant("a", [9.0, 1.0, 2.0]), "b": contestant("b", [9.0, 3.0, 4.0])}, np.zeros(0), 2
    )
    assert calls == ["a", "b", "b", "a", "a", "b"]
    assert found == {"a": [1.0, 2.0], "b": [3.0, 4.0]}


def test_a_ratio_is_the_median_of_the_rounds(script: Callable[[str], Any]) -> None:
    faster = script("running.turns").faster
    # A slow last round meets both: neither the ratio of sums nor that of medians.
    assert faster([1.0, 2.0, 30.0], [2.0, 6.0, 120.0]) == 3.0


def test_multiplications_are_those_of_the_arithmetic(script: Callable[[str], Any]) -> None:
    models = script("running.models")
    channels, side = 5, models.SIDE

    class Small(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, channels, 3, padding=1)
            self.head = nn.Linear(channels, 7)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.head(self.conv(images.float()).mean((2, 3)))

    assert models.multiplications(Small()) == side * side * channels * 3 * 9 + channels * 7


def test_the_peak_is_the_fastest_library(
    script: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    peaks = script("running.peaks")
    clock = [0.0]
    monkeypatch.setattr(peaks.time, "perf_counter", lambda: clock[0])

    def takes(*seconds: float) -> Callable[[], None]:
        rest = iter(seconds)

        def product() -> None:
            clock[0] += next(rest)

        return product

    # The first call, however fast, only warms up; of the others the fastest counts.
    found = peaks.best({"slow": takes(0.1, 4, 2), "fast": takes(9, 0.5, 1)}, side=10, repeats=2)
    assert (found.rate, found.by) == (2000.0, "fast")


def test_products_of_integers_are_exact(script: Callable[[str], Any]) -> None:
    if not torch.backends.mkldnn.is_available():
        pytest.skip("torch has no oneDNN here")
    product = script("running.peaks")._onednn
    torch.manual_seed(0)
    found = product(16)()
    torch.manual_seed(0)
    values = torch.randint(0, 255, (16, 16), dtype=torch.uint8)
    weight = torch.randint(-63, 64, (16, 16), dtype=torch.int8)
    assert torch.equal(found.double(), values.double() @ weight.double().t())


def test_tables_say_time_ratios_and_shares(script: Callable[[str], Any]) -> None:
    tables, peaks = script("running.tables"), script("running.peaks")
    seconds = {"anomalib eager": [0.8], "our torch": [0.4], "OpenVINO fp32": [0.2], "OpenVINO int8": [0.1]}
    rest = {"ONNX Runtime fp32": [0.2], "ONNX Runtime int8": [0.2]}
    result = tables.Result("rd", "resnet18", 2, 10**9, {**seconds, **rest})
    times = tables.times_row(result).split(" | ")
    assert times[3] == "400.0 ms (1.00, 0.25)"
    assert times[-2:] == ["no bf16 here", "50.0 ms (8.00, 2.00) |"]
    machine = {"fp32": peaks.Peak(2e10, "a"), "int8": peaks.Peak(4e10, "b")}
    shares = tables.shares_row(result, machine).split(" | ")
    assert shares[3:5] == ["1.00", "5.0 (25 %)"]
    assert shares[-1] == "20.0 (50 %) |"


def test_without_the_peer_its_column_says_so(script: Callable[[str], Any]) -> None:
    tables = script("running.tables")
    result = tables.Result("rd", "resnet18", 1, 1, {name: [0.1] for name in tables.COLUMNS})
    assert " left out | 100.0 ms (-, 1.00) |" in tables.times_row(result)


def test_the_first_processor_is_described(script: Callable[[str], Any]) -> None:
    told = script("running.machine").told_by("model name\t: A: B\nflags\t\t: fpu avx2\n\nmodel name\t: C\n")
    assert told == {"model name": "A: B", "flags": "fpu avx2"}


def test_a_child_answers_until_it_is_let_go(script: Callable[[str], Any]) -> None:
    with script("beside.answering").Answering([sys.executable, "-c", ECHO], os.environ) as child:
        assert child.ask("one", 2) == {"heard": ["one", "2"]}
        assert child.ask("three", "four") == {"heard": ["three", "four"]}


def test_a_child_that_fails_is_quoted(script: Callable[[str], Any]) -> None:
    answering = script("beside.answering").Answering
    with (
        answering([sys.executable, "-c", "input(); raise ValueError('its last words')"], os.environ) as child,
        pytest.raises(SystemExit, match="its last words"),
    ):
        child.ask("anything")


def test_workers_wait_for_the_driver_and_the_store_in_turn(script: Callable[[str], Any]) -> None:
    weak = script("weak_scaling")
    # A shard takes 10 s to score, 1 s of the driver, 1 s of reading and 1 s of writing; a worker starts in 5 s.
    world = weak.World(
        each=10 / weak.IMAGES,
        start=5.0,
        driver=1.0,
        listed=0.001,
        planned=0.5,
        gets=int(weak.GETS),
        puts=int(weak.PUTS),
        spread=0.0,
    )
    one = weak.simulate(1, 2, world)
    # Handed out at 6, scored at 16, written at 17; then 18, 28, 29.
    assert (one.scoring, one.alone, one.efficiency) == (
        pytest.approx(29),
        pytest.approx(29),
        pytest.approx(1),
    )
    assert one.before == pytest.approx(2 * (weak.IMAGES * 0.001 + 0.5))
    two = weak.simulate(2, 1, world)
    # The second is handed out at 7 and scored at 17, when the first is written; it is written at 18.
    assert two.scoring == pytest.approx(18)
    assert two.driver == pytest.approx(2 / 18)
    assert two.efficiency == pytest.approx(17 / 18)
    # Reading takes longer than scoring: 1000 workers want 1000 s of reads, one after the other.
    assert weak.simulate(1000, 1, world).gets == pytest.approx(1, abs=0.05)
    assert weak.simulate(50, 3, weak.replace(world, spread=0.1), 1) == weak.simulate(
        50, 3, weak.replace(world, spread=0.1), 1
    )


def test_the_exponent_of_growth_is_the_slope_of_logarithms(script: Callable[[str], Any]) -> None:
    growth = script("growth")
    costs = [growth.Cost(size, 3e-4 * size**1.5, 0.0) for size in (10, 100, 1000)]
    assert growth.exponent(costs) == pytest.approx(1.5)
    assert growth.exponent([growth.Cost(50, 2.0, 0.0), growth.Cost(200, 2.0, 0.0)]) == pytest.approx(0)


@pytest.mark.parametrize("key", ["calibration", "regions", "aupro"])
def test_growth_is_measured(script: Callable[[str], Any], key: str) -> None:
    growth = script("growth")
    cost = growth.measure(key, 128)
    assert cost.size == growth.GROWTHS[key].amount(128)
    assert cost.seconds > 0


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        *(
            (name, ["--rounds", "0"], "'0' is not a whole number above 0")
            for name in ("edge", "runtimes", "training")
        ),
        ("edge", ["--threads", "-1"], "'-1' is not"),
        ("runtimes", ["--batches", "x"], "'x' is not"),
        ("edge", ["--teacher", "foo", "--threads", "1"], "no teacher 'foo'"),
        ("training", ["--teachers", "pocket", "--size", "33"], "multiple of 32"),
        ("startup", ["--model", "m.twin"], "--model and --image belong together"),
        ("gpu", ["--dry-run", "--seconds", "-5"], "'-5' is not"),
    ],
)
def test_a_mistake_is_one_line(
    name: str,
    arguments: list[str],
    said: str,
    script: Callable[[str], Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    with pytest.raises(SystemExit) as ended:
        script("running.arguments").in_one_line(script(name).main)
    last = capsys.readouterr().err.splitlines()[-1]
    assert (ended.value.code, said in last) == (2, True), last
