"""Two tables: how long an image takes, and what share of the machine's peak that is."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from running.models import COLUMNS, OPENVINO_BF16, OPENVINO_FP32
from running.turns import faster

if TYPE_CHECKING:
    from collections.abc import Mapping

    from running.peaks import Peak

PEER = "anomalib eager"
ABSENT = dict.fromkeys((PEER, *COLUMNS), "left out") | {OPENVINO_BF16: "no bf16 here"}


@dataclass(frozen=True)
class Result:
    """What was measured of one model and batch.

    Attributes:
        method: its name.
        teacher: likewise.
        batch: images a call.
        multiplications: of one image.
        seconds: of every round, by column.
    """

    method: str
    teacher: str
    batch: int
    multiplications: int
    seconds: dict[str, list[float]]

    def named(self) -> str:
        """Begin a row."""
        return f"| {self.method} | {self.teacher} | {self.batch} |"


def head(*columns: str) -> str:
    """Begin a table."""
    names = ("method", "teacher", "batch", *columns)
    return f"| {' | '.join(names)} |\n|{'---|' * len(names)}"


def times_row(result: Result) -> str:
    """Give milliseconds an image, and how often the peer and OpenVINO fp32 take as long."""
    cells = [_time(result, name) for name in (PEER, *COLUMNS)]
    return f"{result.named()} {' | '.join(cells)} |"


def shares_row(result: Result, peaks: Mapping[str, Peak]) -> str:
    """Give multiply-adds a second in 10^9, and their share of the peak in numbers of the same kind."""
    cells = [_share(result, name, peaks) for name in COLUMNS]
    return f"{result.named()} {result.multiplications / 1e9:.2f} | {' | '.join(cells)} |"


def kind(column: str) -> str:
    """Say in which numbers a column computes."""
    last = column.rsplit(maxsplit=1)[-1]
    return last if last in ("int8", "bf16") else "fp32"


def _time(result: Result, name: str) -> str:
    if name not in result.seconds:
        return ABSENT[name]
    own = result.seconds[name]
    ratios = [_ratio(own, result.seconds.get(base)) for base in (PEER, OPENVINO_FP32)]
    return f"{1e3 * statistics.median(own) / result.batch:.1f} ms ({', '.join(ratios)})"


def _ratio(own: list[float], base: list[float] | None) -> str:
    return "-" if base is None else f"{faster(own, base):.2f}"


def _share(result: Result, name: str, peaks: Mapping[str, Peak]) -> str:
    if name not in result.seconds:
        return ABSENT[name]
    rate = result.multiplications * result.batch / statistics.median(result.seconds[name])
    return f"{rate / 1e9:.1f} ({100 * rate / peaks[kind(name)].rate:.0f} %)"
