"""The types of every record of a model folder, declared once; a record is validated before anything is built from it.

Fields that format 1 was first written without have defaults. Fields that are not declared are left alone: a later
version may have written them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from twinspect.errors import BundleError, ConfigError

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")


class RecordError(ValueError):
    """What is wrong with a record; whoever reads it says which file that is, and what to do."""


_LARGEST = 1.7e308
Finite = Annotated[float, Meta(ge=-_LARGEST, le=_LARGEST)]
"""A number that is neither NaN nor infinite."""
Positive = Annotated[float, Meta(gt=0, le=_LARGEST)]
Rate = Annotated[float, Meta(gt=0, lt=1)]
Count = Annotated[int, Meta(ge=0, le=2**53)]
Number = Annotated[int, Meta(ge=1, le=2**53)]
Seed = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Side = Annotated[int, Meta(ge=1, le=65_536)]
"""Of an image or tile, in pixels."""
Size = Side | Annotated[str, Meta(pattern="^[1-9][0-9]{0,4}x[1-9][0-9]{0,4}$")]
"""Of an input: a square's side, or HEIGHTxWIDTH."""
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Bits = Annotated[int, Meta(ge=8, le=16)]
NetworkName = Annotated[str, Meta(pattern=r"^(?!timm:)|^timm:[A-Za-z0-9_]+$")]
"""Of timm one of its own: its other names load from the network, or from a folder."""
Colour = tuple[Finite, Finite, Finite]
Scalar = bool | int | float | str | None


class FileEntry(Struct):
    """A file of the folder."""

    file: str
    sha256: Sha256
    bytes: Count


class PlainFileEntry(FileEntry):
    """A file of an export, beside its record: a name without a path, which a graph cannot use to lead elsewhere."""

    file: Annotated[str, Meta(pattern=r"^(?!\.{1,2}$)[^/\\:\x00]+$", max_length=200)]


class LevelRecord(Struct):
    """A level of the teacher."""

    name: str
    channels: Annotated[int, Meta(ge=1, le=8192)]
    reduction: Annotated[int, Meta(ge=1, le=8192)]
    signed: bool


class TeacherRecord(Struct):
    """What a teacher's network is built from, and where its weights came from."""

    name: str
    network: NetworkName
    levels: Annotated[list[LevelRecord], Meta(min_length=1)]
    mean: Colour
    std: tuple[Positive, Positive, Positive]
    input_size: Side
    sha256: str
    source: str
    licence: str
    multiple: Number = 1
    fixed: Count = 0
    notes: list[str] = []


class PreprocessingRecord(Struct):
    """How images become the networks' input."""

    size: Size
    crop: Annotated[int, Meta(ge=0, le=65_536)]
    mean: Colour
    std: tuple[Positive, Positive, Positive]
    resize: Literal["squash", "letterbox", "bilinear", "bicubic"] = (
        "squash"  # the latter two of former records
    )
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"


class TilingRecord(Struct):
    """How images are cut into tiles."""

    tile: Side
    overlap: Count

    def __post_init__(self) -> None:
        """Check that tiles advance."""
        if self.overlap >= self.tile:
            raise ValueError(f"overlap {self.overlap} is not below tile {self.tile}")


class PeaksRecord(Struct):
    """The peaks of good images' maps."""

    typical: Finite
    highest: Finite


class RangeRecord(Struct):
    """How good images were taken: the lowest and the highest of each quantity."""

    images: Annotated[int, Meta(ge=2)]
    brightness: tuple[Finite, Finite]
    contrast: tuple[Finite, Finite]
    sharpness: tuple[Finite, Finite]
    light: Annotated[float, Meta(ge=1)] = 1.0


class CalibrationRecord(Struct):
    """Held-out good images, and the threshold that follows."""

    kind: Literal["split", "cv", "copies"]
    false_alarm_rate: Rate
    map_range: tuple[Finite, Finite]
    scores: Annotated[list[Finite], Meta(min_length=1)]
    names: list[str]
    threshold: Finite | None = None
    categories: list[str] = []
    thresholds: dict[str, Finite] = {}
    looks: dict[str, list[Finite]] = {}
    good_ranges: dict[str, RangeRecord] = {}
    good_peaks: PeaksRecord | None = None
    map_peaks: dict[str, Annotated[list[Finite], Meta(min_length=1)]] = {}
    parts: list[str] = []

    def __post_init__(self) -> None:
        """Check that columns have a value for each score."""
        texts = {"names": self.names, "categories": self.categories, "parts": self.parts}
        known = {name: of for name, of in texts.items() if of}
        columns: dict[str, list[Any]] = {**known, **self.looks}
        for name, values in columns.items():
            if len(values) != len(self.scores):
                raise ValueError(f"{name} has {len(values)} values where scores has {len(self.scores)}")


