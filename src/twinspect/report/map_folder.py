"""The files of maps, masks and crops: named after their images, inside their folder, never in place of an input."""

from __future__ import annotations

import hashlib
import io
import os
import re
import unicodedata
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

import numpy as np

from twinspect.data.listing import path_key
from twinspect.data.own_output import MAPS_MARKER
from twinspect.data.pixels import read_pixels
from twinspect.errors import ConfigError, DataError
from twinspect.utils.files import LONGEST_NAME, refuse_unwritable, write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from twinspect.data.samples import Sample
    from twinspect.drawing.heatmaps import MapRange
    from twinspect.inference.results import ImageScore

_DIGITS: Final = 12
"""Hexadecimal digits that tell images apart whose names are equal."""
_ENDS_LIKE_A_DIGEST: Final = re.compile(rf"-[0-9a-f]{{{_DIGITS}}}")


class MapFolder:
    """A folder of anomaly maps, or of other pictures made from them.

    Args:
        folder: created when the first map is written.
        samples: all images that maps are written of, also those that an earlier run has written.
        suffix: ``.png`` or ``.npy``, as for :func:`write_map`; empty where each image has a folder.
        model: the model folder, which no map may be written into.
        earlier: paths of images whose maps are in the folder and that are not among ``samples``.
        option: which names the folder, and what is in it: ``--maps``, ``--masks`` or ``--crops``.

    Raises:
        ConfigError: a map would replace an image, or a file that is no map, or lie in the model; or the folder
            cannot be written to.
    """

    def __init__(
        self,
        folder: Path,
        samples: Sequence[Sample],
        suffix: str,
        *,
        model: Path,
        earlier: Collection[str] = (),
        option: str = "--maps",
    ) -> None:
        self._folder, self._suffix, self._option = folder, suffix, option
        self._kind = option.removeprefix("--").removesuffix("s")
        self._real = os.path.realpath(folder)
        self._names = map_names(samples, earlier, LONGEST_NAME - len(suffix))
        self._refuse_inputs(samples, model)
        self._refuse_others()
        refuse_unwritable(folder, option)
        if folder.exists():
            refuse_unwritable(folder / MAPS_MARKER, option)

    def path(self, sample: Sample) -> Path:
        """Give the file of an image's map."""
        return self._folder / f"{self._names[sample.path]}{self._suffix}"

    def write(self, result: ImageScore, map_range: MapRange, *, bits: int | None = None) -> None:
        """Write the map of one image.

        Args:
            result: a scored image with its map.
            map_range: as for :func:`.heatmaps.colourise`.
            bits: as for :func:`write_map`.

        Raises:
            DataError: the map cannot be written; says why.
        """
        self.put(result.sample, lambda path: write_map(path, result, map_range, bits=bits))

    def put(self, sample: Sample, write: Callable[[Path], None]) -> None:
        """Write what belongs to one image.

        Args:
            sample: the image.
            write: given the place of the file.

        Raises:
            DataError: it cannot be written; says why.
        """
        path = self.path(sample)
        try:
            self._refuse_outside(path)
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / MAPS_MARKER).touch()
            write(path)
        except (DataError, OSError) as error:
            reason = getattr(error, "strerror", None) or error
            raise DataError(f"{sample.address}: its {self._kind} could not be written: {reason}") from error

    def _refuse_outside(self, path: Path) -> None:
        if not _is_inside(os.path.realpath(path.parent), self._real):
            raise DataError(f"{path.parent} is a link that leads out of {self._folder}")

    def _refuse_others(self) -> None:
        if (self._folder / MAPS_MARKER).exists():
            return
        for name in self._names.values():
            path = self._folder / f"{name}{self._suffix}"
            if path.is_file() or path.is_symlink():
                raise ConfigError(
                    f"{self._option} {self._folder}: a {self._kind} would replace {path}, which is not known to be "
                    f"a {self._kind}; choose another folder"
                )

    def _refuse_inputs(self, samples: Iterable[Sample], model: Path) -> None:
        if _is_inside(self._real, os.path.realpath(model)):
            raise ConfigError(
                f"{self._option} {self._folder} lies in the model {model}; choose another folder"
            )
        targets = {_key(os.path.join(self._real, f"{name}{self._suffix}")) for name in self._names.values()}  # noqa: PTH118
        for sample in samples:
            for source in (sample.path, *sample.masks):
                if targets & {_key(os.path.realpath(source)), _key(_real_place(source))}:
                    raise ConfigError(
                        f"{self._option} {self._folder}: a {self._kind} would replace {source}, which is an input; "
                        "choose another folder"
                    )


