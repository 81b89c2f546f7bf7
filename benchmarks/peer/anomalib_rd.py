r"""anomalib's reverse distillation, run by `rd_beside_peer.py` in anomalib's own virtual environment.

python anomalib_rd.py fit DATA WEIGHTS SEED OUT.npz      # trains, writes seconds, raw scores and maps
python anomalib_rd.py measure DATA FILE.npz              # anomalib's metrics of raw scores and maps, as JSON
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from anomalib.data import Folder
from anomalib.engine import Engine
from anomalib.metrics.aupro import _AUPRO
from anomalib.models import ReverseDistillation
from PIL import Image
from safetensors.torch import load_file
from torchmetrics.functional.classification import binary_auroc

SIDE, EPOCHS, BATCH = 256, 50, 16


def fit(data: Path, weights: Path, seed: int, out: Path) -> None:
    """Train 50 epochs of 16 with the given ResNet-18 weights; only training itself is timed."""
    torch.manual_seed(seed)
    model = ReverseDistillation(backbone="resnet18", pre_trained=False, evaluator=False, visualizer=False)
    missing = model.model.encoder.feature_extractor.load_state_dict(load_file(weights), strict=False)
    left = [name for name in missing.missing_keys if "num_batches" not in name]
    if left or missing.unexpected_keys:
        raise SystemExit(f"weights do not fit: {left} {missing.unexpected_keys}")
    module = Folder(
        "data",
        normal_dir="train/good",
        root=data,
        normal_test_dir="test/good",
        train_batch_size=BATCH,
        num_workers=2,
        val_split_mode="same_as_test",  # never looked at: limit_val_batches below
        seed=seed,
    )
    engine = Engine(
        max_epochs=EPOCHS,
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_progress_bar=False,
        limit_val_batches=0,
        default_root_dir=out.parent,
    )
    began = time.perf_counter()
    engine.fit(model=model, datamodule=module)
    seconds = time.perf_counter() - began
    scores, maps = [], []
    model.eval()
    with torch.inference_mode():
        for path in images(data):
            pixels = torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)[None] / 255
            found = model.model(model.pre_processor.transform(pixels))
            scores.append(float(found.pred_score))
            maps.append(found.anomaly_map.float().reshape(SIDE, SIDE).numpy())
    np.savez(out, scores=np.array(scores), maps=np.stack(maps), seconds=seconds)


def measure(data: Path, file: Path) -> None:
    """Print image AUROC, pixel AUROC and PRO (limit 0.3) in percent; masks are brought to 256 px, nearest."""
    with np.load(file) as found:
        scores, maps = torch.from_numpy(found["scores"]), torch.from_numpy(found["maps"])
    truth = torch.from_numpy(np.stack([mask(path, data) for path in images(data)]))
    area = _AUPRO(fpr_limit=0.3)
    area.update(maps, truth.int())
    values = [
        area_under(scores, truth.flatten(1).any(1)),
        area_under(maps.flatten(), truth.flatten()),
        float(area.compute()),
    ]
    print(json.dumps([100 * value for value in values]))


def area_under(scores: torch.Tensor, truth: torch.Tensor) -> float:
    """Give the AUROC; scores are moved into 0..1, where torchmetrics does not apply a sigmoid to them."""
    unit = (scores.double() - scores.min()) / (scores.max() - scores.min())
    return float(binary_auroc(unit, truth.int()))


def images(data: Path) -> list[Path]:
    """List the test images."""
    return sorted(path for path in (data / "test").glob("*/*") if path.suffix.lower() in {".png", ".jpg"})


def mask(path: Path, data: Path) -> np.ndarray:
    """Read the mask of a test image at 256 px; empty for a good one."""
    if path.parent.name == "good":
        return np.zeros((SIDE, SIDE), bool)
    file = data / "ground_truth" / path.parent.name / f"{path.stem}_mask.png"
    if not file.exists():
        file = file.with_name(f"{path.stem}.png")
    return np.array(Image.open(file).convert("L").resize((SIDE, SIDE), Image.Resampling.NEAREST)) > 0


if __name__ == "__main__":
    if sys.argv[1] == "fit":
        fit(Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]))
    else:
        measure(Path(sys.argv[2]), Path(sys.argv[3]))
