"""The OpenAPI document is true: whatever it allows is answered as it says, and what it forbids is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conftest import quick

schemathesis = pytest.importorskip("schemathesis")
hypothesis = pytest.importorskip("hypothesis")

from serving import Site, bad, good, site  # noqa: E402 - only where the extra is installed
from twinspect.detector import Detector  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def here(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("schema")
    Detector("mkd", **quick("mkd", 2)).fit(parts).save(folder / "parts.twin")
    with site(folder / "parts.twin", folder / "data") as found:
        found.scored(good(1), bad(2))
        yield found


def check_operations(here: Site, examples: int) -> int:
    document = here.client.get("/openapi.json").json()
    schema = schemathesis.openapi.from_dict(document)
    count = 0
    for found in schema.get_all_operations():
        operation = found.ok()

        @hypothesis.settings(
            max_examples=examples,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(case=operation.as_strategy())
        def ask(case: schemathesis.Case) -> None:
            case.call_and_validate(session=here.client, base_url="http://127.0.0.1:8000")

        ask()
        count += 1
    return count


def test_every_address_answers_as_documented(here: Site) -> None:
    assert check_operations(here, examples=4) >= 18


@pytest.mark.slow
def test_every_address_answers_as_documented_at_length(here: Site) -> None:
    assert check_operations(here, examples=100) >= 18
