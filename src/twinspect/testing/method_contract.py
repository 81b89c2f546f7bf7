"""What every method must do."""

from __future__ import annotations

import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from PIL import Image

from twinspect.errors import ConfigError, DataError
from twinspect.loading import load
from twinspect.teachers import create_teacher
from twinspect.testing.check import Check, Contract, expect, run_all
from twinspect.testing.drawing import LEFT, SQUARE, TOP, damaged, good, stripes
from twinspect.testing.method_under_test import FEW_STEPS, MethodUnderTest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from numpy.typing import NDArray
    from torch import Tensor

    from twinspect.detector import Detector
    from twinspect.methods.base import Method, Output

FALLS_TO: Final = 0.7
"""Share of the first losses that the last ones may have."""
MOST_HALF_PRECISION: Final = 0.05
"""Relative difference of the first losses in bf16 and fp32."""


def method_checks(method: str | type[Method[Any]], **settings: Any) -> list[Check]:
    """List what a method must do, each as a check that can be called.

    The first that needs a fitted detector fits it, within seconds on a CPU; the others use the same.

    Args:
        method: its name, or its class, which need not be registered.
        **settings: of :class:`twinspect.Detector` and of the method, where the usual small ones do not suit it:
            ``teacher="pocket", weights=None, layers=None`` for instance, or fewer channels.
    """
    subject = MethodUnderTest(method, settings)
    return [
        Check(check.subject, check.name, check.expects, _while_known(subject, check.run))
        for check in CONTRACT.of(subject.name, subject)
    ]


def check_method(method: str | type[Method[Any]], **settings: Any) -> None:
    """Check everything that a method must do.

    Args:
        method: as for :func:`method_checks`.
        **settings: likewise.

    Raises:
        AssertionError: a line for each demand that it does not meet: what is expected, and what was found.
    """
    run_all(method_checks(method, **settings))


def _while_known(subject: MethodUnderTest, run: Callable[[], None]) -> Callable[[], None]:
    def known() -> None:
        subject.skip_if_unfitted()
        with subject.known():
            run()

    return known


def the_same_image_scores_the_same_twice(method: MethodUnderTest) -> None:
    """Scored again, images have the same scores and maps to the bit."""
    images = damaged(good(0, 3))
    one, two = method.fitted.score(images), method.fitted.score(images)
    expect(np.array_equal(one.image, two.image), f"{one.image.tolist()}, then {two.image.tolist()}")
    expect(np.array_equal(np.asarray(one.map), np.asarray(two.map)), "the same scores, but other maps")


def maps_are_finite_and_of_the_images_size(method: MethodUnderTest) -> None:
    """The method itself gives finite float32 maps (B, H, W), as high and wide as the images it is given."""

    def check(_: object, given: tuple[Tensor, ...], output: Output) -> None:
        size, shape = (len(given[0]), *given[0].shape[2:]), tuple(output.map.shape)
        expect(shape == size, f"{shape} for images {tuple(given[0].shape)}")
        expect(output.map.dtype == torch.float32, f"{output.map.dtype}")
        expect(
            output.map.isfinite().all(), f"{int((~output.map.isfinite()).sum())} values that are not finite"
        )

    model = method.fitted.model_
    with model.method.register_forward_hook(check), torch.no_grad():  # before any map is resized
        model(torch.from_numpy(good(0, 2)).permute(0, 3, 1, 2))


def the_loss_falls(method: MethodUnderTest) -> None:
    """In every stage that learns, the last losses are at most 0.7 times the first ones."""
    detector = method.fitted
    learning = {stage.name for stage in detector.model_.method.stages() if stage.gather is None}
    expect(detector.losses_.keys() == learning, f"losses of {set(detector.losses_)} where {learning} learn")
    for stage, losses in detector.losses_.items():
        first, last = np.mean(losses[:3]), np.mean(losses[-5:])
        expect(last < FALLS_TO * first, f"{stage} from {first:.4g} to {last:.4g}")


