"""The outermost middleware: which requests are answered, how much is read of them, and security headers."""

from __future__ import annotations

import ipaddress
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from anyio import fail_after
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect

from twinspect.serve.api_errors import ApiError
from twinspect.serve.http.root_path import path_within

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from twinspect.serve.http.rate_limit import RateLimit
    from twinspect.serve.http.tokens import Tokens

LOG = logging.getLogger(__name__)

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
MAX_JSON_BYTES: Final = 64 * 1024
"""Upper limit of a body that is not an upload, in bytes."""
MAX_DRAWING_BYTES: Final = 2**20
"""The same of one that may hold a drawn region of interest."""
UPLOAD_PATH: Final = "/v1/score"
PHOTOS_PATH: Final = "/photos"
"""The end of the path that takes photos of a product."""
DRAWING_PATHS: Final = ("/calibrate", "/region", "/v1/feedback")
"""The ends of the paths that take a region of interest."""
PIECE_SECONDS: Final = 15.0
"""Seconds within which the next piece of a body must arrive."""

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; font-src 'none'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
}


@dataclass(frozen=True)
class Hosts:
    """The host names under which the server answers.

    A page of another site can make a browser connect here under a name that it controls (DNS rebinding). It cannot
    control an IP address, so those are always allowed if the server listens beyond this machine.

    Attributes:
        names: lower-case host names and addresses, without ports.
        any_address: whether every IP address is allowed.
    """

    names: frozenset[str] = LOOPBACK_NAMES
    any_address: bool = False

    @classmethod
    def of(cls, host: str, further: tuple[str, ...] = ()) -> Hosts:
        """Allow the names of a server that listens on an address.

        Args:
            host: the address it listens on.
            further: other names that resolve to it.
        """
        names = LOOPBACK_NAMES | {host.lower(), *(name.lower() for name in further)}
        return cls(names, any_address=not is_loopback(host))

    def allow(self, header: str) -> bool:
        """Tell whether a Host header is allowed."""
        try:
            name = urlsplit(f"//{header}").hostname or ""
        except ValueError:
            return False
        return name in self.names or (self.any_address and _is_ip_address(name))


def is_loopback(host: str) -> bool:
    """Tell whether an address can be reached from this machine only."""
    return host.lower() == "localhost" or (_is_ip_address(host) and ipaddress.ip_address(host).is_loopback)


class Guard:
    """The outermost layer of the application.

    Args:
        app: the guarded application.
        hosts: host names that are allowed.
        rate: limits the requests of a client.
        body_bytes: upper limit of an upload, in bytes.
        tokens: whose owners have a rate each, wherever they connect from; ``None`` if there are none.
    """

    def __init__(
        self, app: ASGIApp, hosts: Hosts, rate: RateLimit, body_bytes: int, tokens: Tokens | None = None
    ) -> None:
        self._app, self._hosts, self._rate, self._body_bytes = app, hosts, rate, body_bytes
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        guarded = _GuardedRequest(receive, send, self._max_body_bytes(path_within(scope)))
        try:
            self._check(scope)
            guarded.check_length(Headers(scope=scope).get("content-length"))
            await self._app(scope, guarded.receive, guarded.send)
        except ApiError as error:
            await guarded.refuse(error)
        except ClientDisconnect:
            LOG.info("%s %s: the client disconnected", scope["method"], scope["path"])
        except Exception as error:  # noqa: BLE001 - logged, and told as what it is
            _log_failure(scope, error, broke_off=guarded.response_started)
            await guarded.refuse(internal_error())

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._hosts.allow(host):
            raise ApiError(
                "host_not_allowed",
                f"the host name {host[:100]!r} is not allowed; to allow it, start the server with --allow-host NAME; "
                "a proxy in front must pass on the Host that the browser sent",
            )
        _check_origin(headers, host)
        self._rate.check(self._client(headers, scope))

    def _client(self, headers: Headers, scope: Scope) -> str:
        """Name who is limited: the owner of a token, otherwise an address."""
        kind, _, token = headers.get("authorization", "").partition(" ")
        owner = self._tokens.find(token) if self._tokens and kind.lower() == "bearer" else None
        if owner is not None:
            return f"token of {owner.name}"
        return f"address {scope['client'][0]}" if scope.get("client") else ""

    def _max_body_bytes(self, path: str) -> int:
        if path == UPLOAD_PATH or path.endswith(PHOTOS_PATH):
            return self._body_bytes
        return MAX_DRAWING_BYTES if path.endswith(DRAWING_PATHS) else MAX_JSON_BYTES


