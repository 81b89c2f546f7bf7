"""What a notebook shows of a detector: how it was made, what it promises, and what it would find."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from twinspect.bundle.description import images_in_brief
from twinspect.bundle.folder import JOINED
from twinspect.drawing.templates import render_fragment
from twinspect.methods.settings import config_class

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twinspect.calibration.conformal import Calibration
    from twinspect.calibration.detectability import Detectability
    from twinspect.regions.scope import Scope

UNFITTED: Final = "not yet: fit(good_images) does"


@dataclass(frozen=True)
class FittedFacts:
    """What a fit adds.

    Attributes:
        data: what it was fitted on, as in the record.
        calibration: its threshold and promise.
        scorer: the name of the export that scores; empty for the networks as they were trained.
        scope: where it looks; ``None`` for whole images.
        detectability: which synthetic defects it finds; ``None`` where that was not measured.
        fitted_at: when, as ISO 8601; empty if not known.
    """

    data: Mapping[str, Any]
    calibration: Calibration
    scorer: str = ""
    scope: Scope | None = None
    detectability: Detectability | None = None
    fitted_at: str = ""

    def rows(self) -> dict[str, list[str]]:
        """Give rows of lines."""
        calibration, images = self.calibration, images_in_brief(self.data)
        found = self.detectability.lines(calibration) if self.detectability else []
        return {
            "Fitted": [self.fitted_at.replace("T", " ").replace("+00:00", " UTC") or "yes"],
            "Images": [images] if images else [],
            "Looks at": [self.scope.describe()] if self.scope else [],
            "Threshold": [f"{calibration.threshold:.6g}: {calibration.promise()}"],
            "Would find": [found[0].removeprefix("would find "), *found[1:]] if found else [],
            "Scores by": [self.scorer or "torch"],
        }


@dataclass(frozen=True)
class DetectorFacts:
    """What is shown of a detector.

    Attributes:
        method: its name; of a joined detector those of its members too.
        teacher: its name.
        size: of the input, as it is spelled; empty where there is none.
        settings: those that are not the usual ones.
        fitted: what a fit adds; ``None`` before.
    """

    method: str
    teacher: str
    size: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    fitted: FittedFacts | None = None

    def rows(self) -> dict[str, list[str]]:
        """Give rows of lines; those without any are left out."""
        settings = [f"{name} {value}" for name, value in self.settings.items()]
        rows = {
            "Method": [self.method],
            "Teacher": [self.teacher],
            "Input size": [self.size] if self.size else [],
            "Settings": [", ".join(settings)] if settings else [],
            **(self.fitted.rows() if self.fitted else {"Fitted": [UNFITTED]}),
        }
        return {name: lines for name, lines in rows.items() if lines}


class Described(Protocol):
    """What is shown of a fitted detector of any kind."""

    data_: dict[str, Any]
    calibration_: Calibration
    scope_: Scope | None
    detectability_: Detectability | None
    fitted_at_: str

    @property
    def method_name(self) -> str:
        """The name of its method."""

    @property
    def export_name(self) -> str:
        """The name of the export that it scores by; empty for the networks as they were trained."""

    def about(self) -> dict[str, Any]:
        """Give its ``teacher``, ``config`` and ``seed``, as plain values."""


def facts_of(detector: Described) -> DetectorFacts:
    """Gather what is shown of a fitted detector."""
    about = detector.about()
    of = ", ".join(member["method"] for member in about.get("members", ()))
    return DetectorFacts(
        f"{detector.method_name} of {of}" if of else detector.method_name,
        about["teacher"]["name"],
        str(about["config"].get("size", "")),
        unusual_settings(detector.method_name, about["config"]),
        FittedFacts(
            detector.data_,
            detector.calibration_,
            detector.export_name,
            detector.scope_,
            detector.detectability_,
            detector.fitted_at_,
        ),
    )


def unusual_settings(method: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the settings of a method that are not the usual ones, but for the size; none of a joined detector."""
    usual = {} if method == JOINED else asdict(config_class(method)())
    return {
        name: value
        for name, value in config.items()
        if name in usual and name != "size" and value != usual[name]
    }


def detector_html(facts: DetectorFacts) -> str:
    """Build a fragment of HTML, which loads nothing and runs nothing."""
    return render_fragment("inference/detector.html", rows=facts.rows())
