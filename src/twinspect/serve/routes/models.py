"""The served models and the watched folders."""

from __future__ import annotations

from fastapi import APIRouter

from twinspect.serve.drift.latest import latest_drift
from twinspect.serve.http.context import ContextDep, Viewer, error_responses
from twinspect.serve.http.presenters import present_model
from twinspect.serve.http.schemas import FolderAnswer, FoldersAnswer, ModelsAnswer

ROUTER = APIRouter(prefix="/v1", tags=["models"])


@ROUTER.get("/models", responses=error_responses())
def models(context: ContextDep, actor: Viewer) -> ModelsAnswer:
    """List the models, each with its active calibration and its queue."""
    return ModelsAnswer(
        models=[present_model(worker, latest_drift(context, worker), actor) for worker in context.registry]
    )


@ROUTER.get("/folders", responses=error_responses())
def folders(context: ContextDep, _: Viewer) -> FoldersAnswer:
    """List the watched folders; images that arrived there are inspections of source `watch`."""
    return FoldersAnswer(
        folders=[FolderAnswer(name=name, model=model) for name, model, _path in context.watched]
    )
