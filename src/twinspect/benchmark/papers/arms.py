"""A row of a table as a detector, with what the user changed, and what that is called in the output."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from twinspect.detector import Detector
from twinspect.errors import ConfigError, unknown_name
from twinspect.methods.config import hints, is_length, parse_setting
from twinspect.methods.settings import config_class
from twinspect.methods.shortfall import held_out_in_words
from twinspect.teachers import hub
from twinspect.teachers.curated import CURATED
from twinspect.teachers.weights_origin import RANDOM

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from twinspect.benchmark.papers.paper_table import Arm

TEXTURES_SETTING: Final = "textures"
"""The setting that has the folder of textures, of methods that draw anomalies."""


@dataclass(frozen=True)
class Changes:
    """What was asked for in place of what the paper has.

    Attributes:
        parameters: of every detector; ``None`` for the paper's.
        teacher: of all rows; ``None`` for each row's own.
        weights: a file, ``random``, or several ``TEACHER=FILE`` between commas; ``None`` for published weights.
        settings: ``NAME=VALUE``, each for the methods that have it.
        textures: folder of textures; ``None`` if there is none.
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    teacher: str | None = None
    weights: str | None = None
    settings: Sequence[str] = ()
    textures: Path | None = None

    def detector(self, arm: Arm, seed: int) -> Detector:
        """Make the unfitted detector of a row.

        Raises:
            ConfigError: a setting or a preset that the method does not have.
        """
        config = config_class(arm.method)
        pairs = [text.partition("=") for text in self.settings]
        typed = {name: parse_setting(config, name, text) for name, _, text in pairs if name in hints(config)}
        drawn = {TEXTURES_SETTING: str(self.textures)} if self.textures else {}
        textures = {name: value for name, value in drawn.items() if name in hints(config)}
        teacher = self.teacher or arm.teacher
        return Detector(
            arm.method,
            teacher=teacher,
            weights=arm.weights or self._weights(teacher),
            preset=arm.preset,
            seed=seed,
            **{name: value for name, value in self.parameters.items() if value is not None},
            **{**textures, **self._without_crop(), **arm.settings, **typed},
        )

    def check_weights(self, teachers: Collection[str]) -> None:
        """Refuse weights of a teacher that no row can have.

        Args:
            teachers: those of the papers; the one that was asked for is known too.

        Raises:
            ConfigError: there is no such teacher, or one of several is not a teacher and a file.
        """
        known = {*teachers, *filter(None, [self.teacher])}
        for name in self._files():
            if name not in known:
                raise ConfigError(f"--weights: {unknown_name('teacher', name, known)}")

    def _without_crop(self) -> dict[str, int]:
        """Leave out the papers' crop, which belongs to their size, where another size was asked for."""
        return {"crop": 0} if self.parameters.get("size") is not None else {}

    def _weights(self, teacher: str) -> str | None:
        """Return the weights that were named for a teacher.

        Raises:
            ConfigError: one of several is not a teacher and a file.
        """
        files = self._files()
        return files.get(teacher) if files else self.weights

    def _files(self) -> dict[str, str]:
        """Read the weights by their teachers; empty if they are not named by teacher."""
        if self.weights is None or "=" not in self.weights or Path(self.weights).exists():
            return {}
        return dict(self._pair(part) for part in self.weights.split(","))

    @staticmethod
    def _pair(text: str) -> tuple[str, str]:
        teacher, equals, path = text.strip().partition("=")
        if not equals:
            raise ConfigError(f"--weights: expected FILE, random, or TEACHER=FILE,TEACHER=FILE; got {text!r}")
        return teacher, path

    def notes(self, arms: Sequence[Arm]) -> list[str]:
        """Say what departs from the papers in every row, or is lacking."""
        notes = []
        if self.teacher:
            notes.append(f"teacher {self.teacher}{self._origin()} in place of the papers': {_at_hand(arms)}")
        elif self.weights:
            notes.append(f"weights of the teachers: {self.weights}")
        if any(TEXTURES_SETTING in hints(config_class(arm.method)) for arm in arms):
            notes.append(_texture_note(self.textures))
        if (tile := self.parameters.get("tile")) is not None:
            notes.append(
                f"every row learns and scores by tiles of {tile} px{self._overlap()}, not by whole images"
            )
        return notes

    def _origin(self) -> str:
        if self.weights is None:
            return ""
        return f" with {self.weights} weights" if self.weights == RANDOM else f" with weights {self.weights}"

    def _overlap(self) -> str:
        overlap = self.parameters.get("overlap")
        return "" if overlap is None else f" that share {overlap} px"


def departures(arm: Arm, detector: Detector, images: Sequence[int]) -> str:
    """List in what a row is not as in its paper: length, settings, images held out; empty where it is.

    Args:
        arm: the row.
        detector: that makes it.
        images: how many it learns from, of each category.
    """
    ours = detector.config()
    papers = Changes({"device": detector.device}).detector(arm, detector.seed).config()
    whole, held_out = sum(images), ours.held_out(images)
    steps, authors = ours.total_steps(whole, held_out), papers.total_steps(whole, held_out)
    differing = [
        f"{name} {getattr(ours, name)} ({getattr(papers, name)})"
        for name in hints(type(ours))
        if not is_length(name) and name != TEXTURES_SETTING and getattr(ours, name) != getattr(papers, name)
    ]
    if steps != authors:
        differing.insert(0, f"{steps} steps ({authors} on {whole} images)")
    return ", ".join(filter(None, [*differing, held_out_in_words(ours, images)]))


def _at_hand(arms: Sequence[Arm]) -> str:
    """Name the papers' teachers, and whether their weights are on this machine; nothing is downloaded for it."""
    repositories = {info.name: info.weights for info in CURATED}
    names = dict.fromkeys(arm.teacher for arm in arms if arm.weights is None)
    states = {}
    for name in names:
        repository = repositories.get(name.partition(".")[0])
        there = repository is not None and hub.cached(repository) is not None
        states[name] = "on this machine" if there else "not on this machine"
    return ", ".join(f"{name} ({state})" for name, state in states.items())


def _texture_note(textures: Path | None) -> str:
    if textures:
        return f"textures of synthetic anomalies: {textures}"
    return (
        "DTD, the textures of synthetic anomalies, is not there: they are drawn, or taken from the training images; "
        "add the folder that holds it, or --data dtd=DIR"
    )