def a_defect_scores_higher(method: MethodUnderTest) -> None:
    """At least 7 of 8 parts with a drawn defect score higher than the same parts without it."""
    clean = good(300, 8)
    higher = (method.fitted.score(damaged(clean)).image > method.fitted.score(clean).image).sum()
    expect(higher >= 7, f"{higher} of 8")


def the_map_peaks_on_the_defect(method: MethodUnderTest) -> None:
    """In at least 6 of 8 maps the highest value lies on the drawn defect, or within 4 pixels."""
    found = _maps(method.fitted, damaged(good(400, 8)))
    peaks = [divmod(int(each.argmax()), each.shape[1]) for each in found]
    reach = SQUARE + 8
    hits = [0 <= row - TOP + 4 < reach and 0 <= column - LEFT + 4 < reach for row, column in peaks]
    expect(sum(hits) >= 6, f"{sum(hits)} of 8; peaks at (row, column) {peaks}")


def a_score_does_not_depend_on_batch_mates(method: MethodUnderTest) -> None:
    """An image has the same score and map alone as among others."""
    images = good(0, 11)
    images[::3] = damaged(images[::3])
    together = method.fitted.score(images)
    for index in (0, 4, 10):
        alone = method.fitted.score(images[index : index + 1])
        np.testing.assert_allclose(alone.image[0], together.image[index], rtol=1e-4)
        np.testing.assert_allclose(
            np.asarray(alone.map)[0], np.asarray(together.map)[index], rtol=1e-3, atol=1e-5
        )


def maps_have_the_size_of_their_images(method: MethodUnderTest) -> None:
    """The map of a wide image and that of a tall one are as high and wide as the images."""
    images = (stripes(1, 90)[:40], stripes(2, 70)[:, :33])
    with tempfile.TemporaryDirectory() as folder:
        paths = [f"{folder}/{number}.png" for number in range(len(images))]
        for path, values in zip(paths, images, strict=True):
            Image.fromarray(values).save(path)
        shapes = [each.shape for each in _maps(method.fitted, paths)]
    expect(shapes == [each.shape[:2] for each in images], f"maps of {shapes}")


def scores_are_raw_numbers_with_p_values(method: MethodUnderTest) -> None:
    """Scores are float32; p-values and decisions follow from them and the held-out good images alone."""
    scores = method.fitted.score(np.concatenate([good(500, 1), damaged(good(500, 1))]))
    calibration = method.fitted.calibration_
    expect(scores.image.dtype == np.float32, f"scores of type {scores.image.dtype}")
    expect(scores.image.shape == (2,), f"scores of shape {scores.image.shape} for 2 images")
    np.testing.assert_array_equal(scores.p_value, calibration.p_values(scores.image))
    np.testing.assert_array_equal(scores.is_anomalous, scores.p_value <= calibration.false_alarm_rate)


def the_same_seed_gives_the_same_weights(method: MethodUnderTest) -> None:
    """Two fits with one seed have the same weights to the bit; with another seed they have others."""
    first = _weights(method.brief[0])
    again, other = (
        _weights(method.detector(FEW_STEPS, **seed).fit(good(0, 12))) for seed in ({}, {"seed": 1})
    )
    differing = [name for name in first if not torch.equal(first[name], again[name])]
    expect(not differing, f"the same seed, but other weights of {', '.join(differing)}")
    own = [name for name in first if "teacher" not in name]
    expect(
        any(not torch.equal(first[name], other[name]) for name in own), "another seed, but the same weights"
    )


def the_teacher_is_not_changed(method: MethodUnderTest) -> None:
    """A fit leaves the teacher's weights as they were."""
    detector = method.brief[0]
    fitted = detector.model_.method.teacher
    made = create_teacher(fitted.name, weights=detector.weights, layers=detector.layers, seed=detector.seed)
    before, after = made.state_dict(), fitted.state_dict()
    expect(before.keys() == after.keys(), f"other tensors: {sorted(before.keys() ^ after.keys())}")
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    expect(not changed, f"changed: {', '.join(changed)}")


