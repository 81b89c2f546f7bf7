r"""Run a command of twinspect until it opens an image, and print which packages were imported by then.

python benchmarks/running/first_pixel.py IMAGE score M.twin IMAGE
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter


def main() -> None:
    """Print ``{package: modules}``, those of the standard library left out, and leave."""
    image, *arguments = sys.argv[1:]

    def leave_at_image(event: str, details: tuple[object, ...]) -> None:
        if event == "open" and str(details[0]) == image:
            os.write(1, f"{json.dumps(imported())}\n".encode())
            os._exit(0)

    sys.addaudithook(leave_at_image)
    from twinspect.cli import main as run

    raise SystemExit(run(arguments) or f"{image} was not opened")


def imported() -> dict[str, int]:
    """Count the modules of each package."""
    counts = Counter(name.partition(".")[0] for name in list(sys.modules))
    return {name: counts[name] for name in sorted(counts.keys() - sys.stdlib_module_names - {"__main__"})}


if __name__ == "__main__":
    main()
