"""The script for GPUs, the same way on the CPU; the suite spares it the tests, a model and the tracing of a graph."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mean_export import mean_of_pixels

onnx = pytest.importorskip("onnx", reason="pip install 'twinspect[onnx]'")
pytest.importorskip("onnxruntime", reason="pip install 'twinspect[onnx]'")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[2] / "benchmarks")
    script, on_device = (importlib.import_module(name) for name in ("gpu", "running.on_device"))
    monkeypatch.setattr(script, "TESTS", [sys.executable, "-c", "print('26 skipped in 4.90s')"])
    monkeypatch.setattr(script, "DRY", replace(script.DRY, models=script.DRY.models[::2], batches=(1,)))
    monkeypatch.setattr(on_device, "to_onnx", lambda _: onnx.load_from_string(mean_of_pixels()))
    return script


def test_a_dry_run_measures_everything(gpu: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "runs" / "gpu.jsonl"
    assert gpu.main(["--dry-run", "--out", str(out)]) == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    printed = capsys.readouterr().out.splitlines()
    assert printed[: len(rows)] == out.read_text().splitlines()
    assert printed[len(rows) :][:2] == ["| item | of | found |", "|---|---|---|"]
    assert len(printed) == 2 * len(rows) + 2
    assert [row["found"] for row in rows if row["item"] == "tests"] == ["26 skipped in 4.90s"]
    trained = [row for row in rows if row["item"] == "training"]
    assert [row["of"].split(",")[0] for row in trained] == ["rd", "dual"]
    assert all(row["rate"] > 0 for row in trained)
    rounded = [row for row in rows if row["item"].endswith("against fp32")]
    assert len(rounded) == 2
    assert all(0 < row["maps"] < 0.05 for row in rounded)
    scored = [row for row in rows if "milliseconds" in row]
    ways = ["torch", "torch, images prepared too", "torch, no graph", "torch, no graph, bf16"]
    assert [row["of"].partition("batch 1, ")[2] for row in scored] == [*ways, *ways, "onnx fp32"]
    assert all(row["milliseconds"] > 0 for row in scored)


def test_what_fails_or_does_not_fit_into_the_time_is_a_row(gpu: Any) -> None:
    def fails() -> Any:
        yield {"of": "first", "found": "1"}
        raise RuntimeError("out of memory")

    results, now = gpu.Results(None), gpu.time.monotonic()
    assert not gpu.run(gpu.Item("a", 1, fails), now + 100, results)
    assert gpu.run(gpu.Item("b", 50, fails), now + 10, results)
    assert [row["found"] for row in results.rows[:2]] == ["1", "failed: RuntimeError: out of memory"]
    assert results.rows[2]["found"].startswith("left out: ")


def test_tests_that_fail_are_named(gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "print('FAILED tests/gpu/a.py::b\\n1 failed'); raise SystemExit(1)"
    monkeypatch.setattr(gpu, "TESTS", [sys.executable, "-c", code])
    rows = gpu.tests(60)
    assert next(rows)["found"] == "1 failed"
    with pytest.raises(RuntimeError, match=r"FAILED tests/gpu/a\.py::b"):
        next(rows)


def test_without_a_device_it_says_what_to_type(gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu.torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="no CUDA device here; --dry-run"):
        gpu.main([])
