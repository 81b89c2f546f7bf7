r"""twinspect beside anomalib in one run: start-up, training, scoring, metrics, accuracy; same images, same weights.

    python3 -m venv /tmp/peer && /tmp/peer/bin/pip install anomalib
    python benchmarks/beside_peer.py --peer /tmp/peer/bin/python --rounds 5

Each side runs in its own environment, every measurement in a fresh process. The two take turns, and who begins
changes from round to round. A ratio is the median over the rounds of twinspect / anomalib: for seconds and MiB
less is better, for images a second more. Finished rounds and fits are kept under --out; remove it to measure anew.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from beside import accuracy, features, fitting, metrics, scoring, startup
from beside.report import Report
from beside.settings import Settings
from beside.sides import Side
from beside.small import small_copy

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).resolve().parent
SHARED = HERE.parents[1] / "shared"
PARTS: dict[str, Callable[[Settings], Report]] = {
    "features": features.measure,
    "startup": startup.measure,
    "fit": fitting.measure,
    "score": scoring.measure,
    "metrics": metrics.measure,
    "accuracy": accuracy.measure,
}
QUICK = {
    "rounds": 1,
    "fit_steps": 2,
    "images": 8,
    "maps": 12,
    "side": 96,
    "seeds": 1,
    "steps": 2,
    "peer_steps": 2,
    "peer_epochs": None,
}
"""What --quick sets, whatever else is asked for."""
NO_PEER = """anomalib's environment is missing. Make one and name its interpreter:
    python3 -m venv /tmp/peer && /tmp/peer/bin/pip install anomalib
    python benchmarks/beside_peer.py --peer /tmp/peer/bin/python"""


def main() -> None:
    """Measure the chosen parts, then print one table, the raw figures and the versions."""
    options = _options()
    settings = _settings(options)
    whole = Report(notes=_versions(settings))
    _check_kept(settings, whole.notes)
    for part in options.parts:
        print(f"{part} ...", file=sys.stderr, flush=True)
        whole.add(PARTS[part](settings))
    print(whole.markdown())


def _versions(settings: Settings) -> list[str]:
    """Say what is compared; the first thing done, so that an environment that does not work is found at once."""
    ours = settings.ours.run("versions.py").output
    try:
        peer = settings.peer.run("versions.py").output
    except SystemExit as error:
        raise SystemExit(f"{str(error).strip().splitlines()[-1]}\n{NO_PEER}") from None
    return [
        f"{side.name}: {', '.join(f'{name} {version}' for name, version in found.items())}"
        for side, found in ((settings.ours, ours), (settings.peer, peer))
    ]


def _check_kept(settings: Settings, versions: list[str]) -> None:
    """Refuse to mix results of different environments or weights in one folder."""
    textures = str(settings.textures or "none")
    made_with = [*versions, f"weights: {settings.weights}", f"textures: {textures}"]
    record = settings.out / "made_with.json"
    if record.is_file() and json.loads(record.read_text()) != made_with:
        raise SystemExit(
            f"{record} says that the results there were made otherwise; remove it or choose another --out"
        )
    record.write_text(json.dumps(made_with, indent=1))


def _settings(options: argparse.Namespace) -> Settings:
    if options.peer is None or not options.peer.exists():
        raise SystemExit(NO_PEER)
    named = [*options.data, options.weights, *([options.textures] if options.textures else [])]
    missing = [str(path) for path in named if not path.exists()]
    if missing:
        raise SystemExit(f"not found: {', '.join(missing)}")
    out = options.out.resolve() / "quick" if options.quick else options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    return Settings(
        ours=Side("twinspect", options.ours.absolute(), HERE / "ours", HERE.parent / "src"),
        peer=Side("anomalib", options.peer.absolute(), HERE / "peer", None),
        data=[small_copy(each, out / "small") if options.quick else each.resolve() for each in options.data],
        weights=options.weights.resolve(),
        textures=options.textures.resolve() if options.textures else None,
        out=out,
        rounds=options.rounds,
        fit_steps=options.fit_steps,
        images=options.images,
        maps=options.maps,
        side=options.side,
        seeds=options.seeds,
        steps=options.steps,
        peer_steps=options.peer_steps,
        peer_epochs=options.peer_epochs,
        methods=options.methods,
        judge=options.judge,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--peer", type=Path, help="python of an environment with anomalib")
    add("--ours", type=Path, default=Path(sys.executable), help="python of an environment with twinspect")
    add("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    add("--data", nargs="+", type=Path, default=[SHARED / "data" / "cookies"], help="in MVTec layout")
    add("--weights", type=Path, default=SHARED / "weights" / "resnet18_layers1-3.safetensors")
    add("--textures", type=Path, help="folder that aand draws anomalies from")
    add("--out", type=Path, default=Path("runs/beside_peer"), help="where results are kept")
    add("--quick", action="store_true", help="a smoke run on a few images; its figures mean nothing")
    add("--rounds", type=int, default=5, help="of everything that is timed, but for the accuracy")
    add("--fit-steps", type=int, default=100, help="optimiser steps of the timed training")
    add("--images", type=int, default=100, help="images scored at a time")
    add("--maps", type=int, default=100, help="fabricated maps for the metrics, three regions each")
    add("--side", type=int, default=256, help="of a fabricated map, in pixels")
    add("--seeds", type=int, default=3, help="runs of the accuracy part, with seeds 0, 1, ...")
    add("--methods", nargs="+", default=accuracy.NAMES, choices=accuracy.NAMES, help="of the accuracy part")
    add("--steps", type=int, help="of every stage of our methods there; each one's usual number if not given")
    add("--peer-steps", type=int, default=400, help="of the peer's methods there")
    add("--peer-epochs", type=int, help="of the peer's methods, instead of steps (its examples: 100 and 200)")
    add("--judge", choices=["ours", "peer"], default="ours", help="whose code measures both sides' accuracy")
    options = parser.parse_args()
    if options.quick:
        vars(options).update(QUICK)
    return options


if __name__ == "__main__":
    main()
