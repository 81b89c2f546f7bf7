"""What a fit lacks of its paper's experiment: length, settings, teacher. Nothing here imports torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twinspect.methods.config import PAPER, field_help, is_length, learnt_from, make_config

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from twinspect.methods.config import MethodConfig

OURS = "(ours)"
"""Marks settings that the paper leaves open, in their help texts."""
TEXTURES = "textures"
"""The setting that names data."""

OF_OTHER_PAPERS = ("anomalydino",)
"""Presets with the settings of another paper than the method's; a fit that has all of them is not compared."""


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
    if PAPER not in config.PRESETS or _is_of_another_paper(config):
        return ""
    names = _presets(config)
    papers = make_config(type(config), ",".join(names), {})
    lacks = _steps(config, papers, images, of, held_out or [config.held_out([count]) for count in images])
    others = _settings(config, papers, names) + _teacher(config, teacher)
    if not lacks and not others:
        return ""
    typed = f"--preset {','.join(names)}" if others else f"--length {PAPER}"
    return f"not as in the paper: {', '.join(lacks + others)}; as there: {typed}"


def _is_of_another_paper(config: MethodConfig) -> bool:
    return any(_has(config, config.PRESETS[name]) for name in OF_OTHER_PAPERS if name in config.PRESETS)


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


def _presets(config: MethodConfig) -> list[str]:
    """Name the presets that make what a fit is compared with: the paper's, one of other images, and an ablation.

    The latter two are among them where the fit has their settings: of ablations, that with the most.
    """
    fitting = {name: values for name, values in config.PRESETS.items() if _has(config, values)}
    experiments = [name for name, values in fitting.items() if _is_experiment(values)]
    ablations = [name for name in fitting if name not in experiments and fitting[name]]
    experiment = experiments[0] if experiments else PAPER
    ablation = max(ablations, key=lambda name: len(fitting[name]), default=PAPER)
    return list(dict.fromkeys([PAPER, experiment, ablation]))


def _is_experiment(values: Mapping[str, Any]) -> bool:
    return any(map(is_length, values))


def _has(config: MethodConfig, values: Mapping[str, Any]) -> bool:
    return all(getattr(config, name) == value for name, value in values.items() if not is_length(name))


def _steps(
    config: MethodConfig,
    papers: MethodConfig,
    images: Sequence[int],
    of: str,
    held_out: Sequence[Mapping[str, int]],
) -> list[str]:
    steps, authors = (sum(map(each.total_steps, images, held_out)) for each in (config, papers))
    fits = f" in {len(images)} fits" if len(images) > 1 else ""
    return [f"{steps} steps ({authors} on {sum(images)} {of}{fits})"] if steps < authors else []


def _settings(config: MethodConfig, papers: MethodConfig, presets: Sequence[str]) -> list[str]:
    """List the settings that differ from the paper's, without those that it leaves open.

    The preset of other images may be joined with the paper's or not: the paper does not say.
    """
    others = [name for name in presets if name != PAPER]
    is_of_others = any(_is_experiment(config.PRESETS[name]) for name in others)
    alone = make_config(type(config), ",".join(others), {}) if is_of_others else papers
    named = {name for preset in presets for name in config.PRESETS[preset]}
    return [
        f"{name} {_in_words(getattr(config, name))} ({_in_words(getattr(papers, name))})"
        for name, text in field_help(type(config)).items()
        if not is_length(name)
        and (name in named or not _is_open(name, text))
        and getattr(config, name) not in (getattr(papers, name), getattr(alone, name))
    ]


def _is_open(name: str, text: str) -> bool:
    """Tell whether a setting names data, or is ours, by its help text, because the paper leaves it open."""
    return name == TEXTURES or OURS in text


def _teacher(config: MethodConfig, name: str) -> list[str]:
    papers = config.PAPER_TEACHER
    is_other = papers and name.partition(".")[0] != papers.partition(".")[0]
    return [f"teacher {name} ({papers})"] if is_other else []


def _in_words(value: Any) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)
