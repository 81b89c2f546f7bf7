"""Comparing candidates: fit each for some minutes, rank them on the same images, and say how sure that is."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from twinspect.bundle.folder import is_model
from twinspect.comparison.candidates import LENGTHS, fit_command, parse_candidates
from twinspect.comparison.comparison import Compared, Comparison
from twinspect.comparison.comparison_page import render_comparison
from twinspect.comparison.images import LEAST_SIDE, ComparisonImages
from twinspect.comparison.measure import Workshop
from twinspect.comparison.ranking import drawn_evidence, labelled_evidence
from twinspect.data import open_data
from twinspect.detector import Detector
from twinspect.errors import ConfigError, TwinspectError
from twinspect.evaluation.detectability import REDUCED
from twinspect.model.tiling import Tiling
from twinspect.training.budget import Budget
from twinspect.utils.files import write_atomically
from twinspect.utils.locks import single_writer
from twinspect.utils.progress import announce

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twinspect.comparison.candidates import Candidate
    from twinspect.comparison.comparison import Basis
    from twinspect.comparison.results import Result
    from twinspect.data import DataSet, DataSource
    from twinspect.utils.progress import Progress

RECORD: Final = "comparison.json"
"""What a comparison leaves in its folder beside models, results and the page; it says whose folder it is."""
PAGE: Final = "comparison.html"
MINUTES: Final = 1.0
"""Of each candidate where nobody says."""


def compare(
    data: DataSource,
    candidates: str | Sequence[str] | None = None,
    *,
    minutes: float | None = None,
    out: str | Path = "comparison",
    exports: bool = True,
    progress: Progress | None = None,
    say: Callable[[str], None] = warnings.warn,
    shown_as: str | None = None,
    **parameters: Any,
) -> Comparison:
    """Fit several methods on your good images and rank them by what they find.

    All learn from the same images and hold the same ones out. They are ranked by the AUROC of labelled test images
    if there are five good and five defective ones, else by that of the held-out good images against the same with
    synthetic defects. Labelled defects choose a candidate, but set no threshold and have no part in a promise.

    Args:
        data: as for :meth:`twinspect.Detector.fit`.
        candidates: each ``METHOD[@TEACHER][:NAME=VALUE]...``, ``default`` for no method named; in one text with
            commas or several; ``None`` for the usual ones.
        minutes: for the fit of each, see :class:`twinspect.Detector`; one where neither they nor steps or epochs are
            given.
        out: folder that keeps models and results, with ``comparison.json`` and ``comparison.html``. What is there
            is not done again, so that a comparison that was interrupted goes on.
        exports: whether to export each model where OpenVINO or ONNX Runtime is installed, for the time of an image.
        progress: told of every step and image.
        say: called with a sentence for each candidate that fails or image that is left out.
        shown_as: what to type for the data in the commands; ``None`` for a path that was given, or its name.
        **parameters: further arguments of :class:`twinspect.Detector` that all candidates have.

    Raises:
        TwinspectError: wrong settings, too few images, or no candidate can be fitted.
        KeyboardInterrupt: Ctrl-C or SIGTERM; the same call goes on.
    """
    folder = Path(out)
    _check_folder(folder)
    chosen = parse_candidates(candidates)
    shared = _shared(parameters, minutes)
    sizes = [_check(candidate, shared) for candidate in chosen]
    opened = open_data(data, split="train")
    Detector(**shared).split(opened)  # too few images are found before anything is fitted
    tiled = any({**shared, **candidate.parameters}.get("tile") for candidate in chosen)
    least_side = None if tiled else max(LEAST_SIDE, REDUCED * max(sizes))
    with single_writer(folder, folder / ".lock"):
        images = ComparisonImages.of(opened, Detector(**shared).seed, least_side, say)
        workshop = Workshop(folder, images, shared, exports, progress, say)
        results, failed = _measure_all(workshop, chosen, say)
        comparison = _ranked(workshop, shown_as or _name(data, opened), chosen, results, failed)
        record = json.dumps(comparison.to_record(), indent=1) + "\n"
        write_atomically(folder / RECORD, record.encode())
        announce("writing the page")
        page = render_comparison(comparison, workshop)
        write_atomically(folder / PAGE, page.encode(errors="backslashreplace"))
    return comparison


def _check_folder(folder: Path) -> None:
    """Refuse a folder that is a model, or holds anything that no comparison has left there.

    Raises:
        ConfigError: it is one of these.
    """
    if is_model(folder) or folder.is_file():
        raise ConfigError(f"{folder} is no folder of a comparison; choose another: --out DIR")
    ours = {RECORD, PAGE, "models", "results", "checkpoints", ".lock"}
    if folder.is_dir() and (
        others := sorted(path.name for path in folder.iterdir() if path.name not in ours)
    ):
        raise ConfigError(
            f"{folder} holds {others[0]}, which no comparison has left; choose another: --out DIR"
        )


def _shared(parameters: dict[str, Any], minutes: float | None) -> dict[str, Any]:
    """Complete the arguments that all candidates have."""
    given = {name: value for name, value in parameters.items() if value is not None}
    if "method" in given:
        raise ConfigError("method is what candidates differ in; name several: candidates='rd,patchcore'")
    if given.get("calibration") not in (None, "split"):
        raise ConfigError(
            "a comparison holds good images out: calibration must be 'split'; for cv, name one method"
        )
    given["calibration"] = "split"
    if minutes is not None:
        given["minutes"] = minutes
    return given if any(name in given for name in LENGTHS) else {**given, "minutes": MINUTES}


def _check(candidate: Candidate, shared: dict[str, Any]) -> int:
    """Check the settings of a candidate, and return the size of its input."""
    detector = Detector(**candidate.joined(shared))
    try:
        Budget.of(detector.minutes)
        Tiling.of(detector.tile, detector.overlap)
        return detector.config().size
    except ConfigError as error:
        raise ConfigError(f"candidate {candidate.text!r}: {error}") from error


def _name(data: DataSource, opened: DataSet) -> str:
    return str(data) if isinstance(data, str | Path) else opened.name


def _measure_all(
    workshop: Workshop, candidates: Sequence[Candidate], say: Callable[[str], None]
) -> tuple[dict[str, Result], dict[str, str]]:
    """Fit and measure the candidates in turn; one that cannot be fitted does not stop the others."""
    results: dict[str, Result] = {}
    failed: dict[str, str] = {}
    for number, candidate in enumerate(candidates, start=1):
        announce(f"candidate {number} of {len(candidates)}: {candidate.text}")
        try:
            results[candidate.text] = workshop.measured(candidate)
        except TwinspectError as error:
            failed[candidate.text] = str(error)
            say(f"{candidate.text} failed: {error}")
    if not results:
        raise ConfigError(f"no candidate could be fitted; {next(iter(failed.values()))}")
    return results, failed


def _ranked(
    workshop: Workshop,
    name: str,
    candidates: Sequence[Candidate],
    results: dict[str, Result],
    failed: dict[str, str],
) -> Comparison:
    """Rank those that were measured."""
    drawn, labelled = drawn_evidence(results), labelled_evidence(results)
    evidence, by_text = labelled or drawn, {candidate.text: candidate for candidate in candidates}
    order = evidence.ranked()
    ranked = [
        Compared(
            by_text[text],
            results[text],
            workshop.model(by_text[text]),
            fit_command(name, by_text[text].joined(workshop.shared)),
            drawn.auroc(text),
            labelled.auroc(text) if labelled else None,
            evidence.difference(order[0], text) if text != order[0] else None,
        )
        for text in order
    ]
    seed = workshop.images.seed
    elsewhere = labelled.chosen_elsewhere(seed) if labelled and len(order) > 1 else None
    basis: Basis = "labelled" if labelled else "drawn"
    return Comparison(name, workshop.folder, basis, ranked, failed, elsewhere, evidence)
