"""Training batches: images are prepared once, cached in memory up to a budget, and handed out in batches.

Where the budget does not hold all images in single precision, they are cached in half precision, twice as many.
"""

from __future__ import annotations

from copy import copy
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from twinspect.data.prefetching import prefetch
from twinspect.methods.base import Batch
from twinspect.synthesis import foregrounds
from twinspect.training.training_inputs import training_inputs
from twinspect.utils.devices import cache_device, to_device
from twinspect.utils.distributed import SINGLE_PROCESS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray
    from typing_extensions import Self

    from twinspect.data.samples import Sample
    from twinspect.model.tiling import Tiling
    from twinspect.model.whole_image import Model
    from twinspect.regions.scope import Scope
    from twinspect.synthesis import Synthesizer
    from twinspect.training.augmentation import Augmentation
    from twinspect.utils.distributed import ProcessGroup
    from twinspect.utils.progress import Progress

FILL_CHUNK = 16
"""Images whose teacher features are computed at once; fixed, because the batch size changes the last bits."""
LARGEST = torch.finfo(torch.float16).max
"""What half precision holds; features of pretrained networks are far below."""


class TrainingImages:
    """Prepared images and their teacher features, cached in memory up to a budget.

    Which images are cached, how precisely, and in which groups their features are computed, depends only on the list
    of images and the budget, so that a resumed run sees the same numbers to the last bit.

    Args:
        model: prepares the images; its method computes the targets.
        samples: the images.
        device: of the batches.
        workers: threads that read.
        bits: significant bits of 16-bit files.
        tiling: how images are cut into tiles, which then take the place of images; ``None`` for whole images.
        scope: where to look; ``None`` for whole images.
        processes: those that share the work of filling the cache; each has a full copy of it.
        prepared: inputs that were read before, see :func:`.training_inputs.training_inputs`.
        augmentation: what changes in further copies of the images; ``None`` for the images alone.

    Attributes:
        device: of the batches.
        by_image: the numbers of each image's inputs: of the image or its tiles, and of its changed copies.
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
        scope: Scope | None = None,
        processes: ProcessGroup = SINGLE_PROCESS,
        prepared: dict[str, Tensor] | None = None,
        augmentation: Augmentation | None = None,
    ) -> None:
        self._model = model.to(device)
        self._inputs = training_inputs(model, samples, bits, tiling, prepared, augmentation, scope)
        self._numbers = list(range(len(self._inputs.categories)))  # of the inputs, and of the cache's rows
        self.by_image = self._inputs.by_image
        self.device = device
        self._processes = processes
        self._workers = workers
        self._categories = _category_indices(self._inputs.categories)
        self._cache: list[Tensor] = []
        self._foregrounds: list[NDArray[np.bool_]] = []

    def __len__(self) -> int:
        return len(self._numbers)

    def subset(self, chosen: Iterable[int], model: Model) -> Self:
        """Return some of the images, for a model with the same teacher; what is cached is shared.

        Args:
            chosen: images by their places in :attr:`by_image`.
            model: takes the place of the one that was given first.
        """
        part = copy(self)
        part._model, part._foregrounds = model.to(self.device), []  # noqa: SLF001 - of the same class
        groups = [self.by_image[image] for image in chosen]
        kept = [index for group in groups for index in group]
        part._numbers = [self._numbers[index] for index in kept]  # noqa: SLF001
        part._categories = self._categories[kept]  # noqa: SLF001
        ends = np.cumsum([len(group) for group in groups]).tolist()
        part.by_image = [list(range(end - len(group), end)) for group, end in zip(groups, ends, strict=True)]
        return part

    def _row(self, index: int) -> int | None:
        """Return the row of the cache that holds an image, if any."""
        number = self._numbers[index]
        return number if self._cache and number < len(self._cache[0]) else None

    def by_category(self, numbers: Sequence[int]) -> list[list[int]]:
        """Group image numbers by the category that the image shows, in the order of their names."""
        groups: dict[str, list[int]] = {}
        for number in numbers:
            groups.setdefault(self._inputs.categories[self._numbers[number]], []).append(number)
        return [groups[name] for name in sorted(groups)]

    def batches(self, plan: Sequence[list[int]], *, pixels: bool = True) -> Iterator[Batch]:
        """Yield the batches named by lists of image numbers, reading ahead what is not cached.

        Args:
            plan: the numbers of the images of every batch.
            pixels: whether images are wanted, and not their targets alone.
        """
        missing = [[index for index in indices if self._row(index) is None] for indices in plan]
        ahead = max(1, self._workers)
        read = prefetch(missing, self._read, workers=self._workers, ahead=ahead)
        for indices, images in zip(plan, read, strict=True):
            rows = [row for index in indices if (row := self._row(index)) is not None]
            order = sorted(indices, key=lambda index: self._row(index) is None)  # as they are joined
            joined = self._join(torch.tensor(rows, dtype=torch.long), images, pixels=pixels)
            kinds, inside = self._categories[order].to(self.device), self._inside(order)
            yield joined._replace(kinds=kinds, inside=inside)

    def synthetic_batches(
        self, plan: Iterable[tuple[int, list[int]]], synthesizer: Synthesizer, *, clean: bool = False
    ) -> Iterator[Batch]:
        """Yield batches with synthetic anomalies, computed some batches ahead.

        Args:
            plan: for each batch the number of its first draw, which seeds the anomalies, and image numbers.
            synthesizer: draws the anomalies.
            clean: whether targets are those of the original images.
        """
        foregrounds = self._find_foregrounds()

        def draw(item: tuple[int, list[int]]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
            first, indices = item
            rgb = np.stack([self._rgb(index) for index in indices])
            masks = np.stack([foregrounds[index] for index in indices])
            synthetic = synthesizer(rgb, range(first, first + len(indices)), masks)
            images = torch.from_numpy(synthetic.images).permute(0, 3, 1, 2)
            normalised = self._model.preprocessing.normalize(to_device(images.float(), self.device))
            drawn, allowed = torch.from_numpy(synthetic.masks), torch.from_numpy(masks)
            return normalised, drawn, allowed, self._categories[indices]

        threads, batches = max(1, self._workers), list(plan)
        drawn = prefetch(batches, draw, workers=self._workers, ahead=2 * threads)
        for (_, indices), (normalised, *others) in zip(batches, drawn, strict=True):
            images, *targets = self._with_targets(normalised, self._clean(indices) if clean else None)
            masks, allowed, categories = (to_device(tensor, self.device) for tensor in others)
            inside = self._inside(indices)
            yield Batch(images, tuple(targets), masks, categories, foregrounds=allowed, inside=inside)

    def _inside(self, numbers: Sequence[int]) -> Tensor | None:
        """Stack where to look in inputs, (B, H, W) bool; ``None`` for whole images."""
        parts = [
            part for number in numbers if (part := self._inputs.inside(self._numbers[number])) is not None
        ]
        return to_device(torch.stack(parts), self.device) if parts else None

    def _find_foregrounds(self) -> list[NDArray[np.bool_]]:
        """Find the object in every image, once; all images of a category together decide whether it has one."""
        if not self._foregrounds:
            windows = [self._window(index) for index in range(len(self))]
            images = (self._rgb(index)[window] for index, window in enumerate(windows))
            categories = [self._inputs.categories[number] for number in self._numbers]
            found = foregrounds(images, categories)
            sides = self._model.preprocessing.input_sides
            whole = [_laid_into(sides, *placed) for placed in zip(windows, found, strict=True)]
            self._foregrounds = [self._confined(number, mask) for number, mask in enumerate(whole)]
        return self._foregrounds

    def _window(self, index: int) -> tuple[slice, slice]:
        """Give the rows and columns of an input that are looked at, without the padding around its image."""
        inside = self._inputs.inside(self._numbers[index])
        if inside is None or not self._model.preprocessing.has_padding:
            return slice(None), slice(None)
        from scipy import ndimage  # noqa: PLC0415 - slow to import, and few models look at a region

        rows, columns = ndimage.find_objects(inside.numpy().astype(np.uint8))[0]
        return rows, columns

    def _confined(self, number: int, foreground: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Leave out of a foreground what is not looked at; of one without any of the region, take the region."""
        inside = self._inputs.inside(self._numbers[number])
        if inside is None:
            return foreground
        both: NDArray[np.bool_] = foreground & inside.numpy()
        return both if both.any() else inside.numpy()

    def _rgb(self, index: int) -> NDArray[np.uint8]:
        """Return one prepared image, cached or read, as (H, W, 3) uint8."""
        row = self._row(index)
        image = self._read_input(index) if row is None else self._cache[0][row].float()
        pixels: NDArray[np.uint8] = self._model.preprocessing.to_rgb(image.cpu()).permute(1, 2, 0).numpy()
        return pixels

    def _join(self, cached: Tensor, images: Tensor | None, *, pixels: bool) -> Batch:
        """Join cached images, given by row, and images just read into one batch, in this order."""
        parts = []
        if len(cached):
            kept = self._cache if pixels else [_without_pixels(self._cache[0]), *self._cache[1:]]
            parts.append(self._taken(kept, cached))
        if images is not None:
            read, *targets = self._with_targets(images)
            parts.append([read if pixels else _without_pixels(read), *targets])
        joined = [
            torch.cat(tensors) if len(parts) > 1 else tensors[0] for tensors in zip(*parts, strict=True)
        ]
        joined = [tensor.contiguous(memory_format=torch.channels_last) for tensor in joined]
        return Batch(joined[0], tuple(joined[1:]))

    def _taken(self, cached: Sequence[Tensor], rows: Tensor) -> list[Tensor]:
        """Take rows out of the cache, in single precision."""
        return [to_device(tensor[rows], self.device).float() for tensor in cached]

    def fill_cache(self, budget: int, progress: Progress) -> None:
        """Cache as many of the first images, with their teacher features, as fit into ``budget`` bytes."""
        first = self._chunk(range(min(FILL_CHUNK, len(self))))
        numbers_per_image = sum(tensor[0].numel() for tensor in first)
        dtype = torch.float32 if 4 * numbers_per_image * len(self) <= budget else torch.float16
        count = min(len(self), budget // (dtype.itemsize * numbers_per_image))
        if count == 0:
            return
        # In the layout of a batch, so that taking some out copies them once.
        where = cache_device(self.device, count * dtype.itemsize * numbers_per_image)
        empty = partial(torch.empty, dtype=dtype, memory_format=torch.channels_last, device=where)
        self._cache = [empty((count, *tensor.shape[1:])) for tensor in first]
        starts = range(0, count, FILL_CHUNK)
        progress.start("prepare", len(starts), 0)
        for round_ in range(0, len(starts), self._processes.count):
            at_once = starts[round_ : round_ + self._processes.count]
            for start, chunk in zip(at_once, self._compute_chunks(at_once, first), strict=False):
                for cache, tensor in zip(self._cache, chunk, strict=True):
                    stop = min(start + FILL_CHUNK, count)
                    kept = tensor[: stop - start]
                    cache[start:stop] = kept if cache.dtype == kept.dtype else kept.clamp(-LARGEST, LARGEST)
                progress.advance()
        progress.finish()

    def _compute_chunks(self, starts: range, first: list[Tensor]) -> list[list[Tensor]]:
        """Compute one chunk per process, and give all of them to every process.

        Args:
            starts: numbers of the chunks' first images, at most one per process.
            first: the chunk at 0, which every process has already.
        """
        with self._processes.propagate_errors():
            local = first
            if self._processes.rank < len(starts) and (start := starts[self._processes.rank]):
                local = self._chunk(range(start, min(start + FILL_CHUNK, len(self))))
        gathered = [self._processes.gather(_pad(tensor, len(first[0]))) for tensor in local]
        return [list(chunk) for chunk in zip(*gathered, strict=True)]

    def _chunk(self, indices: range) -> list[Tensor]:
        read = prefetch(
            [[index] for index in indices], self._read, workers=self._workers, ahead=2 * FILL_CHUNK
        )
        return self._with_targets(torch.cat([images for images in read if images is not None]))

    def _with_targets(self, images: Tensor, targets: Sequence[Tensor] | None = None) -> list[Tensor]:
        """Put images on the device, with the targets given or their own."""
        images = to_device(images.contiguous(memory_format=torch.channels_last), self.device)
        with torch.no_grad():
            return [images, *(self._model.method.targets(images) if targets is None else targets)]

    def _clean(self, indices: list[int]) -> list[Tensor]:
        """Return the targets of original images, from the cache where it has all of them."""
        rows = [row for index in indices if (row := self._row(index)) is not None]
        if len(rows) == len(indices):
            return self._taken(self._cache[1:], torch.tensor(rows))
        images = torch.stack([self._read_input(index) for index in indices])
        return self._with_targets(images)[1:]

    def _read(self, indices: list[int]) -> Tensor | None:
        if not indices:
            return None
        return torch.stack([self._read_input(index) for index in indices])

    def _read_input(self, index: int) -> Tensor:
        return self._inputs.read(self._numbers[index])


def _laid_into(
    sides: tuple[int, int], window: tuple[slice, slice], mask: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Put the mask of a window where that is in an input."""
    whole = np.zeros(sides, np.bool_)
    whole[window] = mask
    return whole


def _without_pixels(images: Tensor) -> Tensor:
    return images.new_empty(len(images), 0, 1, 1)


def _pad(tensor: Tensor, length: int) -> Tensor:
    """Pad a tensor of fewer images with zeros, since processes can only exchange tensors of one shape."""
    missing = length - len(tensor)
    return torch.cat([tensor, tensor.new_zeros(missing, *tensor.shape[1:])]) if missing else tensor


def _category_indices(names: Sequence[str]) -> Tensor:
    """Return the index of each name among the sorted distinct names, (N,) int64."""
    numbers = {name: number for number, name in enumerate(sorted(set(names)))}
    return torch.tensor([numbers[name] for name in names], dtype=torch.long)
