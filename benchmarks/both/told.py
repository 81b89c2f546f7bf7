"""What the scripts of both sides are told; the peer's environment has no twinspect, so nothing of it is used here."""

from __future__ import annotations

import argparse
import json
import os
import platform
from importlib.metadata import version
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
from found import SIDE


def files(doc: str | None, *names: str) -> argparse.ArgumentParser:
    """Make a parser of options that each name a file or folder and must be given."""
    parser = argparse.ArgumentParser(description=doc)
    for name in names:
        parser.add_argument(f"--{name}", type=Path, required=True)
    return parser


def of_fit(doc: str | None) -> argparse.Namespace:
    """Read what a training is told; a side may have no use for some of it."""
    parser = files(doc, "data")
    parser.add_argument("--method", default="rd")
    parser.add_argument("--teacher", default="resnet18", help="of ours")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--size", type=int, default=SIDE, help="of what networks see, in pixels; 0: the usual"
    )
    parser.add_argument("--tile", type=int, help="of ours: side of the tiles, in pixels of the image")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--epochs", type=int, help="of the peer, instead of --steps")
    parser.add_argument("--minutes", type=float, help="instead of both: how long to train")
    parser.add_argument("--at-most", type=float, default=inf, help="minutes after which a fit is given up")
    parser.add_argument("--precision", default="auto", help="of ours; the peer has one on the CPU")
    for name in ("weights", "textures", "model", "found"):
        parser.add_argument(f"--{name}", type=Path)
    return parser.parse_args()


def of_score(doc: str | None) -> argparse.Namespace:
    """Read what scoring is told."""
    parser = files(doc, "data", "weights", "model")
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--images", type=int, required=True)
    parser.add_argument(
        "--way", choices=["engine", "bare"], default="engine", help="of the peer; ours is one"
    )
    return parser.parse_args()


def judged(truth_file: str, found_file: str) -> dict[str, np.ndarray]:
    """Load ``anomalous``, ``masks`` and ``known``, and ``scores`` and ``maps`` in the same order of images."""
    with np.load(truth_file) as truth, np.load(found_file) as found:
        places = {name: place for place, name in enumerate(found["names"].tolist())}
        if not set(places) >= set(truth["names"].tolist()):
            raise SystemExit("masks and maps are of different images; remove --out")
        order = [places[name] for name in truth["names"].tolist()]
        return {
            **{name: found[name][order] for name in ("scores", "maps")},
            **{name: truth[name] for name in ("anomalous", "masks", "known")},
        }


def print_versions(*names: str, **more: str) -> None:
    """Print what runs on a side."""
    found: dict[str, Any] = {
        **more,
        "python": platform.python_version(),
        **{name: version(name) for name in names},
        "threads": os.environ.get("OMP_NUM_THREADS", f"as many as {os.cpu_count()} cores"),
    }
    print(json.dumps(found))
