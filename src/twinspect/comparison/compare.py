"""Comparing candidates: fit each for some minutes, rank them on the same images, and say how sure that is."""

from __future__ import annotations

import json
import warnings
from contextlib import contextmanager, suppress
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
from twinspect.errors import CalibrationError, ConfigError, TeacherError, TwinspectError
from twinspect.evaluation.detectability import REDUCED
from twinspect.methods.input_size import sides
from twinspect.model.tiling import Tiling
from twinspect.training.budget import Budget
from twinspect.utils.devices import choose_device, choose_precision
from twinspect.utils.files import write_atomically
from twinspect.utils.json_values import without_nan
from twinspect.utils.locks import single_writer
from twinspect.utils.progress import AUTO, announce, watched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from twinspect.comparison.candidates import Candidate
    from twinspect.comparison.comparison import Basis
    from twinspect.comparison.results import Result
    from twinspect.data import DataSet, DataSource
    from twinspect.utils.progress import ProgressChoice

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
    progress: ProgressChoice = AUTO,
    say: Callable[[str], None] = warnings.warn,
    strict: bool = False,
    shown_as: Sequence[str] | None = None,
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
        progress: who is told of every step and image, see :data:`.ProgressChoice`: a notebook shows bars.
        say: called with a sentence for each candidate that fails or image that is left out.
        strict: refuse images that cannot be read instead of leaving them out.
        shown_as: the words to type for the data in commands, the first names it; ``None`` for a path that was given,
            or its name.
        **parameters: further arguments of :class:`twinspect.Detector` that all candidates have.

    Raises:
        TwinspectError: wrong settings, too few images, or no candidate can be fitted.
        KeyboardInterrupt: Ctrl-C or SIGTERM; the same call goes on.
    """
    folder = Path(out)
    _check_folder(folder)
    with watched(progress) as told:
        chosen, shared = choose(candidates, minutes, parameters)
        opened = open_data(data, split="train")
        _check_split(opened, shared)
        sizes = [_check_teacher(candidate, shared) for candidate in chosen]
        tiled = any({**shared, **candidate.parameters}.get("tile") for candidate in chosen)
        least_side = None if tiled else max(LEAST_SIDE, REDUCED * max(sizes))
        with single_writer(folder, folder / ".lock"):
            images = ComparisonImages.of(opened, Detector(**shared).seed, least_side, say)
            workshop = Workshop(folder, images, shared, exports, told, say, strict)
            results, failed = _measure_all(workshop, chosen, say)
            words = shown_as or [str(data) if isinstance(data, str | Path) else opened.name]
            comparison = _ranked(workshop, words, chosen, results, failed)
            record = json.dumps(without_nan(comparison.to_record()), indent=1) + "\n"
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
    ours = {RECORD, PAGE, "models", "results", "checkpoints"}
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    # Hidden: the lock, and what a killed process or a system leaves.
    if others := [name for name in names if name not in ours and not name.startswith(".")]:
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
    given["calibration"] = (
        "split"  # of few images a fit would hold none out, and candidates would differ in that
    )
    return given if any(name in given for name in LENGTHS) else {**given, "minutes": MINUTES}


def choose(
    candidates: str | Sequence[str] | None, minutes: float | None, parameters: dict[str, Any]
) -> tuple[list[Candidate], dict[str, Any]]:
    """Read candidates and the arguments that all have, and check them without looking at images or teachers.

    Args:
        candidates: as for :func:`compare`; so are the others.
        minutes: for the fit of each.
        parameters: further arguments of :class:`twinspect.Detector`.

    Raises:
        ConfigError: no such method, or a setting that is not allowed.
    """
    chosen, shared = parse_candidates(candidates), _shared(parameters, minutes)
    for candidate in chosen:
        detector = Detector(**candidate.joined(shared))
        with _naming(candidate):
            detector.config()
            choose_precision(detector.precision, choose_device(detector.device))
            Budget.of(detector.minutes)
            Tiling.of(detector.tile, detector.overlap)
    return chosen, shared


def _check_split(data: DataSet, shared: dict[str, Any]) -> None:
    """Refuse too few images before anything is fitted.

    Raises:
        CalibrationError: too few for the rate asked for, or for any.
    """
    try:
        Detector(**shared).split(data)
    except CalibrationError as error:
        raise CalibrationError(f"{error}; a comparison holds images out, so fit one method for cv") from error


def _check_teacher(candidate: Candidate, shared: dict[str, Any]) -> int:
    """Refuse a teacher or level that there is not, and return the longer side of a candidate's input.

    Weights may be there when its turn comes; without them the others go on.
    """
    detector = Detector(**candidate.joined(shared))
    with _naming(candidate), suppress(TeacherError):
        detector.fitting("")
    return max(sides(detector.config().size))


@contextmanager
def _naming(candidate: Candidate) -> Iterator[None]:
    """Say which candidate a setting is of that is not allowed."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"candidate {candidate.text!r}: {error}") from error


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
    data: Sequence[str],
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
            fit_command(data, by_text[text].joined(workshop.shared)),
            drawn.auroc(text),
            labelled.auroc(text) if labelled else None,
            evidence.difference(order[0], text) if text != order[0] else None,
        )
        for text in order
    ]
    seed = workshop.images.seed
    elsewhere = labelled.chosen_elsewhere(seed) if labelled and len(order) > 1 else None
    basis: Basis = "labelled" if labelled else "drawn"
    return Comparison(data[0], workshop.folder, basis, ranked, failed, elsewhere, evidence)
