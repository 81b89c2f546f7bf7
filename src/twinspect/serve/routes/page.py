"""The web page: static files of the package."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

from twinspect.serve.api_errors import ApiError

FOLDER = Path(__file__).parents[1] / "web"


def add_page(app: FastAPI) -> None:
    """Serve the page at ``/`` and its files under ``/static``."""
    if FOLDER.is_dir():
        app.mount("/static", StaticFiles(directory=FOLDER), name="static")

    @app.get("/", include_in_schema=False)
    def page() -> Response:
        index = FOLDER / "index.html"
        if not index.is_file():
            raise ApiError("not_found", "this installation has no web page; the HTTP interface is under /v1")
        return FileResponse(index)
