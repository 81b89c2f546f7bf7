r"""Every method beside anomalib's at equal budgets by the clock: the accuracy that a minute, five and thirty buy.

    python3 -m venv /tmp/peer && /tmp/peer/bin/pip install anomalib onnx onnxscript onnxruntime
    python benchmarks/family.py --peer /tmp/peer/bin/python

About 30 hours on two cores. It may be interrupted and goes on where it was; results are lines of JSON under --out.
All options but those that name places choose a part of the plan, for example --sets cookies --minutes 1. What has a
result is not measured again, unless it failed and --again is given.

Both sides learn from the same training images at the same size with the same teacher's weights, each in a fresh
process, and test on the same images: copies of training images are left out, as ``twinspect evaluate`` does. Raw
scores and maps, at 256 px, of both are measured by one and the same code, ours. Ours holds good images out and
calibrates, as a user's fit does; ``auto`` is what is taken where no method is named, at its own size. anomalib's
trainer is stopped after the minutes (max_time); PaDiM and PatchCore look at every image once, however long that
takes, and a fit of either side that takes --patience times its minutes is given up. Milliseconds are those of an
image from pixels to score and map in ONNX Runtime, as either side exports itself, or in torch where it cannot be
exported.

The plan: every method on five sets of parts for the first of --minutes from every seed, with teachers but the first
from the first seed alone; on three classes each of Fashion-MNIST and CIFAR-10, one against all others, at 64 px; on
the five sets for the second of --minutes. Then our best three methods and the peer's best on three sets for the rest
of --minutes, and our best two on ballscrew with tiles. ``auto`` is measured with every teacher throughout.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields
from pathlib import Path

import twinspect as ts
from beside.sides import Side
from budgets.cases import AUTO, OURS, PEER, Case
from budgets.measure import Bench
from budgets.plan import PEERS, Chosen, phases
from budgets.sets import CLASSES, FOLDERS
from budgets.store import Store
from budgets.tables import tables

HERE = Path(__file__).resolve().parent
SHARED = HERE.parents[1] / "shared"


def main() -> None:
    """Measure what has no result yet, then print the tables; --table measures nothing."""
    options = _options()
    options.out.mkdir(parents=True, exist_ok=True)
    store = Store(options.out / "results.jsonl")
    if not options.table:
        measure_all(store, _bench(options), options)
    print("\n\n".join(tables(store.good)))
    for case, result in store.results.items():
        if "failed" in result:
            print(f"\n{case.name}: {result['failed']}")


def measure_all(store: Store, bench: Bench, options: argparse.Namespace) -> None:
    """Go through the plan."""
    chosen = Chosen(**{field.name: getattr(options, field.name) for field in fields(Chosen)})
    for phase in phases(chosen, store):
        for case in phase:
            if _is_wanted(case, store, options):
                print(f"{case.name} ...", file=sys.stderr, flush=True)
                store.add(case, bench.measure(case))


def _is_wanted(case: Case, store: Store, options: argparse.Namespace) -> bool:
    result = store.results.get(case)
    return result is None or (options.again and "failed" in result)


def _bench(options: argparse.Namespace) -> Bench:
    sides = {OURS: Side(OURS, options.ours.absolute(), HERE / "ours", HERE.parent / "src")}
    if options.peers:
        if options.peer is None or not options.peer.exists():
            raise SystemExit(
                "name the interpreter of anomalib's environment by --peer, or leave it out: --peers"
            )
        sides[PEER] = Side(PEER, options.peer.absolute(), HERE / "peer", None)
    return Bench(
        sides=sides,
        root=options.data.resolve(),
        weights=options.weights.resolve(),
        textures=options.textures.resolve() if options.textures else None,
        patience=options.patience,
        out=options.out.resolve(),
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    ours, sets = [AUTO, *ts.methods()], [*FOLDERS, *CLASSES]
    add("--peer", type=Path, help="python of an environment with anomalib")
    add("--ours", type=Path, default=Path(sys.executable), help="python of an environment with twinspect")
    add("--data", type=Path, default=SHARED / "data", help="the folder of the sets")
    add("--weights", type=Path, default=SHARED / "weights" / "resnet18_layers1-3.safetensors")
    add("--textures", type=Path, help="folder that methods draw anomalies from")
    add("--out", type=Path, default=Path("runs/family"), help="where results are kept")
    add("--methods", nargs="*", default=ours, choices=ours, metavar="METHOD", help=f"ours: {', '.join(ours)}")
    add(
        "--peers",
        nargs="*",
        default=PEERS,
        choices=PEERS,
        metavar="METHOD",
        help=f"the peer's: {', '.join(PEERS)}",
    )
    add("--teachers", nargs="+", default=["resnet18", "pocket"], help="of ours; the peer has the first")
    add("--sets", nargs="+", default=sets, choices=sets, metavar="SET", help=f"of {', '.join(sets)}")
    add("--minutes", nargs="+", type=float, default=[1, 5, 30])
    add("--seeds", nargs="+", type=int, default=[0, 1, 2])
    add("--steps", type=int, help="instead of minutes: a check that does not depend on what else runs")
    add("--patience", type=float, default=1.5, help="times its minutes after which a fit is given up (1.5)")
    add("--again", action="store_true", help="measure again what failed")
    add("--table", action="store_true", help="only print the tables of what has been measured")
    return parser.parse_args()


if __name__ == "__main__":
    main()
