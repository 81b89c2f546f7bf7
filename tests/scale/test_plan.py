"""`twinspect plan`: arithmetic against numbers worked out by hand, and one real measurement."""

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
from twinspect.scale.capacity import Measurements, Workload, estimate, object_store_listing_seconds

if TYPE_CHECKING:
    from pathlib import Path

HERE = Measurements(
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
    result = estimate(HERE, Workload(MILLION, workers=10))
    # 1e6 x 0.02 s = 20 000 s of work, 2000 s for each of ten; listing 10 s, start 10 s.
    assert result.compute == pytest.approx(2000)
    assert result.seconds == pytest.approx(2020)
    assert result.rate == pytest.approx(500)
    assert result.bandwidth == pytest.approx(50e6)  # 500/s of 100 kB
    assert result.core_seconds == pytest.approx(20_100)  # ten starts included
    assert result.here == pytest.approx(12_500)  # 1e6 / 80
    assert result.memory == 5_000_000_000
    assert result.read == pytest.approx(1e11)
    assert result.parts == 1954  # 1e6 / 512 = 1953.1
    assert result.stored == pytest.approx(40e6 + 1.954e6)
    assert (result.limit, result.in_time, result.cores, result.gpus) == ("model", True, 10, 0)


def test_workers_that_are_needed_in_an_hour() -> None:
    result = estimate(HERE, Workload(MILLION, hours=1))
    # 3600 - 10 - 10 = 3580 s for 20 000 s of work: 5.59 workers.
    assert result.workers == 6
    assert result.in_time
    assert not estimate(HERE, Workload(MILLION, workers=5, hours=1)).in_time  # 4000 + 20 s


def test_bandwidth_bounds_what_workers_can_do() -> None:
    narrow = Workload(MILLION, workers=10, bandwidth=10e6)
    result = estimate(HERE, narrow)
    # 1e11 B at 1e7 B/s: 10 000 s, though ten workers need 2000 s.
    assert (result.limit, result.transfer) == ("bandwidth", pytest.approx(10_000))
    assert result.seconds == pytest.approx(10_020)
    assert result.bandwidth == pytest.approx(10e6)
    limited = estimate(HERE, replace(narrow, workers=None, hours=1))
    assert (limited.workers, limited.in_time) == (
        2,
        False,
    )  # two keep up with the storage; more are of no use


def test_listing_is_named_where_it_takes_longest() -> None:
    result = estimate(HERE, Workload(MILLION, workers=1000, listing=object_store_listing_seconds()))
    # A thousand requests of a thousand names at 0.15 s are 150 s; a thousand workers need 20 s.
    assert (result.limit, result.listing, result.compute) == (
        "listing",
        pytest.approx(150),
        pytest.approx(20),
    )


def test_decoding_is_named_where_it_is_most_of_the_work() -> None:
    assert estimate(replace(HERE, decode=0.011), Workload(100, workers=1)).limit == "decoding"


def test_a_gpu_is_a_worker_with_all_cores() -> None:
    result = estimate(replace(HERE, worker_cores=8, worker_gpus=1), Workload(MILLION, workers=4))
    assert (result.cores, result.gpus) == (32, 4)
    assert result.core_seconds == pytest.approx(8 * (20_000 + 40))


def test_time_that_listing_alone_takes_is_not_in_time() -> None:
    result = estimate(HERE, Workload(MILLION, hours=15 / 3600))  # 15 s, of which 20 s are gone
    assert (result.workers, result.in_time) == (20_000, False)


def test_it_measures_and_says_where_each_figure_comes_from(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(12):
        write_image(tmp_path / "images" / f"{number}.png", stripes(number))
    size = sum(path.stat().st_size for path in (tmp_path / "images").iterdir())
    command = [
        "plan",
        str(bundle),
        str(tmp_path / "images"),
        "--images",
        "1000000",
        "--workers",
        "8",
        "--device",
        "cpu",
    ]
    assert main([*command, "--seconds", "0.2", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    measured, result = record["measured"], record["estimate"]
    assert measured["image_bytes"] == pytest.approx(size / 12)
    assert 0 < measured["decode"] < measured["each"]
    assert measured["memory"] > 100e6  # torch is in it
    assert measured["row_bytes"] > 0
    assert result["compute"] == pytest.approx(1_000_000 * measured["each"] / 8)
    assert {figure["how"] for figure in record["figures"]} == {"measured", "computed", "asked"}
    assert record["asked"]["images"] == 1_000_000


MISTAKES = [
    (["--images", "0"], "--images is 0"),
    (["--hours", "-1"], "--hours is -1.0"),
    (["--workers", "0"], "--workers is 0"),
    (["--bandwidth", "0"], "--bandwidth is 0.0"),
]


@pytest.mark.parametrize(("given", "message"), MISTAKES)
def test_impossible_values_are_refused_before_anything_is_measured(
    capsys: pytest.CaptureFixture[str], given: list[str], message: str
) -> None:
    assert main(["plan", "M.twin", "IMAGES", *given]) == 2
    assert message in capsys.readouterr().err


def test_unreadable_images_alone_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="none of 1 images can be read"):
        throughput._seconds_to_decode([Sample(tmp_path / "0.png", "0.png")], 0.01)
