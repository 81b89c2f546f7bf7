"""The most that this machine computes: multiply-adds a second of a large matrix product, by the best library here."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import openvino
import torch
from openvino import opset13 as ops

from twinspect.inference.openvino_engine import openvino_core

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Product = Callable[[], object]

SIDE = 2048
"""Of the square matrices: large enough that all but the product hardly counts."""
REPEATS = 10
"""The fastest counts: a peak is what nothing disturbed."""


@dataclass(frozen=True)
class Peak:
    """A machine's peak in one kind of numbers.

    Attributes:
        rate: multiply-adds a second.
        by: the library that reached it.
    """

    rate: float
    by: str


def peaks(threads: int, *, bf16: bool, side: int = SIDE, repeats: int = REPEATS) -> dict[str, Peak]:
    """Measure fp32, int8 and, where there is such, bf16; threads are those that torch was told, too."""
    candidates: dict[str, dict[str, Product]] = {
        "fp32": {
            "torch.matmul": _torch(side, torch.float32),
            "OpenVINO MatMul": _openvino(side, threads, integers=False),
        },
        "int8": {
            "oneDNN, as torch calls it": _onednn(side),
            "OpenVINO MatMul": _openvino(side, threads, integers=True),
        },
    }
    if bf16:
        candidates["bf16"] = {"torch.matmul": _torch(side, torch.bfloat16)}
    return {kind: best(products, side, repeats) for kind, products in candidates.items()}


def torch_peak(dtype: torch.dtype, side: int = SIDE, repeats: int = REPEATS) -> Peak:
    """Measure torch alone, in the numbers that a training computes in."""
    return best({"torch.matmul": _torch(side, dtype)}, side, repeats)


def best(products: Mapping[str, Product], side: int, repeats: int) -> Peak:
    """Time every library's product of two square matrices, and give the fastest one."""
    found = {name: side**3 / _seconds(product, repeats) for name, product in products.items()}
    by = max(found, key=lambda name: found[name])
    return Peak(found[by], by)


def _seconds(product: Product, repeats: int) -> float:
    product()
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        product()
        taken.append(time.perf_counter() - began)
    return min(taken)


def _torch(side: int, dtype: torch.dtype) -> Product:
    one, other = torch.rand(side, side).to(dtype), torch.rand(side, side).to(dtype)
    return lambda: one @ other


def _onednn(side: int) -> Product:
    """Multiply 8-bit integers as what torch compiles such networks to; ``torch._int_mm`` crawls on AVX2."""
    values = torch.randint(0, 255, (side, side), dtype=torch.uint8)
    weight = torch.randint(-63, 64, (side, side), dtype=torch.int8)
    packed = torch.ops.onednn.qlinear_prepack(weight.t(), [side, side])
    scales, zeros = torch.ones(side), torch.zeros(side, dtype=torch.int64)
    tail = (
        None,
        1.0,
        0,
        torch.float32,
        "none",
        [],
        "",
    )  # no bias, scale and zero of floats, nothing after it
    return lambda: torch.ops.onednn.qlinear_pointwise(values, 1.0, 0, packed, scales, zeros, *tail)


def _openvino(side: int, threads: int, *, integers: bool) -> Product:
    dtype = np.uint8 if integers else np.float32
    given = ops.parameter([side, side], dtype)
    weight = ops.constant(np.random.default_rng(0).integers(-63, 64, (side, side)).astype(np.float32))
    values = given
    if integers:
        values = _rounded(ops.convert(given, np.float32), 0, 255)
        weight = _rounded(weight, -127, 127)
    graph = openvino.Model([ops.matmul(values, weight, transpose_a=False, transpose_b=True)], [given])
    hints = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    request = openvino_core().compile_model(graph, "CPU", hints).create_infer_request()
    request.set_input_tensor(openvino.Tensor(np.ones((side, side), dtype)))
    return request.infer


def _rounded(node: Any, low: float, high: float) -> Any:
    """Mark values as integers of 8 bits; what follows then computes in them."""
    limits = [np.float32(low), np.float32(high)]
    return ops.fake_quantize(node, *limits, *limits, levels=int(high - low) + 1)
