"""The record that every sink gets of a result; ``docs/guides/results_to_the_line.md`` describes it."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

from twinspect.serve.http.schemas import RegionAnswer

if TYPE_CHECKING:
    from twinspect.serve.store import InspectionRow

FORMAT: Final = 1
"""Number of the format: new keys may be added to one, but none changes or goes."""


def decision_of(row: InspectionRow) -> str:
    """Name what became of a finished inspection: ``good``, ``anomalous``, ``not_inspectable`` or ``failed``."""
    if row.state == "failed":
        return "failed"
    if row.not_inspectable:
        return "not_inspectable"
    return "anomalous" if row.is_anomalous else "good"


def result_record(
    row: InspectionRow, uuid: str, *, threshold: float | None, version: int | None, url: str
) -> dict[str, Any]:
    """Describe a finished inspection in plain JSON values.

    Args:
        row: the inspection.
        uuid: of the delivery.
        threshold: that decided, a raw score; ``None`` where none did.
        version: number of the version of the product that scored; ``None`` where it has no versions.
        url: of the inspection.
    """
    return {
        "format": FORMAT,
        "delivery": uuid,
        "product": row.model,
        "version": version,
        "weights_sha256": row.weights_sha256,
        "inspection": row.id,
        "image": row.name,
        "category": row.category,
        "verdict": decision_of(row),
        "reason": row.error or row.not_inspectable or None,
        "notice": row.notice or None,
        "score": row.score,
        "threshold": threshold,
        "p_value": row.p_value,
        "regions": _regions(row),
        "accepted_at": _time(row.accepted_at),
        "scored_at": _time(row.scored_at),
        "milliseconds": row.milliseconds,
        "url": url,
    }


def made_up_record(product: str, uuid: str, now: datetime) -> dict[str, Any]:
    """Return a record with the keys of any other, which says that it is a test and no result."""
    keys = (
        "version",
        "weights_sha256",
        "inspection",
        "reason",
        "notice",
        "score",
        "threshold",
        "p_value",
        "regions",
    )
    return {
        "format": FORMAT,
        "delivery": uuid,
        "product": product,
        "test": True,
        "image": "test.png",
        "category": "",
        "verdict": "good",
        **dict.fromkeys(keys),
        "accepted_at": _time(now),
        "scored_at": _time(now),
        "milliseconds": 0.0,
        "url": "",
    }


def _regions(row: InspectionRow) -> list[dict[str, Any]] | None:
    if row.regions is None:
        return None
    return [RegionAnswer(**region).model_dump(mode="json") for region in row.regions]


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
