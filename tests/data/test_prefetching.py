"""Reading ahead: in order, within bounds, and easy to stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from twinspect.data import Sample, open_data
from twinspect.data.prefetching import ReadFailure, default_workers, prefetch, read_samples
from twinspect.errors import ConfigError, DataError, ImageError
from twinspect.images.reading import read_rgb

WAIT = 30.0
"""Seconds after which a test that hangs fails; none of them comes near it."""


@pytest.mark.parametrize("workers", [0, 1, 4])
@pytest.mark.parametrize("ahead", [1, 3, 100])
def test_results_come_in_order(workers, ahead):
    assert list(prefetch(range(50), lambda n: n * n, workers=workers, ahead=ahead)) == [
        n * n for n in range(50)
    ]
    assert list(prefetch([], str, workers=workers, ahead=ahead)) == []


def test_slow_items_do_not_change_the_order():
    last_done = threading.Event()

    def work(number: int) -> int:
        if number == 0:
            assert last_done.wait(WAIT)  # the first item ends after the last
        if number == 3:
            last_done.set()
        return number

    assert list(prefetch(range(4), work, workers=4, ahead=4)) == [0, 1, 2, 3]


@pytest.mark.parametrize("ahead", [1, 2, 5])
def test_no_more_than_so_many_items_are_ahead(ahead):
    begun: list[int] = []
    results = prefetch(range(30), lambda n: begun.append(n) or n, workers=3, ahead=ahead)
    for taken, number in enumerate(results, start=1):
        assert number == taken - 1
        assert len(begun) <= taken + ahead - 1


def test_inline_work_is_done_when_asked_for():
    begun: list[int] = []
    results = prefetch(range(5), lambda n: begun.append(n) or threading.get_ident(), workers=0, ahead=3)
    assert begun == []
    assert next(results) == threading.get_ident()
    assert begun == [0]


@pytest.mark.parametrize("workers", [0, 3])
def test_an_exception_comes_at_its_item(workers):
    def work(number: int) -> int:
        if number == 5:
            raise KeyError("five")
        return number

    results = prefetch(range(10), work, workers=workers, ahead=4)
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(KeyError, match="five"):
        next(results)
    assert list(results) == []


def test_closing_early_drops_what_has_not_begun():
    begun: list[int] = []
    go_on = threading.Event()

    def work(number: int) -> int:
        begun.append(number)
        if number:
            assert go_on.wait(WAIT)
        return number

    results = prefetch(range(1000), work, workers=2, ahead=100)
    assert next(results) == 0
    results.close()  # returns although both threads are waiting
    go_on.set()
    for thread in threading.enumerate():
        if thread.name.startswith("twinspect-read"):
            thread.join(WAIT)
            assert not thread.is_alive()
    assert len(begun) <= 4
    assert list(results) == []


@pytest.mark.skipif(os.name == "nt", reason="sends a Unix signal")
def test_ctrl_c_ends_the_program(tmp_path):
    program = textwrap.dedent("""
        import os, signal, threading, time
        from twinspect.data.prefetching import prefetch
        signal.signal(signal.SIGINT, signal.default_int_handler)  # some shells start programs with it ignored
        def work(number):
            if number == 3:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.2)
            return number
        for number in prefetch(range(10 ** 9), work, workers=2, ahead=8):
            pass
    """)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, timeout=60, check=False, text=True
    )
    assert "KeyboardInterrupt" in done.stderr
    assert done.returncode in (-signal.SIGINT, 130, 1)


@pytest.mark.parametrize(("workers", "ahead"), [(-1, 1), (1, 0)])
def test_bounds_out_of_range(workers, ahead):
    with pytest.raises(
        ConfigError, match=f"workers is {workers} and ahead is {ahead}; allowed are workers >= 0"
    ):
        prefetch([1], str, workers=workers, ahead=ahead)


def test_default_workers():
    assert 1 <= default_workers() <= 8
    assert default_workers() <= (os.cpu_count() or 1)


@pytest.mark.parametrize("workers", [None, 0, 2])
def test_a_bad_file_is_one_row(tmp_path, workers):
    for number in range(4):
        Image.new("L", (4, 4), number).save(tmp_path / f"{number}.png")
    (tmp_path / "2.png").write_bytes(b"broken")
    data = open_data(tmp_path)
    found: list[Any] = list(read_samples(data.samples, lambda sample: read_rgb(sample.path), workers=workers))
    assert [item.sample.name if isinstance(item, ReadFailure) else int(item.max()) for item in found] == [
        0, 1, "2.png", 3,
    ]  # fmt: skip
    assert found[2].sample is data.samples[2]
    assert found[2].message.startswith(f"{tmp_path / '2.png'}: is not an image that can be read")


def test_other_errors_are_raised():
    def work(sample: Sample) -> None:
        raise DataError("the mask is too small")

    with pytest.raises(DataError, match="the mask is too small"):
        list(read_samples([Sample(Path("a"), "a")], work, workers=2))


def test_failures_are_plain_records():
    sample = Sample(Path("a"), "a")
    assert ReadFailure(sample, "a: no such file") == ReadFailure(sample, "a: no such file")
    assert issubclass(ImageError, DataError)
