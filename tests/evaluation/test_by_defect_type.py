"""Saturated PRO by kind of anomaly, from tiny copies in the layout of MVTec LOCO, against a loop over thresholds."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import twinspect as ts
from benchmark_data import ask, command
from drawn_parts import TEACHER, stripes, write_image
from twinspect.benchmark.plan import make_plan
from twinspect.benchmark.protocols import PROTOCOLS, ClassSelection
from twinspect.cli import main
from twinspect.cli.evaluate import outcome
from twinspect.data import open_data
from twinspect.errors import DataError
from twinspect.evaluation import labelled_set
from twinspect.evaluation.by_defect_type import DefectTypeTable, DefectTypeTally
from twinspect.evaluation.evaluation import evaluate
from twinspect.evaluation.image_scores import by_category
from twinspect.evaluation.labelled_set import SCORE_NEEDS, PixelTally
from twinspect.metrics.definitions import metric_keys
from twinspect.report.defect_type_section import defect_type_section
from twinspect.report.rendering import render_template

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from twinspect.data import Sample
    from twinspect.data.samples import DataSet

SIDE = 16
RULES = [
    {"defect_name": "gone", "pixel_value": 255, "saturation_threshold": 0.35, "relative_saturation": True},
    {"defect_name": "few", "pixel_value": 254, "saturation_threshold": 7, "relative_saturation": False},
    {"defect_name": "much", "pixel_value": 253, "saturation_threshold": 500, "relative_saturation": False},
]
KINDS = ("logical_anomalies", "structural_anomalies")


def write(folder: Path, seed: int, images: int = 2) -> Path:
    """One category: overlapping regions in pieces, of every rule, and areas whose share is no whole number."""
    rng = np.random.default_rng(seed)
    for number in range(6):
        write_image(folder / f"train/good/{number:03d}.png", stripes(seed + number, SIDE))
    for number in range(images):
        write_image(folder / f"test/good/{number:03d}.png", stripes(seed + 50 + number, SIDE))
        for place, kind in enumerate(KINDS):
            picture = stripes(seed + 100 * place + number, SIDE)
            for part in range(1 + (number + place) % 2):
                marked = np.zeros((SIDE, SIDE), bool)
                top, left, height = rng.integers(0, 8, 3)
                marked[top : top + 3 + height, left : left + 5] = True
                marked[SIDE - 1, part] = True
                picture[marked] = rng.integers(0, 255, 3)
                value = RULES[(number + place + part) % 3]["pixel_value"]
                path = folder / f"ground_truth/{kind}/{number:03d}/{part:03d}.png"
                write_image(path, marked.astype(np.uint8) * np.uint8(value))
            write_image(folder / f"test/{kind}/{number:03d}.png", picture)
    (folder / "defects_config.json").write_text(json.dumps(RULES), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def products(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("kinds") / "products"
    write(root / "box", 0)
    write(root / "jar", 300)
    return root


@dataclass(frozen=True)
class Row:
    """An image with a made-up score and map."""

    sample: Sample
    score: float
    map: NDArray[np.float32] | None
    error: str = ""
    inside: None = None


def made_up(data: DataSet, levels: int | None = None) -> list[Row]:
    rng = np.random.default_rng(7)
    rows = []
    for sample in data.split("test"):
        truth = sum((read(mask) > 0 for mask in sample.masks), np.zeros((SIDE, SIDE), bool))
        found = rng.normal(size=(SIDE, SIDE)) + 1.5 * truth
        found = (np.round(found * levels) if levels else found).astype(np.float32)
        rows.append(Row(sample, float(found.max()), found))
    return rows


def read(path: Path) -> NDArray[np.uint8]:
    from PIL import Image

    return np.asarray(Image.open(path))


def brute_force(rows: list[Row], *limits: float) -> list[float]:
    """The areas under the curve of one kind's images and the good ones, threshold by threshold."""
    maps = [row.map for row in rows]
    regions = [
        [(values > 0, enough(values)) for values in map(read, sorted(row.sample.masks))] for row in rows
    ]
    curve = [(0.0, 0.0)]
    for cut in sorted({float(value) for each in maps for value in each.ravel()}, reverse=True):
        flagged = [each >= cut for each in maps]
        good = [~np.any([m for m, _ in own] + [np.zeros((SIDE, SIDE), bool)], axis=0) for own in regions]
        alarms = sum((f & g).sum() for f, g in zip(flagged, good, strict=True)) / sum(g.sum() for g in good)
        parts = [
            min((mask & f).sum() / area, 1.0)
            for f, own in zip(flagged, regions, strict=True)
            for mask, area in own
        ]
        curve.append((alarms, float(np.mean(parts))))
    return [area_under(curve, limit) for limit in limits]


