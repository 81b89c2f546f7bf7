"""Benchmarks whose own files list their images: from rows to samples, every file being there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.data.benchmarks.loader_base import add_usable
from twinspect.data.benchmarks.root_folder import missing_parts
from twinspect.data.listing import Listing, relative_name

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from twinspect.data.benchmarks.catalogue import Benchmark
    from twinspect.data.samples import Sample


def listed_samples(samples: Iterable[Sample], root: Path, entry: Benchmark) -> Listing:
    """Collect the images that a benchmark lists.

    Raises:
        DataError: images or masks that it lists are missing; names the first few.
    """
    listing = Listing()
    add_usable(listing, samples)
    files = (path for sample in listing.samples for path in (sample.path, *sample.masks))
    if missing := [relative_name(path, root) for path in files if not path.is_file()]:
        raise missing_parts(
            root, entry, missing, f"{len(missing)} listed files are missing: get them from {entry.page}"
        )
    return listing
