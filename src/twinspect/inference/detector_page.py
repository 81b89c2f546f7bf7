"""What a notebook shows of a detector: how it was made, what it promises, and what it would find."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from twinspect.bundle.description import images_in_words
from twinspect.bundle.folder import JOINED
from twinspect.errors import is_installed
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
        calibration = self.calibration
        found = self.detectability.lines(calibration) if self.detectability else []
        return {
            "Fitted": [self.fitted_at.replace("T", " ").replace("+00:00", " UTC") or "yes"],
            "Images": [images_in_words(self.data)],
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


class ShownDetector(ABC):
    """A detector that a notebook shows as a table: how it was made, what it promises, what it would find."""

    data_: dict[str, Any]
    calibration_: Calibration
    scope_: Scope | None
    detectability_: Detectability | None
    fitted_at_: str

    @property
    @abstractmethod
    def method_name(self) -> str:
        """The name of its method."""

    @property
    @abstractmethod
    def export_name(self) -> str:
        """The name of the export that it scores by; empty for the networks as they were trained."""

    @abstractmethod
    def about(self) -> dict[str, Any]:
        """Describe it, once it is fitted: its ``teacher``, ``config`` and ``seed``, as plain values."""

    def _facts(self) -> DetectorFacts:
        """Gather what is shown of it."""
        about = self.about()
        of = [member["method"] for member in about.get("members", ())]
        return DetectorFacts(
            f"{self.method_name} of {', '.join(of)}" if of else self.method_name,
            about["teacher"]["name"],
            str(about["config"].get("size", "")),
            self._unusual_settings(about["config"]),
            FittedFacts(
                self.data_,
                self.calibration_,
                self.export_name,
                self.scope_,
                self.detectability_,
                self.fitted_at_,
            ),
        )

    def _unusual_settings(self, config: dict[str, Any]) -> dict[str, Any]:
        """Keep the settings that are not the usual ones of the method."""
        if self.method_name == JOINED:
            return {}
        usual = asdict(config_class(self.method_name)())
        return {name: value for name, value in config.items() if name != "size" and usual.get(name) != value}

    def _repr_html_(self) -> str | None:
        """Show it in a notebook; ``None`` leaves it to :func:`repr`."""
        if not is_installed("jinja2"):  # as where exports are only scored
            return None
        from twinspect.drawing.templates import render_fragment  # noqa: PLC0415 - only where it is shown

        return render_fragment("inference/detector.html", rows=self._facts().rows())
