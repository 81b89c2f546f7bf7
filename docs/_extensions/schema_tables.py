"""Tables of what JSON objects hold, from their JSON schemas."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from md import code, sentence, table, text

if TYPE_CHECKING:
    from collections.abc import Mapping

Schema = dict[str, Any]
_ENDLESS = 2**53
"""Bounds from here on only keep numbers what JSON can write."""


def objects(schemas: Mapping[str, Schema]) -> list[str]:
    """Write a heading and a table for each type of object."""
    return [_object(name, schema) for name, schema in schemas.items()]


def _object(name: str, schema: Schema) -> str:
    required = schema.get("required", ())
    rows = [
        (code(key), kind(value), _meaning(value, is_required=key in required))
        for key, value in schema.get("properties", {}).items()
    ]
    width = 3 if any(meaning for _, _, meaning in rows) else 2
    said = schema.get("description", "").partition("\n\n")[0]
    columns = table(("key", "value", "meaning")[:width], [row[:width] for row in rows])
    return f"### {name}\n\n{sentence(text(said)) if said else ''}\n\n{columns}"


def _meaning(schema: Schema, *, is_required: bool) -> str:
    said = text(schema.get("description", ""))
    return said if is_required else "; ".join(filter(None, (said, default(schema))))


def default(schema: Schema) -> str:
    """Say what stands for a value that is missing."""
    given = schema.get("default")
    return f"default {code(json.dumps(given))}" if given not in (None, "", [], {}) else "optional"


def kind(schema: Schema) -> str:
    """Say what a value may be."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(kind(each) for each in schema["anyOf"]))
    if "enum" in schema or "const" in schema:
        return ", ".join(code(each) for each in schema.get("enum", [schema.get("const")]))
    return _of_type(schema)


def _of_type(schema: Schema) -> str:
    match schema.get("type"):
        case "array" if "prefixItems" in schema:
            return f"[{', '.join(kind(each) for each in schema['prefixItems'])}]".replace("[", r"\[", 1)
        case "array":
            return f"list of {kind(schema.get('items', {}))}"
        case "object" if isinstance(schema.get("additionalProperties"), dict):
            return f"object of {kind(schema['additionalProperties'])}"
        case None:
            return "any"
        case named:
            return " ".join(filter(None, (schema.get("format", named), _bounds(schema))))


def _bounds(schema: Schema) -> str:
    words = {
        "minimum": "from",
        "exclusiveMinimum": "above",
        "maximum": "to",
        "exclusiveMaximum": "below",
    }
    given = [(word, schema[key]) for key, word in words.items() if abs(schema.get(key, _ENDLESS)) < _ENDLESS]
    return " ".join(f"{word} {bound:g}" for word, bound in given)
