"""Reading weights files and loading them into networks. Only tensors are read; no file can run code."""

from __future__ import annotations

import hashlib
import pickle
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from twinspect.errors import TeacherError
from twinspect.teachers.wording import SHOWN, list_first, summarize_error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import nn

PICKLED = (".pth", ".pt", ".bin")
SUFFIXES = (".safetensors", *PICKLED)
WRAPPERS = ("state_dict", "model")
"""Keys under which training scripts save a network's tensors."""


def read(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a weights file.

    Args:
        path: ``.safetensors``, or ``.pth``, ``.pt``, ``.bin`` as PyTorch writes them. Tensors may lie under
            ``state_dict`` or ``model``, and their names may begin with ``module.``.

    Returns:
        Tensors by name, on the CPU; floating-point ones as float32.

    Raises:
        TeacherError: no such file, another kind of file, a damaged one, or one that holds more than tensors.
    """
    check_path(path)
    content = _read_safetensors(path) if path.suffix.lower() == ".safetensors" else _read_pickled(path)
    tensors = {str(name): value for name, value in _unwrap(content).items() if isinstance(value, Tensor)}
    if not tensors:
        raise TeacherError(
            f"{path} holds no tensors by name; save them with torch.save(network.state_dict(), FILE)"
        )
    return {name.removeprefix("module."): _to_float32(value) for name, value in tensors.items()}


def check_path(path: Path) -> None:
    """Refuse a path that cannot be a weights file.

    Raises:
        TeacherError: no such file, or an unknown suffix.
    """
    if not path.is_file():
        problem = "is a folder" if path.is_dir() else "does not exist"
        raise TeacherError(
            f"the weights file {path} {problem}; give a file that ends in {', '.join(SUFFIXES)}, or "
            f"'random' for random weights"
        )
    if path.suffix.lower() not in SUFFIXES:
        raise TeacherError(f"the weights file {path} ends in {path.suffix!r}; allowed: {', '.join(SUFFIXES)}")


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise TeacherError(
            f"the weights file {path} is damaged or not a safetensors file: {summarize_error(error)}"
        ) from error


def _read_pickled(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle protocols; unreadable files are errors below
            return torch.load(path, map_location="cpu", weights_only=True)
    except (
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        OSError,
        ValueError,
        KeyError,
        TypeError,
    ) as error:
        raise TeacherError(
            f"the weights file {path} is damaged, or holds more than tensors, which could run code and is "
            f"not opened ({summarize_error(error)}); ask its author for a .safetensors file, or for one written by "
            f"torch.save(network.state_dict(), FILE)"
        ) from error


def _unwrap(content: Any) -> Mapping[Any, Any]:
    for key in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    return content if isinstance(content, dict) else {}


def _to_float32(value: Tensor) -> Tensor:
    return value.float() if value.is_floating_point() else value


def sha256_of_tensors(tensors: Mapping[str, Tensor]) -> str:
    """Hash tensors by name, type, shape and value, independently of their order."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Match:
    """Assignment of a file's tensors to a network's.

    Attributes:
        state: tensors that fit, by the network's names.
        missing: names of tensors that the network needs and the file lacks.
        misshapen: sentences on tensors of another shape.
        unused: names of tensors of the file that the network does not need.
    """

    state: dict[str, Tensor]
    missing: tuple[str, ...]
    misshapen: tuple[str, ...]
    unused: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether the network gets all tensors that it needs."""
        return not self.missing and not self.misshapen


def match(needed: Mapping[str, Tensor], given: Mapping[str, Tensor], prefix: str) -> Match:
    """Find the counterpart of each tensor of a network in a file.

    Args:
        needed: the network's own tensors.
        given: the file's.
        prefix: of the network's tensor names, before timm's names.
    """
    state, missing, misshapen, used = {}, [], [], set()
    for name, tensor in needed.items():
        names = _names_in_file(name, prefix)
        key = next((candidate for candidate in names if candidate in given), None)
        if key is None:
            if not name.endswith("num_batches_tracked"):  # counts training steps; a frozen network has none
                missing.append(names[-1])
            continue
        used.add(key)
        if given[key].shape == tensor.shape:
            state[name] = given[key]
        else:
            shapes = f"{tuple(given[key].shape)} in the file but {tuple(tensor.shape)} in the network"
            misshapen.append(f"tensor {key!r} is {shapes}")
    return Match(state, tuple(missing), tuple(misshapen), tuple(name for name in given if name not in used))


def _names_in_file(name: str, prefix: str) -> tuple[str, ...]:
    """List the names that a tensor may have in a file; timm's extractors turn ``stages.0.`` into ``stages_0.``."""
    plain = name.removeprefix(prefix)
    return plain, re.sub(r"^([a-z]+)_(\d+)\.", r"\1.\2.", plain)


def load_into(
    network: nn.Module,
    given: Mapping[str, Tensor],
    *,
    prefix: str,
    network_name: str,
    source: str,
    convert: Callable[[dict[str, Tensor]], Mapping[str, Tensor]] | None = None,
) -> tuple[str, ...]:
    """Load tensors into a network.

    Args:
        network: changed in place.
        given: tensors by timm's names, which torchvision's ResNets and VGGs share.
        prefix: of the network's tensor names, before timm's names.
        network_name: for error messages.
        source: of the weights, for error messages.
        convert: converts a publisher's tensor names to timm's; tried if the tensors do not fit unchanged.

    Returns:
        Notes on tensors that were not used.

    Raises:
        TeacherError: a tensor is missing, has another shape, or holds a value that is not finite.
    """
    needed = network.state_dict()
    best = match(needed, given, prefix)
    if not best.complete and convert is not None:
        converted = match(needed, convert(dict(given)), prefix)
        best = converted if converted.complete else best
    if not best.complete:
        raise TeacherError(_mismatch_message(best, network_name, source, len(needed)))
    broken = [key.removeprefix(prefix) for key, value in best.state.items() if not value.isfinite().all()]
    if broken:
        raise TeacherError(f"{source} is damaged: {list_first(broken)} holds values that are not finite")
    network.load_state_dict({**needed, **best.state}, strict=True)
    return (
        (f"tensors of the file not used ({len(best.unused)}): {list_first(best.unused)}",)
        if best.unused
        else ()
    )


def _mismatch_message(match: Match, network_name: str, source: str, needed: int) -> str:
    faults = list(match.misshapen[:SHOWN])
    if len(match.misshapen) > SHOWN:
        faults.append(f"{len(match.misshapen) - SHOWN} more have another shape")
    if match.missing:
        faults.append(f"{len(match.missing)} of {needed} tensors are missing: {list_first(match.missing)}")
    if match.unused:
        faults.append(f"{len(match.unused)} are unknown to it: {list_first(match.unused)}")
    return f"{source} does not fit {network_name}: {'; '.join(faults)}; give this network's own file, or fewer layers"
