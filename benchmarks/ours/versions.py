"""Print what runs on our side."""

from told import print_versions

from twinspect import __version__

print_versions("torch", "timm", "numpy", twinspect=__version__)
