"""Defects found as things: by hand, by brute force, and as COCO's own evaluation counts them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from skimage.measure import label

from twinspect.metrics.region_detection import (
    IOUS,
    compare_regions,
    label_components,
    region_metrics,
)

SIDE = 40


def blobs(random, count, largest=9):
    mask = np.zeros((SIDE, SIDE), bool)
    for _ in range(count):
        top, left = random.integers(0, SIDE - largest, 2)
        mask[top : top + random.integers(1, largest), left : left + random.integers(1, largest)] = True
    return mask


def images(seed, count=6):
    """Masks, what is found near them and elsewhere, and maps with a peak for each found region."""
    random = np.random.default_rng(seed)
    scenes = []
    for number in range(count):
        mask = blobs(random, number)
        moved = np.roll(mask, random.integers(-2, 3, 2), (0, 1)) & (random.random((SIDE, SIDE)) < 0.97)
        found = label(moved | blobs(random, 2), connectivity=2).astype(np.int32)
        peaks = random.permutation(np.linspace(0, 1, found.max() + 1)) + 0.001 * number
        scenes.append((mask, found, np.where(found, peaks[found], -1.0)))
    return scenes


def compared(scenes, level=0.5):
    return [compare_regions(label_components(mask), found, values, level) for mask, found, values in scenes]


def test_by_hand():
    mask = np.zeros((10, 10), bool)
    mask[0, 0:4] = mask[5:7, 5:7] = mask[9, 9] = True  # three defects of 4, 4 and 1 pixels
    found = np.zeros((10, 10), np.int32)
    found[0, 2:6] = 1  # shares 2 of 6 pixels with the first
    found[5:7, 5:7] = 2  # is the second
    found[3, 0] = 3  # is no defect
    values = np.choose(found, [0.0, 0.6, 0.4, 0.9])
    image = compare_regions(label_components(mask), found, values, 0.5)
    assert image.areas.tolist() == [4, 4, 1]
    assert image.hit.tolist() == [True, False, False]  # the second region's peak is not above the level
    assert image.peaks.tolist() == [0.9, 0.6, 0.4]
    assert image.matched.tolist() == [[False, True, True]] * 2 + [[False, False, True]]  # IoU 1/3 and 1
    assert (image.above, image.false, image.pixels) == (2, 1, 100)
    metrics = region_metrics([image])
    # At IoU 0.1 precision is 0, 1/2, 2/3 at recalls 0, 1/3, 2/3: 2/3 at the recalls 0 to 0.66, and 0 beyond.
    assert metrics.average_precision[0.1] == pytest.approx(67 * (2 / 3) / 101)
    assert metrics.average_precision[0.5] == pytest.approx(34 * (1 / 3) / 101)
    assert (metrics.recall.hit, metrics.recall.defects, metrics.found, metrics.false) == (1, 3, 2, 1)


@pytest.mark.parametrize("seed", range(3))
def test_hits_and_false_regions_are_those_of_brute_force(seed):
    for (mask, found, values), image in zip(images(seed), compared(images(seed)), strict=True):
        defects = label(mask, connectivity=2)
        kept = [n for n in range(1, found.max() + 1) if values[found == n].max() > 0.5]
        hit = [any(((defects == d) & (found == n)).any() for n in kept) for d in range(1, defects.max() + 1)]
        assert image.hit.tolist() == hit
        assert image.false == sum(not mask[found == n].any() for n in kept)
        assert image.above == len(kept)


@pytest.mark.parametrize("seed", range(5))
def test_average_precision_is_that_of_cocos_evaluation(seed, capsys):
    coco = pytest.importorskip("pycocotools.coco")
    evaluation = pytest.importorskip("pycocotools.cocoeval")
    masks = pytest.importorskip("pycocotools.mask")

    def codes(labels):
        return [
            masks.encode(np.asfortranarray((labels == n).astype(np.uint8)))
            for n in range(1, labels.max() + 1)
        ]

    truth, results = [], []
    scenes = images(seed, count=8)
    for number, (mask, found, values) in enumerate(scenes, start=1):
        common = {"image_id": number, "category_id": 1}
        for code in codes(label(mask, connectivity=2)):
            area = float(masks.area(code))
            truth.append({**common, "id": len(truth) + 1, "segmentation": code, "iscrowd": 0, "area": area})
        for n, code in enumerate(codes(found), start=1):
            results.append({**common, "segmentation": code, "score": float(values[found == n].max())})
    reference = coco.COCO()
    reference.dataset = {
        "images": [{"id": n, "height": SIDE, "width": SIDE} for n in range(1, len(scenes) + 1)],
        "annotations": truth,
        "categories": [{"id": 1}],
    }
    reference.createIndex()
    judge = evaluation.COCOeval(reference, reference.loadRes(results), "segm")
    judge.params.iouThrs = np.maximum(IOUS, 1e-9)  # any overlap
    judge.params.maxDets = [10**6]
    judge.params.areaRng, judge.params.areaRngLbl = [[0, 1e10]], ["all"]
    judge.evaluate()
    judge.accumulate()
    expected = judge.eval["precision"][:, :, 0, 0, 0].mean(axis=1)
    ours = region_metrics(compared(scenes)).average_precision
    assert list(ours.values()) == pytest.approx(expected, abs=1e-12)


def test_recall_by_size():
    labels = np.zeros((400, 400), np.int32)
    corners = iter(range(0, 400, 100))
    for number, (height, width) in enumerate([(31, 33), (32, 32), (95, 97), (96, 96)], start=1):
        labels[(top := next(corners)) : top + height, :width] = number
    found = np.where(labels > 2, labels - 2, 0).astype(np.int32)  # the two largest
    metrics = region_metrics([compare_regions(labels, found, (found > 0).astype(float), 0.5)])
    assert {name: (recall.hit, recall.defects) for name, recall in metrics.by_size.items()} == {
        "small": (0, 1),
        "medium": (1, 2),
        "large": (1, 1),
    }
    assert metrics.by_share["medium"].defects == 2  # of 160 000 pixels: 160 to 1600
    assert [(r.at_least, r.below, r.hit, r.defects) for r in metrics.curve] == [
        (256, 1024, 0, 1),
        (1024, 4096, 0, 1),
        (4096, 16384, 2, 2),
    ]
    assert metrics.found_from == 4096
    low, high = stats.binomtest(2, 4).proportion_ci(method="exact")
    assert metrics.recall.interval == pytest.approx((low, high))


def test_nine_of_ten_must_be_found_in_every_range_above():
    labels = np.zeros((64, 64), np.int32)
    labels[0, 0], labels[2, :8], labels[10:42, :32] = 1, 2, 3
    found = np.where(labels == 2, 1, 0).astype(np.int32)
    assert region_metrics([compare_regions(labels, found, found.astype(float), 0.5)]).found_from is None


def test_nothing_found_and_nothing_to_find():
    nothing = np.zeros((8, 8), np.int32)
    good = compare_regions(nothing, nothing, np.zeros((8, 8)), 0.5)
    assert np.isnan(list(region_metrics([good]).average_precision.values())).all()
    assert np.isnan(region_metrics([good]).recall.share)
    missed = compare_regions(nothing + 1, nothing, np.zeros((8, 8)), 0.5)
    assert list(region_metrics([good, missed]).average_precision.values()) == [0.0, 0.0, 0.0]
    assert region_metrics([]).found_from is None


def test_a_number_without_pixels_is_no_defect():
    labels = np.zeros((4, 4), np.int32)
    labels[0, 0] = 3  # what was 1 and 2 lies outside of the region of interest
    assert compare_regions(labels, labels * 0, np.zeros((4, 4)), 0.5).areas.tolist() == [1]
