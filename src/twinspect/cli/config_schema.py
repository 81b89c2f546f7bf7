"""The JSON schema of a configuration file: what an editor completes and checks while somebody writes one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, get_type_hints

import msgspec
from msgspec import Meta

from twinspect.bundle.schema import ConfigFileRecord
from twinspect.cli.options.shared import names
from twinspect.methods.config import LARGEST, Interval, hints, ranges

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from twinspect.methods.config import MethodConfig

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_CLASS_LIST: Final = {
    "anyOf": [
        {"type": "string", "pattern": r"^\s*[^,\s][^,]*(,\s*[^,\s][^,]*)*$"},
        {"type": "array", "items": {"type": "string"}},
    ]
}
"""Names of classes, none of them empty: between commas, or as a list."""


def config_schema(
    title: str, options: Mapping[str, argparse.Action], config: type[MethodConfig], method: str
) -> dict[str, Any]:
    """Describe the files that a verb takes for a method.

    What spans several options, such as ``crop`` within ``size``, is checked when a file is used.

    Args:
        title: of the schema.
        options: that a file may have, by name; the method's settings among them.
        config: class of the settings.
        method: its name, as it is chosen.

    Returns:
        JSON schema, draft 2020-12. Names may be written with ``_`` or ``-``.
    """
    types: dict[str, Any] = {
        **{name: _option(action) for name, action in options.items()},
        **{name: _setting(config, name) for name in hints(config)},
        **get_type_hints(ConfigFileRecord, include_extras=True),
        "method": Literal[(method,)],
        "preset": _presets(config) | None if config.PRESETS else None,
    }
    schemas, _ = msgspec.json.schema_components([types[name] for name in options])
    properties: dict[str, Any] = {}
    for (name, action), schema in zip(options.items(), schemas, strict=True):
        described = {"description": _text(action), **schema}
        properties |= {name: described, name.replace("_", "-"): described}
    return {
        "$schema": DIALECT,
        "title": title,
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "allOf": [{"not": {"required": [name, name.replace("_", "-")]}} for name in options if "_" in name],
    }


def _presets(config: type[MethodConfig]) -> Any:
    """Give the type of one or several names of presets."""
    name = f"\\s*({'|'.join(map(re.escape, config.PRESETS))})\\s*"
    return Annotated[str, Meta(pattern=f"^{name}(,{name})*$")]


def _text(action: argparse.Action) -> str:
    text = (action.help or action.dest) % {}
    return f"false: {text}" if action.const is False else text


def _option(action: argparse.Action) -> Any:
    """Give the type of an option that is neither a parameter of the detector nor a setting."""
    if isinstance(action.const, bool):
        return bool
    if action.choices:
        return Literal[tuple(action.choices)]
    # As types, a string with a pattern beside a list makes msgspec 0.22 write beyond its memory.
    return Annotated[Any, Meta(extra_json_schema=_CLASS_LIST)] if action.type is names else str


def _setting(config: type[MethodConfig], name: str) -> Any:
    """Give the type of a setting, with its range."""
    hint = hints(config)[name]
    if hint not in (int, float):
        return hint
    interval = ranges(config).get(name, Interval(-LARGEST, LARGEST, is_low_open=False, is_high_open=False))
    low, high = hint(max(interval.low, -LARGEST)), hint(min(interval.high, LARGEST))
    bounds = {"gt" if interval.is_low_open else "ge": low, "lt" if interval.is_high_open else "le": high}
    return Annotated[hint, Meta(**bounds)]
