"""Tiles: where they lie, how they are blended, and what a detector that looks at them finds."""

from __future__ import annotations

import importlib
import shutil
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import twinspect as ts
from drawn_parts import AS_ARGUMENTS, QUICK, stripes, write_image
from twinspect.benchmark.trial import detector_identity, run_trial
from twinspect.cli import main
from twinspect.errors import ConfigError, ImageError
from twinspect.model.tile_blending import blend, cut
from twinspect.model.tiled import TiledModel
from twinspect.model.tiling import Tiling
from twinspect.model.whole_image import Model
from twinspect.training import trainer
from twinspect.training.trainer import Trainer
from twinspect.training.training_inputs import Tiles

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 112
TILED: dict[str, Any] = {**QUICK, "steps": 3, "tile": 64, "overlap": 16}
LENGTHS = (1, 20, 64, 65, 112, 113, 160, 161, 500, 1001)
TILINGS = (Tiling(64, 16), Tiling(64, 0), Tiling(64, 32), Tiling(33, 16), Tiling(256, 32))


def large(seed: int, side: int = SIDE) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A good part of several tiles."""
    return stripes(seed, side)


@pytest.fixture(scope="module")
def sheets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good images of 2 x 2 tiles, and two damaged ones with masks, in MVTec layout."""
    root = tmp_path_factory.mktemp("sheets") / "sheets"
    for number in range(10):
        write_image(root / "train" / "good" / f"{number}.png", large(number))
    for number in range(2):
        write_image(root / "test" / "good" / f"{number}.png", large(50 + number))
        damaged, mask = large(60 + number), np.zeros((SIDE, SIDE), np.uint8)
        damaged[70:78, 30:38], mask[70:78, 30:38] = (255, 0, 0), 255
        write_image(root / "test" / "dot" / f"{number}.png", damaged)
        write_image(root / "ground_truth" / "dot" / f"{number}_mask.png", mask)
    return root


@pytest.fixture(scope="module")
def fitted_on_tiles(sheets: Path) -> ts.Detector:
    """Tests must not change it."""
    return ts.Detector("mkd", **TILED).fit(sheets)


# Where tiles lie -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tiling", TILINGS)
@pytest.mark.parametrize("length", LENGTHS)
def test_tiles_cover_a_side_evenly_and_are_as_few_as_can_be(tiling: Tiling, length: int) -> None:
    starts, side = tiling.starts(length), tiling.side(length)
    assert side == min(length, tiling.tile)
    assert starts[0] == 0
    assert starts[-1] + side == length
    gaps = np.diff(starts)
    assert (gaps <= tiling.tile - tiling.overlap).all()
    assert np.ptp(gaps) <= 1 if len(gaps) else length <= tiling.tile
    if fewer := len(starts) - 1:
        assert fewer * tiling.tile - (fewer - 1) * tiling.overlap < length


def test_windows_go_row_by_row_and_cover_every_pixel() -> None:
    tiling = Tiling(64, 16)
    seen = np.zeros((100, 150), int)
    windows = tiling.windows(100, 150)
    for window in windows:
        assert seen[window].shape == (64, 64)
        seen[window] += 1
    assert seen.min() == 1
    assert [(rows.start, columns.start) for rows, columns in windows[:3]] == [(0, 0), (0, 43), (0, 86)]
    assert tiling.windows(40, 30) == [(slice(0, 40), slice(0, 30))]


