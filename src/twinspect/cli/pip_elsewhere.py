"""pip for another machine: ``python -m twinspect.cli.pip_elsewhere MARKERS ARGUMENTS``.

pip chooses files by ``--platform`` and ``--python-version``, but reads conditions such as
``; sys_platform == "win32"`` as they hold where it runs: it would leave out what only the other machine needs, and
fail on what only this one does. Here they are read as given.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any


def main(markers: dict[str, str], arguments: list[str]) -> int:
    """Run pip and return its exit code.

    Args:
        markers: conditions by name, as in a requirement.
        arguments: of pip.
    """
    found: Any = importlib.import_module("pip._vendor.packaging.markers")
    here = found.default_environment
    found.default_environment = lambda: {**here(), **markers}
    code: int = importlib.import_module("pip._internal.cli.main").main(arguments)
    return code


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1]), sys.argv[2:]))
