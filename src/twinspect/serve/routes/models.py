"""What is served, and which folders are watched."""

from __future__ import annotations

from fastapi import APIRouter

from twinspect.serve.drift.latest import latest_drift
from twinspect.serve.http.context import Here, Viewer, refusals
from twinspect.serve.http.presenters import present_model
from twinspect.serve.http.schemas import FolderAnswer, FoldersAnswer, ModelsAnswer

ROUTER = APIRouter(prefix="/v1", tags=["models"])


@ROUTER.get("/models", responses=refusals())
def models(here: Here, _: Viewer) -> ModelsAnswer:
    """List the models, with the calibration that decides and how much waits."""
    return ModelsAnswer(
        models=[present_model(served, latest_drift(here, served)) for served in here.registry]
    )


@ROUTER.get("/folders", responses=refusals())
def folders(here: Here, _: Viewer) -> FoldersAnswer:
    """List the watched folders; what arrived in them are inspections whose source is `watch`."""
    return FoldersAnswer(
        folders=[FolderAnswer(name=name, model=model) for name, model, _path in here.watched]
    )
