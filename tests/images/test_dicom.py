"""DICOM: every usual way of storing grey and colour, against pydicom's own reading, and what is refused by name."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

import dicom_files
from dicom_files import item, save
from twinspect.errors import ImageError, SeveralPicturesError, TooManyPixelsError
from twinspect.images.bounded import stored_values
from twinspect.images.decoding import stored_bits
from twinspect.images.dicom_elements import DicomError, transfer_syntax, walk_dicom
from twinspect.images.file_structure import DamagedError, foreign_content, read_structure
from twinspect.images.formats import DICOM
from twinspect.images.reading import image_size, read_mask, read_rgb

pydicom = pytest.importorskip("pydicom")
JPEG, JPEG_LOSSLESS, JPEG_LS, JPEG_2000 = (f"1.2.840.10008.1.2.4.{end}" for end in (50, 70, 80, 90))
RLE, DEFLATED, IMPLICIT = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2"


def drawn(bits: int, channels: int = 1, shape: tuple[int, int] = (20, 31)):
    values = np.random.default_rng(bits).integers(0, 2**bits, (*shape, channels))
    values[0, :2] = [[0], [2**bits - 1]]
    return values.astype(np.uint8 if bits <= 8 else np.uint16).squeeze()


def scaled(values, full):
    eight = np.floor(values.astype(np.float64) * 255 / full + 0.5).astype(np.uint8)
    return eight if eight.ndim == 3 else np.repeat(eight[..., None], 3, axis=-1)


@pytest.mark.parametrize("syntax", [dicom_files.EXPLICIT, IMPLICIT])
@pytest.mark.parametrize("bits", [6, 8, 10, 12, 16])
def test_grey_is_scaled_by_the_bits_it_has(tmp_path, bits, syntax):
    values = drawn(bits)
    path = save(tmp_path / "a.dcm", values, bits=bits, syntax=syntax)
    np.testing.assert_array_equal(pydicom.dcmread(path).pixel_array, values)
    np.testing.assert_array_equal(read_rgb(path), scaled(values, 2**bits - 1))
    assert image_size(path) == (20, 31)
    assert stored_bits(path) == bits


def test_monochrome1_is_white_at_0(tmp_path):
    values = drawn(12)
    path = save(tmp_path / "a.dcm", values, bits=12, colours="MONOCHROME1")
    np.testing.assert_array_equal(read_rgb(path), scaled(4095 - values, 4095))


def test_signed_values_are_moved_by_half_their_range(tmp_path):
    values = drawn(12).astype(np.int16) - 2048
    path = save(tmp_path / "a.dcm", values, bits=12, signed=True)
    np.testing.assert_array_equal(pydicom.dcmread(path).pixel_array, values)
    np.testing.assert_array_equal(read_rgb(path), scaled(values.astype(int) + 2048, 4095))


def test_what_lies_above_the_stored_bits_is_dropped(tmp_path):
    values = drawn(12)
    path = save(tmp_path / "a.dcm", values | np.uint16(0x5000), bits=12)
    np.testing.assert_array_equal(read_rgb(path), scaled(values, 4095))


def test_window_and_rescale_change_nothing(tmp_path):
    values = drawn(12)
    display = {"WindowCenter": 40, "WindowWidth": 400, "RescaleSlope": 2, "RescaleIntercept": -1024}
    path = save(tmp_path / "a.dcm", values, bits=12, **display)
    np.testing.assert_array_equal(read_rgb(path), scaled(values, 4095))


def test_rgb_by_pixel_and_by_plane(tmp_path):
    values = drawn(8, 3)
    np.testing.assert_array_equal(read_rgb(save(tmp_path / "a.dcm", values)), values)
    planes = np.ascontiguousarray(np.moveaxis(values, -1, 0)).tobytes()
    path = save(tmp_path / "b.dcm", values, PlanarConfiguration=1, PixelData=planes)
    np.testing.assert_array_equal(read_rgb(path), values)


def test_ybr_becomes_rgb(tmp_path):
    ybr = drawn(8, 3)
    path = save(tmp_path / "a.dcm", ybr, colours="YBR_FULL")
    expected = pydicom.pixels.pixel_array(path)  # converts by itself
    assert np.abs(read_rgb(path).astype(int) - expected).max() <= 1


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize(
    ("syntax", "codec"), [(JPEG_LOSSLESS, "ljpeg"), (JPEG_LS, "jpegls"), (JPEG_2000, "jpeg2k")]
)
def test_grey_that_is_compressed_without_loss(tmp_path, syntax, codec, bits):
    codecs = pytest.importorskip("imagecodecs")
    values = drawn(bits)
    options = {"level": 0, "codecformat": "j2k"} if codec == "jpeg2k" else {}
    frame = getattr(codecs, f"{codec}_encode")(values, **options)
    path = save(tmp_path / "a.dcm", values, bits=bits, syntax=syntax, frame=frame)
    np.testing.assert_array_equal(read_rgb(path), scaled(values, 2**bits - 1))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("bits", [8, 16])
def test_run_lengths(tmp_path, bits, channels):
    codecs = pytest.importorskip("imagecodecs")
    values = drawn(bits, channels)
    words = values.reshape(20, 31, channels).astype(f">u{bits // 8}")
    bytes_of = words.view(np.uint8).reshape(20, 31, channels * bits // 8)
    segments = [codecs.packbits_encode(bytes_of[..., i].tobytes()) for i in range(bytes_of.shape[-1])]
    offsets = [64 + sum(map(len, segments[:number])) for number in range(len(segments))]
    header = struct.pack("<16I", len(segments), *offsets, *[0] * (15 - len(segments)))
    path = save(tmp_path / "a.dcm", values, syntax=RLE, frame=header + b"".join(segments))
    np.testing.assert_array_equal(pydicom.dcmread(path).pixel_array, values)
    np.testing.assert_array_equal(read_rgb(path), scaled(values, 2**bits - 1))
    bomb = codecs.packbits_encode(bytes(10**6))
    path = save(tmp_path / "b.dcm", values, syntax=RLE, frame=header + bomb)
    with pytest.raises(ImageError):
        read_rgb(path)


def slope():
    y, x = np.mgrid[:48, :64]
    return np.stack([3 * x + 20, 4 * y + 30, x + y], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("colours", ["YBR_FULL_422", "RGB"])
def test_jpeg_has_the_colours_that_the_file_says(tmp_path, colours):
    codecs = pytest.importorskip("imagecodecs")
    stored = "RGB" if colours == "RGB" else "YCBCR"
    frame = codecs.jpeg_encode(slope(), level=97, colorspace="RGB", outcolorspace=stored)
    path = save(tmp_path / "a.dcm", slope(), colours=colours, syntax=JPEG, frame=frame)
    assert np.abs(read_rgb(path).astype(int) - slope()).mean() < 3


def test_a_compressed_picture_of_another_size_is_not_decoded(tmp_path):
    pytest.importorskip("imagecodecs")
    kept = io.BytesIO()
    Image.new("L", (4000, 4000)).save(kept, "JPEG")
    path = save(tmp_path / "a.dcm", drawn(8), syntax=JPEG, frame=kept.getvalue())
    with pytest.raises(
        ImageError, match=r"is \(4000, 4000\) pixels high and wide, its header says \(20, 31\)"
    ):
        read_rgb(path)


def test_several_frames_are_refused(tmp_path):
    path = save(tmp_path / "a.dcm", drawn(8), NumberOfFrames=2)
    with pytest.raises(SeveralPicturesError, match="this DICOM holds several pictures"):
        read_rgb(path)


def test_a_large_header_is_refused_before_decoding(tmp_path):
    path = save(tmp_path / "a.dcm", drawn(8), Rows=60000, Columns=60000)
    with pytest.raises(TooManyPixelsError):
        read_rgb(path)


@pytest.mark.parametrize(
    ("elements", "text"),
    [
        (
            {"PhotometricInterpretation": "PALETTE COLOR"},
            "its colours are PALETTE COLOR in 1 channels; allowed are",
        ),
        ({"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31}, "its pixels are 32 of 32 bits"),
        ({"BitsStored": 12}, "its pixels are 12 of 8 bits"),
        (
            {"HighBit": 15, "BitsAllocated": 16, "BitsStored": 12},
            "its pixels are 12 of 16 bits, the highest at 15",
        ),
        ({"Rows": 50}, "is cut off: it holds 620 of 1,550 values"),
        ({"Rows": None}, "holds no picture: Rows is missing"),
    ],
)
def test_what_is_refused(tmp_path, elements, text):
    path = save(tmp_path / "a.dcm", drawn(8), **elements)
    with pytest.raises(ImageError) as error:
        read_rgb(path)
    assert text in str(error.value)
    assert "\n" not in str(error.value)


def test_a_deflated_file_is_not_inflated(tmp_path):
    path = save(tmp_path / "a.dcm", drawn(8), syntax=DEFLATED)
    with pytest.raises(ImageError, match=r"transfer syntax, 1\.2\.840\.10008\.1\.2\.1\.99, is not supported"):
        read_rgb(path)


def test_a_mask(tmp_path):
    mask = drawn(8) > 128
    path = save(tmp_path / "a.dcm", mask.astype(np.uint8))
    np.testing.assert_array_equal(read_mask(path, (20, 31)), mask)
    assert not stored_values(path).lossy


def test_structure_of_sequences_and_of_compressed_pixels(tmp_path):
    nested = [item(ViewCodeSequence=[item(CodeValue="1"), item(CodeValue="2")])]
    for undefined in (False, True):
        path = save(tmp_path / "a.dcm", drawn(8), ViewCodeSequence=nested)
        dataset = pydicom.dcmread(path)
        dataset["ViewCodeSequence"].is_undefined_length = undefined
        for inner in dataset.ViewCodeSequence:
            inner.is_undefined_length_sequence_item = undefined
            inner["ViewCodeSequence"].is_undefined_length = undefined
        pydicom.dcmwrite(path, dataset)
        data = path.read_bytes()
        end, (start, stop) = walk_dicom(data)
        assert end == stop == len(data)
        assert data[start:stop].startswith(drawn(8).tobytes())
    frame = b"\xff\xd8" + bytes(50)
    data = save(tmp_path / "b.dcm", drawn(8), syntax=JPEG, frame=frame).read_bytes()
    assert walk_dicom(data)[0] == len(data)
    assert transfer_syntax(data) == JPEG


def test_what_is_hidden_is_found(tmp_path):
    data = save(tmp_path / "a.dcm", drawn(8)).read_bytes()
    assert foreign_content(data, read_structure(DICOM, data)) is None
    behind = data + b"PK\3\4 another file"
    assert "bytes follow the picture" in (foreign_content(behind, read_structure(DICOM, behind)) or "")
    with pytest.raises(DamagedError, match="first 128 bytes"):
        read_structure(DICOM, b"MZ" + data[2:])
    with pytest.raises(DamagedError):
        read_structure(DICOM, data + b"\xff\xd8\xff\xe0 another file")
    with pytest.raises(DamagedError):
        read_structure(DICOM, data[:-10])
    document = save(tmp_path / "b.dcm", drawn(8), EncapsulatedDocument=b"%PDF-1.4").read_bytes()
    assert "%pdf-" in (foreign_content(document, read_structure(DICOM, document)) or "")


def test_sequences_that_nest_without_end_are_refused():
    start = bytes(128) + b"DICM\2\0\x10\0UI\x14\0" + dicom_files.EXPLICIT.encode() + b"\0"
    opening = b"\x40\0\x10\1SQ\0\0" + b"\xff" * 4 + b"\xfe\xff\0\xe0" + b"\xff" * 4
    with pytest.raises(DicomError, match="nest more than 32 deep"):
        walk_dicom(start + opening * 1000)
    with pytest.raises(DamagedError):
        read_structure(DICOM, start + opening * 3)
