"""`twinspect benchmark aand-table-2` and so on: a table or figure of a paper, made and written by one command."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from twinspect.benchmark.papers.all_tables import PAPER_TABLES
from twinspect.benchmark.papers.arms import Changes
from twinspect.benchmark.papers.data_sets import find_textures, parse_sources, set_name
from twinspect.benchmark.papers.table_plan import keep_what_is_drawn, plan_table
from twinspect.benchmark.papers.table_report import write_paper_table
from twinspect.benchmark.run_database import check_folder
from twinspect.benchmark.store import RunStore
from twinspect.cli.benchmark_runs import DETECTOR_OPTIONS, check_settings, chosen_classes, make_runs
from twinspect.cli.console import warn
from twinspect.cli.run_summary import outcome
from twinspect.errors import ConfigError

if TYPE_CHECKING:
    import argparse

    from twinspect.cli.outcome import Outcome

_OF_ROWS = ("teacher", "weights", "preset")
"""Options of a detector that each row of a table has for itself."""


def run_table(options: argparse.Namespace) -> Outcome:
    """Make what is missing of a table, and write it."""
    table = PAPER_TABLES[options.protocol]
    out = Path(options.out)
    check_folder(out, create=True)
    _check(options)
    sources = parse_sources(options.data)
    changes = Changes(
        {name: getattr(options, name) for name in DETECTOR_OPTIONS if name not in _OF_ROWS},
        options.teacher,
        options.weights,
        options.set,
        find_textures(sources),
    )
    changes.check_weights({arm.teacher for each in PAPER_TABLES.values() for arm in each.arms})
    plan = plan_table(
        table,
        sources,
        changes,
        list(dict.fromkeys(options.seeds)),
        methods=list(dict.fromkeys(options.methods or ())),
        selection=chosen_classes(options),
    )
    for note in plan.notes:
        warn(note)
    for what, why in plan.skipped.items():
        warn(f"left out: {what}: {why}")
    with RunStore(out, create=True, device=options.device) as store:
        plan = keep_what_is_drawn(plan, store)
        make_runs(store, plan.runs, retry=options.retry)
        text, record = write_paper_table(store, plan)
        done = outcome(out, store.rows([run.key for run in plan.runs]), "runs", *_files(out, record["files"]))
    return replace(done, text=f"{text}\n\n{done.text}", record={**done.record, **record})


def _check(options: argparse.Namespace) -> None:
    table = PAPER_TABLES[options.protocol]
    if not options.data:
        sets = ", ".join(dict.fromkeys(map(set_name, table.protocols)))
        raise ConfigError(
            f"where is the data? add --data with folders that hold any of {sets} (or "
            f"{set_name(table.protocols[0])}=DIR for a folder that takes its place)"
        )
    if options.preset is not None or options.beside is not None:
        raise ConfigError(
            f"{table.name} has presets and printed numbers of its own; leave --preset and --beside out, and change "
            "single settings by --set NAME=VALUE"
        )
    if table.drawing == "patches" and options.tile is not None:
        raise ConfigError(f"{table.name} shows features of whole images; leave --tile out")
    methods = dict.fromkeys(arm.method for arm in table.arms)
    check_settings(list(methods), options.set)


def _files(out: Path, names: list[str]) -> list[str]:
    return [f"wrote {', '.join(str(out / name) for name in names)}"]
