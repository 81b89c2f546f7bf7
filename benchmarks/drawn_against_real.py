r"""Whether synthetic defects rank methods as real ones do: the rank correlation on labelled sets.

    python benchmarks/drawn_against_real.py cookies=../shared/data/cookies aliens=../shared/data/aliens \
        --out /tmp/drawn_against_real --minutes 1

Each set is compared as by `twinspect compare`, which scores the candidates both ways. What is in --out is not done
again, so an interrupted run goes on with the same command. Printed is Spearman's rho of the candidates' two AUROCs on
each set, and what choosing by synthetic defects costs against the best choice by the labels, in points of AUROC.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.stats import spearmanr

import twinspect as ts

if TYPE_CHECKING:
    from twinspect.comparison.comparison import Comparison


class Agreement(NamedTuple):
    """How synthetic and real defects agree on a set.

    Attributes:
        candidates: that could be fitted.
        rho: Spearman's, of their AUROCs.
        cost: the best AUROC by labels less that of the candidate which synthetic defects choose.
        spread: the best less the mean one: what choosing at random costs.
    """

    candidates: int
    rho: float
    cost: float
    spread: float


def main() -> None:
    """Compare on every set, and print the agreement."""
    options = _options()
    found = {}
    for pair in options.sets:
        name, _, data = pair.partition("=")
        out = options.out / name
        comparison = ts.compare(
            data,
            options.candidates,
            minutes=options.minutes,
            out=out,
            exports=False,
            say=print,
            device="cpu",
            seed=options.seed,
        )
        found[name] = agreement(comparison)
        print(f"{name}: {_in_words(found[name])}", flush=True)
        for compared in comparison.ranked:
            print(
                f"  {compared.candidate.text}: {_percent(compared.labelled)} drawn {_percent(compared.drawn)}"
            )
    rhos, costs, spreads = zip(*((one.rho, one.cost, one.spread) for one in found.values()), strict=True)
    print(
        f"mean over {len(found)} sets: rho {np.mean(rhos):.2f}; chosen by synthetic defects "
        f"{100 * np.mean(costs):.1f} points below the best, at random {100 * np.mean(spreads):.1f}"
    )
    record = {name: one._asdict() for name, one in found.items()}
    (options.out / "agreement.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def agreement(comparison: Comparison) -> Agreement:
    """Compute it for one set, whose labelled images must be enough to rank by."""
    if comparison.basis != "labelled":
        raise SystemExit(f"{comparison.data}: too few labelled images")
    real = np.array([compared.labelled.value for compared in comparison.ranked if compared.labelled])
    drawn = np.array([compared.drawn.value for compared in comparison.ranked])
    rho = float(spearmanr(real, drawn).statistic)
    return Agreement(
        len(real), rho, float(real.max() - real[drawn.argmax()]), float(real.max() - real.mean())
    )


def _in_words(one: Agreement) -> str:
    return (
        f"rho {one.rho:.2f} of {one.candidates} candidates; chosen by synthetic defects {100 * one.cost:.1f} points "
        f"below the best, at random {100 * one.spread:.1f}"
    )


def _percent(auroc: tuple[float, float, float] | None) -> str:
    return "-" if auroc is None else f"{100 * auroc[0]:.1f} ({100 * auroc[1]:.1f} to {100 * auroc[2]:.1f})"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", nargs="+", metavar="NAME=DATA")
    parser.add_argument("--candidates", help="as for twinspect compare")
    parser.add_argument("--minutes", type=float, help="of each candidate (1)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
