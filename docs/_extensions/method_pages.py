"""Pages of methods and teachers: what a method is, its paper, its settings and presets; which teachers there are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from md import code, option, page, sentence, table, text, toctree
from twinspect.methods import method_class, methods
from twinspect.methods.config import field_help, hints, ranges, to_record
from twinspect.methods.default import method_name
from twinspect.teachers import teachers

if TYPE_CHECKING:
    from twinspect.methods import MethodInfo
    from twinspect.teachers import TeacherInfo


def pages() -> dict[str, str]:
    """Write the list of methods, a page of each, and the table of teachers."""
    known = [info for info in methods().values() if info.target.startswith("twinspect.")]
    each = {f"methods/{info.name}": _method_page(info) for info in known}
    return {"methods/index": _index(known), **each, "teachers": _teachers()}


def _index(known: list[MethodInfo]) -> str:
    rows = [(f"[`{info.name}`]({info.name}.md)", text(info.summary), _cited(info.source)) for info in known]
    return page(
        "Methods",
        f'`fit --method NAME`, or `ts.Detector("NAME")`. Without a name: `{method_name(None)}`.',
        table(("method", "how it works", "source"), rows),
        toctree(*(info.name for info in known)),
    )


def _method_page(info: MethodInfo) -> str:
    config = method_class(info.name).Config
    described, kinds, allowed, defaults = (
        field_help(config),
        hints(config),
        ranges(config),
        to_record(config()),
    )
    settings = [
        option(
            f"--{name.replace('_', '-')} X",
            f"{sentence(text(described[name]))} {_facts(kinds[name], defaults[name], allowed.get(name))}",
        )
        for name in defaults
    ]
    teacher = config.PAPER_TEACHER
    return page(
        f"{info.name}",
        sentence(text(info.summary)),
        f"Source: {_cited(info.source)}.",
        "## Presets\n",
        f"`--preset NAME,NAME`, or `preset=`.{_paper(teacher)}",
        table(
            ("preset", "settings"),
            [(code(name), _changes(values)) for name, values in config.PRESETS.items()],
        ),
        "## Settings\n",
        f'`fit --method {info.name} --NAME X`, `ts.Detector("{info.name}", NAME=X)` with `_` for `-`, or a line of a '
        "[configuration file](../config_file.md).",
        f"```{{program}} twinspect fit --method {info.name}\n```",
        *settings,
    )


def _paper(teacher: str) -> str:
    return f" The preset `paper` takes the teacher `{teacher}`, unless another is named." if teacher else ""


def _changes(values: dict[str, Any]) -> str:
    return ", ".join(code(f"{name}={value}") for name, value in values.items()) or "those below"


def _facts(kind: Any, default: object, allowed: object) -> str:
    choices = ", ".join(code(choice) for choice in get_args(kind)) if get_origin(kind) is Literal else ""
    facts = (
        f"One of {choices}."
        if choices
        else f"Type: {code(' or '.join(each.__name__ for each in get_args(kind) or (kind,)))}.",
        f"Range: {code(str(allowed).removeprefix('in '))}." if allowed else "",
        f"Default: {code(default) or 'empty'}.",
    )
    return " ".join(filter(None, facts))


def _cited(source: str) -> str:
    """Link the number of a preprint to its page."""
    return re.sub(r"arXiv (\d{4}\.\d{5})", r"[arXiv \1](https://arxiv.org/abs/\1)", text(source))


def _teachers() -> str:
    rows = [
        (code(info.name), _levels(info), f"{info.params / 1e6:.1f}", text(info.licence), text(info.weights))
        for info in teachers().values()
        if info.levels
    ]
    return page(
        "Teachers",
        "`--teacher NAME`, or `teacher=`. Any other timm model works by its name, too; "
        "`--weights FILE` takes any file that fits. "
        "`twinspect teachers` says which are on this machine.",
        table(("teacher", "levels (channels at stride)", "parameters, M", "licence", "weights"), rows),
    )


def _levels(info: TeacherInfo) -> str:
    return " ".join(f"{level.channels}@{level.reduction}" for level in info.levels)