class RegionRecord(Struct):
    """Which pixels of an image count: a PNG of one bit a pixel, in base64."""

    any_size: bool
    png: str


class AlignmentRecord(Struct):
    """What images are aligned to: a small grey PNG in base64, made of an image of a size."""

    kind: Literal["shift", "rotation"]
    size: tuple[Side, Side]
    least: Annotated[float, Meta(ge=-1, le=1)]
    reference: str


class ScopeRecord(Struct):
    """Where a model looks; without a region each image comes with its own."""

    version: Number
    blank: bool
    sha256: Sha256
    region: RegionRecord | None = None
    alignment: AlignmentRecord | None = None


class EarlierCalibration(Struct):
    """A calibration that was replaced, and when."""

    replaced: str
    calibration: CalibrationRecord
    calibrated_on: list[str] = []
    roi: ScopeRecord | None = None


class TrialRecord(Struct):
    """Synthetic defects of one kind and size."""

    size: Positive
    scores: Annotated[list[Finite], Meta(min_length=1)]


class DetectabilityRecord(Struct):
    """Which synthetic defects a model finds."""

    kinds: dict[str, str]
    trials: dict[str, list[TrialRecord]]
    categories: list[str]
    smallest: Positive
    seconds: Finite
    sizes: list[Positive] = []
    side: Annotated[float, Meta(ge=0, le=1e6)] = 0.0

    def __post_init__(self) -> None:
        """Check that kinds and categories fit the trials."""
        if self.kinds.keys() != self.trials.keys():
            raise ValueError("kinds and trials differ")
        counts = {len(trial.scores) for trials in self.trials.values() for trial in trials}
        if counts - {len(self.categories)}:
            raise ValueError(f"categories has {len(self.categories)} values, trials have {sorted(counts)}")


class ParametersRecord(Struct):
    """Arguments of the constructor but for the method's settings, which the method checks."""

    method: str | None = None
    teacher: str | None = None
    weights: str | None = None
    layers: list[Annotated[int, Meta(ge=-1000, le=1000)]] | None = None
    preset: str | None = None
    size: Size | None = None
    tile: Side | None = None
    overlap: Count = 32
    length: Literal["quick", "paper"] | None = None
    steps: Number | None = None
    epochs: Number | None = None
    minutes: Annotated[float, Meta(gt=0, le=1e6)] | None = None
    augment: str | None = None
    seed: Seed = 0
    device: str = "auto"
    precision: str = "auto"
    false_alarm_rate: Rate | None = None
    calibration: Literal["split", "cv"] | None = None
    bits: Bits | None = None
    workers: Count | None = None
    cache_mb: Count = 2048
    keep_images: Count = 3
    devices: Number = 1
    nodes: Number = 1
    strategy: str = "auto"
    roi: str | None = None
    roi_blank: bool = False
    align: Literal["shift", "rotation"] | None = None


class ConstructorRecord(ParametersRecord):
    """The same as they come from a user: what has an error of its own elsewhere, with a remedy, is left to that."""

    size: int | str | None = None
    tile: Any = None
    overlap: Any = 32
    length: str | None = None  # type: ignore[assignment]
    minutes: float | None = None
    align: str | None = None  # type: ignore[assignment]
    bits: int | None = None
    false_alarm_rate: float | None = None
    calibration: str | None = None  # type: ignore[assignment]


class ConfigFileRecord(ParametersRecord):
    """The same as a configuration file may have them, said as narrowly as they are: for the JSON schema."""

    tile: Annotated[int, Meta(ge=32, le=65_536)] | None = None
    device: Annotated[str, Meta(pattern="^(auto|cpu|cuda|mps)(:[0-9]+)?$")] = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    strategy: Literal["auto", "ddp"] = "auto"
    augment: Annotated[str, Meta(pattern="^(lighting|shift|lighting,shift|shift,lighting)$")] | None = None


class ParentRecord(Struct):
    """The version that a model was updated from: the sha256 of its weights and, if it was loaded, its model.json."""

    weights: Sha256
    record: str = ""
    fitted_at: str = ""