def the_random_state_is_left_alone(method: MethodUnderTest) -> None:
    """A fit leaves torch's random state as it was."""
    expect(method.brief[1], "another random state after the fit")


def in_bf16_the_first_losses_are_those_of_fp32(method: MethodUnderTest) -> None:
    """In bf16 the first loss of every stage differs from that in fp32 by at most 5 percent."""
    single, half = (method.detector(2, precision=p).fit(good(0, 12)).losses_ for p in ("fp32", "bf16"))
    expect(single.keys() == half.keys(), f"stages {set(half)} in bf16, {set(single)} in fp32")
    for stage, losses in single.items():
        difference = abs(half[stage][0] - losses[0])
        expect(
            difference <= MOST_HALF_PRECISION * abs(losses[0]), f"{stage}: {half[stage][0]}, not {losses[0]}"
        )


def saved_and_loaded_it_scores_the_same(method: MethodUnderTest) -> None:
    """A saved and loaded detector gives the same scores, maps and p-values, and has the same settings."""
    detector, images = method.fitted, damaged(good(0, 3))
    with tempfile.TemporaryDirectory() as folder:
        detector.save(Path(folder) / "m.twin")
        loaded = load(Path(folder) / "m.twin")
        one, two = detector.score(images), loaded.score(images)
    np.testing.assert_array_equal(one.image, two.image)
    np.testing.assert_array_equal(np.asarray(one.map), np.asarray(two.map))
    np.testing.assert_array_equal(one.p_value, two.p_value)
    expect(
        loaded.get_params() == {**detector.get_params(), "device": "auto"}, f"settings {loaded.get_params()}"
    )
    expect(loaded.calibration_ == detector.calibration_, "another calibration")


def interrupted_and_resumed_it_learns_the_same(method: MethodUnderTest) -> None:
    """A fit that is interrupted twice and resumed ends with the same weights, losses and calibration."""
    images = good(0, 24)
    whole = method.detector(12).fit(images)
    stages = [stage.name for stage in whole.model_.method.stages()]
    cut = method.detector(12)
    with tempfile.TemporaryDirectory() as folder:
        for after in (5, 4) if whole.losses_ else (1, 2):  # batches gathered
            _interrupt(cut, images, folder, after, stages)
        cut.fit(images, checkpoint=folder, resume=True)
    first, second = _weights(whole), _weights(cut)
    differing = [name for name in first if not torch.equal(first[name], second[name])]
    expect(not differing, f"other weights of {', '.join(differing)}")
    expect(whole.losses_ == cut.losses_, "other losses")
    expect(whole.calibration_ == cut.calibration_, "another calibration")


def more_images_are_learnt_or_refused(method: MethodUnderTest) -> None:
    """A new version learns from more images and can be saved, or the method says that it cannot be updated."""
    (old, _), images = method.brief, good(0, 4)
    before = old.score(images).image
    try:
        new = old.update(np.concatenate([good(0, 12), good(100, 6)]), steps=2, progress=False, say=_silently)
    except ConfigError as error:
        expect("cannot be updated" in str(error), f"the error {error}")
        return
    expect(np.array_equal(old.score(images).image, before), "the old version scores otherwise than before")
    with tempfile.TemporaryDirectory() as folder:
        new.save(Path(folder, "new.twin"))
        loaded = load(Path(folder, "new.twin"), device="cpu", runtime="torch")
        one, two = new.score(images).image, loaded.score(images).image
    expect(np.array_equal(one, two), f"{one.tolist()}, and loaded again {two.tolist()}")


def odd_images_get_a_finite_score(method: MethodUnderTest) -> None:
    """Black, white, tiny and large images have finite scores, and maps of their size."""
    black, white = np.zeros((48, 48, 3), np.uint8), np.full((48, 48, 3), 255, np.uint8)
    for image in (black, white, black[:2, :2], stripes(0, 500)):
        scores = method.fitted.score(image[None])
        expect(np.isfinite(scores.image).all(), f"{scores.image[0]} for an image of {image.shape[:2]}")
        shape = np.asarray(scores.map)[0].shape
        expect(shape == image.shape[:2], f"a map of {shape} for an image of {image.shape[:2]}")


