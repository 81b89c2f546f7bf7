"""Inspections, feedback and every calibration that was ever active: one database and one archive of images.

:class:`Store` is the only access to the database. It returns plain frozen values; times are in UTC.
"""

from __future__ import annotations

from twinspect.serve.store.archive import Archive, StoredImage
from twinspect.serve.store.ordering import Order, SortKey
from twinspect.serve.store.paging import Filter, Page
from twinspect.serve.store.records import (
    AuditRow,
    CalibrationRow,
    FeedbackRow,
    Finished,
    GoodImage,
    GoodImages,
    ImageRow,
    InspectionRow,
    ModelRow,
    Proposal,
)
from twinspect.serve.store.retention import Removed, Retention
from twinspect.serve.store.series import InspectionSeries
from twinspect.serve.store.store import Store

__all__ = [
    "Archive",
    "AuditRow",
    "CalibrationRow",
    "FeedbackRow",
    "Filter",
    "Finished",
    "GoodImage",
    "GoodImages",
    "ImageRow",
    "InspectionRow",
    "InspectionSeries",
    "ModelRow",
    "Order",
    "Page",
    "Proposal",
    "Removed",
    "Retention",
    "SortKey",
    "Store",
    "StoredImage",
]