class LineageRecord(Struct):
    """How a model was updated."""

    generation: Annotated[int, Meta(ge=2)]
    parent: ParentRecord
    images: dict[str, Count]
    comparison: dict[str, Any]
    updated_at: str = ""
    earlier: list[dict[str, Any]] = []


class FittedRecord(Struct):
    """What is kept of every detector."""

    method: str
    calibration: CalibrationRecord
    data: dict[str, Any]
    losses: dict[str, list[Finite]]
    parameters: ParametersRecord
    calibrated_on: list[str] = []
    roi: ScopeRecord | None = None
    earlier_calibrations: list[EarlierCalibration] = []
    curves: dict[str, list[Finite]] = {}
    fitted_at: str = ""
    detectability: DetectabilityRecord | None = None
    lineage: LineageRecord | None = None


class NetworksRecord(FittedRecord, kw_only=True):
    """A detector of one method: what its networks are built from."""

    seed: Seed
    config: dict[str, Scalar]
    teacher: TeacherRecord
    preprocessing: PreprocessingRecord
    tiling: TilingRecord | None = None


class JoinedParameters(Struct):
    """How a joined detector reads images, and where it computes."""

    device: str = "auto"
    bits: Bits | None = None
    workers: Count | None = None


class JoinedRecord(FittedRecord, kw_only=True):
    """A detector that joins others."""

    parameters: JoinedParameters  # type: ignore[assignment]
    members: Annotated[list[NetworksRecord], Meta(min_length=2, max_length=64)]


class FolderRecord(Struct):
    """What ``model.json`` says of the other files."""

    weights: FileEntry
    images: list[FileEntry] = []
    learnt_images: FileEntry | None = None


class SpeedRecord(Struct):
    """Median times of an image, when an export was checked."""

    milliseconds: Positive
    torch_milliseconds: Positive


class ExportRecord(Struct):
    """``export.json``."""

    runtime: str
    precision: Literal["fp32", "fp16", "int8"]
    weights_sha256: Sha256
    speed: SpeedRecord
    files: Annotated[list[PlainFileEntry], Meta(min_length=1)]
    fixed_size: tuple[Side, Side] | None = None
    notes: list[str] = []
    roi: Sha256 | None = None
    roi_input: bool = False
    parity: dict[str, Any] = {}


DigestStarts = list[Annotated[str, Meta(pattern="^[0-9a-f]+$")]]


class GenerationRecord(Struct):
    """The images that came with one version."""

    learnt: DigestStarts
    held_out: DigestStarts


class LearntRecord(Struct):
    """``learnt_images.json``."""

    sha256_starts: DigestStarts
    perceptual_hashes: list[Annotated[str, Meta(pattern="^([0-9a-f]{2})*$")]]
    generations: list[GenerationRecord] = []


def check_parameters(parameters: dict[str, Any], where: str = "") -> None:
    """Check arguments of a detector's constructor; other names are left alone.

    Args:
        parameters: by name; those that are missing have their defaults.
        where: what an error begins with.

    Raises:
        ConfigError: one is of another type, or out of range.
    """
    try:
        convert(parameters, ConstructorRecord)
    except RecordError as error:
        raise ConfigError(f"{where}{error}") from error


def validate(loaded: Any, kind: type[T], path: Path) -> T:
    """Check that a record has the fields of a type, and say which is wrong.

    Args:
        loaded: plain JSON values.
        kind: a type of this module, or one that is declared like these.
        path: of the file, for the error message.

    Raises:
        BundleError: a field is missing, of another type, or out of range.
    """
    try:
        return convert(loaded, kind)
    except RecordError as error:
        raise BundleError(f"{path}: {error}; copy the file again, or make it anew") from error


def parse(content: str | bytes, kind: type[T]) -> T:
    """Parse JSON and check it; for whoever has words of its own for what to do then.

    Raises:
        RecordError: it is no JSON, or a field is missing, of another type, or out of range.
    """
    try:
        loaded = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"no valid JSON: {error}") from error
    return convert(loaded, kind)


def convert(loaded: Any, kind: type[T]) -> T:
    """Check plain JSON values against a type.

    Raises:
        RecordError: a field is missing, of another type, or out of range; names it.
    """
    try:
        return msgspec.convert(loaded, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise RecordError(_in_words(error)) from error


def _in_words(error: Exception) -> str:
    """Put the name of the field first."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    text, _, field = str(error).partition(" - at ")
    name = field.strip("`").removeprefix("$").removeprefix(".")
    text = text[:1].lower() + text[1:]
    return f"{name}: {text}" if name else text
