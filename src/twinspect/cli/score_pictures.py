"""What `score` writes beside its table: anomaly maps, masks and crops of regions, and a COCO file of these."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from twinspect.errors import ConfigError, DataError
from twinspect.images.reading import image_size
from twinspect.inference.score_table import error_cell
from twinspect.regions.finding import RegionRules, can_find_regions
from twinspect.report.map_folder import MapFolder
from twinspect.utils.files import refuse_unwritable, write_atomically
from twinspect.utils.spelling import spell, unspell

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from twinspect.calibration.conformal import Calibration
    from twinspect.data.samples import DataSet, Sample
    from twinspect.inference.base_detector import BaseDetector
    from twinspect.inference.results import ImageScore
    from twinspect.inference.score_table import Row

PICTURES: Final = ("maps", "masks", "crops")
"""Options that name a folder."""
COCO_HEAD: Final = b'{"info": {"description": "regions found by twinspect"}, '
"""How its COCO files begin."""
_OF_REGIONS: Final = ("masks", "crops", "coco", "min_area", "mm_per_px")


def region_rules(options: argparse.Namespace) -> RegionRules:
    """Read the options on the sizes of regions.

    Raises:
        ConfigError: one is none.
    """
    area = 0 if options.min_area is None else options.min_area
    return RegionRules.of(area, options.mm_per_px)


def check_regions(options: argparse.Namespace, calibration: Calibration) -> None:
    """Refuse options on regions for a model that cannot find any.

    Raises:
        ConfigError: names an option, and what to do.
    """
    asked = [name for name in _OF_REGIONS if getattr(options, name) is not None]
    if asked and not can_find_regions():
        raise ConfigError(
            f"--{asked[0].replace('_', '-')}: regions take SciPy and scikit-image, which are not installed here; "
            "type: pip install scipy scikit-image"
        )
    if asked and calibration.of_maps is None:
        raise ConfigError(
            f"--{asked[0].replace('_', '-')}: regions take the maps of good images, which {options.model} was "
            f"calibrated without; type: twinspect calibrate {options.model} GOOD"
        )


@dataclass(frozen=True)
class ScorePictures:
    """Pictures that are written as images are scored.

    Attributes:
        folders: those asked for, by the name of the option.
        detector: that scores.
        rules: which regions count.
    """

    folders: Mapping[str, MapFolder]
    detector: BaseDetector
    rules: RegionRules

    @classmethod
    def of(
        cls,
        options: argparse.Namespace,
        detector: BaseDetector,
        images: DataSet,
        rows: Sequence[Row] = (),
    ) -> ScorePictures:
        """Open the folders that are asked for; pictures of images that only the table knows are kept.

        Raises:
            ConfigError: a folder that would replace something, two that are the same, or a wrong option on regions.
        """
        listed = {spell(str(sample.path)) for sample in images}
        earlier = [unspell(row["path"]) for row in rows if row["path"] not in listed]
        suffixes = {"maps": f".{options.map_format}", "masks": ".png", "crops": ""}
        asked = {name: Path(folder) for name in PICTURES if (folder := getattr(options, name)) is not None}
        _refuse_same(asked)
        folders = {
            name: MapFolder(
                folder,
                images.samples,
                suffixes[name],
                model=Path(options.model),
                earlier=earlier,
                option=f"--{name}",
            )
            for name, folder in asked.items()
        }
        return cls(folders, detector, region_rules(options))

    @property
    def need_maps(self) -> bool:
        """Whether results must come with their maps."""
        return bool(self.folders.keys() & {"maps", "masks"})

    def is_missing(self, sample: Sample, row: Row) -> bool:
        """Whether a picture of an image is still to be written, as after an error or where it is asked for later."""
        wanted = [folder for name, folder in self.folders.items() if name != "crops" or row["regions"]]
        return not all(folder.path(sample).exists() for folder in wanted)

    def write(self, result: ImageScore) -> str:
        """Write what is asked for, and return in a line why that fails; the score stands all the same."""
        if result.error:
            return ""
        try:
            for name, folder in self.folders.items():
                self._write(name, folder, result)
        except DataError as error:
            return error_cell(str(error), result.sample.address)
        return ""

    def _write(self, name: str, folder: MapFolder, result: ImageScore) -> None:
        from twinspect.report.region_pictures import mask_of, write_crops, write_mask  # few runs need it

        bits, calibration = self.detector.bits, self.detector.calibration_
        if name == "maps":
            folder.write(result, calibration.map_range, bits=bits)
        elif name == "masks":
            mask = mask_of(result, calibration, self.rules)
            folder.put(result.sample, lambda path: write_mask(path, mask))
        else:
            folder.put(
                result.sample, lambda path: write_crops(path, result, self.detector.images_, bits=bits)
            )


def check_coco(options: argparse.Namespace) -> None:
    """Refuse a COCO file in place of anything but one that this verb wrote.

    Raises:
        ConfigError: says what it would replace.
    """
    path = None if options.coco is None else Path(options.coco)
    if path is None:
        return
    refuse_unwritable(path, "--coco")
    refuse_in_use(path, "--coco", options)
    if not os.path.lexists(path):
        return
    with path.open("rb") as file:
        is_own = file.read(len(COCO_HEAD)) == COCO_HEAD
    if not (is_own or options.overwrite):
        raise ConfigError(
            f"--coco {path} exists and was not written by this command; choose another, or --overwrite"
        )


def refuse_in_use(path: Path, option: str, options: argparse.Namespace) -> None:
    """Refuse a file in place of a folder, an input, the table, another file that is asked for, or a model's.

    Raises:
        ConfigError: says so.
    """
    place = os.path.realpath(path)
    others = {"--out": options.out, "--coco": options.coco, "--parts": options.parts}
    taken = [*options.images, *(file for name, file in others.items() if file and name != option)]
    is_used = any(place == os.path.realpath(each) for each in taken)
    if path.is_dir() or is_used or Path(os.path.realpath(options.model)) in Path(place).parents:
        raise ConfigError(f"{option} {path} is in use already; choose another file")


def write_coco(path: Path, rows: Sequence[Row], images: DataSet) -> None:
    """Write the regions of a table as COCO; images that could not be read are left out.

    Raises:
        DataError: the file cannot be written, or the size of an image cannot be read.
    """
    from twinspect.data.annotations.coco_output import FoundInImage, coco_record  # with all formats

    samples, names = {spell(sample.address): sample for sample in images}, _coco_names(images)
    found = [
        FoundInImage(names[row["path"]], image_size(samples[row["path"]].path), row["regions"] or ())
        for row in rows
        if row["is_anomalous"] is not None and row["path"] in samples
    ]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, COCO_HEAD + json.dumps(coco_record(found)).encode()[1:])
    except OSError as error:
        raise DataError(f"--coco {path}: cannot be written: {error.strerror}") from error


def _coco_names(images: DataSet) -> dict[str, str]:
    """Name each image for tools that find it by that: where names are equal, from the folder above all images."""
    names = {spell(sample.address): sample.name for sample in images}
    if len(set(names.values())) == len(names):
        return names
    above = os.path.commonpath([os.path.dirname(os.path.abspath(sample.path)) for sample in images])  # noqa: PTH100, PTH120
    return {spell(sample.address): Path(os.path.relpath(sample.path, above)).as_posix() for sample in images}


def _refuse_same(folders: Mapping[str, Path]) -> None:
    taken: dict[str, str] = {}
    for name, folder in folders.items():
        other = taken.setdefault(os.path.realpath(folder), name)
        if other != name:
            raise ConfigError(f"--{other} and --{name} name the same folder, {folder}; choose two")
