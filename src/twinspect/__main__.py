"""``python -m twinspect``."""

import sys

from twinspect.cli import main

if __name__ == "__main__":
    sys.exit(main())
