"""A path under which a proxy shows this server, whether the proxy takes it off or passes it on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from starlette.responses import RedirectResponse

from twinspect.errors import ConfigError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_OWN: Final = "v1|static"
"""First parts of the server's own addresses: a root path that begins like them could not be told from them."""
_ROOT_PATH: Final = re.compile(rf"(?!/(?:{_OWN})(?:/|$))(?:/(?!\.{{1,2}}(?:/|$))[\w.~-]+)*", re.ASCII)


class UnderRootPath:
    """Answers below a root path as well as without it.

    Args:
        app: the application; its scope tells it the root path, by which it makes addresses.
        root_path: as :func:`check_root_path` returns it; empty for none.
    """

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app, self._root_path = app, root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        root = self._root_path
        if not root or scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] == root:  # addresses of the page are relative to a folder
            await RedirectResponse(f"{root}/")(scope, receive, send)
        else:
            path = scope["path"] if scope["path"].startswith(f"{root}/") else root + scope["path"]
            await self._app({**scope, "root_path": root, "path": path}, receive, send)


def path_within(scope: Scope) -> str:
    """Return the path of a request without the root path."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def check_root_path(text: str) -> str:
    """Return a root path without the slash at its end.

    Raises:
        ConfigError: it is no path, or begins like the server's own addresses.

    >>> check_root_path("/inspect/"), check_root_path("/")
    ('/inspect', '')
    """
    path = text.rstrip("/")
    if not _ROOT_PATH.fullmatch(path):
        raise ConfigError(
            f"--root-path is {text!r}; allowed are paths such as /inspect, of letters, digits and . _ ~ -, "
            "that do not begin with /v1 or /static"
        )
    return path