@pytest.mark.parametrize(
    ("tile", "overlap", "what"),
    [
        (16, 0, "tile is 16; allowed: whole pixels, 32 to 65536"),
        (-64, 0, "tile is -64"),
        (64.0, 0, "tile is 64.0"),
        (64, -1, "overlap is -1 with tiles of 64 pixels; allowed: 0 to 32"),
        (64, 64, "overlap is 64 .*type: --tile 64 --overlap 8"),
        (64, 33, "overlap is 33"),
        (64, True, "overlap is True"),
    ],
)
def test_sides_and_overlaps_that_make_no_sense_are_refused(tile: Any, overlap: Any, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        ts.Detector("mkd", **{**TILED, "tile": tile, "overlap": overlap}).fit("no such folder")


# Cutting and blending --------------------------------------------------------------------------------------


@pytest.mark.parametrize("tiling", TILINGS[:4])
@pytest.mark.parametrize("size", [(64, 64), (65, 100), (200, 301), (20, 90), (20, 20)])
def test_cut_gives_the_windows_and_blending_them_the_image(tiling: Tiling, size: tuple[int, int]) -> None:
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    tiles = cut(images, tiling)
    for number, (rows, columns) in enumerate(tiling.windows(*size)):
        assert torch.equal(tiles[:, number], images[..., rows, columns])
    torch.testing.assert_close(blend(tiles[:, :, 0], tiling, size), images[:, 0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("tiling", [Tiling(64, 16), Tiling(64, 32), Tiling(40, 10)])
def test_blending_equals_a_sum_with_windows_pixel_by_pixel(tiling: Tiling) -> None:
    size = (100, 131)
    windows = tiling.windows(*size)
    tiles = torch.rand(1, len(windows), tiling.tile, tiling.tile, generator=torch.Generator().manual_seed(1))
    total, weights = np.zeros(size), np.zeros(size)
    for tile, window in zip(tiles[0].numpy(), windows, strict=True):
        ramp = np.outer(*(_ramp(tiling, length, part) for length, part in zip(size, window, strict=True)))
        total[window] += ramp * tile
        weights[window] += ramp
    np.testing.assert_allclose(blend(tiles, tiling, size)[0], total / weights, atol=1e-6)


def _ramp(tiling: Tiling, length: int, part: slice) -> np.ndarray[Any, Any]:
    """One in the middle, falling to half a step where a neighbour's last or first pixel is."""
    starts = tiling.starts(length)
    index, values = starts.index(part.start), np.ones(tiling.tile)
    inside = np.arange(tiling.tile) + 0.5
    if index:
        values = np.minimum(values, inside / (starts[index - 1] + tiling.tile - part.start))
    if index < len(starts) - 1:
        values = np.minimum(values, inside[::-1] / (part.start + tiling.tile - starts[index + 1]))
    return values


@pytest.mark.parametrize("size", [(112, 160), (113, 177), (300, 411)])
def test_tiles_that_disagree_leave_no_step_at_their_seams(size: tuple[int, int]) -> None:
    tiling = Tiling(64, 16)
    heights = torch.rand(1, len(tiling.windows(*size)), generator=torch.Generator().manual_seed(2))
    scores = blend(heights[..., None, None].expand(-1, -1, 64, 64), tiling, size)[0]
    apart = float(heights.max() - heights.min())
    for dim in (0, 1):
        # As documented, and at a corner from two neighbours at once.
        assert scores.diff(dim=dim).abs().max() <= 2 * apart / tiling.overlap
    assert heights.min() - 1e-6 <= scores.min() <= scores.max() <= heights.max() + 1e-6


# A model of tiles ------------------------------------------------------------------------------------------


def test_an_image_of_one_tile_is_judged_as_by_the_model_itself(fitted_on_tiles: ts.Detector) -> None:
    model = fitted_on_tiles.model_
    assert isinstance(model, TiledModel)
    for size in ((64, 64), (40, 50)):
        picture = torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8)
        with torch.inference_mode():
            tiled, plain = model(picture), model.model(picture)
        torch.testing.assert_close(tiled.score, plain.score, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(tiled.map, plain.map, rtol=1e-6, atol=1e-6)


def test_the_score_is_the_highest_of_the_tiles_whatever_the_batch(fitted_on_tiles: ts.Detector) -> None:
    model = fitted_on_tiles.model_
    assert isinstance(model, TiledModel)
    picture = large(70)
    tiles = np.stack([picture[window] for window in model.tiling.windows(SIDE, SIDE)])
    with torch.inference_mode():
        alone = model.model(torch.from_numpy(tiles).permute(0, 3, 1, 2))
        graph = TiledModel(model.model, model.tiling, at_once=None)(
            torch.from_numpy(picture).permute(2, 0, 1)[None]
        )
    scores = fitted_on_tiles.score(np.stack([picture, large(71)]))
    assert scores.image[0] == pytest.approx(float(alone.score.max()), rel=1e-5)
    torch.testing.assert_close(graph.score, torch.tensor(scores.image[:1]), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(graph.map[0], scores.map[0], rtol=1e-4, atol=1e-5)  # type: ignore[index]


def test_images_of_several_sizes_are_scored_beside_each_other(
    fitted_on_tiles: ts.Detector, tmp_path: Path
) -> None:
    sizes = [(112, 112), (40, 90), (20, 20), (64, 200)]
    paths = [
        write_image(tmp_path / f"{n}.png", large(n, 200)[: size[0], : size[1]])
        for n, size in enumerate(sizes)
    ]
    (tmp_path / "broken.png").write_bytes(b"no image")
    scores = fitted_on_tiles.score([*paths, tmp_path / "broken.png"])
    assert [map_.shape for map_ in scores.map[:4]] == sizes  # type: ignore[index]
    assert np.isfinite(scores.image[:4]).all()
    assert "broken.png" in scores.errors[4]
    again = fitted_on_tiles.score(paths[1:2])
    np.testing.assert_array_equal(again.image[0], scores.image[1])


def test_a_small_defect_is_found_where_it_is() -> None:
    good = np.stack([large(n) for n in range(12)])
    detector = ts.Detector("mkd", **{**TILED, "steps": 40}).fit(good)
    clean = large(80, 512)
    dirty = clean.copy()
    dirty[300:306, 200:206] = (255, 0, 255)
    scores = detector.score(np.stack([clean, dirty]))
    assert scores.image[1] > scores.image[0]
    row, column = np.unravel_index(scores.map[1].argmax(), (512, 512))  # type: ignore[index]
    assert 294 <= row < 312
    assert 194 <= column < 212


def test_saved_and_loaded_it_scores_the_same(fitted_on_tiles: ts.Detector, tmp_path: Path) -> None:
    fitted_on_tiles.save(tmp_path / "m.twin")
    loaded = ts.load(tmp_path / "m.twin")
    assert isinstance(loaded, ts.Detector)
    assert loaded.get_params() == {**fitted_on_tiles.get_params(), "device": "auto"}
    assert loaded.about() == fitted_on_tiles.about()
    assert loaded.about()["config"]["tile"] == 64
    assert isinstance(loaded.model_, TiledModel)
    images = np.stack([large(90), large(91)])
    one, two = fitted_on_tiles.score(images), loaded.score(images)
    np.testing.assert_array_equal(one.image, two.image)
    np.testing.assert_array_equal(one.map, two.map)  # type: ignore[arg-type]


def test_a_record_from_before_there_were_tiles_is_one_of_whole_images(fitted: ts.Detector) -> None:
    record = fitted.to_record()
    assert "tiling" not in record
    del record["parameters"]["tile"], record["parameters"]["overlap"]
    old = ts.Detector.from_record(record)
    assert isinstance(old.model_, Model)
    assert old.tile is None


# Training on tiles -----------------------------------------------------------------------------------------


def test_every_tile_of_the_good_images_is_learnt_from_and_none_of_those_held_out(
    sheets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    real = Trainer.read

    def spy(self: Trainer, model: Any, samples: Any, **rest: Any) -> Any:
        assert rest["tiling"] == Tiling(64, 16)
        seen.extend(sample.name for sample in samples)
        return real(self, model, samples, **rest)

    monkeypatch.setattr(Trainer, "read", spy)
    settings = {name: value for name, value in TILED.items() if name != "steps"}
    detector = ts.Detector("mkd", **{**settings, "epochs": 1, "batch_size": 12}).fit(sheets)
    assert not set(seen) & set(detector.calibration_.names)
    assert detector.data_["train"] == len(seen)
    assert detector.data_["tiles"] == 4 * len(seen)
    assert len(detector.losses_["distil"]) == detector.data_["tiles"] // 12


def test_a_stage_holds_out_all_tiles_of_an_image_or_none(
    sheets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    divided: list[tuple[list[int], list[int]]] = []
    real = trainer._Run._split

    def spy(self: Any, stage: Any) -> Any:
        divided.append(real(self, stage))
        return divided[-1]

    monkeypatch.setattr(trainer._Run, "_split", spy)
    aand = importlib.import_module("twinspect.methods.aand")
    monkeypatch.setattr(aand, "a_few", lambda images: 1)  # of so few images none otherwise
    detector = ts.Detector("aand", **{**TILED, "steps": 5}, amplify_steps=2).fit(sheets)
    assert list(detector.losses_) == ["amplify", "distil"]
    assert detector.score(np.stack([large(1)])).map[0].shape == (SIDE, SIDE)  # type: ignore[index]
    assert any(held for _, held in divided)
    for shown, held in divided:
        assert sorted(shown + held) == list(range(detector.data_["tiles"]))
        assert not {number // 4 for number in shown} & {number // 4 for number in held}


def test_neighbouring_tiles_decode_their_image_once(
    fitted_on_tiles: ts.Detector, sheets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fitted_on_tiles.model_
    assert isinstance(model, TiledModel)
    decoded: list[str] = []
    real = ts.images.read_rgb

    def spy(path: Path, *, bits: int | None = None) -> Any:
        decoded.append(path.name)
        return real(path, bits=bits)

    monkeypatch.setattr("twinspect.data.pixels.read_rgb", spy)
    data = ts.data.open_data(sheets).split("train")
    tiles = Tiles(model.model, data, None, model.tiling, None)
    scores: dict[int, torch.Tensor] = {}
    threads = [
        threading.Thread(target=lambda n=n: scores.setdefault(n, tiles.read(n)))
        for n in range(len(tiles.categories))
    ]
    for thread in threads:
        thread.start()
        thread.join(timeout=0.001)
    for thread in threads:
        thread.join()
    assert len(decoded) == len(data)
    picture = torch.from_numpy(real(data[2].path)).permute(2, 0, 1)[None]
    rows, columns = model.tiling.windows(SIDE, SIDE)[1]
    assert torch.equal(scores[9], model.model.preprocessing.apply(picture[..., rows, columns])[0])


def test_what_does_not_fit_into_memory_is_read_anew_to_the_same_weights(sheets: Path) -> None:
    kept, read = (
        ts.Detector("mkd", **TILED, cache_mb=size).fit(sheets).model_.state_dict() for size in (2048, 0)
    )
    for name, values in kept.items():
        torch.testing.assert_close(values, read[name], rtol=1e-3, atol=1e-4)


def test_killed_and_resumed_equals_never_killed(sheets: Path, tmp_path: Path) -> None:
    class Kill:
        """Press Ctrl-C after the second step."""

        steps = 0

        def start(self, stage: str, total: int, done: int) -> None: ...

        def finish(self) -> None: ...

        def advance(self, loss: float | None = None) -> None:
            import signal

            self.steps += loss is not None
            if loss is not None and self.steps == 2:
                signal.raise_signal(signal.SIGINT)

    settings = {**TILED, "steps": 4}
    whole = ts.Detector("mkd", **settings).fit(sheets)
    cut_off = ts.Detector("mkd", **settings)
    with pytest.raises(KeyboardInterrupt):
        cut_off.fit(sheets, progress=Kill(), checkpoint=tmp_path)
    with pytest.raises(ts.errors.TrainingError, match="other images, settings or seed"):
        ts.Detector("mkd", **{**settings, "overlap": 20}).fit(sheets, checkpoint=tmp_path, resume=True)
    cut_off.fit(sheets, checkpoint=tmp_path, resume=True)
    one, two = whole.model_.state_dict(), cut_off.model_.state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert whole.calibration_ == cut_off.calibration_


def test_an_unreadable_training_image_is_named(sheets: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(sheets, tmp_path / "sheets")
    for image in (copy / "train" / "good").glob("*.png"):
        image.write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"\.png"):
        ts.Detector("mkd", **TILED).fit(copy, strict=True)


# What goes with other parts, and what does not -------------------------------------------------------------


def test_maps_that_are_stretched_tile_by_tile_are_refused(sheets: Path) -> None:
    with pytest.raises(ConfigError, match="--rescale off"):
        ts.Detector("mkd", **TILED, localization="guided").fit(sheets)
    detector = ts.Detector("mkd", **TILED, localization="gradient", rescale=False).fit(sheets)
    assert np.isfinite(detector.score(np.stack([large(1)])).map[0]).all()  # type: ignore[index]


def test_it_is_not_joined_and_its_features_are_not_laid_out(
    fitted_on_tiles: ts.Detector, fitted: ts.Detector
) -> None:
    with pytest.raises(ConfigError, match="only detectors of whole images can be joined"):
        ts.noisy_or([fitted, fitted_on_tiles])
    from twinspect.evaluation.patch_features import require_single_teacher

    with pytest.raises(ConfigError, match="leave --features out"):
        require_single_teacher(fitted_on_tiles)


def test_a_trial_scores_tiles_and_is_another_than_that_of_whole_images(sheets: Path) -> None:
    detector = ts.Detector("mkd", **TILED)
    plain = ts.Detector("mkd", **{**TILED, "tile": None})
    assert detector_identity(plain)["config"].keys() == detector_identity(detector)["config"].keys() - {
        "tile",
        "overlap",
    }
    trial = run_trial(detector, ts.data.open_data(sheets))
    assert trial.images["train"] == 10
    assert trial.pooled["pixel_auroc"] is not None


def test_fit_and_evaluate_on_the_command_line(
    sheets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, report = str(tmp_path / "m.twin"), str(tmp_path / "report")
    fit = ["fit", str(sheets), "--out", model, "--method", "mkd", *AS_ARGUMENTS, "--size", "64"]
    fit += ["--steps", "3", "--device", "cpu"]
    assert main([*fit, "--tile", "64", "--overlap", "64"]) == 2
    assert "allowed: 0 to 32" in capsys.readouterr().err
    assert main([*fit, "--tile", "64", "--overlap", "16"]) == 0
    assert "tiles of" in capsys.readouterr().out
    assert main(["evaluate", model, str(sheets), "--out", report]) == 0
    assert "Setting: tile" in (tmp_path / "report" / "report.html").read_text(encoding="utf-8")


# Exporting -------------------------------------------------------------------------------------------------


def test_it_exports_for_one_size(fitted_on_tiles: ts.Detector, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    from twinspect.export import export

    path = tmp_path / "m.twin"
    fitted_on_tiles.save(path)
    with pytest.raises(ConfigError, match="type: --fixed-size WxH"):
        export(path, "onnx")
    exported = export(path, "onnx", fixed_size=(100, 120))
    assert exported.record["parity"]["map_relative"] < 1e-4
    scores = ts.load(path, runtime=exported.name).score(large(5, 120)[None, :100])
    expected = fitted_on_tiles.score(large(5, 120)[None, :100])
    np.testing.assert_allclose(scores.image, expected.image, rtol=1e-4)
    np.testing.assert_allclose(scores.map[0], expected.map[0], rtol=1e-3, atol=1e-4)  # type: ignore[index]
