"""Images that a header cannot bound are decoded by a child process with limits, and by nothing else."""

from __future__ import annotations

import io
import os
import signal
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest
import tifffile
from PIL import Image, features

import twinspect
from twinspect.errors import ConfigError, ImageError, TooManyPixelsError
from twinspect.images import decoder_process, read_rgb
from twinspect.images.bounded import stored_values
from twinspect.images.decode_limits import DecodeLimits, decode_limits
from twinspect.images.decoder_process import DecoderCrashError, decode_in_child
from twinspect.images.decoding import decode

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a child")
VALUES = np.random.default_rng(0).integers(0, 256, (40, 30, 4), dtype=np.uint8)


@pytest.fixture(autouse=True)
def no_children_left() -> Iterator[None]:
    """Begin and end without children: they keep what they were started with."""
    decoder_process._POOL.close()
    yield
    decoder_process._POOL.close()


def saved(image_format: str, mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(VALUES).convert(mode).save(buffer, image_format, **options)
    return buffer.getvalue()


def tiff(dtype: str, channels: int) -> bytes:
    buffer = io.BytesIO()
    values = (VALUES[..., :channels] / (255 if dtype[0] == "f" else 1)).astype(dtype)
    tifffile.imwrite(buffer, values, photometric="rgb" if channels > 1 else "minisblack")
    return buffer.getvalue()


def run_lengths(side: int) -> bytes:
    """A BMP of one run a pixel, which Pillow expands one by one."""
    data = (b"\1\7" * side + b"\0\0") * side + b"\0\1"
    header = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, len(data), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 1078 + len(data), 0, 0, 1078) + header + bytes(1024) + data


FILES = {
    "grey tiff": saved("TIFF", "L"),
    "palette tiff": saved("TIFF", "P"),
    "tiff 16": tiff("uint16", 3),
    "tiff 16 grey": tiff("uint16", 1),
    "tiff double with alpha": tiff("float64", 4),
    "webp": saved("WEBP"),
    "webp lossless": saved("WEBP", "RGBA", lossless=True),
    "bmp of runs": run_lengths(16),
    **({"avif": saved("AVIF")} if features.check("avif") else {}),
}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("indices", [False, True])
def test_the_child_gives_the_same_values(kind: str, indices: bool, tmp_path: Path) -> None:
    expected = decode("a", content=FILES[kind], indices=indices)
    (tmp_path / "a").write_bytes(FILES[kind])
    from_content = decode_in_child("a", content=FILES[kind], indices=indices, max_pixels=10**6)
    for stored in (from_content, stored_values(tmp_path / "a", indices=indices)):
        np.testing.assert_array_equal(stored.values, expected.values, strict=True)
        assert (stored.full, stored.lossy) == (expected.full, expected.lossy)
        stored.values[0, 0] = 1  # it may be written to, as any array


