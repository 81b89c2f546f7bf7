"""What an admin says of a sink, by kind; each is checked before anything is stored."""

from __future__ import annotations

import ssl
from string import Formatter
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, TypeAdapter

from twinspect.serve.endpoint_settings import EndpointSettings

TOPIC_FIELDS = ("product", "verdict", "category")
"""What a topic may name in braces."""


def _check_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.fragment:
        raise ValueError("give https://HOST/PATH or http://HOST/PATH, without user, password and #")
    if not all("!" <= letter <= "~" for letter in url):
        raise ValueError("write blanks and other letters than those of ASCII as %XX")
    _ = parts.port  # raises for what is no port
    return url


def _check_certificate(text: str) -> str:
    tls_context(text)
    return text


def _check_topic(topic: str) -> str:
    try:
        fields = {name for _, name, _, _ in Formatter().parse(topic) if name is not None}
    except ValueError:
        fields = {topic}
    if not fields <= set(TOPIC_FIELDS) or any(letter in topic for letter in "+#\0"):
        raise ValueError(f"+ and # are not allowed, and in braces only {', '.join(TOPIC_FIELDS)}")
    return topic


Certificate = Annotated[
    Annotated[str, AfterValidator(_check_certificate), Field(min_length=1, max_length=50_000)] | None,
    Field(
        description="in PEM, of the authority that signed the receiver's; null for those the system trusts"
    ),
]
Timeout = Annotated[float, Field(ge=1, le=30, description="seconds until an attempt has failed")]
Topic = Annotated[str, AfterValidator(_check_topic), Field(max_length=500)]


class WebhookTarget(EndpointSettings):
    """A request for each result."""

    SECRETS = ("secret", "authorization")

    kind: Literal["webhook"]
    url: Annotated[str, AfterValidator(_check_url), Field(max_length=2000)]
    secret: str | None = Field(
        default=None,
        min_length=16,
        max_length=200,
        description="what requests are signed with; whsec_ and Base64 stands for bytes; null: not signed",
    )
    authorization: str | None = Field(
        default=None, max_length=2000, pattern=r"^[!-~]+( [!-~]+)*$", description="the header of that name"
    )
    timeout: Timeout = 10
    ca_certificate: Certificate = None

    @property
    def address(self) -> str:
        """Where it is, as everybody may see it: a path may be a secret."""
        return urlsplit(self.url).netloc


class MqttTarget(EndpointSettings):
    """A message for each result, to a broker."""

    SECRETS = ("password",)

    kind: Literal["mqtt"]
    host: str = Field(min_length=1, max_length=255, pattern=r"^[\w.:-]+$")
    port: int = Field(default=8883, ge=1, le=65535)
    tls: bool = True
    user: str = Field(default="", max_length=500)
    password: str | None = Field(default=None, max_length=500)
    topic: Annotated[Topic, Field(min_length=1)] = "twinspect/{product}/results"
    status_topic: Topic = Field(
        default="twinspect/{product}/status", description="retained: online or offline; empty for none"
    )
    retain: bool = Field(
        default=False, description="whether the broker keeps the last result for new clients"
    )
    timeout: Timeout = 10
    ca_certificate: Certificate = None

    @property
    def address(self) -> str:
        """Where it is, as everybody may see it."""
        return f"{self.host}:{self.port}"


class FolderTarget(EndpointSettings):
    """A JSON file for each result."""

    kind: Literal["folder"]
    path: str = Field(min_length=1, max_length=1000, description="below a folder of --allow-folder")
    image: bool = Field(default=False, description="whether the image is put beside it")
    overlay: bool = Field(
        default=False, description="whether the image with its anomaly map is put beside it"
    )

    @property
    def address(self) -> str:
        """Nothing of the server's paths."""
        return "folder"


AnyTarget = Annotated[WebhookTarget | MqttTarget | FolderTarget, Field(discriminator="kind")]
_ADAPTER: TypeAdapter[WebhookTarget | MqttTarget | FolderTarget] = TypeAdapter(AnyTarget)


def read_target(kind: str, values: dict[str, Any]) -> WebhookTarget | MqttTarget | FolderTarget:
    """Check settings and secrets.

    Raises:
        ValueError: they are not allowed; a message without their values is in ``errors()``.
    """
    return _ADAPTER.validate_python({"kind": kind, **values})


def tls_context(certificate: str | None) -> ssl.SSLContext:
    """Return how receivers are verified: by the system's authorities, or by one of the plant's own.

    Raises:
        ValueError: this is no certificate.
    """
    try:
        return ssl.create_default_context(cadata=certificate)
    except (ssl.SSLError, ValueError, TypeError) as error:
        raise ValueError(
            "this is no certificate in PEM; it begins with -----BEGIN CERTIFICATE-----"
        ) from error
