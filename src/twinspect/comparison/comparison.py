"""The results of a comparison, and what is said of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from twinspect._version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from twinspect.comparison.candidates import Candidate
    from twinspect.comparison.ranking import Auroc, Difference, Evidence
    from twinspect.comparison.results import Result

Basis = Literal["labelled", "drawn"]
"""What ranks candidates: labelled test images, or synthetic defects on held-out good ones."""
COLUMNS: Final = (
    "candidate",
    "labelled",
    "drawn",
    "drawn found",
    "against the best",
    "fit s",
    "ms",
    "by",
    "MiB",
)
"""Of the table of candidates."""


@dataclass(frozen=True)
class Compared:
    """A candidate that was fitted and measured.

    Attributes:
        candidate: what was fitted.
        result: its scores, time and size.
        model: its folder.
        command: fits it again.
        drawn: AUROC of held-out good images against the same with synthetic defects.
        labelled: AUROC of the labelled images; ``None`` without enough of them.
        behind: the best candidate's AUROC less its own; ``None`` for the best.
    """

    candidate: Candidate
    result: Result
    model: Path
    command: str
    drawn: Auroc
    labelled: Auroc | None
    behind: Difference | None

    def to_record(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "candidate": self.candidate.text,
            "model": str(self.model),
            "command": self.command,
            "drawn_auroc": list(self.drawn),
            "drawn_found": [self.result.found, len(self.result.drawn)],
            "labelled_auroc": list(self.labelled) if self.labelled else None,
            "behind_best": list(self.behind) if self.behind else None,
            "fit_seconds": self.result.fit_seconds,
            "steps": self.result.steps,
            "milliseconds": self.result.milliseconds,
            "runtime": self.result.runtime,
            "mebibytes": self.result.mebibytes,
        }


@dataclass(frozen=True)
class Comparison:
    """The results of a comparison.

    Attributes:
        data: the name of the images.
        folder: where models and results are.
        basis: what ranked the candidates: ``labelled`` test images, or ``drawn``, synthetic defects.
        ranked: the candidates, the best first.
        failed: why others could not be fitted, by candidate.
        chosen_elsewhere: where labelled images ranked: the AUROC of the best candidate on images that did not choose
            it, by cross-validation; else ``None``.
        evidence: the scores that ranked them.
    """

    data: str
    folder: Path
    basis: Basis
    ranked: list[Compared]
    failed: dict[str, str]
    chosen_elsewhere: float | None
    evidence: Evidence = field(repr=False)

    @property
    def winner(self) -> Compared:
        """The best candidate."""
        return self.ranked[0]

    @property
    def undecided(self) -> list[Compared]:
        """Those that cannot be told from the best."""
        return [other for other in self.ranked if other.behind and not other.behind.is_clear]

    def to_record(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "twinspect": __version__,
            "data": self.data,
            "ranked_by": self.basis,
            "winner": self.winner.candidate.text,
            "command": self.winner.command,
            "winner_on_images_that_did_not_choose_it": self.chosen_elsewhere,
            "images": {
                "held_out": len(self.winner.result.good),
                "drawn": len(self.winner.result.drawn),
                "labelled": len(self.winner.result.labelled),
            },
            "candidates": [compared.to_record() for compared in self.ranked],
            "failed": self.failed,
        }


def rows_of(comparison: Comparison) -> list[tuple[str, ...]]:
    """Make the rows of the table, the best candidate first."""
    return [
        (
            compared.candidate.text,
            _interval(compared.labelled),
            _interval(compared.drawn),
            f"{100 * compared.result.found / len(compared.result.drawn):.0f} %",
            _against_best(compared),
            "-" if compared.result.fit_seconds is None else f"{compared.result.fit_seconds:.0f}",
            f"{compared.result.milliseconds:.1f}",
            compared.result.runtime,
            f"{compared.result.mebibytes:.1f}",
        )
        for compared in comparison.ranked
    ]


def sentences(comparison: Comparison) -> list[str]:
    """Say what the candidates were ranked by, how sure the first place is, and what else to know."""
    said = [_basis(comparison)]
    if comparison.chosen_elsewhere is not None:
        said.append(
            f"the best on images that did not choose it: {100 * comparison.chosen_elsewhere:.1f} "
            "(cross-validated; its own figure is too high, because it was chosen by it)"
        )
    if close := comparison.undecided:
        names = ", ".join(compared.candidate.text for compared in close)
        said.append(f"cannot be told from the best (p of 0.05 or more): {names}")
    faster = [
        compared
        for compared in comparison.undecided
        if compared.result.milliseconds < comparison.winner.result.milliseconds / 1.5
    ]
    if faster:
        fastest = min(faster, key=lambda compared: compared.result.milliseconds)
        said.append(f"of these, {fastest.candidate.text} is the fastest: {fastest.command}")
    said += [f"{text} failed: {reason}" for text, reason in comparison.failed.items()]
    return said


def _basis(comparison: Comparison) -> str:
    result = comparison.winner.result
    if comparison.basis == "labelled":
        good = sum(image.label == "good" for image in result.labelled)
        return (
            f"ranked by the AUROC of {len(result.labelled) - good} defective and {good} good labelled images, which "
            "set no threshold; 'drawn' are synthetic defects on held-out good images"
        )
    return (
        f"ranked by the AUROC of {len(result.good)} held-out good images against {len(result.drawn)} synthetic "
        "defects on them: real ones may rank otherwise (docs/guides/compare_methods.md)"
    )


def _interval(auroc: Sequence[float] | None) -> str:
    return "-" if auroc is None else "{:.1f} ({:.1f} to {:.1f})".format(*(100 * value for value in auroc))


def _against_best(compared: Compared) -> str:
    if compared.behind is None:
        return "the best"
    behind = compared.behind
    if not behind.is_clear:
        return f"not told apart (p {behind.p_value:.2g})"
    return f"{100 * behind.value:.1f} behind (p {behind.p_value:.2g})"
