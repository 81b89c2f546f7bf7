"""What the arguments of a detector amount to: the settings of its method, and its teacher."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.bundle.schema import check_parameters
from twinspect.inference.parameters import Parameters
from twinspect.inference.torch_detector import TorchDetector, to_json_value
from twinspect.methods import method_class
from twinspect.methods.config import (
    UNITS,
    check_length,
    is_length,
    make_config,
    paper_teacher,
    usual_length,
    usual_teacher,
    with_length,
)
from twinspect.methods.settings import check_presets
from twinspect.model.tiling import check_shape
from twinspect.teachers import create_teacher
from twinspect.teachers.auto import best_at_hand, build_paper_teacher
from twinspect.teachers.curated import AUTO as AUTO_TEACHER
from twinspect.utils.devices import choose_device

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from twinspect.methods.config import MethodConfig
    from twinspect.teachers import Teacher


class ChosenNetworks(Parameters, TorchDetector):
    """Base of a detector whose constructor takes a method, a teacher and their settings."""

    teacher: str | None
    weights: str | Path | None
    layers: Sequence[int] | None
    preset: str | None
    size: int | str | None
    tile: int | None
    length: str | None
    steps: int | None
    epochs: int | None
    minutes: float | None
    seed: int

    def config(self) -> MethodConfig:
        """Give the settings that :meth:`fit` uses.

        Raises:
            ConfigError: one of them is not allowed, or there is no such method, preset or setting.
        """
        check_parameters({name: to_json_value(value) for name, value in self.get_params().items()})
        settings = {**self.default_.settings, **self.settings}
        if self.size is not None:
            settings["size"] = self.size
        check_presets(self.method_name, self.preset)
        cls = method_class(self.method_name).Config
        config = make_config(cls, self.preset, settings, self._length(cls))
        check_shape(config, self.tile)
        return with_length(config, steps=self.steps, epochs=self.epochs, given=settings)

    def _create_teacher(self) -> Teacher:
        cls = method_class(self.method_name)
        usual = usual_teacher(cls.Config, on_cpu=self._is_on_cpu())
        teacher = self.teacher or AUTO_TEACHER
        papers = paper_teacher(cls.Config, self.preset) if teacher == AUTO_TEACHER else ""
        name = best_at_hand(usual, self.weights)[0] if teacher == AUTO_TEACHER else teacher
        layers = cls.usual_layers(papers or name) if self.layers is None else self.layers
        if papers:
            return build_paper_teacher(papers, self.weights, layers, self.seed)
        return create_teacher(teacher, weights=self.weights, layers=layers, seed=self.seed, usual=usual)

    def _length(self, cls: type[MethodConfig]) -> str | None:
        """Return the length asked for, or the usual one of the device where none was given in any way."""
        units = {name: value for name in (*UNITS, "minutes") if (value := getattr(self, name)) is not None}
        if self.length is not None or units or any(map(is_length, self.settings)):
            return check_length(self.length, units)
        return usual_length(cls, self.preset, on_cpu=self._is_on_cpu())

    def _is_on_cpu(self) -> bool:
        return choose_device(self.device).type == "cpu"
