"""What computes here: the processor's name, and those of its instructions that decide how fast networks run."""

from __future__ import annotations

import platform
from pathlib import Path

from twinspect.inference.openvino_engine import openvino_core

FLAGS = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
"""By Linux's names; the last six bring 8-bit integers or bf16, or wider registers."""
CPUINFO = Path("/proc/cpuinfo")


def described() -> str:
    """Name the processor, which flags it has and which it lacks."""
    told = told_by(CPUINFO.read_text()) if CPUINFO.is_file() else {}
    name = told.get("model name") or platform.processor() or platform.machine()
    if "flags" not in told:
        return f"{name}; flags unknown"
    has = told["flags"].split()
    present = [flag for flag in FLAGS if flag in has]
    absent = [flag for flag in FLAGS if flag not in has]
    return f"{name}; has {', '.join(present) or 'none'}; lacks {', '.join(absent) or 'none'}"


def told_by(cpuinfo: str) -> dict[str, str]:
    """Read what Linux says of the first processor, by name."""
    first = cpuinfo.strip().partition("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def has_bf16() -> bool:
    """Ask OpenVINO whether it computes in bf16 here."""
    return "BF16" in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