@pytest.mark.parametrize(
    ("content", "is_here"),
    [
        (saved("PNG"), True),
        (saved("JPEG", progressive=True), True),
        (saved("BMP"), True),
        *((content, False) for content in FILES.values()),
    ],
)
def test_only_what_the_header_bounds_is_decoded_in_this_process(
    content: bytes, is_here: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr("twinspect.images.bounded.decode_in_child", lambda *_, **__: asked.append(1))
    stored_values("a", content=content)
    assert bool(asked) is not is_here


def test_a_large_png_goes_to_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twinspect.images.bounded._PROVEN_PIXELS", 1000)
    monkeypatch.setattr(
        "twinspect.images.bounded.decode_opened", lambda *_, **__: pytest.fail("decoded here")
    )
    assert stored_values("a", content=saved("PNG")).values.shape == (40, 30, 3)


def test_one_child_decodes_one_image_after_the_other() -> None:
    before = children()
    for content in FILES.values():
        stored_values("a", content=content)
        with pytest.raises(ImageError):
            stored_values("a", content=content[: len(content) // 2])
    assert len(children() - before) == 1


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children()}


def test_several_threads_have_a_child_each() -> None:
    with ThreadPoolExecutor(4) as pool:
        kinds = list(FILES) * 6
        results = list(pool.map(lambda kind: read_rgb("a", content=FILES[kind]), kinds))
    for kind, rgb in zip(kinds, results, strict=True):
        np.testing.assert_array_equal(rgb, read_rgb("a", content=FILES[kind]))
    assert 1 <= len(decoder_process._POOL._idle) <= 4


def test_an_image_that_takes_too_long_is_refused_and_the_next_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TWINSPECT_DECODE_SECONDS", "0.5")
    began = time.process_time()
    with pytest.raises(ImageError, match=r"^a.bmp: takes more than the 0.5 s that are allowed to") as caught:
        read_rgb("a.bmp", content=run_lengths(3000))
    assert str(caught.value).endswith("or raise TWINSPECT_DECODE_SECONDS in the environment (now 0.5)")
    assert time.process_time() - began < 1
    assert read_rgb("a.bmp", content=run_lengths(16)).shape == (16, 16, 3)


SITE = """
import os, signal, sys
import twinspect.images.decoding as decoding
import twinspect.images.decoder_process as process
decode = decoding.decode
def altered(path, **options):
    ALTERED
    return decode(path, **options)
process.decode = altered
"""


@pytest.fixture
def alter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """Have children do something before they decode."""

    def altered(code: str) -> None:
        (tmp_path / "sitecustomize.py").write_text(SITE.replace("ALTERED", code))
        monkeypatch.syspath_prepend(str(tmp_path))

    return altered


def test_an_image_that_crashes_the_child_is_refused_and_the_next_is_read(alter) -> None:
    alter("path == 'bad' and os.kill(os.getpid(), signal.SIGSEGV)")
    with pytest.raises(DecoderCrashError, match=r"^bad: crashed the process that decoded it \(SIGSEGV\)"):
        read_rgb("bad", content=FILES["webp"])
    assert read_rgb("good", content=FILES["webp"]).shape == (40, 30, 3)


def test_what_takes_too_much_memory_is_refused(alter, monkeypatch: pytest.MonkeyPatch) -> None:
    alter("__import__('numpy').ones(3 * 2**27 if path == 'bad' else 2**24)")
    monkeypatch.setenv("TWINSPECT_DECODE_GIB", "1")
    with pytest.raises(
        TooManyPixelsError, match="bad: too large: it needs more memory than there is"
    ) as caught:
        read_rgb("bad", content=FILES["webp"])
    assert str(caught.value).endswith("raise TWINSPECT_DECODE_GIB in the environment (now 1)")
    assert read_rgb("good", content=FILES["webp"]).shape == (40, 30, 3)


def test_what_a_library_prints_reaches_nobody(alter, capfd: pytest.CaptureFixture[str]) -> None:
    alter("os.write(1, b'loud'); os.write(2, b'loud')")
    assert read_rgb("a", content=FILES["webp"]).shape == (40, 30, 3)
    damaged = bytearray(saved("TIFF", compression="tiff_lzw"))
    damaged[20:200] = bytes(180)
    with suppress(ImageError):
        read_rgb("a", content=bytes(damaged))
    assert capfd.readouterr() == ("", "")


def test_a_child_that_never_answers_is_ended(alter, monkeypatch: pytest.MonkeyPatch) -> None:
    alter("__import__('time').sleep(60)")
    monkeypatch.setattr(decoder_process, "_WALL", 2.0)
    monkeypatch.setenv("TWINSPECT_DECODE_SECONDS", "1")
    with pytest.raises(ImageError, match="takes more than the 1 s that are allowed"):
        read_rgb("a", content=FILES["webp"])


def test_an_image_does_not_answer_for_an_idle_child_that_was_killed() -> None:
    assert read_rgb("a", content=FILES["webp"]).shape == (40, 30, 3)
    (child,) = decoder_process._POOL._idle
    os.kill(child._child.pid, signal.SIGKILL)
    os.waitid(os.P_PID, child._child.pid, os.WEXITED | os.WNOWAIT)
    assert read_rgb("a", content=FILES["webp"]).shape == (40, 30, 3)


def test_a_child_that_ends_without_an_answer_is_not_started_again_and_again(alter) -> None:
    alter("os._exit(0)")
    with pytest.raises(DecoderCrashError, match=r"crashed the process that decoded it \(exit code 0\)"):
        read_rgb("a", content=FILES["webp"])


def test_an_idle_child_ends_and_another_follows(alter) -> None:
    alter("setattr(process, '_IDLE', 0.01)")
    assert read_rgb("a", content=FILES["webp"]).shape == (40, 30, 3)
    (child,) = decoder_process._POOL._idle
    assert child._child.wait(timeout=10) == 0
    assert read_rgb("a", content=FILES["webp"]).shape == (40, 30, 3)


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\n.tif"))
    path.write_bytes(FILES["tiff 16"])
    assert read_rgb(path).shape == (40, 30, 3)
    path.write_bytes(FILES["tiff 16"][:99])
    with pytest.raises(ImageError) as caught:
        read_rgb(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_process_that_is_killed_leaves_no_child(tmp_path: Path) -> None:
    (tmp_path / "a.webp").write_bytes(FILES["webp"])
    code = "import sys, time; from twinspect.images import read_rgb, decoder_process as d\n"
    code += "read_rgb(sys.argv[1]); print(d._POOL._idle[0]._child.pid, flush=True); time.sleep(60)"
    environment = {**os.environ, "PYTHONPATH": str(Path(twinspect.__file__).parents[1])}
    command = [sys.executable, "-c", code, str(tmp_path / "a.webp")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
    child.wait(timeout=10)


def test_a_closed_standard_error(tmp_path: Path) -> None:
    (tmp_path / "a.webp").write_bytes(FILES["webp"])
    code = "import os, sys; os.close(2); from twinspect.images import read_rgb; print(read_rgb(sys.argv[1]).shape)"
    environment = {**os.environ, "PYTHONPATH": str(Path(twinspect.__file__).parents[1])}
    command = [sys.executable, "-c", code, str(tmp_path / "a.webp")]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    assert done.stdout == b"(40, 30, 3)\n"


def test_no_code_beside_the_images_is_run(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in ("msgspec", "resource", "mmap", "numpy", "PIL"):
        (tmp_path / "data" / f"{name}.py").write_text("open('run', 'w'); raise SystemExit(0)")
    (tmp_path / "data" / "a.webp").write_bytes(FILES["webp"])
    code = "from twinspect.images import read_rgb; print(read_rgb('a.webp').shape)"
    (tmp_path / "score.py").write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(Path(twinspect.__file__).parents[1])}
    command = [sys.executable, str(tmp_path / "score.py")]
    done = subprocess.run(command, cwd=tmp_path / "data", env=environment, check=True, capture_output=True)
    assert (done.stdout, done.stderr) == (b"(40, 30, 3)\n", b"")
    assert not (tmp_path / "data" / "run").exists()


def test_a_forked_process_decodes_with_a_child_of_its_own() -> None:
    read_rgb("a", content=FILES["webp"])
    if (pid := os.fork()) == 0:
        os._exit(0 if read_rgb("a", content=FILES["webp"]).shape == (40, 30, 3) else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert read_rgb("a", content=FILES["webp"]).shape == (40, 30, 3)


def test_the_limits_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert decode_limits() == DecodeLimits(20.0, 4 * 2**30)
    monkeypatch.setenv("TWINSPECT_DECODE_SECONDS", "2.5")
    monkeypatch.setenv("TWINSPECT_DECODE_GIB", "0.5")
    assert decode_limits() == DecodeLimits(2.5, 2**29)


@pytest.mark.parametrize("text", ["", "0", "-1", "nan", "inf", "much", "1e99"])
def test_a_wrong_limit_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWINSPECT_DECODE_SECONDS", text)
    if not text:
        assert decode_limits().seconds == 20
        return
    with pytest.raises(ConfigError, match=r"TWINSPECT_DECODE_SECONDS is '.*'; allowed is a number above 0"):
        read_rgb("a", content=FILES["webp"])
