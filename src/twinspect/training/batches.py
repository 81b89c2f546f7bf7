"""The images of a training: prepared once, kept in memory as far as a budget goes, handed out in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from twinspect.data.prefetching import prefetch
from twinspect.methods.base import Batch
from twinspect.synthesis import foregrounds
from twinspect.training.training_inputs import training_inputs
from twinspect.utils.distributed import SINGLE_PROCESS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from twinspect.data.samples import Sample
    from twinspect.model.tiling import Tiling
    from twinspect.model.whole_image import Model
    from twinspect.synthesis import Synthesizer
    from twinspect.utils.distributed import ProcessGroup
    from twinspect.utils.progress import Progress

FILL_CHUNK = 16
"""Images whose teacher features are computed at once; fixed, because batch size changes the last bits."""


class TrainingImages:
    """Prepared images and what the teacher says of them, kept in memory as far as a budget goes.

    Which images are kept, and in which groups their features are computed, depends on nothing but the list of
    images and the budget, so that a resumed run sees the same numbers to the last bit.

    Args:
        model: prepares the images; its method computes the targets.
        samples: the images.
        device: where batches are wanted.
        workers: threads that read.
        bits: significant bits of 16-bit files.
        tiling: how images are cut; then what is numbered, kept and handed out are tiles. ``None``: whole images.
        ranks: the processes that share the work of computing what is kept; each keeps all of it.

    Attributes:
        device: where batches are wanted.
        by_image: the numbers of what each image is cut into; of whole images, its own.
    """

    def __init__(
        self,
        model: Model,
        samples: Sequence[Sample],
        device: torch.device,
        *,
        workers: int,
        bits: int | None = None,
        tiling: Tiling | None = None,
        processes: ProcessGroup = SINGLE_PROCESS,
    ) -> None:
        self._model = model.to(device)
        self._pictures = training_inputs(model, samples, bits, tiling)
        self.by_image = self._pictures.by_image
        self.device = device
        self._processes = processes
        self._workers = workers
        self._kinds = _category_indices(self._pictures.categories)
        self._kept: list[Tensor] = []
        self._found: list[NDArray[np.bool_]] = []

    def __len__(self) -> int:
        return len(self._pictures.categories)

    def by_category(self, numbers: Sequence[int]) -> list[list[int]]:
        """Group image numbers by the category that the image shows, in the order of their names."""
        groups: dict[str, list[int]] = {}
        for number in numbers:
            groups.setdefault(self._pictures.categories[number], []).append(number)
        return [groups[name] for name in sorted(groups)]

    def batches(self, plan: Sequence[list[int]]) -> Iterator[Batch]:
        """Yield the batches named by lists of image numbers, reading ahead what is not kept."""
        kept = len(self._kept[0]) if self._kept else 0
        absent = [[index for index in indices if index >= kept] for indices in plan]
        ahead = max(1, self._workers)
        read = prefetch(absent, self._read, workers=self._workers, ahead=ahead)
        for indices, images in zip(plan, read, strict=True):
            here = torch.tensor([index for index in indices if index < kept], dtype=torch.long)
            order = sorted(indices, key=lambda index: index >= kept)  # as they are joined
            yield self._join(here, images)._replace(kinds=self._kinds[order].to(self.device))

    def synthetic(self, plan: Iterable[tuple[int, list[int]]], synthesizer: Synthesizer) -> Iterator[Batch]:
        """Yield batches with anomalies drawn into them, some batches ahead.

        Args:
            plan: for each batch the number of its first draw, which decides the anomalies, and image numbers.
            synthesizer: draws.
        """
        objects = self._objects()

        def draw(item: tuple[int, list[int]]) -> tuple[Tensor, Tensor, Tensor]:
            first, indices = item
            rgb = np.stack([self._rgb(index) for index in indices])
            where = np.stack([objects[index] for index in indices])
            made = synthesizer(rgb, range(first, first + len(indices)), where)
            images = torch.from_numpy(made.images).permute(0, 3, 1, 2)
            drawn = self._model.preprocessing.normalize(images.float().to(self.device))
            return drawn, torch.from_numpy(made.masks), self._kinds[indices]

        threads = max(1, self._workers)
        for drawn, masks, kinds in prefetch(list(plan), draw, workers=self._workers, ahead=2 * threads):
            images, *targets = self._with_targets(drawn)
            yield Batch(images, tuple(targets), masks.to(self.device), kinds.to(self.device))

    def _objects(self) -> list[NDArray[np.bool_]]:
        """Find the object in every image, once: all images of a category have a say in whether it has one."""
        if not self._found:
            images = (self._rgb(index) for index in range(len(self)))
            self._found = foregrounds(images, self._pictures.categories)
        return self._found

    def _rgb(self, index: int) -> NDArray[np.uint8]:
        """Give one prepared image, kept or read, as (H, W, 3) uint8."""
        kept = self._kept and index < len(self._kept[0])
        image = self._kept[0][index] if kept else self._pictures.read(index)
        pixels: NDArray[np.uint8] = self._model.preprocessing.to_rgb(image.cpu()).permute(1, 2, 0).numpy()
        return pixels

    def _join(self, here: Tensor, images: Tensor | None) -> Batch:
        """Put what is kept and what was just read into one batch, the kept first."""
        parts = []
        if len(here):
            parts.append([tensor[here].to(self.device) for tensor in self._kept])
        if images is not None:
            parts.append(self._with_targets(images))
        joined = [
            torch.cat(tensors) if len(parts) > 1 else tensors[0] for tensors in zip(*parts, strict=True)
        ]
        joined = [tensor.contiguous(memory_format=torch.channels_last) for tensor in joined]
        return Batch(joined[0], tuple(joined[1:]))

    def keep(self, budget: int, progress: Progress) -> None:
        """Keep as many of the first images, and what the teacher says of them, as fit into so many bytes."""
        first = self._chunk(range(min(FILL_CHUNK, len(self))))
        each = sum(tensor[0].numel() * tensor.element_size() for tensor in first)
        count = min(len(self), budget // each)
        if count == 0:
            return
        self._kept = [torch.empty(count, *tensor.shape[1:], dtype=tensor.dtype) for tensor in first]
        starts = range(0, count, FILL_CHUNK)
        progress.start("prepare", len(starts), 0)
        for round_ in range(0, len(starts), self._processes.count):
            at_once = starts[round_ : round_ + self._processes.count]
            for start, chunk in zip(at_once, self._computed(at_once, first), strict=False):
                for kept, tensor in zip(self._kept, chunk, strict=True):
                    stop = min(start + FILL_CHUNK, count)
                    kept[start:stop] = tensor[: stop - start].cpu()
                progress.advance()
        progress.finish()

    def _computed(self, starts: range, first: list[Tensor]) -> list[list[Tensor]]:
        """Compute as many chunks as there are processes, one in each, and give them to all.

        Args:
            starts: numbers of the chunks' first images, no more than there are processes.
            first: the chunk at 0, which every process has computed already.
        """
        with self._processes.propagate_errors():
            mine = first
            if self._processes.rank < len(starts) and (start := starts[self._processes.rank]):
                mine = self._chunk(range(start, min(start + FILL_CHUNK, len(self))))
        gathered = [self._processes.gather(_pad(tensor, len(first[0]))) for tensor in mine]
        return [list(chunk) for chunk in zip(*gathered, strict=True)]

    def _chunk(self, indices: range) -> list[Tensor]:
        read = prefetch(
            [[index] for index in indices], self._read, workers=self._workers, ahead=2 * FILL_CHUNK
        )
        return self._with_targets(torch.cat([images for images in read if images is not None]))

    def _with_targets(self, images: Tensor) -> list[Tensor]:
        images = images.to(self.device, memory_format=torch.channels_last)
        with torch.no_grad():
            return [images, *self._model.method.targets(images)]

    def _read(self, indices: list[int]) -> Tensor | None:
        if not indices:
            return None
        return torch.stack([self._pictures.read(index) for index in indices])


def _pad(tensor: Tensor, length: int) -> Tensor:
    """Fill a tensor of fewer images up, for processes can only exchange tensors of one shape."""
    missing = length - len(tensor)
    return torch.cat([tensor, tensor.new_zeros(missing, *tensor.shape[1:])]) if missing else tensor


def _category_indices(names: Sequence[str]) -> Tensor:
    """Give every name the number it has among the sorted ones, (N,) int64."""
    numbers = {name: number for number, name in enumerate(sorted(set(names)))}
    return torch.tensor([numbers[name] for name in names], dtype=torch.long)
