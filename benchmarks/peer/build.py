"""Build ReverseDistillation's networks and end: what a start costs."""

from models import build
from told import files

build("rd", files(__doc__, "weights").parse_args().weights)
