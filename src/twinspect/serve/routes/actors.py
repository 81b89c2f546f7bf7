"""Who asks: a page shows what they may not do before they try."""

from __future__ import annotations

from fastapi import APIRouter

from twinspect.serve.http.context import Viewer, error_responses
from twinspect.serve.http.schemas import ActorAnswer

ROUTER = APIRouter(prefix="/v1", tags=["actors"])


@ROUTER.get("/me", responses=error_responses())
def me(actor: Viewer) -> ActorAnswer:
    """Say whose token came; without tokens, whoever is on this machine may do everything."""
    return ActorAnswer.model_validate({"name": actor.name, "role": actor.role})
