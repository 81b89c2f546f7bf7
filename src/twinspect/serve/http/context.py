"""What routes depend on: the server's store, models and caches, and the actor behind a request."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

from anyio import CapacityLimiter
from cachetools import LRUCache, cached
from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer

from twinspect.data.prefetching import default_workers
from twinspect.errors import NotStoredError, unknown_name
from twinspect.serve.api_errors import STATUS, ApiError
from twinspect.serve.http.schemas import ErrorAnswer
from twinspect.serve.http.tokens import LOCAL, Actor, Tokens
from twinspect.serve.store import Order
from twinspect.serve.store.text import storable_text
from twinspect.serve.uploads.checks import Limits
from twinspect.serve.uploads.incoming import IncomingBytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from twinspect.calibration.conformal import Calibration
    from twinspect.serve.http.monitoring import Metrics
    from twinspect.serve.products.studio import Studio
    from twinspect.serve.scoring.model_registry import ModelRegistry
    from twinspect.serve.sinks.delivering import Delivering
    from twinspect.serve.sources.running_sources import RunningSources
    from twinspect.serve.store import InspectionRow, SortKey, Store
    from twinspect.serve.store.ordering import Thresholds

Key = TypeVar("Key")
Value = TypeVar("Value")

CONCURRENT_UPLOADS: Final = 16
INCOMING_BYTES: Final = 2**30
"""Bytes of all uploads that arrive at once; one may have as many as its own limit."""
"""How many uploads are read at once; others wait in the network, not in memory."""
MAPS_BYTES: Final = 128 * 2**20
THUMBNAILS_BYTES: Final = 32 * 2**20
DRIFT_RESULTS: Final = 1000
"""How many results of drift tests are cached."""


@dataclass
class Context:
    """The state of one running server.

    Attributes:
        store: inspections, calibrations and images.
        registry: the served models.
        metrics: counters for monitoring.
        tokens: who may do what; ``None`` if only this machine can connect.
        limits: of uploads.
        watched: watched folders: name, model and path of each.
        allowed_folders: folders that admins may name.
        root_path: before the path of every address that is told to clients.
        stopping: whether new uploads are refused.
        studio: products and their trainings; ``None`` where the server only inspects.
        maps: cache of anomaly maps, by image and weights.
        thumbnails: cache of thumbnails, by image.
        drifts: cache of drift warnings, by calibration and last inspection.
        decoding: limits how many images are decoded at once.
        incoming: counts the bytes of uploads that arrive.
        receiving: limits how many uploads that have arrived are accepted at once.
        delivering: the sinks, set once the server has them.
        sources: where images come from by themselves, likewise.
    """

    store: Store
    registry: ModelRegistry
    metrics: Metrics
    tokens: Tokens | None = None
    limits: Limits = field(default_factory=Limits)
    watched: tuple[tuple[str, str, Path], ...] = ()
    allowed_folders: tuple[Path, ...] = ()
    root_path: str = ""
    stopping: bool = False
    studio: Studio | None = None
    maps: LRUCache[tuple[str, str | None], NDArray[np.float32]] = field(
        default_factory=lambda: LRUCache(MAPS_BYTES, lambda array: array.nbytes)
    )
    thumbnails: LRUCache[str, bytes] = field(default_factory=lambda: LRUCache(THUMBNAILS_BYTES, len))
    drifts: LRUCache[tuple[int, int], str | None] = field(default_factory=lambda: LRUCache(DRIFT_RESULTS))
    decoding: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(default_workers()))
    incoming: IncomingBytes = field(default_factory=lambda: IncomingBytes(INCOMING_BYTES))
    receiving: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CONCURRENT_UPLOADS))
    delivering: Delivering = field(init=False, repr=False)
    sources: RunningSources = field(init=False, repr=False)
    _calibrations: dict[int, Calibration] = field(default_factory=dict)
    _cache_lock: threading.Lock = field(default_factory=threading.Lock)

    def cached(self, cache: LRUCache[Key, Value], key: Key, make: Callable[[], Value]) -> Value:
        """Return a value from one of the caches; a missing one is made and added."""
        return cached(cache, key=lambda: key, lock=self._cache_lock)(make)()

    def check_model(self, name: str) -> None:
        """Refuse a name that neither a served model has nor a product that waits for its first version.

        Raises:
            ApiError: ``unknown_model``.
        """
        if self.studio is not None and name not in self.registry:
            with suppress(NotStoredError):
                self.studio.products.get(name)
                return
        self.registry.get(name)

    def calibration(self, number: int) -> Calibration:
        """Return a calibration; it never changes, so it is cached."""
        if number not in self._calibrations:
            self._calibrations[number] = self.store.calibration(number).calibration
        return self._calibrations[number]

    def order(self, by: SortKey, *, ascending: bool, model: str | None) -> Order:
        """Return an order of inspections, with the thresholds that decided on those of a model, or of all."""
        thresholds = self._thresholds_of(model) if by == "score" else {}
        return Order(by, ascending, thresholds)

    def _thresholds_of(self, model: str | None) -> Thresholds:
        """Return every threshold that ever decided, by calibration and category."""
        models = [each for each in self.store.models() if model in (None, each.name)]
        numbers = [row.id for each in models for row in self.store.calibrations(each.id)]
        return {
            key: line for number in numbers for key, line in _thresholds(number, self.calibration(number))
        }

    def folder(self, name: str) -> str:
        """Return the path of a watched folder, as stored, by its name: clients never name paths.

        Raises:
            ApiError: ``unknown_folder``.
        """
        for known, _, path in self.watched:
            if known == name:
                return storable_text(str(path))
        names = [known for known, _, _ in self.watched]
        raise ApiError("unknown_folder", str(unknown_name("watched folder", name, names)))

    def watched_folders(self) -> list[Path]:
        """Return the folders from which images are taken."""
        added = [Path(row.settings["path"]) for row in self.sources.rows.all() if row.kind == "folder"]
        return [*(path for _, _, path in self.watched), *added]

    def inspection(self, number: int) -> InspectionRow:
        """Return an inspection.

        Raises:
            ApiError: ``unknown_inspection``.
        """
        try:
            return self.store.inspection(number)
        except NotStoredError:
            raise ApiError("unknown_inspection", f"no inspection of id {number}") from None


def _thresholds(number: int, calibration: Calibration) -> Iterator[tuple[tuple[int, str | None], float]]:
    for name, own in calibration.by_category.items():
        yield (number, name), own.threshold
    yield (number, None), calibration.threshold


def get_context(request: Request) -> Context:
    """Return the context of the server that a request came to."""
    context: Context = request.app.state.context
    return context


def require_role(role: str) -> Callable[..., Actor]:
    """Make a dependency that admits actors with a role, and returns the actor."""

    def identify(request: Request, _: Annotated[Any, Depends(_BEARER)]) -> Actor:
        actor = _identify(get_context(request).tokens, request.headers.get("authorization"))
        check_role(actor, role)
        return actor

    return identify


def check_role(actor: Actor, role: str) -> None:
    """Refuse an actor whose role is too low.

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
    actor = tokens.find(token.strip())
    if actor is None:
        raise ApiError(
            "token_unknown", "the token is unknown; create one with: twinspect serve --add-token NAME"
        )
    return actor


