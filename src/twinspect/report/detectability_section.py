"""The part of a report that says which synthetic defects a model would find."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from twinspect.report.formatting import Rate, percent
from twinspect.report.rendering import Table

if TYPE_CHECKING:
    from twinspect.calibration.conformal import Calibration
    from twinspect.calibration.detectability import Detectability, Finding


class WouldFind(NamedTuple):
    """What the section shows.

    Attributes:
        usable: whether the model finds enough for anybody to use it.
        table: a row for each kind of defect.
    """

    usable: bool
    table: Table


def detectability_section(tried: Detectability | None, calibration: Calibration) -> WouldFind | None:
    """Prepare the section; ``None`` where nothing was tried."""
    if tried is None:
        return None
    rows = [_row(finding) for finding in tried.findings(calibration)]
    columns = ("Synthetic defects", "Finds 9 of 10 from", "Found at that size")
    return WouldFind(
        not tried.is_useless(calibration),
        Table("The smallest defects that are found nine times in ten", columns, rows),
    )


def _row(finding: Finding) -> tuple[str, str, str]:
    size = percent(finding.tried_size) + (f", {finding.pixels} px" if finding.pixels else "")
    found = Rate(finding.found, finding.tried).describe()
    if finding.size is None:
        return finding.plural, f"not even the largest, {size}", found
    return finding.plural, size + (" or less" if finding.or_less else ""), found
