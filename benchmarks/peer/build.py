"""Build ReverseDistillation's networks and end: what a start costs."""

import argparse
from pathlib import Path

from models import build

parser = argparse.ArgumentParser()
parser.add_argument("--weights", type=Path, required=True)
build("rd", parser.parse_args().weights)
