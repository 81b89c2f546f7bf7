"""Errors of the HTTP interface: a stable code, an HTTP status and a sentence that says what to do."""

from __future__ import annotations

from typing import Any, Final

STATUS: Final[dict[str, int]] = {
    # one image
    "image_empty": 422,
    "image_too_large": 413,
    "image_too_many_pixels": 413,
    "image_too_small": 422,
    "image_unknown_type": 415,
    "image_polyglot": 422,
    "image_several_pictures": 422,
    "image_damaged": 422,
    "images_refused": 422,
    # a request
    "bad_request": 400,
    "bad_multipart": 400,
    "no_images": 400,
    "too_many_images": 413,
    "body_too_large": 413,
    "too_slow": 408,
    "unsupported_media_type": 415,
    "not_acceptable": 406,
    "invalid_request": 422,
    "unknown_category": 422,
    "cannot_promise": 422,
    "not_found": 404,
    "unknown_model": 404,
    "unknown_inspection": 404,
    "unknown_folder": 404,
    "unknown_calibration": 404,
    "unknown_sink": 404,
    "unknown_source": 404,
    "unknown_product": 404,
    "unknown_photo": 404,
    "unknown_job": 404,
    "unknown_version": 404,
    "method_not_allowed": 405,
    "model_changed": 409,
    "not_scored": 409,
    "conflict": 409,
    "no_camera": 409,
    "image_removed": 410,
    # who may
    "token_needed": 401,
    "token_unknown": 401,
    "role_too_low": 403,
    "host_not_allowed": 403,
    "origin_not_allowed": 403,
    "folder_not_allowed": 403,
    # not now
    "rate_limited": 429,
    "queue_full": 429,
    "starting": 503,
    "stopping": 503,
    "store_unavailable": 503,
    "storage_full": 507,
    "camera_failed": 503,
    "not_installed": 501,
    "quota_exceeded": 507,
    "scoring_failed": 500,
    "internal_error": 500,
}
"""Every error code and its HTTP status. Codes are stable: clients may rely on them."""


class ApiError(Exception):
    """A request that cannot be fulfilled.

    Args:
        code: a key of :data:`STATUS`.
        message: what was received, what is allowed, what to do.
        retry_after: seconds after which a retry makes sense, if it does.
    """

    def __init__(self, code: str, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = STATUS[code]
        self.message = message
        self.retry_after = retry_after
        self.extra_headers: dict[str, str] = {}

    @property
    def body(self) -> dict[str, Any]:
        """The body of the response."""
        return {"error": {"code": self.code, "message": self.message}}

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the response."""
        headers = {"Retry-After": str(self.retry_after)} if self.retry_after is not None else {}
        return self.extra_headers | headers | ({"WWW-Authenticate": "Bearer"} if self.status == 401 else {})
