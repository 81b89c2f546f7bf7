"""What answers while the models are loaded, which may take a minute: it is alive, not ready, and says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.responses import JSONResponse, PlainTextResponse, Response

from twinspect.serve.api_errors import ApiError
from twinspect.serve.http.request_guard import SECURITY_HEADERS
from twinspect.serve.http.root_path import path_within

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

RETRY_AFTER: Final = 2
"""Seconds after which clients are asked to retry, and a browser does."""


class StartingApp:
    """Hands requests on to the application once there is one.

    Attributes:
        app: the application; ``None`` while models are loaded.
    """

    def __init__(self, app: ASGIApp | None) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await (self.app or _answer(path_within(scope)))(scope, receive, send)


def _answer(path: str) -> Response:
    if path == "/healthz":
        return JSONResponse({"status": "ok"}, headers=SECURITY_HEADERS)
    message = (
        f"the models are being loaded: retry in {RETRY_AFTER} s, or wait until /readyz responds with 200"
    )
    error = ApiError("starting", message, retry_after=RETRY_AFTER)
    headers = {**SECURITY_HEADERS, **error.headers}
    if path == "/":
        return PlainTextResponse(
            "The models are being loaded; this page appears when they are.",
            error.status,
            headers | {"Refresh": str(RETRY_AFTER)},
        )
    return JSONResponse(error.body, error.status, headers)
