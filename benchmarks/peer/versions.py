"""Print what runs on the peer's side."""

import json
import os
import platform
from importlib.metadata import version

names = ("anomalib", "torch", "timm", "numpy", "lightning", "torchmetrics")
print(
    json.dumps(
        {
            "python": platform.python_version(),
            **{name: version(name) for name in names},
            "threads": os.environ.get("OMP_NUM_THREADS", f"as many as {os.cpu_count()} cores"),
        }
    )
)