def an_image_of_one_pixel_is_a_row_with_its_error(method: MethodUnderTest) -> None:
    """An image that is too small has no score, is not anomalous, and its error says so."""
    scores = method.fitted.score(np.zeros((1, 1, 1, 3), np.uint8))
    expect("too small" in scores.errors[0], f"the error {scores.errors[0]!r}")
    expect(np.isnan(scores.image[0]) and not scores.is_anomalous[0], f"the score {scores.image[0]}")


def arrays_of_another_shape_or_type_are_refused(method: MethodUnderTest) -> None:
    """Arrays that are no (N, H, W, 3) uint8 are refused, and the error says what is allowed."""
    wrong = (
        np.zeros((4, 4, 3), np.uint8),
        np.zeros((1, 4, 4, 3), np.float32),
        np.zeros((1, 4, 4, 2), np.uint8),
    )
    for images in wrong:
        _refuses(lambda images=images: method.fitted.score(images), DataError, "allowed")  # type: ignore[misc]


def an_unknown_setting_is_refused(method: MethodUnderTest) -> None:
    """A setting that does not exist is refused, and the error names the nearest."""
    _refuses(lambda: method.detector(bach_size=3).fit(good(0, 12)), ConfigError, "did you mean 'batch_size'")


CONTRACT: Final = Contract(
    (
        the_same_image_scores_the_same_twice,
        maps_are_finite_and_of_the_images_size,
        the_loss_falls,
        a_defect_scores_higher,
        the_map_peaks_on_the_defect,
        a_score_does_not_depend_on_batch_mates,
        maps_have_the_size_of_their_images,
        scores_are_raw_numbers_with_p_values,
        the_same_seed_gives_the_same_weights,
        the_teacher_is_not_changed,
        the_random_state_is_left_alone,
        in_bf16_the_first_losses_are_those_of_fp32,
        saved_and_loaded_it_scores_the_same,
        interrupted_and_resumed_it_learns_the_same,
        more_images_are_learnt_or_refused,
        odd_images_get_a_finite_score,
        an_image_of_one_pixel_is_a_row_with_its_error,
        arrays_of_another_shape_or_type_are_refused,
        an_unknown_setting_is_refused,
    )
)


class _Interruption:
    """Progress that presses Ctrl-C in the middle of a training."""

    def __init__(self, after: int, stages: Collection[str]) -> None:
        self._left, self._stage, self._stages = after, "", stages

    def start(self, stage: str, total: int, done: int = 0) -> None:  # noqa: ARG002 - as Progress has it
        self._stage = stage

    def advance(self, loss: float | None = None, *, steps: int = 1) -> None:  # noqa: ARG002 - likewise
        is_training = self._stage in self._stages
        self._left -= is_training
        if is_training and self._left == 0:
            signal.raise_signal(signal.SIGINT)

    def finish(self) -> None: ...


def _interrupt(
    detector: Detector, images: NDArray[np.uint8], folder: str, after: int, stages: Collection[str]
) -> None:
    try:
        detector.fit(images, progress=_Interruption(after, stages), checkpoint=folder, resume=True)
    except KeyboardInterrupt:
        return
    raise AssertionError(f"the fit went on after an interruption in step {after}")


def _silently(_: str) -> None:
    """Say nothing of how few images there are."""


def _refuses(call: Callable[[], object], kind: type[Exception], words: str) -> None:
    try:
        call()
    except kind as error:
        expect(words in str(error), f"the error {error}")
        return
    raise AssertionError(f"no {kind.__name__}")


def _maps(detector: Detector, images: Any) -> list[NDArray[np.float32]]:
    found = detector.score(images).map
    return [] if found is None else list(found)


def _weights(detector: Detector) -> dict[str, Tensor]:
    return detector.model_.state_dict()
