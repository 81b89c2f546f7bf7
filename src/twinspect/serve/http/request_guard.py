"""What stands between the network and the application: who is answered, how much is read, what headers go back."""

from __future__ import annotations

import ipaddress
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect

from twinspect.serve.api_errors import ApiError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from twinspect.serve.http.rate_limit import RateLimit

LOG = logging.getLogger(__name__)

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
MAX_JSON_BYTES: Final = 64 * 1024
"""Most bytes of a body that is no upload."""
UPLOAD_PATH: Final = "/v1/score"

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; font-src 'none'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


@dataclass(frozen=True)
class Hosts:
    """By which names the server may be called.

    A page of another site can make a browser connect here under a name of its own (DNS rebinding); a number it cannot
    own, so numbers are always allowed where the server listens on more than this machine.

    Attributes:
        names: lower-case host names and addresses, without ports.
        any_number: whether every IP address is allowed.
    """

    names: frozenset[str] = LOOPBACK_NAMES
    any_number: bool = False

    @classmethod
    def of(cls, host: str, further: tuple[str, ...] = ()) -> Hosts:
        """Allow what a server on an address is called.

        Args:
            host: what it listens on.
            further: other names that lead to it.
        """
        names = LOOPBACK_NAMES | {host.lower(), *(name.lower() for name in further)}
        return cls(names, any_number=not is_loopback(host))

    def allow(self, header: str) -> bool:
        """Tell whether a Host header names this server."""
        try:
            name = urlsplit(f"//{header}").hostname or ""
        except ValueError:
            return False
        return name in self.names or (self.any_number and _is_ip_address(name))


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address."""
    return host.lower() == "localhost" or (_is_ip_address(host) and ipaddress.ip_address(host).is_loopback)


class Guard:
    """The outermost layer of the application.

    Args:
        app: what is guarded.
        hosts: by which names it may be called.
        rate: how often a client may ask.
        body_bytes: most bytes of an upload.
    """

    def __init__(self, app: ASGIApp, hosts: Hosts, rate: RateLimit, body_bytes: int) -> None:
        self._app, self._hosts, self._rate, self._body_bytes = app, hosts, rate, body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        guarded = _GuardedRequest(receive, send, self._most_bytes(scope["path"]))
        try:
            self._check(scope)
            guarded.check_length(Headers(scope=scope).get("content-length"))
            await self._app(scope, guarded.receive, guarded.send)
        except ApiError as refusal:
            await guarded.refuse(refusal)
        except ClientDisconnect:
            LOG.info("%s %s: the client went away", scope["method"], scope["path"])
        except Exception:
            LOG.exception("%s %s failed", scope["method"], scope["path"])
            await guarded.refuse(internal_error())

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._hosts.allow(host):
            raise ApiError(
                "host_not_allowed",
                f"this server is not called {host[:100]!r}; if it is, start it with --allow-host NAME",
            )
        _check_origin(headers, host)
        self._rate.check(scope["client"][0] if scope.get("client") else "")

    def _most_bytes(self, path: str) -> int:
        return self._body_bytes if path == UPLOAD_PATH else MAX_JSON_BYTES


def internal_error() -> ApiError:
    """Say that it is not the client's fault, and nothing else."""
    return ApiError("internal_error", "the server made a mistake; its log says which")


def _check_origin(headers: Headers, host: str) -> None:
    """Refuse what another site's page sends: its Origin or its browser gives that away."""
    origin = headers.get("origin")
    same = origin is None or urlsplit(origin).netloc.lower() == host.lower()
    is_foreign = headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate"
    if not same or is_foreign:
        raise ApiError("origin_not_allowed", "other sites' pages are not answered; open this server's own")


class _GuardedRequest:
    """One request: counts what is read of it, and completes what is sent back."""

    def __init__(self, receive: Receive, send: Send, most: int) -> None:
        self._receive, self._send, self._most = receive, send, most
        self._read = 0
        self._began = False

    def check_length(self, stated: str | None) -> None:
        """Refuse by what the header says, before anything is read."""
        if stated is not None and (not stated.isdecimal() or int(stated) > self._most):
            raise self._too_large()

    async def receive(self) -> Message:
        """Hand a piece of the body on, while it is not too much."""
        message = await self._receive()
        self._read += len(message.get("body", b""))
        if self._read > self._most:
            raise self._too_large()
        return message

    async def send(self, message: Message) -> None:
        """Send a piece of the answer, with the headers that every answer has."""
        if message["type"] == "http.response.start":
            self._began = True
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", "no-store")
        await self._send(message)

    async def refuse(self, refusal: ApiError) -> None:
        """Answer with an error, unless an answer has begun: then it is left incomplete, and the connection ends."""
        if self._began:
            return
        body = json.dumps(refusal.body).encode()
        headers = {
            "content-type": "application/json",
            "content-length": str(len(body)),
            **{name.lower(): value for name, value in refusal.headers.items()},
        }
        pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": refusal.status, "headers": pairs})
        await self.send({"type": "http.response.body", "body": body})

    def _too_large(self) -> ApiError:
        return ApiError(
            "body_too_large",
            f"the request's body is larger than {self._most:,} bytes; send images in several requests, "
            "or start the server with a larger --max-body-mb",
        )


def _is_ip_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
