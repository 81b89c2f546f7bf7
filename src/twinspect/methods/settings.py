"""A method's settings without the method: read from its source, because importing it would import torch."""

from __future__ import annotations

import ast
import importlib.util
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from twinspect.errors import ConfigError
from twinspect.methods import BUILT_IN, method_class, method_info
from twinspect.methods.config import MethodConfig, field_texts, hints, preset_names, split_presets
from twinspect.methods.default import method_name

_PLAIN = {kind.__name__: kind for kind in (bool, int, float, str)}


class _NotPlainError(Exception):
    """The source is not as plain as that of a flat dataclass with literal defaults."""


def config_class(name: str | None) -> type[MethodConfig]:
    """Return the class of a method's settings: their names, types, defaults, texts and presets.

    It is a copy without the method's own checks, which are for the method itself; or the class itself, where the
    method is imported already or where its source does not tell.

    Args:
        name: of the method; ``None`` for the default one.

    Raises:
        ConfigError: no such method; the message suggests the nearest name.
    """
    name = method_name(name)
    module, _, attribute = method_info(name).target.partition(":")
    if module not in sys.modules:
        try:
            return _read_config(module, attribute)
        except (_NotPlainError, ImportError, OSError, SyntaxError, ValueError):
            pass
    config: type[MethodConfig] = method_class(name).Config
    return config


def check_presets(method: str | None, preset: str | None) -> None:
    """Refuse presets that a method does not have, or that contradict each other.

    Args:
        method: its name; ``None`` for the default one.
        preset: names between commas.

    Raises:
        ConfigError: the message names the methods that have a preset of that name, or else those of this one.
    """
    config = config_class(method)
    for name in preset_names(preset):
        if name not in config.PRESETS and (others := ", ".join(_methods_with(name))):
            used = method_name(method)
            raise ConfigError(f"{used} has no preset {name!r}; methods that have it, by --method: {others}")
    split_presets(config, preset)


def methods_with_setting(name: str) -> list[str]:
    """List the built-in methods that have a setting."""
    return sorted(info.name for info in BUILT_IN if name in hints(config_class(info.name)))


def _methods_with(preset: str) -> list[str]:
    return sorted(info.name for info in BUILT_IN if preset in config_class(info.name).PRESETS)


def _read_config(module: str, method: str) -> type[MethodConfig]:
    classes = _classes(module)
    for statement in classes[method].body if method in classes else ():
        match statement:
            case ast.Assign(targets=[ast.Name("Config")], value=ast.Name(config)):
                return _build(module, config)
    raise _NotPlainError


@cache
def _tree(module: str) -> ast.Module:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise _NotPlainError
    return ast.parse(Path(spec.origin).read_text(encoding="utf-8"))


def _classes(module: str) -> dict[str, ast.ClassDef]:
    return {node.name: node for node in _tree(module).body if isinstance(node, ast.ClassDef)}


def _build(module: str, name: str) -> type[MethodConfig]:
    """Build a dataclass like one of a module, or like one that the module imports."""
    if (module, name) == (MethodConfig.__module__, MethodConfig.__name__):
        return MethodConfig
    if name not in _classes(module):
        return _build(_origin(module, name), name)
    node = _classes(module)[name]
    if [type(base) for base in node.bases] != [ast.Name]:
        raise _NotPlainError
    base = _build(module, ast.unparse(node.bases[0]))
    members: dict[str, Any] = {"__annotations__": {}, "__module__": module, "HELP": field_texts(node)}
    for statement in node.body:
        match statement:
            case ast.AnnAssign(target=ast.Name(field), annotation=annotation, value=ast.expr() as value):
                members[field] = ast.literal_eval(value)
                if not ast.unparse(annotation).startswith("ClassVar["):
                    members["__annotations__"][field] = _type_of(annotation)
    return dataclass(frozen=True)(type(name, (base,), members))


def _origin(module: str, name: str) -> str:
    """Return the module that a name is imported from."""
    for node in _tree(module).body:
        if isinstance(node, ast.ImportFrom) and node.module and name in {alias.name for alias in node.names}:
            return node.module
    raise _NotPlainError


def _type_of(annotation: ast.expr) -> Any:
    """Evaluate an annotation: a plain type, or a ``Literal``."""
    match annotation:
        case ast.Name(name) if name in _PLAIN:
            return _PLAIN[name]
        case ast.BinOp(left, ast.BitOr(), right):
            return _type_of(left) | _type_of(right)
        case ast.Subscript(ast.Name("Literal"), choices):
            allowed = ast.literal_eval(choices)
            return Literal[allowed]
    raise _NotPlainError
