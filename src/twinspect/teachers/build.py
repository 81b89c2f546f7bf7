"""Building a teacher from its network, its weights and its card."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from twinspect.errors import TeacherError
from twinspect.teachers import hub, plugins, weights
from twinspect.teachers.base import PLUGIN, TIMM, Card, Teacher, probe_levels
from twinspect.teachers.curated import CURATED
from twinspect.teachers.weights_origin import RANDOM, Origin, random_origin
from twinspect.teachers.wording import summarize_error
from twinspect.utils.files import sha256_of_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from importlib.metadata import EntryPoint

    from torch import Tensor

    from twinspect.teachers.backbones import Design, Network
    from twinspect.teachers.feature_levels import Level

PROBE_PATCHES = 4
"""Patches per side of the image that probes a network of patches."""


def build(name: str, given: Path | str | None, layers: Sequence[int | str] | None, seed: int) -> Teacher:
    """Build a teacher; see :func:`twinspect.teachers.registry.create_teacher`."""
    if entry := plugins.find(name):
        return _from_plugin(entry, given, layers, seed)
    from twinspect.teachers import backbones  # noqa: PLC0415 - timm takes a second to import

    design = backbones.parse_name(name)
    names = backbones.choose_levels(design.architecture, layers)
    path = None if given == RANDOM else _weights_file(design, given)
    network = backbones.build(design.architecture, names, seed)
    network.backbone.eval()
    origin = _load(design, network, path, given) if path else random_origin(network.backbone, seed)
    card = Card(
        name=name if given else design.name,
        network=f"{TIMM}:{design.architecture}",
        levels=_probe(design, network, names),
        mean=design.mean,
        std=design.std,
        input_size=design.input_size,
        sha256=origin.sha256,
        source=origin.source,
        licence=origin.licence,
        multiple=network.multiple,
        fixed=network.fixed,
        notes=origin.notes,
    )
    return Teacher(network.backbone, card)


def _from_plugin(
    entry: EntryPoint, given: Path | str | None, layers: Sequence[int | str] | None, seed: int
) -> Teacher:
    name = entry.name
    teacher = plugins.factory(name)(weights=given, layers=layers, seed=seed)
    if not isinstance(teacher, Teacher):
        raise TeacherError(
            f"the teacher {name!r} of {plugins.package_of(entry)} must be a "
            f"twinspect.teachers.Teacher, but its factory returned a {type(teacher).__name__}"
        )
    return Teacher(teacher.backbone, replace(teacher.card, name=name, network=f"{PLUGIN}:{name}"))


def _weights_file(design: Design, given: Path | str | None) -> Path:
    """Return the weights file: the given one, or the hub's."""
    if given is not None:
        path = Path(given).expanduser()
        weights.check_path(path)
        return path
    if design.repository:
        try:
            return hub.fetch(design.repository, design.filename)
        except TeacherError as error:
            raise TeacherError(
                f"teacher {design.name}: {error}; or use the teacher that comes with twinspect: --teacher "
                f"{plugins.POCKET}"
            ) from error
    raise TeacherError(
        f"teacher {design.name}: its weights are not on the hub; give a file: --weights FILE (in Python: "
        f"weights=FILE), or {RANDOM!r} for random weights"
    )


def _load(design: Design, network: Network, path: Path, given: Path | str | None) -> Origin:
    def convert(tensors: dict[str, Tensor]) -> Mapping[str, Tensor]:
        return _to_timm_names(design.architecture, tensors)

    source = (
        str(path) if given is not None else f"{design.repository} on the Hugging Face hub, {design.filename}"
    )
    notes = weights.load_into(
        network.backbone,
        weights.read(path),
        prefix=network.prefix,
        network_name=design.name if given is None else design.architecture,
        source=source,
        convert=convert,
    )
    licence = f"{design.licence or 'not stated'} (as timm states it for {design.repository})"
    if given is not None:
        licence = f"not known: that of {path.name}"
    return Origin(sha256_of_file(path), source, licence, notes)


def _to_timm_names(architecture: str, tensors: dict[str, Tensor]) -> Mapping[str, Tensor]:
    """Let timm convert a publisher's tensor names to its own, and resize position embeddings.

    timm's converters fail in many ways on files that they are not made for; the tensors are then left unchanged.
    """
    import timm  # noqa: PLC0415 - as above

    from twinspect.teachers.backbones import timm_architecture  # noqa: PLC0415

    architecture = timm_architecture(architecture)
    module = sys.modules[timm.model_entrypoint(architecture).__module__]
    converter = getattr(module, "checkpoint_filter_fn", None)
    if converter is None:
        return tensors
    try:
        converted: Mapping[str, Tensor] = converter(tensors, timm.create_model(architecture))
    except Exception:  # noqa: BLE001 - see above
        return tensors
    return converted


def _probe(design: Design, network: Network, names: Sequence[str]) -> tuple[Level, ...]:
    side = PROBE_PATCHES * network.multiple if network.multiple > 1 else network.fixed or design.input_size
    try:
        return probe_levels(network.backbone, names, side)
    except (TeacherError, RuntimeError, AssertionError, ValueError) as error:
        raise TeacherError(
            f"{design.architecture} of timm does not work as a teacher ({summarize_error(error)}); choose another, "
            f"such as {CURATED[0].name}"
        ) from error