_BEARER_HELP: Final = (
    "a token of `--add-token`; none is needed where the server was started without `--token-file`"
)
_BEARER: Final = HTTPBearer(auto_error=False, description=_BEARER_HELP)

ContextDep = Annotated[Context, Depends(get_context)]
# The OpenAPI document tells the role of each route by these scopes.
Viewer = Annotated[Actor, Security(require_role("view"), scopes=["view"])]
Inspector = Annotated[Actor, Security(require_role("inspect"), scopes=["inspect"])]
Trainer = Annotated[Actor, Security(require_role("train"), scopes=["train"])]
Admin = Annotated[Actor, Security(require_role("admin"), scopes=["admin"])]

_ALWAYS: Final = ("token_needed", "role_too_low", "rate_limited", "invalid_request", "store_unavailable")


BODY_ERRORS: Final = ("bad_request", "body_too_large", "too_slow", "storage_full")
"""Errors of every route that takes JSON and stores what it says."""


def error_responses(*codes: str) -> dict[int | str, dict[str, Any]]:
    """Describe the errors of a route for the OpenAPI document."""
    responses: dict[int | str, dict[str, Any]] = {}
    for status in sorted({STATUS[code] for code in (*codes, *_ALWAYS)}):
        same_status = [code for code in (*codes, *_ALWAYS) if STATUS[code] == status]
        example = {"error": {"code": same_status[0], "message": "what came; what is allowed; what to do"}}
        responses[status] = {
            "model": ErrorAnswer,
            "description": ", ".join(dict.fromkeys(same_status)),
            "content": {"application/json": {"example": example}},
        }
    return responses
