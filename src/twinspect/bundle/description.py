"""Teacher, settings and seed of a detector in plain values, from its record alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twinspect.bundle.folder import JOINED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

JOINED_TAIL: Final = "logistic"
"""The distribution that turns a joined member's score or pixel into a probability. It needs only a location and a
scale, which follow from what a calibration keeps of scores and of maps."""

EXCLUDED_SUSPECTS: Final = "excluded_suspects"
"""What the record of the data calls the names of images that a fit left out since they look unlike the others."""


def describe_model(record: dict[str, Any]) -> dict[str, Any]:
    """Return teacher, settings and seed of a record's detector, and the members of a joined one."""
    if record["method"] == JOINED:
        return describe_join(
            {"method": member["method"], **describe_model(member), "data": member["data"]}
            for member in record["members"]
        )
    teacher = {key: record["teacher"][key] for key in ("name", "sha256")}
    settings = {**record["config"], **record.get("tiling", {})}
    return {"teacher": teacher, "config": settings, "seed": record["seed"]}


def describe_join(members: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Describe a joined detector by its members: :func:`describe_model` of each, with its method and data."""
    members = list(members)
    teachers = [member["teacher"] for member in members]
    return {
        "teacher": {key: join_names(teacher[key] for teacher in teachers) for key in ("name", "sha256")},
        "config": {"tail": JOINED_TAIL},
        "seed": None,
        "members": members,
    }


def join_names(names: Iterable[str]) -> str:
    """Join names, each of them once."""
    return " + ".join(dict.fromkeys(names))


def images_in_words(data: Mapping[str, Any]) -> str:
    """Say what a detector was fitted on, by its record; a joined one knows only categories and fingerprints."""
    return "; ".join([*_counts(data), f"fingerprint {data['fingerprint']}"])


def images_in_brief(data: Mapping[str, Any]) -> str:
    """Say the same without the fingerprint, which nobody reads; of a joined detector there may be nothing."""
    return "; ".join(_counts(data))


def _counts(data: Mapping[str, Any]) -> list[str]:
    counts = [f"{data[key]} {what}" for key, what in _COUNTS.items() if key in data]
    if excluded := data.get(EXCLUDED_SUSPECTS):
        counts.append(f"{len(excluded)} suspect{'s' * (len(excluded) > 1)} left out")
    categories = [f"categories {', '.join(data['categories'])}"] if any(data["categories"]) else []
    return [*counts, *categories]


_COUNTS: Final = {
    "train": "to learn from",
    "tiles": "tiles of them",
    "calibration": "held out for the first threshold",
}
