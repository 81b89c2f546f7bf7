"""The OpenAPI document is true: whatever it allows is answered as it says, and what it forbids is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

schemathesis = pytest.importorskip("schemathesis")
hypothesis = pytest.importorskip("hypothesis")

from schemathesis.python.asgi import ASGIClient  # noqa: E402 - only where it is installed
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance  # noqa: E402

from serving import Site, bad, good, site  # noqa: E402
from twinspect.serve.http.tokens import add_token  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ADDRESS = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def server_and_client(
    bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Site, ASGIClient]]:
    folder = tmp_path_factory.mktemp("schema")
    tokens = folder / "tokens.txt"
    token = add_token(tokens, "checker:admin")
    with (
        site(bundle, folder / "data", token_file=tokens, studio=True) as server,
        ASGIClient(server.app, ADDRESS) as client,
    ):
        client.headers["Authorization"] = f"Bearer {token}"
        files = [("images", ("good.png", good(1))), ("images", ("bad.png", bad(2)))]
        assert client.post("/v1/score", files=files).status_code == 200
        yield server, client


def check_operations(client: ASGIClient, examples: int) -> int:
    document = client.get("/openapi.json").json()
    schema = schemathesis.openapi.from_dict(document)
    count = 0
    for result in schema.get_all_operations():
        operation = result.ok()

        @hypothesis.settings(
            max_examples=examples,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(case=operation.as_strategy())
        def ask(case: schemathesis.Case) -> None:
            # A schema cannot say which bytes are an image, nor which rates the images at hand can promise. Whether
            # tokens are heeded is asked over the network, which is not there: other tests ask that.
            case.call_and_validate(
                session=client, base_url=ADDRESS, excluded_checks=[positive_data_acceptance, ignored_auth]
            )

        ask()
        count += 1
    return count


def test_every_address_answers_as_documented(server_and_client: tuple[Site, ASGIClient]) -> None:
    assert check_operations(server_and_client[1], examples=4) >= 18


@pytest.mark.slow
def test_every_address_answers_as_documented_at_length(server_and_client: tuple[Site, ASGIClient]) -> None:
    assert check_operations(server_and_client[1], examples=100) >= 18
