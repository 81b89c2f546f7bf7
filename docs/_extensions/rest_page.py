"""The page of the HTTP interface, from the OpenAPI document that the server answers with."""

from __future__ import annotations

from itertools import groupby
from typing import Any
from unittest.mock import Mock

from md import code, page, table, text
from schema_tables import default, kind, objects
from twinspect.serve.api_errors import STATUS
from twinspect.serve.app import build_app

Operation = dict[str, Any]


def pages() -> dict[str, str]:
    """Write the page."""
    document = build_app(Mock()).openapi()
    operations = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    return {
        "rest": page(
            "REST",
            "`twinspect serve` answers with this document at `/openapi.json`. "
            "[Who may do what](../guides/serve.md#who-may-do-what) says what roles and tokens are.",
            document["info"]["description"],
            *_by_topic(operations),
            "## What bodies hold\n",
            *objects(document["components"]["schemas"]),
            "## Error codes\n",
            table(("code", "status"), [(code(name), str(status)) for name, status in STATUS.items()]),
        )
    }


def _by_topic(operations: list[tuple[str, str, Operation]]) -> list[str]:
    parts = []
    for topic, group in groupby(operations, lambda each: each[2]["tags"][0]):
        parts += [f"## {topic.capitalize()}\n", *(_operation(*each) for each in group)]
    return parts


def _operation(method: str, path: str, operation: Operation) -> str:
    roles = [role for needed in operation.get("security", ()) for roles in needed.values() for role in roles]
    parameters = [
        (code(each["name"]), each["in"], kind(each["schema"]), _meaning(each))
        for each in operation.get("parameters", ())
    ]
    answers = [
        (status, _content(answer), _codes(answer["description"]))
        for status, answer in sorted(operation["responses"].items())
    ]
    return "\n".join(
        [
            f"### {method} {text(path)}\n",
            operation["description"],
            "",
            f"Role: `{roles[0]}`.\n" if roles else "Needs no token.\n",
            f"Body: {_content(operation['requestBody'])}.\n" if "requestBody" in operation else "",
            table(("parameter", "in", "value", "meaning"), parameters) if parameters else "",
            table(("status", "answer", "code or meaning"), answers),
        ]
    )


def _meaning(parameter: dict[str, Any]) -> str:
    said = text(parameter.get("description", ""))
    return said if parameter["required"] else "; ".join(filter(None, (said, default(parameter["schema"]))))


def _content(body: dict[str, Any]) -> str:
    contents = body.get("content", {})
    if "application/json" in contents:
        return kind(contents["application/json"].get("schema", {}))
    return ", ".join(code(kind_of_file) for kind_of_file in contents)


def _codes(description: str) -> str:
    """Show codes of errors as code; FastAPI's words for a success say nothing."""
    if description == "Successful Response":
        return ""
    codes = description.split(", ")
    return ", ".join(code(each) for each in codes) if STATUS.keys() >= {*codes} else text(description)
