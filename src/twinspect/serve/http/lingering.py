"""Answers that come before a body was read reach whoever still sends it.

A connection that is closed with bytes unread is reset by the system, and the reset may overtake the answer: a proxy
that opens a connection for each request would turn a refusal into an error of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from anyio import move_on_after
from starlette.datastructures import Headers

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LINGER_SECONDS: Final = 2.0
"""Seconds for which the rest of a refused body is read."""
LINGER_BYTES: Final = 64 * 2**20
"""Bytes that are read of it; a proxy that has the whole body sends as many in far less time."""


class Lingering:
    """Reads and drops the rest of a body before an answer that refuses it is ended.

    Args:
        app: the application; its answer is sent whole at once, and only its end waits.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and _has_body(Headers(scope=scope)):
            request = _Request(receive, send)
            await self._app(scope, request.receive, request.send)
        else:
            await self._app(scope, receive, send)


def _has_body(headers: Headers) -> bool:
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


class _Request:
    """One request with a body."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._is_read, self._is_refused = False, False

    async def receive(self) -> Message:
        """Pass on a piece of the body."""
        message = await self._receive()
        self._is_read = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """Pass on a piece of the answer; of a refusal, what ends it comes after the rest of the body."""
        if message["type"] == "http.response.start":
            self._is_refused = message["status"] >= 400
        elif self._is_refused and not self._is_read and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._drop_rest()
            message = {"type": "http.response.body"}
        await self._send(message)

    async def _drop_rest(self) -> None:
        left = LINGER_BYTES
        with move_on_after(LINGER_SECONDS):
            while not self._is_read and left > 0:
                left -= len((await self.receive()).get("body", b""))
