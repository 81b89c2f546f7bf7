"""What a fit lacks of its paper's experiment: length, settings, teacher. Nothing here imports torch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from twinspect.methods.config import PAPER, is_length, learnt_from

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from twinspect.methods.config import MethodConfig


def shortfall(
    config: MethodConfig,
    teacher: str,
    images: Sequence[int],
    of: str = "images",
    held_out: Sequence[Mapping[str, int]] | None = None,
) -> str:
    """State what fits lack of the paper's experiment; empty where they lack nothing, or no paper is known.

    Args:
        config: the settings of the fits.
        teacher: the name of their teacher.
        images: how many each of them learns from; empty where nobody counted, and lengths are not compared.
        of: what they are.
        held_out: how many of them each fit's stages hold out; ``None`` for what they do with one category.
    """
    preset = _experiment(config)
    lacks = _steps(config, preset, images, of, held_out or [config.held_out([count]) for count in images])
    others = _settings(config, preset) + _teacher(config, teacher)
    if not lacks and not others:
        return ""
    typed = "--length" if not others else "--preset"
    names = PAPER if not others or preset == PAPER else f"{PAPER},{preset}"
    return f"not as in the paper: {', '.join(lacks + others)}; as there: {typed} {names}"


def held_out_in_words(config: MethodConfig, images: Sequence[int]) -> str:
    """State what stages hold out of the training images, which the papers' do not; empty where nothing is held out.

    Args:
        config: the settings of a fit.
        images: how many it learns from, of each category.
    """
    whole, held = sum(images), config.held_out(images)
    learnt = {stage: learnt_from(whole, held, stage) for stage in held}
    return ", ".join(
        f"stage {stage} learns from {shown} of {whole} images and measures itself on the other {whole - shown}"
        for stage, shown in learnt.items()
        if shown < whole
    )


def _experiment(config: MethodConfig) -> str:
    """Name the experiment that a fit is compared with: one whose settings it has, or else the preset paper's."""
    for name, values in config.PRESETS.items():
        changes = _changes(values)
        if len(changes) < len(values) and all(getattr(config, key) == changes[key] for key in changes):
            return name
    return PAPER


def _changes(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if not is_length(name)}


def _steps(
    config: MethodConfig, preset: str, images: Sequence[int], of: str, held_out: Sequence[Mapping[str, int]]
) -> list[str]:
    values = config.PRESETS.get(preset, {})
    lengths = {name: value for name, value in values.items() if is_length(name)}
    if not lengths:
        return []
    ours_and_authors = (config, replace(config, **lengths))
    steps, authors = (sum(map(each.total_steps, images, held_out)) for each in ours_and_authors)
    fits = f" in {len(images)} fits" if len(images) > 1 else ""
    return [f"{steps} steps ({authors} on {sum(images)} {of}{fits})"] if steps < authors else []


def _settings(config: MethodConfig, preset: str) -> list[str]:
    changes = _changes(config.PRESETS.get(preset, {}))
    return [
        f"{name} {_in_words(getattr(config, name))} ({_in_words(value)})"
        for name, value in changes.items()
        if getattr(config, name) != value
    ]


def _teacher(config: MethodConfig, name: str) -> list[str]:
    papers = config.PAPER_TEACHER
    is_other = papers and name.partition(".")[0] != papers.partition(".")[0]
    return [f"teacher {name} ({papers})"] if is_other else []


def _in_words(value: Any) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)
