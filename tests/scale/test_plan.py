"""`twinspect plan`: arithmetic against numbers worked by hand, and one measurement for real."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from drawn_parts import stripes, write_image
from twinspect.cli import main
from twinspect.data.samples import Sample
from twinspect.errors import DataError
from twinspect.scale import throughput
from twinspect.scale.capacity import Measures, Wish, estimate, listing_of_a_store

if TYPE_CHECKING:
    from pathlib import Path

HERE = Measures(
    decode=0.004,
    each=0.02,  # 50 images a second
    here=80.0,
    start=10.0,
    memory=500_000_000,
    cores=2,
    worker_cores=1,
    worker_gpus=0,
    image_bytes=100_000.0,
    row_bytes=40.0,
    part_bytes=1000.0,
    part_rows=512,
    listing=0.00001,
)
MILLION = 1_000_000


def test_a_million_images_by_ten_workers() -> None:
    found = estimate(HERE, Wish(MILLION, workers=10))
    # 1e6 x 0.02 s = 20 000 s of work, 2000 s for each of ten; listing 10 s, start 10 s.
    assert found.compute == pytest.approx(2000)
    assert found.seconds == pytest.approx(2020)
    assert found.rate == pytest.approx(500)
    assert found.bandwidth == pytest.approx(50e6)  # 500/s of 100 kB
    assert found.core_seconds == pytest.approx(20_100)  # ten starts included
    assert found.here == pytest.approx(12_500)  # 1e6 / 80
    assert found.memory == 5_000_000_000
    assert found.read == pytest.approx(1e11)
    assert found.parts == 1954  # 1e6 / 512 = 1953.1
    assert found.stored == pytest.approx(40e6 + 1.954e6)
    assert (found.limit, found.in_time, found.cores, found.gpus) == ("model", True, 10, 0)


def test_workers_that_are_needed_in_an_hour() -> None:
    found = estimate(HERE, Wish(MILLION, hours=1))
    # 3600 - 10 - 10 = 3580 s for 20 000 s of work: 5.59 workers.
    assert found.workers == 6
    assert found.in_time
    assert not estimate(HERE, Wish(MILLION, workers=5, hours=1)).in_time  # 4000 + 20 s


def test_bandwidth_bounds_what_workers_can_do() -> None:
    narrow = Wish(MILLION, workers=10, bandwidth=10e6)
    found = estimate(HERE, narrow)
    # 1e11 B at 1e7 B/s: 10 000 s, though ten workers need 2000 s.
    assert (found.limit, found.transfer) == ("bandwidth", pytest.approx(10_000))
    assert found.seconds == pytest.approx(10_020)
    assert found.bandwidth == pytest.approx(10e6)
    asked = estimate(HERE, replace(narrow, workers=None, hours=1))
    assert (asked.workers, asked.in_time) == (2, False)  # two keep up with the storage; more are of no use


def test_listing_is_named_where_it_takes_longest() -> None:
    found = estimate(HERE, Wish(MILLION, workers=1000, listing=listing_of_a_store()))
    # A thousand requests of a thousand names at 0.15 s are 150 s; a thousand workers need 20 s.
    assert (found.limit, found.listing, found.compute) == ("listing", pytest.approx(150), pytest.approx(20))


def test_decoding_is_named_where_it_is_most_of_the_work() -> None:
    assert estimate(replace(HERE, decode=0.011), Wish(100, workers=1)).limit == "decoding"


def test_a_gpu_is_a_worker_with_all_cores() -> None:
    found = estimate(replace(HERE, worker_cores=8, worker_gpus=1), Wish(MILLION, workers=4))
    assert (found.cores, found.gpus) == (32, 4)
    assert found.core_seconds == pytest.approx(8 * (20_000 + 40))


def test_time_that_listing_alone_takes_is_not_in_time() -> None:
    found = estimate(HERE, Wish(MILLION, hours=15 / 3600))  # 15 s, of which 20 s are gone
    assert (found.workers, found.in_time) == (20_000, False)


def test_it_measures_and_says_how_each_figure_was_had(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(12):
        write_image(tmp_path / "lake" / f"{number}.png", stripes(number))
    size = sum(path.stat().st_size for path in (tmp_path / "lake").iterdir())
    given = [
        "plan",
        str(bundle),
        str(tmp_path / "lake"),
        "--images",
        "1000000",
        "--workers",
        "8",
        "--device",
        "cpu",
    ]
    assert main([*given, "--seconds", "0.2", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    measured, found = record["measured"], record["estimate"]
    assert measured["image_bytes"] == pytest.approx(size / 12)
    assert 0 < measured["decode"] < measured["each"]
    assert measured["memory"] > 100e6  # torch is in it
    assert measured["row_bytes"] > 0
    assert found["compute"] == pytest.approx(1_000_000 * measured["each"] / 8)
    assert {each["how"] for each in record["figures"]} == {"measured", "computed", "asked"}
    assert record["asked"]["images"] == 1_000_000


MISTAKES = [
    (["--images", "0"], "--images is 0"),
    (["--hours", "-1"], "--hours is -1.0"),
    (["--workers", "0"], "--workers is 0"),
    (["--bandwidth", "0"], "--bandwidth is 0.0"),
]


@pytest.mark.parametrize(("given", "message"), MISTAKES)
def test_what_cannot_be_meant_is_refused_before_anything_is_measured(
    capsys: pytest.CaptureFixture[str], given: list[str], message: str
) -> None:
    assert main(["plan", "M.twin", "IMAGES", *given]) == 2
    assert message in capsys.readouterr().err


def test_unreadable_images_alone_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="none of 1 images can be read"):
        throughput._decoding([Sample(tmp_path / "0.png", "0.png")], 0.01)