def enough(values: NDArray[np.uint8]) -> int:
    rule = next(rule for rule in RULES if rule["pixel_value"] == values.max())
    area, threshold = int((values > 0).sum()), float(str(rule["saturation_threshold"]))
    return int(threshold * area) if rule["relative_saturation"] else min(int(threshold), area)


def area_under(curve: list[tuple[float, float]], limit: float) -> float:
    total = 0.0
    for (x0, y0), (x1, y1) in pairwise(curve):
        if x0 >= limit:
            break
        end = min(x1, limit)
        height = y1 if x1 <= limit else y0 + (y1 - y0) * (limit - x0) / (x1 - x0)
        total += (end - x0) * (y0 + height) / 2
    return total / limit


def of_kind(rows: list[Row], category: str, kind: str) -> list[Row]:
    return [r for r in rows if r.sample.category == category and r.sample.label in ("good", kind)]


def gathered(data: DataSet, rows: list[Row]) -> PixelTally:
    tally = PixelTally(data.split("test"))
    for row in rows:
        tally.add(row)
    return tally


def defect_type_table(rows: list[Row], tally: PixelTally) -> DefectTypeTable:
    return DefectTypeTable.compute(tally.compute().defect_types, by_category(rows))


@pytest.mark.parametrize("levels", [None, 2])
def test_every_number_is_that_of_a_loop_over_thresholds(products: Path, levels: int | None) -> None:
    data = open_data(products)
    rows = made_up(data, levels)
    record = defect_type_table(rows, gathered(data, rows)).to_record()
    assert record is not None
    for category in ("box", "jar"):
        for kind in KINDS:
            own = of_kind(rows, category, kind)
            line = record["kinds"]["categories"][category][kind]
            areas = [line["auspro_05"], line["auspro_30"]]
            assert areas == pytest.approx(brute_force(own, 0.05, 0.3), abs=1e-12)
            aurocs = roc_auc_score([not r.sample.is_good for r in own], [r.score for r in own])
            assert line["image_auroc_by_kind"] == pytest.approx(aurocs)
    for key in ("auspro_05", "auspro_30", "image_auroc_by_kind"):
        by_hand = {
            c: np.mean([own[key] for own in k.values()]) for c, k in record["kinds"]["categories"].items()
        }
        assert {c: line[key] for c, line in record["categories"].items()} == pytest.approx(by_hand)
        assert record["mean"][key] == pytest.approx(np.mean(list(by_hand.values())))
    assert record["error_bounds"] == {}
    assert set(record["definitions"]) == {"auspro_05", "auspro_30", "image_auroc_by_kind"}