def internal_error() -> ApiError:
    """Return an error that reveals nothing but that the client is not at fault."""
    return ApiError("internal_error", "an internal error occurred; the server's log has the details")


def _log_failure(scope: Scope, error: Exception, *, broke_off: bool) -> None:
    """Log a defect with its traceback, and in one line what would have been an error response before it began."""
    if broke_off and error.__cause__ is not None:
        reason = " ".join(str(error.__cause__).split())
        LOG.error("%s %s broke off: %s", scope["method"], scope["path"], reason)
    else:
        LOG.error("%s %s failed", scope["method"], scope["path"], exc_info=error)


def _check_origin(headers: Headers, host: str) -> None:
    """Refuse requests from other sites' pages, which the browser marks by Origin or Sec-Fetch-Site."""
    origin = headers.get("origin")
    same = origin is None or urlsplit(origin).netloc.lower() == host.lower()
    is_foreign = headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate"
    if not same or is_foreign:
        raise ApiError(
            "origin_not_allowed",
            "requests from other sites' pages are refused: open this server's page; "
            "or the proxy in front does not pass on the Host that the browser sent",
        )


class _GuardedRequest:
    """One request: limits what is read of it, and adds headers to the response."""

    def __init__(self, receive: Receive, send: Send, max_bytes: int) -> None:
        self._receive, self._send, self._max_bytes = receive, send, max_bytes
        self._read, self._is_complete = 0, False
        self.response_started = False

    def check_length(self, stated: str | None) -> None:
        """Refuse a body by its stated length, before anything is read."""
        if stated is not None and (not stated.isdecimal() or int(stated) > self._max_bytes):
            raise self._too_large()

    async def receive(self) -> Message:
        """Pass on a piece of the body while it arrives in time and the limit is not exceeded."""
        if self._is_complete:  # what follows is the end of the connection, which may take its time
            return await self._receive()
        try:
            with fail_after(PIECE_SECONDS):
                message = await self._receive()
        except TimeoutError:
            raise ApiError(
                "too_slow", f"nothing of the body arrived for {PIECE_SECONDS:g} s; send it again"
            ) from None
        self._is_complete = not message.get("more_body", False)
        self._read += len(message.get("body", b""))
        if self._read > self._max_bytes:
            raise self._too_large()
        return message

    async def send(self, message: Message) -> None:
        """Send a piece of the response, with the headers that every response has."""
        if message["type"] == "http.response.start":
            self.response_started = True
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", "no-store")
        await self._send(message)

    async def refuse(self, error: ApiError) -> None:
        """Respond with an error, unless a response has started: that is left incomplete, and the connection ends."""
        if self.response_started:
            return
        body = json.dumps(error.body).encode()
        headers = {
            "content-type": "application/json",
            "content-length": str(len(body)),
            **{name.lower(): value for name, value in error.headers.items()},
        }
        pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": error.status, "headers": pairs})
        await self.send({"type": "http.response.body", "body": body})

    def _too_large(self) -> ApiError:
        return ApiError(
            "body_too_large",
            f"the body is larger than {self._max_bytes:,} bytes; send images in several requests, "
            "or start the server with a larger --max-body-mb",
        )


def _is_ip_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
