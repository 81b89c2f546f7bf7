"""Pictures of inspections for folders of results, made as those that the routes return."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.errors import NotStoredError
from twinspect.serve.api_errors import ApiError
from twinspect.serve.routes.inspection_images import overlay_png
from twinspect.serve.sinks.base import UnreachableError

if TYPE_CHECKING:
    from twinspect.serve.http.context import Context
    from twinspect.serve.store import InspectionRow


class ServedPictures:
    """Pictures of one server.

    Args:
        context: of the server.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    def image(self, row: InspectionRow) -> bytes:
        """Return the original file.

        Raises:
            NotStoredError: retention has removed it.
        """
        return self._context.store.archive.read(row.image_sha256)

    def overlay(self, row: InspectionRow) -> bytes:
        """Return a PNG of the image with its anomaly map.

        Raises:
            NotStoredError: there is none, any more.
            UnreachableError: the server is stopping, so that is to be asked again.
        """
        try:
            return overlay_png(self._context, row)
        except ApiError as error:
            if error.code == "stopping":
                raise UnreachableError(error.message) from None
            raise NotStoredError(error.message) from None
