"""What a data set is: a list of samples, each with a path, a split, a label and perhaps a mask."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, Protocol, get_args

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from twinspect.errors import DataError

Split = Literal["train", "calibration", "test"]
SPLITS: tuple[str, ...] = get_args(Split)
GOOD = "good"
"""The label of an image without an anomaly; every other label names a kind of defect."""


class Content(Protocol):
    """An image file that is not on this machine's disks by itself: in a bucket, or inside another file."""

    @property
    def address(self) -> str:
        """Where it is, for tables and errors: ``s3://bucket/part.png``."""

    def read(self) -> bytes:
        """Fetch the file's bytes; called from several threads at once.

        Raises:
            ImageError: it cannot be fetched; the message begins with its address.
        """


@dataclass(frozen=True)
class Sample:
    """One image of a data set.

    Attributes:
        path: the image file; for pixels held in memory, a made-up name.
        name: how the image is called in tables and records: its path relative to the data set's root.
        split: what the image may be used for.
        label: ``good``, or the kind of defect.
        category: the product the image shows; one data set may hold many.
        mask: the file that marks the anomalous pixels, if there is one.
        pixels: (H, W, 3) uint8 RGB, when the image is held in memory instead of a file.
        further_masks: more such files, where each marks one region; the anomalous pixels are those of all together.
        group: the part that the image shows, where several images show one; empty where that is not known.
        rules: the file that says how much of each region is enough, if there is one; see :mod:`.saturation_rules`.
        content: fetches the file's bytes when they are needed, where ``path`` names no file on this machine.
        roi: the file that says which part of the image is looked at, if it comes with one.
        change: applied to the pixels when they are read; ``None`` for the image as it is. Masks stay as they are.
    """

    path: Path
    name: str
    split: Split = "test"
    label: str = GOOD
    category: str = ""
    mask: Path | None = None
    pixels: NDArray[np.uint8] | None = field(default=None, repr=False, compare=False)
    further_masks: tuple[Path, ...] = ()
    group: str = ""
    rules: Path | None = None
    content: Content | None = field(default=None, repr=False, compare=False)
    roi: Path | None = None
    change: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] | None = field(
        default=None, repr=False, compare=False
    )

    @property
    def address(self) -> str:
        """What the image is called in score tables and errors: its path, or where its content comes from."""
        return str(self.path) if self.content is None else self.content.address

    @property
    def is_good(self) -> bool:
        """Whether the image is labelled as free of anomalies."""
        return self.label == GOOD

    @property
    def part(self) -> tuple[str, str, str]:
        """What tells its part from all others: an image that does not say which it shows is one by itself."""
        return (self.category, self.group, "" if self.group else self.name)

    @property
    def masks(self) -> tuple[Path, ...]:
        """Every file that marks anomalous pixels; none for most good images."""
        return () if self.mask is None else (self.mask, *self.further_masks)


@dataclass(frozen=True)
class Skipped:
    """One file that a data set leaves out, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class DataSet:
    """A list of samples, listed once, in an order that does not depend on the file system.

    Attributes:
        name: what the data set is called in reports.
        root: the folder or manifest it was read from; ``None`` for pixels in memory.
        samples: every image, sorted by category, split, label and name.
        skipped: files that were found and left out, each with its reason.
        layout: which layout was recognised, in words.
        doubt: why it is not known which images are good, where it is not, and what settles it.
    """

    name: str
    root: Path | None
    samples: tuple[Sample, ...]
    skipped: tuple[Skipped, ...] = ()
    layout: str = ""
    doubt: DataError | None = field(default=None, compare=False)

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.samples)

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories that occur, sorted."""
        return tuple(sorted({sample.category for sample in self.samples}))

    @property
    def unmasked(self) -> tuple[Sample, ...]:
        """Anomalous test images without a mask in a category where others have one: for image metrics only."""
        masked = {sample.category for sample in self.samples if sample.mask is not None}
        return tuple(
            sample
            for sample in self.split("test")
            if not sample.is_good and sample.mask is None and sample.category in masked
        )

    def split(self, name: Split) -> tuple[Sample, ...]:
        """List the samples of one split."""
        return tuple(sample for sample in self.samples if sample.split == name)

    def with_samples(self, samples: Sequence[Sample]) -> DataSet:
        """Return the same data set holding other samples."""
        return replace(self, samples=tuple(samples))


@dataclass(frozen=True)
class ClassSet(DataSet):
    """Images labelled with the class they show, before anybody says which classes are good.

    ``one_vs_rest`` and ``all_but_one`` say so and make a data set of it; nothing else takes it.
    """

    @classmethod
    def of(cls, data: DataSet) -> ClassSet:
        """Take the labels of a data set for classes."""
        return cls(data.name, data.root, data.samples, data.skipped, data.layout)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that occur, sorted."""
        return tuple(sorted({sample.label for sample in self.samples}))
