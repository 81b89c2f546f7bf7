"""The first reading of all images of a fit: it finds those that cannot be read, before anything is trained.

Every image is decoded for it. What the training needs of it is kept, so that no file is decoded twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

import torch

from twinspect.data.pixels import named, read_pixels
from twinspect.data.prefetching import ReadFailure, read_samples
from twinspect.errors import ImageError
from twinspect.images.perceptual_hash import BYTES, perceptual_hash
from twinspect.images.reading import check_sides
from twinspect.model.preprocessing import as_batch
from twinspect.regions.scope import look
from twinspect.utils.distributed import SINGLE_PROCESS
from twinspect.utils.progress import NoProgress

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from torch import Tensor

    from twinspect.data.samples import Sample
    from twinspect.model.preprocessing import Preprocessing
    from twinspect.regions.scope import Scope
    from twinspect.utils.distributed import ProcessGroup
    from twinspect.utils.progress import Progress

_CHUNK: Final = 16
"""Images that one of several processes reads in a row."""


@dataclass
class FirstReading:
    """What the first reading gave.

    Attributes:
        unreadable: why images cannot be read, by name.
        perceptual_hashes: of the others, by name.
        prepared: model inputs by name, (3, *input_sides) float32, until the training takes them.
    """

    unreadable: dict[str, str] = field(default_factory=dict)
    perceptual_hashes: dict[str, bytes] = field(default_factory=dict)
    prepared: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class FirstReader:
    """Reads all images of a fit.

    Attributes:
        preprocessing: prepares the model's input.
        workers: threads that read.
        bits: significant bits of 16-bit files.
        room: bytes of prepared inputs to keep at most.
        progress: informed about every image.
        scope: where to look; ``None`` for whole images.
        processes: those that share the work; all learn which images cannot be read.
    """

    preprocessing: Preprocessing
    workers: int
    bits: int | None
    room: int
    progress: Progress | None = None
    processes: ProcessGroup = SINGLE_PROCESS
    scope: Scope | None = None

    def read(self, samples: Sequence[Sample], keep: Collection[str]) -> FirstReading:
        """Read them.

        Args:
            samples: the images.
            keep: names of those whose inputs are worth keeping: the others are not trained on.
        """
        reading = FirstReading()
        with self.processes.propagate_errors():
            self._read_local(self.processes.local_items(samples, _CHUNK), keep, reading)
        return self._shared(samples, reading) if self.processes.count > 1 else reading

    def _read_local(self, samples: Sequence[Sample], keep: Collection[str], reading: FirstReading) -> None:
        progress = self.progress if self.progress and self.processes.is_first else NoProgress()
        progress.start("read", len(samples), 0)
        left = self.room
        read = partial(self._read_one, keep if self.room else ())
        for sample, result in zip(samples, read_samples(samples, read, workers=self.workers), strict=True):
            if isinstance(result, ReadFailure):
                reading.unreadable[sample.name] = result.message
            else:
                prepared, reading.perceptual_hashes[sample.name] = result
                left -= 0 if prepared is None else prepared.nbytes
                if prepared is not None and left >= 0:
                    reading.prepared[sample.name] = prepared
            progress.advance()
        progress.finish()

    def _read_one(self, keep: Collection[str], sample: Sample) -> tuple[Tensor | None, bytes]:
        rgb = read_pixels(sample, bits=self.bits)
        with named(sample):
            check_sides(*rgb.shape[:2])
            seen = look(self.scope, sample, rgb).painted
            prepared = self.preprocessing.apply(as_batch(seen))[0] if sample.name in keep else None
        return prepared, perceptual_hash(rgb)

    def _shared(self, samples: Sequence[Sample], reading: FirstReading) -> FirstReading:
        """Let every process know what the others have read; prepared inputs stay where they are."""
        numbers = torch.zeros(len(samples), 1 + BYTES, dtype=torch.float64)
        for row, sample in zip(numbers, samples, strict=True):
            row[0] = sample.name in reading.unreadable
            if sample.name in reading.perceptual_hashes:
                row[1:] = torch.tensor(list(reading.perceptual_hashes[sample.name]))
        shared = FirstReading(prepared=reading.prepared)
        for row, sample in zip(self.processes.sum(numbers).long().tolist(), samples, strict=True):
            if row[0]:
                shared.unreadable[sample.name] = reading.unreadable.get(sample.name) or self._reason(sample)
            else:
                shared.perceptual_hashes[sample.name] = bytes(row[1:])
        return shared

    def _reason(self, sample: Sample) -> str:
        """Say why another process could not read an image."""
        try:
            self._read_one((), sample)
        except ImageError as error:
            return str(error)
        return f"{sample.address}: could not be read by another process"
