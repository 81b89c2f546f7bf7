"""anomalib's models on the given ResNet-18 weights, with nothing downloaded and nothing behind the networks.

Without post-processor, evaluator and visualizer scores and maps come out as the networks give them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import timm
from anomalib.data import Folder
from anomalib.engine import Engine
from anomalib.models import Padim, Patchcore, ReverseDistillation, Stfpm
from found import SIDE
from safetensors.torch import load_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anomalib.models import AnomalibModule
    from torch import nn

METHODS = {"rd": ReverseDistillation, "stfpm": Stfpm, "patchcore": Patchcore, "padim": Padim}
ONE_PASS = ("patchcore", "padim")
"""They look at every image once, however long they are given."""
BATCH = 16


def build(method: str, weights: Path, size: int = SIDE) -> AnomalibModule:
    """Make an untrained model; wherever it asks timm for pretrained weights, it gets those of the file."""
    made, shown = METHODS[method], METHODS[method].configure_pre_processor((size, size))
    original = timm.create_model
    timm.create_model = _from_file(original, weights)
    try:
        return made(
            backbone="resnet18",
            pre_processor=shown,
            post_processor=False,
            evaluator=False,
            visualizer=False,
        )
    finally:
        timm.create_model = original


def _from_file(create: Callable[..., nn.Module], weights: Path) -> Callable[..., nn.Module]:
    def create_model(name: str, *, pretrained: bool = False, **settings: Any) -> nn.Module:
        network = create(name, pretrained=False, **settings)
        if pretrained:
            found = network.load_state_dict(load_file(weights), strict=False)
            left = [key for key in found.missing_keys if "num_batches" not in key]
            if left or found.unexpected_keys:
                raise SystemExit(f"weights do not fit: {left} {found.unexpected_keys}")
        return network

    return create_model


def folder(data: Path, seed: int) -> Folder:
    """Open the training images of a folder in MVTec layout."""
    return Folder(
        "data",
        normal_dir="train/good",
        root=data,
        normal_test_dir="test/good",
        train_batch_size=BATCH,
        num_workers=2,
        val_split_mode="same_as_test",  # never looked at: limit_val_batches below
        seed=seed,
    )


def engine(root: Path, **settings: Any) -> Engine:
    """Make the engine that trains and predicts, on the CPU and silent."""
    return Engine(
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_progress_bar=False,
        limit_val_batches=0,
        default_root_dir=root,
        **settings,
    )


def images(data: Path) -> list[Path]:
    """List the test images."""
    known = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}
    return sorted(path for path in (data / "test").glob("*/*") if path.suffix.lower() in known)
