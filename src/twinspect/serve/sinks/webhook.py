"""A signed HTTP request for each result, after https://www.standardwebhooks.com, whose libraries verify it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from twinspect._version import __version__
from twinspect.errors import in_one_line
from twinspect.serve.sinks.base import RefusedError, UnreachableError
from twinspect.serve.sinks.targets import tls_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from twinspect.serve.sinks.base import Outgoing
    from twinspect.serve.sinks.targets import WebhookTarget

_PREFIX: Final = "whsec_"


class Webhook:
    """Sends each result by a POST of its own; redirects are not followed.

    Args:
        target: where to.
        now: returns seconds since 1970.
    """

    def __init__(self, target: WebhookTarget, *, now: Callable[[], float] = time.time) -> None:
        self._target, self._now = target, now
        self._parts = urlsplit(target.url)

    def open(self) -> None:
        """Do nothing: every request connects."""

    def send(self, outgoing: Outgoing) -> None:
        """Send a result; any answer from 200 to 299 says that it has arrived.

        Raises:
            UnreachableError: nobody answers, or is who is asked for.
            RefusedError: the answer is another one.
        """
        body = json.dumps(outgoing.record, allow_nan=False).encode()
        try:
            with closing(self._connection()) as connection:
                connection.request("POST", self._path(), body, self._headers(outgoing, body))
                answer = connection.getresponse()
        except (OSError, HTTPException, ValueError) as error:  # a name may be none that can be asked for
            raise UnreachableError(in_one_line(str(error) or type(error).__name__, 300)) from error
        if not 200 <= answer.status < 300:
            raise RefusedError(f"the answer is {answer.status} {answer.reason}"[:300])

    def close(self) -> None:
        """Do nothing: no connection stays open."""

    def _connection(self) -> HTTPConnection:
        host, port, timeout = self._parts.hostname or "", self._parts.port, self._target.timeout
        if self._parts.scheme == "http":
            return HTTPConnection(host, port, timeout=timeout)
        return HTTPSConnection(host, port, timeout=timeout, context=tls_context(self._target.ca_certificate))

    def _path(self) -> str:
        query = f"?{self._parts.query}" if self._parts.query else ""
        return (self._parts.path or "/") + query

    def _headers(self, outgoing: Outgoing, body: bytes) -> dict[str, str]:
        at = str(int(self._now()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"twinspect/{__version__}",
            "Connection": "close",
            "Webhook-Id": outgoing.uuid,
            "Webhook-Timestamp": at,
            "Twinspect-Attempt": str(outgoing.attempt),
        }
        if self._target.secret:
            headers["Webhook-Signature"] = sign(self._target.secret, outgoing.uuid, at, body)
        if self._target.authorization:
            headers["Authorization"] = self._target.authorization
        return headers


def sign(secret: str, uuid: str, at: str, body: bytes) -> str:
    """Return the signature of a request: HMAC-SHA256 over its id, its time and its body.

    >>> sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330",
    ...      b'{"test": 2432232314}')
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    signed = f"{uuid}.{at}.".encode() + body
    return f"v1,{base64.b64encode(hmac.new(_key(secret), signed, hashlib.sha256).digest()).decode()}"


def _key(secret: str) -> bytes:
    if secret.startswith(_PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except binascii.Error:
            pass  # it is a text that happens to begin like one
    return secret.encode()
