"""One case: a fit in a process of its side, then our metrics of what it found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from budgets.cases import AUTO, OURS, Case
from budgets.sets import folder_of, size_of

if TYPE_CHECKING:
    from pathlib import Path

    from beside.sides import Run, Side

POCKET = "pocket"
"""The teacher that ships; it has weights of its own."""


@dataclass(frozen=True)
class Bench:
    """Where and with what cases are measured.

    Attributes:
        sides: by name.
        root: the folder of the sets.
        weights: of every teacher but pocket.
        textures: folder that anomalies are drawn from; ``None`` for a method's own.
        patience: times its minutes after which a fit is given up.
        out: for what is in between.
    """

    sides: dict[str, Side]
    root: Path
    weights: Path
    textures: Path | None
    patience: float
    out: Path

    def measure(self, case: Case) -> dict[str, Any]:
        """Fit and judge; a fit that failed has its last words under ``failed``."""
        data, found = folder_of(case.data, self.root, self.out / "sets"), self.out / f"{case.name}.npz"
        script = "fit_detector.py" if case.side == OURS else "fit.py"
        try:
            run = self.sides[case.side].run(script, *self._told(case), "--data", data, "--found", found)
            judged = self.sides[OURS].run("judge.py", self._truth(case.data, data), found).output
        except SystemExit as error:  # what a side's script says when it fails; the other cases go on
            return {"failed": str(error).strip().splitlines()[-1]}
        finally:
            found.unlink(missing_ok=True)
        return {**judged, **_described(run)}

    def _told(self, case: Case) -> list[object]:
        size = 0 if case.method == AUTO else size_of(case.data)
        told: list[object] = ["--method", case.method, "--teacher", case.teacher, "--seed", case.seed]
        told += ["--size", size]
        told += [] if case.teacher == POCKET else ["--weights", self.weights]
        told += ["--tile", case.tile] if case.tile else []
        told += ["--textures", self.textures] if self.textures and case.side == OURS else []
        if case.minutes:
            return [*told, "--minutes", case.minutes, "--at-most", self.patience * case.minutes]
        return [*told, "--steps", case.steps]

    def _truth(self, name: str, data: Path) -> Path:
        """Write labels and masks once."""
        file = self.out / f"truth-{name}.npz"
        if not file.is_file():
            aside = file.with_suffix(".part.npz")
            self.sides[OURS].run("truth.py", "--data", data, "--out", aside)
            aside.rename(file)
        return file


def _described(run: Run) -> dict[str, Any]:
    """Add what the parent knows: seconds from the start of the process until there is a model, and memory."""
    told = {name: value for name, value in run.output.items() if name != "ended"}
    return {**told, "to_model": round(run.output["ended"] - run.began, 3), "mib": round(run.mib)}
