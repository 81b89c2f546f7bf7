r"""Our reverse distillation beside anomalib's in one run: same weights, images, size and metrics.

    python3 -m venv /tmp/peer && /tmp/peer/bin/pip install anomalib
    python benchmarks/rd_beside_peer.py ../shared/data/cookies --peer /tmp/peer/bin/python \
        --weights ../shared/weights/resnet18_layers1-3.safetensors

The two take turns, seed by seed. anomalib trains 50 epochs of 16, ours --steps of 16. Training alone is timed.
Both are measured by anomalib's code, on raw scores and on raw maps at 256 px.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from pathlib import Path

import numpy as np
import torch

from accuracy import spread
from twinspect.data import open_data
from twinspect.methods.config import make_config, with_length
from twinspect.methods.rd import RDConfig
from twinspect.model import Model
from twinspect.teachers import create_teacher
from twinspect.training import Trainer

PEER = Path(__file__).with_name("peer") / "anomalib_rd.py"


def main() -> None:
    """Print a line a run, then the means."""
    options = _options()
    options.out.mkdir(parents=True, exist_ok=True)
    rows: dict[str, list[list[float]]] = {"anomalib": [], "twinspect": []}
    for seed in range(options.seeds):
        for name, fit in (("anomalib", fit_peer), ("twinspect", fit_ours)):
            file = options.out / f"{name}-{seed}.npz"
            fit(seed, file, options)
            rows[name].append([*measure(file, options), float(np.load(file)["seconds"])])
            print(name, seed, " ".join(f"{value:.1f}" for value in rows[name][-1]), flush=True)
    print("\n| | image AUROC | pixel AUROC | PRO | seconds to fit |\n|---|---|---|---|---|")
    for name, runs in rows.items():
        print(f"| {name} | {' | '.join(spread(column) for column in zip(*runs, strict=True))} |")
    ratios = [ours[-1] / peer[-1] for peer, ours in zip(rows["anomalib"], rows["twinspect"], strict=True)]
    print(f"time of twinspect / time of anomalib: {', '.join(f'{ratio:.2f}' for ratio in ratios)}")


def fit_peer(seed: int, out: Path, options: argparse.Namespace) -> None:
    """Train anomalib's model in its own environment."""
    arguments = ["fit", options.data, options.weights, str(seed), out]
    subprocess.run([options.peer, PEER, *arguments], check=True, capture_output=True)


def fit_ours(seed: int, out: Path, options: argparse.Namespace) -> None:
    """Train on all training images, as the peer does, and keep raw scores and maps of the test images."""
    torch.manual_seed(seed)
    config = with_length(make_config(RDConfig, None, {}), steps=options.steps, epochs=None)
    model = Model.build("rd", config, create_teacher("resnet18", weights=options.weights))
    everything = open_data(options.data)
    began = time.perf_counter()
    Trainer(seed=seed, device="cpu").fit(model, everything.split("train"))
    seconds = time.perf_counter() - began
    test = sorted(everything.split("test"), key=lambda sample: sample.path)
    with torch.inference_mode():
        found = [model.infer(model.read(sample)[0][None]) for sample in test]
    maps = torch.cat([each.map for each in found]).numpy()
    np.savez(out, scores=torch.cat([each.score for each in found]).numpy(), maps=maps, seconds=seconds)


def measure(file: Path, options: argparse.Namespace) -> list[float]:
    """Have anomalib's metrics computed: image AUROC, pixel AUROC, PRO, in percent."""
    command = [options.peer, PEER, "measure", options.data, file]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    values: list[float] = json.loads(run.stdout.splitlines()[-1])
    return values


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="a folder in MVTec layout with masks")
    parser.add_argument("--peer", type=Path, required=True, help="python of an environment with anomalib")
    parser.add_argument("--weights", type=Path, required=True, help="of ResNet-18")
    parser.add_argument("--steps", type=int, help="ours; the method's usual number if not given")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("runs/peer"), help="where scores and maps go")
    return parser.parse_args()


if __name__ == "__main__":
    main()
