"""What a detector is besides its method, in plain values, from its record alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twinspect.bundle.folder import JOINED

if TYPE_CHECKING:
    from collections.abc import Iterable

JOINED_TAIL: Final = "logistic"
"""The distribution by which a joined member's score or pixel becomes a probability: location and scale are all it
needs, and these follow from what a calibration keeps of scores and of maps alike."""


def about(record: dict[str, Any]) -> dict[str, Any]:
    """Say which teacher, settings and seed a record's detector has, and of a join its members too."""
    if record["method"] == JOINED:
        return about_join(
            {"method": own["method"], **about(own), "data": own["data"]} for own in record["members"]
        )
    teacher = {key: record["teacher"][key] for key in ("name", "sha256")}
    settings = {**record["config"], **record.get("tiling", {})}
    return {"teacher": teacher, "config": settings, "seed": record["seed"]}


def about_join(members: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Say what a join is, by what :func:`about` says of its members, with their methods and data."""
    known = list(members)
    teachers = [member["teacher"] for member in known]
    return {
        "teacher": {key: joined_names(own[key] for own in teachers) for key in ("name", "sha256")},
        "config": {"tail": JOINED_TAIL},
        "seed": None,
        "members": known,
    }


def joined_names(names: Iterable[str]) -> str:
    """Name what several have, each once."""
    return " + ".join(dict.fromkeys(names))
