"""The server below a path: proxies that take the path off and proxies that pass it on."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import httpx
import pytest

from prefix_proxy import PREFIX, proxied
from serving import Site, good, listening, site
from twinspect.errors import ConfigError
from twinspect.serve.http.root_path import check_root_path
from twinspect.serve.http.tokens import add_token

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def listening_below(bundle: Path, folder: Path, root_path: str) -> Iterator[tuple[Site, str, httpx.Client]]:
    """Serve below a path, which takes tokens, and yield the URL and a client with one."""
    file = folder / "tokens.txt"
    token = add_token(file, "anna:admin")
    with (
        site(bundle, folder, root_path=root_path, token_file=file) as server,
        listening(server, root_path=root_path, token_file=file) as upstream,
        httpx.Client(headers={"Authorization": f"Bearer {token}"}) as client,
    ):
        yield server, upstream, client


@contextmanager
def shown(
    bundle: Path, folder: Path, root_path: str, *, strips: bool
) -> Iterator[tuple[Site, str, httpx.Client]]:
    with (
        listening_below(bundle, folder, root_path) as (server, upstream, client),
        proxied(upstream, strips=strips) as address,
    ):
        yield server, address, client


@pytest.mark.parametrize("strips", [True, False])
def test_addresses_in_answers_begin_with_the_root_path(bundle: Path, tmp_path: Path, strips: bool) -> None:
    with shown(bundle, tmp_path, PREFIX, strips=strips) as (_, address, client):
        answer = client.post(f"{address}v1/score", content=good(1), headers={"Content-Type": "image/png"})
        (inspection,) = answer.json()["inspections"]
        for told in (inspection["image"]["url"], inspection["map_url"]):
            assert told.startswith(f"{PREFIX}/v1/inspections/")
            assert client.get(urljoin(address, told)).status_code == 200
        assert client.get(f"{address}openapi.json").json()["servers"] == [{"url": PREFIX}]
        assert client.get(f"{address}static/app.js").status_code == 200
        onward = client.get(f"{address}v1/models/").headers["location"]
        assert client.get(onward).json()["models"][0]["name"]


def test_the_folder_of_the_page_is_found_without_its_slash(bundle: Path, tmp_path: Path) -> None:
    with shown(bundle, tmp_path, PREFIX, strips=False) as (_, address, client):
        answer = client.get(address.rstrip("/"), follow_redirects=True)
        assert (answer.status_code, str(answer.url)) == (200, address)


def test_with_a_root_path_the_server_answers_without_it_too(bundle: Path, tmp_path: Path) -> None:
    with listening_below(bundle, tmp_path, PREFIX) as (_, upstream, client):
        large = bytes(100_000)  # more than anything but an upload may have
        for path in ("/v1/score", f"{PREFIX}/v1/score"):
            answer = client.post(upstream + path, content=large, headers={"Content-Type": "image/png"})
            assert answer.json()["error"]["code"] == "image_unknown_type"
        assert client.get(f"{upstream}/healthz").status_code == 200
        assert client.get(f"{upstream}{PREFIX}x/healthz").status_code == 404


@pytest.mark.parametrize(
    ("text", "path"), [("", ""), ("/", ""), ("/inspect/", "/inspect"), ("/v1x/.a", "/v1x/.a")]
)
def test_root_paths_lose_their_last_slash(text: str, path: str) -> None:
    assert check_root_path(text) == path


@pytest.mark.parametrize(
    "text", ["inspect", "//evil", "/a//b", "/a/../b", "/v1", "/static/x", "/a b", "/a?b", "/ä"]
)
def test_what_is_no_root_path_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--root-path is .*such as /inspect"):
        check_root_path(text)
