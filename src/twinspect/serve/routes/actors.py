"""The actor behind a request, so that a page can show what the actor may not do."""

from __future__ import annotations

from fastapi import APIRouter

from twinspect.serve.http.context import ContextDep, Viewer, error_responses
from twinspect.serve.http.schemas import ActorAnswer

ROUTER = APIRouter(prefix="/v1", tags=["actors"])


@ROUTER.get("/me", responses=error_responses())
def me(context: ContextDep, actor: Viewer) -> ActorAnswer:
    """Return the owner of the token; a server without tokens treats every client as an admin."""
    return ActorAnswer.model_validate(
        {"name": actor.name, "role": actor.role, "studio": context.studio is not None}
    )