def test_in_bounded_memory_the_true_value_is_within_the_stated_bound(
    products: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = open_data(products)
    rows = [replace(row, map=row.map + np.float32(1000)) for row in made_up(data)]  # bins 0.06 wide
    exact = defect_type_table(rows, gathered(data, rows))
    monkeypatch.setattr(labelled_set, "EXACT_PIXELS", 3 * SIDE * SIDE)
    binned = defect_type_table(rows, gathered(data, rows))
    assert set(binned.error_bounds) == set(binned.category_error_bounds) == {"box", "jar"}
    for category, own in exact.rows.items():
        for kind, line in own.items():
            for key in ("auspro_05", "auspro_30"):
                bound = binned.error_bounds[category][kind][key] or 0.0
                assert abs((binned.rows[category][kind][key] or 0.0) - (line[key] or 0.0)) <= bound < 0.2
    assert all((line["auspro_05"] or 0.0) > 0 for line in binned.category_error_bounds.values())
    assert "Saturated PRO from binned scores, off by at most: box: auspro_05" in page(binned)


def page(metrics: DefectTypeTable) -> str:
    return render_template("report/templates/defect_types.html", defect_types=defect_type_section(metrics))


@pytest.mark.parametrize("budget", [1, 4, 9, 40])
def test_no_more_scores_are_held_than_there_is_room_for(
    products: Path, monkeypatch: pytest.MonkeyPatch, budget: int
) -> None:
    data = open_data(products)
    most = budget * SIDE * SIDE
    monkeypatch.setattr(labelled_set, "EXACT_PIXELS", most)
    rows = made_up(data)
    tally = gathered(data, rows)
    parts = [*tally._pixels.values(), *tally._defect_types._parts.values()]
    assert sum(part.n_pixels for part in parts if part._store.exact) <= most
    joined = 2 * tally._defect_types._most_each
    assert (
        joined + sum(p.n_pixels for p in tally._defect_types._parts.values() if p._store.exact) <= most // 2
    )


def test_what_cannot_be_measured_is_left_out(products: Path) -> None:
    data = open_data(products / "box")
    assert DefectTypeTally([replace(s, rules=None) for s in data], 10**6).compute() == {}
    unmasked = [replace(s, mask=None, further_masks=()) if s.label == KINDS[0] else s for s in data]
    rows = [replace(row, sample=s) for row in made_up(data) for s in unmasked if s.path == row.sample.path]
    found = defect_type_table(rows, gathered(data.with_samples(unmasked), rows))
    assert list(found.rows["box"]) == [KINDS[1]]
    unread = [Row(row.sample, float("nan"), None, "torn") for row in made_up(data)]
    nothing = defect_type_table(unread, gathered(data, unread))
    assert set(nothing.mean.values()) == {None}


def test_a_mask_without_a_rule_is_refused(products: Path, tmp_path: Path) -> None:
    folder = write(tmp_path / "box", 0)
    (folder / "defects_config.json").write_text(json.dumps(RULES[:1]), encoding="utf-8")
    data = open_data(folder)
    with pytest.raises(DataError, match=r"marks pixels with \[25[34]\]; allowed is one of 255"):
        gathered(data, made_up(data))


@pytest.fixture(scope="module")
def detector(products: Path) -> ts.Detector:
    quick = {**TEACHER, "size": 32, "steps": 2, "device": "cpu", "precision": "fp32"}
    return ts.Detector("rd", false_alarm_rate=0.5, **quick).fit(products)


def test_evaluate_reports_it_beside_the_tables_that_stay(products: Path, detector: ts.Detector) -> None:
    maps = {}
    found = evaluate(detector, products, watch=lambda row, _: maps.update({row.sample.path: row.map}))
    record = json.loads(json.dumps(found.to_record()))
    assert set(record["mean"]) == set(metric_keys(*SCORE_NEEDS)) | {
        "false_alarm_rate",
        "miss_rate",
        "threshold",
    }
    rows = [Row(row.sample, row.score, maps[row.sample.path]) for row in found.rows]
    own = of_kind(rows, "jar", KINDS[0])
    line = record["saturated_pro"]["kinds"]["categories"]["jar"][KINDS[0]]
    assert line["auspro_05"] == pytest.approx(*brute_force(own, 0.05), abs=1e-9)
    said = {(d["category"], d["label"]): d["image_auroc"] for d in record["defects"]}
    assert line["image_auroc_by_kind"] == said["jar", KINDS[0]]


def test_page_and_terminal_show_it(products: Path, detector: ts.Detector, tmp_path: Path) -> None:
    found = evaluate(detector, products)
    text_of_page = page(found.defect_types)
    for word in ("Kinds of anomaly", "AUsPRO 0.05", *KINDS, "all kinds", "saturation area"):
        assert word in text_of_page
    text = outcome(found, tmp_path).text
    (line,) = (line for line in text.splitlines() if line.startswith("auspro_05"))
    assert f"{found.defect_types.mean['auspro_05']:.4f}" in line
    assert all(kind in text for kind in KINDS)


def test_without_rules_there_is_nothing_to_show(
    products: Path, detector: ts.Detector, tmp_path: Path
) -> None:
    bare = open_data(products)
    bare = bare.with_samples([replace(s, rules=None) for s in bare])
    found = evaluate(detector, bare)
    assert found.to_record()["saturated_pro"] is None
    assert page(found.defect_types).strip() == ""
    assert "auspro" not in outcome(found, tmp_path).text


def test_a_benchmark_stores_it_and_shows_it(products: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs"
    assert main(command(products, out, "--methods", "rd", "--seeds", "0")) == 0
    keys = {key for (key,) in ask(out, "select distinct metric from metrics where scope = 'category'")}
    assert {"auspro_05", "auspro_30", "image_auroc_by_kind"} <= keys
    assert main(["benchmark", "report", "--out", str(out)]) == 0
    shown = {suffix: (out / f"table.{suffix}").read_text() for suffix in ("md", "csv", "tex", "html")}
    assert all("AUsPRO 0.05" in shown[suffix] for suffix in ("md", "tex", "html"))
    assert "auspro_05" in shown["csv"]
    (value,) = ask(
        out,
        "select value from metrics join runs on run = key where scope = 'category' "
        "and metric = 'auspro_30' and task = 'box'",
    )
    assert f"{100 * value[0]:.1f}" in shown["md"]


def test_other_rules_make_another_run(tmp_path: Path) -> None:
    folder = write(tmp_path / "box", 0)
    unfitted = [ts.Detector("rd", **TEACHER, size=32, steps=2, device="cpu")]

    def key() -> str:
        (run,) = make_plan(PROTOCOLS["folder"], str(folder), ClassSelection(), unfitted)
        return run.key

    before = key()
    assert key() == before
    (folder / "defects_config.json").write_text(json.dumps(RULES[::-1]), encoding="utf-8")
    assert key() != before
