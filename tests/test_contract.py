"""What every method and every teacher must do, tried by the very checks that other packages run on theirs."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import SkipTest

import pytest
import torch

import twinspect as ts
from drawn_parts import quick
from twinspect.methods import provided
from twinspect.methods.base import Method, Output
from twinspect.methods.config import MethodConfig
from twinspect.teachers.plugins import factory
from twinspect.testing import check_method, check_teacher, method_checks, teacher_checks

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from twinspect.teachers.base import Teacher
    from twinspect.testing import Check

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
METHODS = sorted(ts.methods())
BF16 = "in_bf16_the_first_losses_are_those_of_fp32"
OF_METHOD = {
    BF16,
    "the_same_seed_gives_the_same_weights",
    "the_teacher_is_not_changed",
    "the_random_state_is_left_alone",
    "interrupted_and_resumed_it_learns_the_same",
    "an_unknown_setting_is_refused",
}
"""Checks that are not repeated for other settings of a method."""
VARIANTS: dict[str, dict[str, Any]] = {
    "mkd on tiles": {"tile": 32, "overlap": 8},
    "aand contrastive": {"preset": "contrastive", "residual": "learnable"},
    "aand simplenet": {"preset": "simplenet", "noise": 0.1},
}


def own_settings(method: str) -> dict[str, Any]:
    """Settings of a method of ours that make its networks small; the checks choose the lengths."""
    settings = quick(method)
    return {name: value for name, value in settings.items() if not name.endswith("steps")}


def of_methods() -> list[Any]:
    checks = [
        pytest.param(check, id=check.__name__)
        for method in METHODS
        for check in method_checks(method, **own_settings(method))
        if check.name != BF16
    ]
    for variant, settings in VARIANTS.items():
        method = variant.split()[0]
        checks += [
            pytest.param(check, id=f"{variant}-{check.name}")
            for check in method_checks(method, **own_settings(method), **settings)
            if check.name not in OF_METHOD
        ]
    return checks


@pytest.mark.parametrize("check", of_methods())
def test_a_method_of_ours(check: Check) -> None:
    check()


@pytest.mark.parametrize(
    ("method", "teacher"),
    [
        *((method, "pocket") for method in METHODS),
        *((method, name) for method in ("rd", "dual") for name in ("test_resnet", "test_efficientnet")),
    ],
)
def test_in_bf16_the_first_losses_are_those_of_fp32(method: str, teacher: str) -> None:
    """Whatever precision a teacher's features come in: its last layer decides, and differs from one to another."""
    weights = None if teacher == "pocket" else "random"
    own = own_settings(method) | {"teacher": teacher, "weights": weights, "layers": None}
    next(check for check in method_checks(method, **own) if check.name == BF16)()


@pytest.mark.parametrize(
    "check",
    [
        *teacher_checks("pocket", weights=None),
        *teacher_checks("test_resnet"),
        *teacher_checks("test_vit"),
        *teacher_checks(factory("pocket")),
    ],
    ids=lambda check: check.__name__,
)
def test_a_teacher_of_ours(check: Check) -> None:
    check()


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    import your_method

    yield your_method.FineToCoarse
    sys.modules.pop("your_method", None)


def test_the_example_of_a_method_passes_by_its_class(example: Any) -> None:
    check_method(example, width=16)
    assert "finetocoarse" not in ts.methods()


# --- checks fail, and say why -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ForgetfulConfig(MethodConfig):
    """No settings of its own."""


class Forgetful(Method[ForgetfulConfig]):
    """Learns nothing, compares an image with its batch mates, and changes torch's random state."""

    Config = ForgetfulConfig

    def stages(self) -> tuple[()]:
        torch.rand(3)
        return ()

    def forward(self, images: Tensor) -> Output:
        return Output((images - images.mean(0, keepdim=True)).abs().mean(1))


class Thawed(torch.nn.Module):
    """A backbone whose features depend on the batch, and go below 0."""

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return (images - images.mean(0),)


def thawed(*, weights: Any, layers: Any, seed: int) -> Teacher:
    from dataclasses import replace

    from twinspect.teachers import Level, Teacher, create_teacher

    card = create_teacher("test_resnet", weights="random").card
    level = Level("only", 3, 2, signed=False)
    return Teacher(Thawed(), replace(card, levels=(level,), licence="", network="mine"))


