"""Print what runs on the peer's side."""

from told import print_versions

print_versions("anomalib", "torch", "timm", "numpy", "lightning", "torchmetrics")
