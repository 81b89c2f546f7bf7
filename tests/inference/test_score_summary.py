"""The last line of `score`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from twinspect.inference.score_summary import count_verdicts

if TYPE_CHECKING:
    from twinspect.inference.score_table import Row

BOX = [{"box": [1, 2, 3, 4]}]


def _row(*, anomalous: bool | None, regions: list[Any] | None) -> Row:
    return cast("Row", {"is_anomalous": anomalous, "inspectable": anomalous is not None, "regions": regions})


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([_row(anomalous=True, regions=BOX), _row(anomalous=False, regions=[])], "; regions in 1"),
        (
            [
                _row(anomalous=True, regions=[]),
                _row(anomalous=True, regions=BOX),
                _row(anomalous=False, regions=BOX),
            ],
            "; regions in 2; 1 anomalous by score without any",
        ),
        ([_row(anomalous=False, regions=[])], "; regions in 0"),
        ([_row(anomalous=True, regions=None)], ""),  # of a model that finds none
    ],
)
def test_the_counts_say_where_regions_are(rows: list[Row], said: str) -> None:
    assert count_verdicts(rows).split(" unreadable")[1] == said