def failing(checks: list[Check]) -> dict[str, str]:
    return {check.name: str(failure) for check in checks if (failure := check.failure())}


def test_a_bad_method_fails_by_name_with_what_was_expected() -> None:
    checks = {check.name: check for check in method_checks(Forgetful)}
    with pytest.raises(
        AssertionError,
        match=r"forgetful fails the check a_score_does_not_depend_on_batch_mates\. "
        r"Expected: An image has the same score and map alone as among others\. Found: ",
    ):
        checks["a_score_does_not_depend_on_batch_mates"]()
    assert checks["maps_have_the_size_of_their_images"].failure() is None


class Halved(Forgetful):
    """Gives maps at half the size of the images, which differ from one time to the next."""

    def forward(self, images: Tensor) -> Output:
        return Output(images.mean(1)[:, ::2, ::2] + torch.rand(()))


class Broken(Forgetful):
    """Cannot be fitted, and counts how often it was tried."""

    tried = 0

    def stages(self) -> tuple[()]:
        Broken.tried += 1
        raise ValueError("no stages")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda m: m[:, ::2, ::2], "Found: (2, 32, 32) for images (2, 3, 64, 64)"),
        (lambda m: m[:, None], "Found: (2, 1, 64, 64) for images"),
        (lambda m: m.double(), "Found: torch.float64"),
        (lambda m: m.where(m > m.amin(), torch.nan), "values that are not finite"),
    ],
)
def test_what_a_method_itself_returns_is_checked(
    change: Callable[[Tensor], Tensor], found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = {check.name: check for check in method_checks(Forgetful)}
    check = checks["maps_are_finite_and_of_the_images_size"]
    assert check.failure() is None
    forward = Forgetful.forward
    monkeypatch.setattr(Forgetful, "forward", lambda self, images: Output(change(forward(self, images).map)))
    with pytest.raises(AssertionError) as caught:
        check()
    assert found in str(caught.value)


def test_scores_that_change_by_themselves_are_the_first_thing_said() -> None:
    first = method_checks(Halved)[0]
    assert first.name == "the_same_image_scores_the_same_twice"
    assert ", then [" in str(first.failure())


def test_a_method_that_cannot_be_fitted_fails_once_and_is_fitted_once() -> None:
    with pytest.raises(AssertionError, match=r"Found: it cannot be fitted: ValueError: no stages$") as caught:
        check_method(Broken)
    assert len(str(caught.value).splitlines()) == 1
    assert Broken.tried == 1
    first, second, *_ = method_checks(Broken)
    with pytest.raises(AssertionError, match="it cannot be fitted"):
        first()
    with pytest.raises(SkipTest, match="it cannot be fitted: ValueError: no stages"):
        second()


def test_a_bad_teacher_fails_by_name_with_what_was_expected() -> None:
    found = failing(teacher_checks(thawed))
    assert found.keys() == {
        "its_levels_are_what_it_says",
        "its_features_are_finite_and_signed_as_it_says",
        "gradients_flow_to_the_image",  # an image alone is its mean
        "an_image_does_not_depend_on_batch_mates",
        "its_card_is_complete",
        "an_unknown_level_is_refused",
    }
    assert "of (2, 3, 64, 64), not (2, 3, 32, 32)" in found["its_levels_are_what_it_says"]
    with pytest.raises(AssertionError, match="licence ''") as caught:
        check_teacher(thawed)
    assert len(str(caught.value).splitlines()) >= len(found)


def test_a_class_is_known_by_its_name_only_for_a_while() -> None:
    with provided("forgetful", Forgetful):
        ts.Detector("forgetful").config()
    with pytest.raises(ts.errors.ConfigError, match="forgetful"):
        ts.Detector("forgetful").config()


# --- pytest's side ------------------------------------------------------------------------------------------------


def test_the_plugin_adds_a_test_for_each_demand(tmp_path: Path) -> None:
    plugins = ["-p", "twinspect.testing.pytest_plugin", "-p", "no:cacheprovider"]
    wanted = ["--twinspect-teacher", "test_resnet", "-k", "frozen or card", "-v"]
    command = [sys.executable, "-m", "pytest", *plugins, *wanted]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "test_resnet-it_is_frozen PASSED" in done.stdout, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_the_plugin_imports_nothing_heavy() -> None:
    code = "import twinspect.testing.pytest_plugin, sys; print([n for n in ('torch', 'numpy') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
