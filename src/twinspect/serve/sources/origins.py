"""What an admin says of a source, by kind; each is checked before anything is stored."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator, Field, TypeAdapter

from twinspect.serve.endpoint_settings import EndpointSettings


def _check_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("rtsp", "rtsps") or not parts.hostname or parts.username:
        raise ValueError("give rtsp://HOST/STREAM, with user and password apart, so that it can be shown")
    _ = parts.port  # raises for what is no port
    return url


class FolderOrigin(EndpointSettings):
    """A folder that images arrive in; those below it count too."""

    kind: Literal["folder"]
    path: str = Field(min_length=1, max_length=1000, description="below a folder of --allow-folder")


class UsbOrigin(EndpointSettings):
    """A camera of the server itself."""

    kind: Literal["usb"]
    device: int = Field(default=0, ge=0, le=99, description="its number")

    @property
    def address(self) -> str:
        """What OpenCV opens."""
        return str(self.device)


class RtspOrigin(EndpointSettings):
    """A camera in the network."""

    SECRETS = ("password",)

    kind: Literal["rtsp"]
    url: Annotated[str, AfterValidator(_check_address), Field(max_length=1000)]
    user: str = Field(default="", max_length=200)
    password: str | None = Field(default=None, max_length=200)

    @property
    def address(self) -> str:
        """What OpenCV opens."""
        if not self.user:
            return self.url
        parts = urlsplit(self.url)
        who = f"{quote(self.user, safe='')}:{quote(self.password or '', safe='')}"
        return parts._replace(netloc=f"{who}@{parts.netloc}").geturl()


AnyOrigin = Annotated[FolderOrigin | UsbOrigin | RtspOrigin, Field(discriminator="kind")]
_ADAPTER: TypeAdapter[FolderOrigin | UsbOrigin | RtspOrigin] = TypeAdapter(AnyOrigin)


def read_origin(kind: str, values: dict[str, Any]) -> FolderOrigin | UsbOrigin | RtspOrigin:
    """Check settings and secrets.

    Raises:
        ValueError: they are not allowed.
    """
    return _ADAPTER.validate_python({"kind": kind, **values})
