"""What every route reaches: the store, the models, and who asks."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

from anyio import CapacityLimiter
from cachetools import LRUCache, cached
from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from twinspect.data.prefetching import default_workers
from twinspect.errors import NotStoredError, unknown_name
from twinspect.serve.api_errors import STATUS, ApiError
from twinspect.serve.http.schemas import ErrorAnswer
from twinspect.serve.http.tokens import LOCAL, Actor, Tokens
from twinspect.serve.store.text import storable_text
from twinspect.serve.uploads.checks import Limits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from twinspect.calibration.conformal import Calibration
    from twinspect.serve.http.monitoring import Metrics
    from twinspect.serve.scoring.model_registry import ModelRegistry
    from twinspect.serve.store import InspectionRow, Store

Key = TypeVar("Key")
Value = TypeVar("Value")

CONCURRENT_UPLOADS: Final = 16
"""Uploads that are read at once; others wait on the wire, not in memory."""
MAPS_BYTES: Final = 128 * 2**20
THUMBNAILS_BYTES: Final = 32 * 2**20
DRIFT_RESULTS: Final = 1000
"""How many windows' results are kept."""


@dataclass
class Context:
    """One running server.

    Attributes:
        store: where everything is kept.
        registry: the models.
        metrics: what is counted.
        tokens: who may do what; ``None`` where nobody but this machine can ask.
        limits: what is accepted.
        watched: folders that a page may pick: what each is called, its model's name, and where it is.
        stopping: whether no more uploads are taken.
        maps: anomaly maps that were computed of late.
        thumbnails: small pictures likewise.
        drifts: what the last windows of images showed.
        decoding: how many images are decoded at once.
        receiving: how many requests are read at once.
    """

    store: Store
    registry: ModelRegistry
    metrics: Metrics
    tokens: Tokens | None = None
    limits: Limits = field(default_factory=Limits)
    watched: tuple[tuple[str, str, Path], ...] = ()
    stopping: bool = False
    maps: LRUCache[tuple[str, str | None], NDArray[np.float32]] = field(
        default_factory=lambda: LRUCache(MAPS_BYTES, lambda array: array.nbytes)
    )
    thumbnails: LRUCache[str, bytes] = field(default_factory=lambda: LRUCache(THUMBNAILS_BYTES, len))
    drifts: LRUCache[tuple[int, int], str | None] = field(default_factory=lambda: LRUCache(DRIFT_RESULTS))
    decoding: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(default_workers()))
    receiving: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CONCURRENT_UPLOADS))
    _calibrations: dict[int, Calibration] = field(default_factory=dict)
    _cache_lock: threading.Lock = field(default_factory=threading.Lock)

    def cached(self, cache: LRUCache[Key, Value], key: Key, make: Callable[[], Value]) -> Value:
        """Look a value up in one of the caches; make and keep it where it is missing."""
        return cached(cache, key=lambda: key, lock=self._cache_lock)(make)()

    def calibration(self, number: int) -> Calibration:
        """Give a calibration as it decided; it never changes, so it is kept."""
        if number not in self._calibrations:
            self._calibrations[number] = self.store.calibration(number).calibration
        return self._calibrations[number]

    def folder(self, name: str) -> str:
        """Find where a watched folder is, as the store spells it, by what it is called: clients never name paths.

        Raises:
            ApiError: ``unknown_folder``.
        """
        for called, _, path in self.watched:
            if called == name:
                return storable_text(str(path))
        known = [called for called, _, _ in self.watched]
        raise ApiError("unknown_folder", str(unknown_name("watched folder", name, known)))

    def inspection(self, number: int) -> InspectionRow:
        """Find an inspection.

        Raises:
            ApiError: ``unknown_inspection``.
        """
        try:
            return self.store.inspection(number)
        except NotStoredError:
            raise ApiError("unknown_inspection", f"no inspection of id {number}") from None


def get_context(request: Request) -> Context:
    """Give the server that a request came to."""
    found: Context = request.app.state.context
    return found


def require_role(role: str) -> Callable[..., Actor]:
    """Make a dependency that lets through whoever has a role, and says who that is."""

    def actor(request: Request, _: Annotated[Any, Depends(_BEARER)]) -> Actor:
        found = _identify(get_context(request).tokens, request.headers.get("authorization"))
        check_role(found, role)
        return found

    return actor


def check_role(actor: Actor, role: str) -> None:
    """Refuse what an actor may not do.

    Raises:
        ApiError: ``role_too_low``.
    """
    if not actor.may(role):
        raise ApiError("role_too_low", f"{actor.name!r} has the role {actor.role!r}; this needs {role!r}")


def _identify(tokens: Tokens | None, header: str | None) -> Actor:
    if tokens is None:
        return LOCAL
    scheme, _, token = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise ApiError("token_needed", "send the header: Authorization: Bearer TOKEN")
    found = tokens.find(token.strip())
    if found is None:
        raise ApiError(
            "token_unknown", "the token is not known; one is made with: twinspect serve --add-token NAME"
        )
    return found


_BEARER: Final = HTTPBearer(auto_error=False, description="a token of --add-token; none needed on loopback")

ContextDep = Annotated[Context, Depends(get_context)]
Viewer = Annotated[Actor, Depends(require_role("view"))]
Inspector = Annotated[Actor, Depends(require_role("inspect"))]
Admin = Annotated[Actor, Depends(require_role("admin"))]

_ALWAYS: Final = ("token_needed", "role_too_low", "rate_limited", "invalid_request", "store_unavailable")


def error_responses(*codes: str) -> dict[int | str, dict[str, Any]]:
    """Describe the errors of a route for the OpenAPI document."""
    found: dict[int | str, dict[str, Any]] = {}
    for status in sorted({STATUS[code] for code in (*codes, *_ALWAYS)}):
        own = [code for code in (*codes, *_ALWAYS) if STATUS[code] == status]
        example = {"error": {"code": own[0], "message": "what came; what is allowed; what to do"}}
        found[status] = {
            "model": ErrorAnswer,
            "description": ", ".join(dict.fromkeys(own)),
            "content": {"application/json": {"example": example}},
        }
    return found
