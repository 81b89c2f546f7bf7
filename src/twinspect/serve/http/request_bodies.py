"""Request bodies as pydantic models: schemas of the OpenAPI document."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from twinspect.serve.http.schemas import Verdict

MAX_ID: Final = 2**31 - 1
"""The largest id that a request may name."""


def _refuse_number(value: Any) -> Any:
    """Refuse what would count as seconds since 1970: whoever writes ``2026`` means a year."""
    if isinstance(value, int | float) or (isinstance(value, str) and _NUMBER.fullmatch(value)):
        raise ValueError("a number is no time; give one such as 2026-11-30T08:00:00Z")
    return value


_NUMBER: Final = re.compile(r"\s*[-+]?[\d._]*(?:[eE][-+]?\d+)?\s*")
Moment = Annotated[datetime, BeforeValidator(_refuse_number)]
"""A time that a client gives."""
Polygons = Annotated[
    list[Annotated[list[tuple[float, float]], Field(min_length=3, max_length=2000)]],
    Field(min_length=1, max_length=10_000),
]
"""Outlines of x and y."""


class RequestBody(BaseModel):
    """A JSON value that a client sends."""

    model_config = ConfigDict(extra="forbid")


class RegionAsked(RequestBody):
    """A region of interest: polygons in shares of width and height, from 0 to 1, as in a file for --roi."""

    look: Polygons | None = Field(default=None, description="what is looked at; null for the whole image")
    ignore: Polygons | None = Field(default=None, description="what is not, within that")


class FeedbackAsked(RequestBody):
    """A verdict on an inspection."""

    inspection_id: int = Field(ge=1, le=MAX_ID)
    verdict: Verdict
    comment: str = Field(default="", max_length=2000)
    region: RegionAsked | None = Field(default=None, description="where a defect is seen")


class RecalibrationAsked(RequestBody):
    """How to recalibrate."""

    use: Literal["confirmed", "confirmed+calibration", "calibration"] = Field(
        description="scores of images with the verdict good, the calibration's own, or both"
    )
    false_alarm_rate: float | None = Field(default=None, gt=0, lt=1)
    since: Moment | None = Field(default=None, description="use only images accepted at or after")
    reason: str = Field(default="", max_length=2000, description="for the audit log; required unless dry_run")
    dry_run: bool = Field(default=False, description="change nothing, and return the proposal")


class CalibrateAsked(RequestBody):
    """How to score the images judged good anew."""

    region: RegionAsked | None = Field(default=None, description="from now on; null to leave it as it is")
    false_alarm_rate: float | None = Field(default=None, gt=0, lt=1, description="null for the one in force")
    reason: str = Field(default="", max_length=2000, description="for the audit log; required unless dry_run")
    dry_run: bool = Field(default=False, description="score and change nothing, and say what would be used")


class RollbackAsked(RequestBody):
    """Which calibration to activate again."""

    calibration_id: int = Field(ge=1, le=MAX_ID)
    reason: str = Field(min_length=1, max_length=2000, description="for the audit log")
