"""The runs of a table: every row on every set that is there, and what is left out for lack of data or a teacher."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from twinspect.benchmark.papers.arms import departures
from twinspect.benchmark.papers.data_sets import FoundSet, find_set, set_name
from twinspect.benchmark.papers.kept_patches import patches_file, save_patches
from twinspect.benchmark.plan import Run, runs_of
from twinspect.benchmark.protocols import BY_CLASS, PROTOCOLS, ClassSelection
from twinspect.benchmark.shortfalls import images_by_category
from twinspect.benchmark.trial import detector_identity, training_images
from twinspect.errors import ConfigError, DataError, TeacherError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    from twinspect.benchmark.papers.arms import Changes
    from twinspect.benchmark.papers.data_sets import Source
    from twinspect.benchmark.papers.paper_table import Arm, PaperTable
    from twinspect.benchmark.store import RunStore
    from twinspect.detector import Detector

    Identity = tuple[Detector, dict[str, Any]]


@dataclass(frozen=True)
class PlannedRow:
    """A row of a table on one of its sets.

    Attributes:
        found: the set.
        arm: the row.
        runs: one for each task and seed.
    """

    found: FoundSet
    arm: Arm
    runs: tuple[Run, ...]

    @property
    def coverage(self) -> str:
        """How many tasks its mean is over, where that is not all of the set; empty where it is."""
        tasks = len({run.identity["task"] for run in self.runs})
        wanted = len(self.found.tasks) + len(self.found.missing)
        return f"{tasks} of {wanted} categories" if tasks < wanted else ""


@dataclass(frozen=True)
class TablePlan:
    """All that a command for a table makes.

    Attributes:
        table: which.
        rows: what is made, set by set.
        skipped: what is not, each with the reason: sets without data, rows without a teacher.
        notes: what departs from the paper.
    """

    table: PaperTable
    rows: tuple[PlannedRow, ...]
    skipped: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def runs(self) -> list[Run]:
        """Every run once, those of the first seed first."""
        runs = {run.key: run for row in self.rows for run in row.runs}
        return sorted(runs.values(), key=lambda run: run.detector.seed)


def plan_table(
    table: PaperTable,
    sources: Sequence[Source],
    changes: Changes,
    seeds: Sequence[int],
    *,
    methods: Sequence[str] = (),
    selection: ClassSelection | None = None,
) -> TablePlan:
    """Find the data and the teachers of a table, and list its runs.

    Args:
        table: which.
        sources: the folders that were named.
        changes: what was asked for in place of what the paper has.
        seeds: of each row.
        methods: the only ones to run; empty for all.
        selection: of classes.

    Raises:
        ConfigError: a setting or preset that a method does not have; a selection of classes of a table without any.
        DataError: none of the table's data is there.
        TeacherError: none of its teachers can be had.
    """
    skipped: dict[str, str] = {}
    selection = selection or ClassSelection()
    if selection != ClassSelection() and not any(map(_has_classes, table.protocols)):
        raise ConfigError(
            f"--classes, --most-train and --most-test are for sets of classes; {table.name} has none, leave them out"
        )
    found_sets = _find_sets(table, sources, selection, skipped)
    arms = _chosen(table, methods)
    identities = _identities(arms, changes, seeds, skipped)
    rows = [row for found in found_sets for row in _rows(found, identities, skipped)]
    if not rows:
        raise DataError(f"no data of {table.name} can be used: {'; '.join(skipped.values())}")
    notes = [*changes.notes([arm for arm, _ in identities]), *_data_notes(found_sets), *_departures(rows)]
    return TablePlan(table, tuple(rows), skipped, tuple(notes))


def keep_what_is_drawn(plan: TablePlan, store: RunStore) -> TablePlan:
    """Let runs keep what a figure is drawn from, and have those that were made without it made again."""
    if plan.table.drawing == "patches":
        plan = replace(
            plan, rows=tuple(replace(row, runs=_keeping(row.runs, store.folder)) for row in plan.rows)
        )
        store.make_again(run.key for run in plan.runs if not patches_file(store.folder, run.key).is_file())
    if plan.table.drawing == "residuals":
        keys = [run.key for run in plan.runs]
        store.make_again(row["key"] for row in store.rows(keys) if row["curves"] is None)
    return plan


def _keeping(runs: Sequence[Run], out: Path) -> tuple[Run, ...]:
    return tuple(replace(run, keep=partial(save_patches, patches_file(out, run.key))) for run in runs)


def _find_sets(
    table: PaperTable,
    sources: Sequence[Source],
    selection: ClassSelection,
    skipped: dict[str, str],
) -> list[FoundSet]:
    found = []
    for protocol in table.protocols:
        try:
            found.append(find_set(protocol, sources, selection, table.categories.get(protocol, ())))
            for category in found[-1].missing:
                skipped[f"{protocol}: {category}"] = f"not whole in {found[-1].root}"
        except DataError as error:  # noqa: PERF203 - the others run
            skipped[protocol] = str(error)
    if not found:
        raise DataError(f"no data of {table.name}: {'; '.join(skipped.values())}; {_how_to_stand_in(table)}")
    return found


def _rows(
    found: FoundSet,
    identities: Sequence[tuple[Arm, list[Identity]]],
    skipped: dict[str, str],
) -> list[PlannedRow]:
    """Plan all rows of a set at once, since its images are hashed for it; none if no task of it can be used."""
    every = [identity for _, own in identities for identity in own]
    runs: list[Run] = []
    for task in found.tasks:
        try:
            runs += runs_of(found.run_protocol, [task], found.selection, every)
        except DataError as error:  # noqa: PERF203 - the other tasks run
            skipped[f"{found.title}: {task.name}"] = str(error)
    rows = []
    for arm, own in identities:
        detectors = [id(detector) for detector, _ in own]
        rows.append(PlannedRow(found, arm, tuple(run for run in runs if id(run.detector) in detectors)))
    return rows if runs else []


def _chosen(table: PaperTable, methods: Sequence[str]) -> list[Arm]:
    for method in methods:
        if method not in (known := {arm.method for arm in table.arms}):
            raise unknown_name(f"method of {table.name}", method, known)
    return [arm for arm in table.arms if not methods or arm.method in methods]


def _how_to_stand_in(table: PaperTable) -> str:
    name = set_name(table.protocols[0])
    return f"a folder of yours takes the place of a public set by name: --data {name}=DIR"


def _identities(
    arms: Sequence[Arm], changes: Changes, seeds: Sequence[int], skipped: dict[str, str]
) -> list[tuple[Arm, list[Identity]]]:
    identities: list[tuple[Arm, list[Identity]]] = []
    lacking: dict[tuple[str | None, Any], TeacherError] = {}  # asked for once, since a network takes its time
    for arm in arms:
        detectors = [changes.detector(arm, seed) for seed in seeds]
        teacher = (detectors[0].teacher, detectors[0].weights)
        try:
            if teacher in lacking:
                raise lacking[teacher]
            identities.append((arm, [(detector, detector_identity(detector)) for detector in detectors]))
        except TeacherError as error:
            lacking[teacher] = error
            skipped[arm.label] = str(error)
    if not identities:
        raise next(iter(lacking.values()))
    return identities


def _has_classes(protocol: str) -> bool:
    return PROTOCOLS[protocol].division in BY_CLASS


def _data_notes(found_sets: Sequence[FoundSet]) -> list[str]:
    """Say which images are not those of the printed numbers."""
    notes = [
        f"{found.root} stands in for {found.protocol}: printed numbers are of the public set, not of it"
        for found in found_sets
        if found.stands_in
    ]
    notes += dict.fromkeys(text for found in found_sets for text in found.partial)
    chosen = {f"{found.title}: {_in_words(found.selection)}": found for found in found_sets}
    return [*notes, *(text for text, found in chosen.items() if found.selection != ClassSelection())]


def _in_words(selection: ClassSelection) -> str:
    """Say which images of a set of classes are used, as typed."""
    parts = [f"classes {', '.join(selection.classes)} alone"] if selection.classes else []
    for most, images in ((selection.most_train, "training"), (selection.most_test, "test")):
        if most is not None:
            parts.append(f"at most {most} {images} images of each class")
    return "; ".join(parts)


def _departures(rows: Sequence[PlannedRow]) -> list[str]:
    """Say in what rows are not as in the paper, on the first task of the first set; those of one kind together."""
    labels: dict[str, list[str]] = {}
    seen: set[str] = set()
    for row in rows:
        if row.arm.label in seen:
            continue
        seen.add(row.arm.label)
        run = row.runs[0]
        text = departures(row.arm, run.detector, images_by_category(training_images(run.read())))
        labels.setdefault(text, []).append(row.arm.label)
    return [f"not as in the paper, {', '.join(names)}: {text}" for text, names in labels.items() if text]
