"""DICOM files of any pixels, written by pydicom."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXPLICIT = "1.2.840.10008.1.2.1"


def save(
    path: Path,
    values: NDArray[Any],
    *,
    colours: str | None = None,
    bits: int | None = None,
    signed: bool = False,
    syntax: str = EXPLICIT,
    frame: bytes | None = None,
    **elements: Any,
) -> Path:
    """Write one picture; the test is skipped where pydicom is not installed.

    Args:
        path: the file.
        values: (H, W) or (H, W, 3), uint8, uint16 or int16.
        colours: the photometric interpretation; by itself MONOCHROME2 or RGB.
        bits: stored; by itself all.
        signed: whether the values are.
        syntax: the transfer syntax.
        frame: the compressed picture, if the transfer syntax compresses.
        elements: further elements, or others than those that follow from the values.
    """
    pydicom = pytest.importorskip("pydicom")
    pydicom_encaps = pytest.importorskip("pydicom.encaps")
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    dataset.PatientName = "Test^Part"
    dataset.Rows, dataset.Columns = values.shape[:2]
    dataset.SamplesPerPixel = channels = 1 if values.ndim == 2 else values.shape[2]
    dataset.PhotometricInterpretation = colours or {1: "MONOCHROME2", 3: "RGB"}[channels]
    if channels == 3:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = 8 * values.dtype.itemsize
    dataset.BitsStored = bits or dataset.BitsAllocated
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(signed)
    pixels = values.tobytes()
    dataset.PixelData = pydicom_encaps.encapsulate([frame]) if frame else pixels + b"\0" * (len(pixels) % 2)
    dataset["PixelData"].VR = "OB" if frame or dataset.BitsAllocated == 8 else "OW"
    for name, value in elements.items():
        setattr(dataset, name, value)
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    return path


def encoded(values: NDArray[Any]) -> bytes:
    """Give the bytes of such a file."""
    with tempfile.TemporaryDirectory() as folder:
        return save(Path(folder) / "a.dcm", values).read_bytes()


def item(**elements: Any) -> Any:
    """Give an item of a sequence."""
    pydicom = pytest.importorskip("pydicom")
    dataset: Any = pydicom.Dataset()
    for name, value in elements.items():
        setattr(dataset, name, value)
    return dataset