def write_map(path: Path, result: ImageScore, map_range: MapRange, *, bits: int | None = None) -> None:
    """Write the anomaly map of one image, as a whole or not at all.

    Args:
        path: a ``.png``, the map laid over the image, or a ``.npy``, the raw (H, W) float32 map. Missing
            folders are created.
        result: a scored image with its map.
        map_range: as for :func:`.colourise`.
        bits: significant bits of a 16-bit image file, as the detector has them.

    Raises:
        ConfigError: another suffix, or a result without a map.
        ImageError: the image cannot be read again.
        DataError: the image is no longer as large as its map.
        OSError: the disk is full or not writable; whatever was at ``path`` is untouched.
    """
    if result.map is None:
        raise ConfigError(
            f"{result.sample.name} has no anomaly map; score it with maps=True, and leave out what could not be read"
        )
    if path.suffix == ".npy":
        buffer = io.BytesIO()
        np.save(buffer, result.map.astype(np.float32, copy=False), allow_pickle=False)
        content = buffer.getvalue()
    elif path.suffix == ".png":
        from twinspect.drawing.heatmaps import overlay  # noqa: PLC0415 - raw maps, and no maps, need neither
        from twinspect.images.png import encode_png  # noqa: PLC0415

        content = encode_png(overlay(read_pixels(result.sample, bits=bits), result.map, map_range))
    else:
        raise ConfigError(
            f"{path}: the name of a map ends in .png (on the image) or .npy (raw values); got {path.suffix!r}"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)


def map_names(
    samples: Iterable[Sample], earlier: Collection[str] = (), longest: int = LONGEST_NAME
) -> dict[Path, str]:
    """Name the map of each image by a relative path without suffix, unlike that of every other image.

    A map is called like its image; where several images would give one name, the name of the folder goes before it,
    and where that does not help, a digest of the image's path after it. The names do not depend on which images are
    scored already.

    Args:
        samples: the images.
        earlier: paths of other images whose maps must keep their names.
        longest: bytes that the last part of a name may have.
    """
    names: dict[Path, str] = {}
    taken = {_key(end) for path in earlier for end in _ends(path)}
    remaining = list(samples)
    for name_of in (_plain_name, _name_with_folder):
        wanted = {sample.path: name_of(sample) for sample in remaining}
        counts = Counter(map(_key, wanted.values()))
        fitting = {
            path: name
            for path, name in wanted.items()
            if counts[_key(name)] == 1 and _key(name) not in taken and _is_usable(name, longest)
        }
        names |= fitting
        taken |= set(map(_key, fitting.values()))
        remaining = [sample for sample in remaining if sample.path not in names]
    return names | {sample.path: _name_with_digest(sample, longest) for sample in remaining}


def _plain_name(sample: Sample) -> str:
    """Give the image's name without suffix; the last part only, where it does not lead down from a folder."""
    path = PurePosixPath(sample.name)
    if path.is_absolute() or ".." in path.parts or Path(sample.name).drive:
        path = PurePosixPath(path.name)
    return str(path.with_suffix("")) if path.name else "image"


def _name_with_folder(sample: Sample) -> str:
    """Put the name of the folder above before the plain name."""
    plain = PurePosixPath(_plain_name(sample))
    above = Path(os.path.abspath(sample.path)).parts[: -len(plain.parts)]  # noqa: PTH100 - links stay
    folder = above[-1] if len(above) > 1 else ""
    return str(PurePosixPath(folder) / plain)


def _name_with_digest(sample: Sample, longest: int) -> str:
    """Put a digest of the image's path after its plain name, which is cut where it is too long."""
    plain = PurePosixPath(_plain_name(sample))
    digest = hashlib.sha256(os.fsencode(path_key(sample.path))).hexdigest()[:_DIGITS]
    short = os.fsencode(plain.name)[: longest - _DIGITS - 1].decode("utf-8", "ignore")
    return str(plain.with_name(f"{short}-{digest}"))


def _is_usable(name: str, longest: int) -> bool:
    """Whether a name fits into a file system, and cannot be taken for one with a digest."""
    last = PurePosixPath(name).name
    return len(os.fsencode(last)) <= longest and not _ENDS_LIKE_A_DIGEST.fullmatch(last[-_DIGITS - 1 :])


def _ends(path: str) -> list[str]:
    """Give every end of a path, without suffix: one of them is the name that its map was given."""
    parts = PurePosixPath(Path(path).as_posix()).with_suffix("").parts
    return ["/".join(parts[start:]) for start in range(len(parts))]


def _real_place(path: Path) -> str:
    """Resolve the folder of a file, but not the file, which may be a link."""
    return os.path.join(os.path.realpath(path.parent), path.name)  # noqa: PTH118 - resolve() is slower


def _key(name: str) -> str:
    """Give a key that is equal for names that some file systems take for one."""
    return unicodedata.normalize("NFC", os.path.normcase(name)).casefold()


def _is_inside(path: str, folder: str) -> bool:
    return Path(path).is_relative_to(folder)
