"""The process's one OpenVINO core, and the signal stack that cores leave behind."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("openvino")

INTERRUPTED = """
import signal
import openvino
from openvino import opset13 as ops
from twinspect.inference.openvino_engine import kept_signal_stack, openvino_core

def made(core):
    value = ops.parameter([1, 4])
    return core.compile_model(openvino.Model([ops.relu(value)], [value]), "CPU")

signal.signal(signal.SIGINT, lambda *_: print("interrupted"))
{body}
signal.raise_signal(signal.SIGINT)
print("goes on")
"""
OURS = """
first, second = made(openvino_core()), made(openvino_core())
del first, second
"""
OTHERS = """
with kept_signal_stack():
    first, second = made(openvino.Core()), made(openvino.Core())
del first
del second
"""


@pytest.mark.parametrize(
    "body", [OURS, OTHERS, OURS + OTHERS, OTHERS + OURS], ids=["ours", "others", "1", "2"]
)
def test_an_interruption_after_several_graphs_is_handled(body: str) -> None:
    code = [sys.executable, "-c", INTERRUPTED.format(body=body)]
    found = subprocess.run(code, capture_output=True, text=True, check=False, timeout=120)
    assert (found.returncode, found.stdout.split()) == (0, ["interrupted", "goes", "on"]), found.stderr


def test_there_is_one_core() -> None:
    from twinspect.inference.openvino_engine import openvino_core

    assert openvino_core() is openvino_core()
