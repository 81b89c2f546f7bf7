"""Tables of a benchmark: means, what is missing, what was published, and files that others can read."""

from __future__ import annotations

import csv
import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from benchmark_data import ask, command, write_category
from twinspect.benchmark.chart import compare
from twinspect.benchmark.latex import to_latex
from twinspect.benchmark.markdown import to_markdown
from twinspect.benchmark.mean_std import MeanStd
from twinspect.benchmark.published import all_published, published
from twinspect.benchmark.records import RunRecord, read_series
from twinspect.benchmark.store import RunStore
from twinspect.benchmark.summary import REPORTED_METRICS, SCORE_METRICS, SummaryRow, summary_rows
from twinspect.benchmark.table_layout import ALL_DEFINITIONS, Grid, binned_metrics
from twinspect.cli import main
from twinspect.errors import ConfigError
from twinspect.metrics import COSTS, DEFINITIONS
from twinspect.metrics.definitions import TITLES

if TYPE_CHECKING:
    from pathlib import Path

VOID = {"br", "img", "meta", "wbr"}


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two categories, two methods, three seeds; one run of rd is failed afterwards, by hand."""
    root = tmp_path_factory.mktemp("report")
    write_category(root / "products" / "brick", 0)
    write_category(root / "products" / "tile", 300)
    weights = root / "teacher.safetensors"  # one teacher for all seeds
    torch.manual_seed(0)
    save_file(timm.create_model("test_efficientnet").state_dict(), weights)
    main(command(root / "products", root / "out", "--methods", "rd,mkd", "--weights", weights))
    with RunStore(root / "out") as store:
        (key,) = next(
            store.connection.execute("select key from runs where (task, method, seed) = ('tile', 'rd', 1)")
        )
        store.connection.execute("delete from metrics where run = ?", (key,))
        store.connection.execute(
            "update runs set state = 'failed', error = 'a <b> & c | d_e', unreadable = null where key = ?",
            (key,),
        )
    return root / "out"


@pytest.fixture(scope="module")
def files(out: Path) -> dict[str, str]:
    assert main(["benchmark", "report", "--out", str(out), "--beside", "mvtec"]) == 0
    return {suffix: (out / f"table.{suffix}").read_text() for suffix in ("md", "csv", "tex", "html")}


def cells(out: Path, category: str, method: str, metric: str) -> MeanStd:
    with RunStore(out) as store:
        (line,) = (
            line
            for line in summary_rows(read_series(store))
            if (line.category, line.method) == (category, method)
        )
    return line.cells[metric]


def values(out: Path, where: str) -> dict[int, list[float]]:
    """The values of a metric by seed, in plain SQL."""
    found: dict[int, list[float]] = {}
    query = "select seed, value from runs join metrics on run = key where scope = 'mean' and "
    for seed, value in ask(out, query + where):
        found.setdefault(seed, []).append(value)
    return found


@pytest.mark.parametrize(
    ("values", "marks"),
    [
        ((0.999, 0.97, 1.0), ["96", "97", "98", "99", "100"]),
        ((0.62, 0.985, 0.999), ["60", "70", "80", "90", "100"]),
        ((0.0, 0.003), ["0", "0.2", "0.4", "0.6", "0.8", "1", "1.2", "1.4"]),
    ],
)
def test_an_axis_of_percent_stays_between_nothing_and_a_hundred(
    values: tuple[float, ...], marks: list[str]
) -> None:
    shown = [SummaryRow("folder", "mean", "rd", "ours", {"image_auroc": MeanStd(values, len(values))}, "")]
    chart = compare(shown, "image_auroc", "Image AUROC")
    assert re.findall(r"<text[^>]*>([0-9.]+)<", chart) == marks


@pytest.mark.parametrize("metric", SCORE_METRICS)
def test_mean_and_deviation_over_seeds_are_numpys(out: Path, metric: str) -> None:
    by_seed = values(out, f"method = 'mkd' and metric = '{metric}'")
    means = [np.mean(each) for each in by_seed.values()]
    found = cells(out, "mean", "mkd", metric)
    assert len(means) == len(found.values) == found.expected == 3
    assert found.mean == pytest.approx(np.mean(means), abs=1e-12)
    assert found.deviation == pytest.approx(np.std(means, ddof=1), abs=1e-12)
    one = cells(out, "brick", "mkd", metric)
    bricks = values(out, f"method = 'mkd' and task = 'brick' and metric = '{metric}'")
    assert one.mean == pytest.approx(np.mean(list(bricks.values())), abs=1e-12)


def test_a_seed_without_all_its_categories_is_missing_and_said_so(out: Path, files: dict[str, str]) -> None:
    by_seed = values(out, "method = 'rd' and metric = 'image_auroc'")
    assert {seed: len(each) for seed, each in by_seed.items()} == {0: 2, 1: 1, 2: 2}
    found = cells(out, "mean", "rd", "image_auroc")
    assert (len(found.values), found.expected) == (2, 3)
    assert found.mean == pytest.approx(np.mean([by_seed[0], by_seed[2]]))
    assert len(cells(out, "brick", "rd", "image_auroc").values) == 3
    assert "(2 of 3)" in next(line for line in files["md"].splitlines() if line.startswith("| mean | rd |"))
    assert "Runs without a result" in files["md"]
    assert "Our mean is over 2: brick, tile." in files["md"]


def test_mean_and_deviation_are_formatted() -> None:
    assert MeanStd((), 3).format() == "– (0 of 3)"
    assert MeanStd((0.5,), 1).format(100) == "50.0"
    assert MeanStd((0.5, 0.7), 2).format(100) == "60.0 ± 14.1"
    assert MeanStd((), 0).format() == "–"


def test_the_csv_holds_every_number_with_its_definition(out: Path, files: dict[str, str]) -> None:
    rows = list(csv.DictReader(files["csv"].splitlines()))
    assert all(row["definition"] == ALL_DEFINITIONS[row["metric"]] for row in rows)
    assert all(row["source"] for row in rows)
    ours = [row for row in rows if row["kind"] == "ours" and row["metric"] in SCORE_METRICS]
    assert len(ours) == 2 * 3 * len(SCORE_METRICS)
    (one,) = (r for r in ours if (r["category"], r["method"], r["metric"]) == ("mean", "mkd", "aupro_30"))
    assert float(one["mean"]) == cells(out, "mean", "mkd", "aupro_30").mean
    (theirs,) = (
        r
        for r in rows
        if (r["method"], r["metric"], r["kind"]) == ("AAND", "aupro_30_per_image", "published")
    )
    assert float(theirs["mean"]) == pytest.approx(0.95)


def test_markdown_tables_are_rectangular_and_everything_is_defined(files: dict[str, str]) -> None:
    for table in re.findall(r"(?:^\|.*\n)+", files["md"], re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1
    for key in (*SCORE_METRICS, "fit_seconds", "images_per_second", "peak_memory", "parameters"):
        assert f"- **{TITLES[key]}**: {({**DEFINITIONS, **COSTS})[key]}" in files["md"]
    assert "a &lt;b> & c \\| d_e" in files["md"]


def test_latex_is_balanced(files: dict[str, str]) -> None:
    text = files["tex"]
    assert re.findall(r"\\begin\{(\w+)\}", text) == re.findall(r"\\end\{(\w+)\}", text)
    bare = re.sub(r"\\[{}$&%#_]", "", text)
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    assert "a \\textless{}b\\textgreater{} \\& c | d\\_e" in text
    for table in re.findall(r"\\toprule\n(.*?)\\bottomrule", text, re.DOTALL):
        rows = [line for line in table.splitlines() if line.endswith("\\\\")]
        assert len({len(re.findall(r"(?<!\\)&", row)) for row in rows}) == 1


def test_hostile_cells_stay_text() -> None:
    grid = Grid("T", ("A", "B"), [("[x]\n\\y", "a|b")], 2)
    assert "{[}x{]} \\textbackslash{}y & a|b \\\\" in to_latex([grid])
    assert "| [x] \\\\y | a\\|b |" in to_markdown([grid])


class Page(HTMLParser):
    """Checks that every element is closed, and collects what would be loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loaded: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.append(tag)
        self.loaded += [value for name, value in attrs if name in ("src", "href", "xlink:href", "srcset")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_loads_nothing(files: dict[str, str]) -> None:
    page = Page()
    page.feed(files["html"])
    assert page.open == []
    assert page.loaded == []
    assert "url(" not in files["html"]
    assert "@import" not in files["html"]
    assert page.seen.count("svg") == 3  # image AUROC, pixel AUROC, AUPRO
    assert "script" not in page.seen
    assert "a &lt;b&gt; &amp; c | d_e" in files["html"]


def test_the_report_says_with_what_it_was_made(out: Path, files: dict[str, str]) -> None:
    ((version, torch, device),) = ask(out, "select distinct version, torch, device from runs")
    for text in files["md"], files["html"]:
        assert all(word in text for word in (version, torch, device, "Fit, s", "Images/s", "Memory, MiB"))


def test_series_of_one_method_are_called_by_what_differs(tmp_path: Path) -> None:
    data = write_category(tmp_path / "brick", 0)
    for steps in (1, 2):
        main(command(data, tmp_path / "out", "--methods", "mkd", "--seeds", "0", steps=steps))
    with RunStore(tmp_path / "out") as store:
        assert [each.label for each in read_series(store)] == ["mkd (steps 1)", "mkd (steps 2)"]
        assert {line.category for line in summary_rows(read_series(store))} == {"mean", "brick"}
    # Other images under the same name: the old runs no longer count.
    (data / "train" / "good" / "0.png").unlink()
    main(command(data, tmp_path / "out", "--methods", "mkd", "--seeds", "0", steps=2))
    with RunStore(tmp_path / "out") as store:
        (one,) = read_series(store)
        assert (one.label, len(one.runs), one.runs[0].row["train"]) == ("mkd", 1, 4)


def test_one_model_over_several_categories(tmp_path: Path) -> None:
    write_category(tmp_path / "products" / "brick", 0)
    write_category(tmp_path / "products" / "tile", 300)
    arguments = command(
        tmp_path / "products",
        tmp_path / "out",
        "--methods",
        "mkd",
        "--seeds",
        "0",
        protocol="folder-multiclass",
    )
    assert main(arguments) == 0
    with RunStore(tmp_path / "out") as store:
        found = {line.category: line.cells["image_auroc"].mean for line in summary_rows(read_series(store))}
    assert list(found) == ["mean", "brick", "tile", "pooled"]
    assert found["mean"] == pytest.approx((found["brick"] + found["tile"]) / 2)


def test_binned_pixel_metrics_say_how_far_they_may_be_off() -> None:
    row = {
        "protocol": "p",
        "task": "t",
        "method": "m",
        "seed": 0,
        "error_bounds": json.dumps({"x": {"ap": 0.01}}),
    }
    assert binned_metrics([RunRecord(row, {}, {}, {})]).rows == [("p", "t", "m", "0", "x", "ap 1")]


def test_published_numbers() -> None:
    numbers = all_published()
    assert len(numbers) > 150
    assert all(number.source and number.method and number.protocol for number in numbers)
    assert {number.metric for number in numbers} <= set(REPORTED_METRICS)
    assert all(20 < number.percent <= 100 for number in numbers)
    places = [(n.protocol, n.method, n.metric, n.category) for n in numbers]
    assert len(places) == len(set(places))
    found = {place: number.percent for place, number in zip(places, numbers, strict=True)}
    assert found["mvtec", "AAND", "image_auroc", "mean"] == 99.5
    assert found["visa", "RD", "aupro_30_per_image", "mean"] == 93.4
    assert found["mvtec3d-rgb", "RD++", "pixel_auroc", "mean"] == 99.0
    assert found["visa", "AAND", "image_auroc", "macaroni2"] == 95.2
    assert found["mvtec", "MKD", "pixel_auroc", "mean"] == 90.7
    assert found["fmnist-ovr", "MKD", "image_auroc", "mean"] == 94.5
    assert found["mvtec-multiclass", "dual students", "image_auroc", "mean"] == 99.7
    assert published("folder") == []


def test_the_means_of_published_categories_are_the_published_means() -> None:
    for protocol in ("visa", "mvtec3d-rgb"):
        own = {
            n.category: n.percent
            for n in published(protocol)
            if (n.method, n.metric) == ("AAND", "image_auroc")
        }
        mean = own.pop("mean")
        assert np.mean(list(own.values())) == pytest.approx(mean, abs=0.06), protocol


def test_nothing_published_and_nothing_run_is_said(tmp_path: Path, out: Path, capsys: Any) -> None:
    assert main(["benchmark", "report", "--out", str(out), "--beside", "mvtek"]) == 2
    assert "did you mean 'mvtec'" in capsys.readouterr().err
    with RunStore(tmp_path / "new", create=True):
        pass
    assert main(["benchmark", "report", "--out", str(tmp_path / "new")]) == 2
    assert "no runs yet" in capsys.readouterr().err
    with pytest.raises(ConfigError):
        RunStore(tmp_path / "absent")
