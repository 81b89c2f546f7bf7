"""Print what runs on our side."""

import json
import os
import platform
from importlib.metadata import version

from twinspect import __version__

names = ("torch", "timm", "numpy")
print(
    json.dumps(
        {
            "twinspect": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in names},
            "threads": os.environ.get("OMP_NUM_THREADS", f"as many as {os.cpu_count()} cores"),
        }
    )
)
