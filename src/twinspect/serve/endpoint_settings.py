"""Settings of sources and sinks, some of which are secrets that come in and never out."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict


class EndpointSettings(BaseModel):
    """Settings of one endpoint, as an admin gives them.

    Attributes:
        SECRETS: names of those that are told to nobody.
    """

    model_config = ConfigDict(extra="forbid")
    SECRETS: ClassVar[tuple[str, ...]] = ()

    def settings(self) -> dict[str, Any]:
        """Return what may be told to an admin, as plain JSON values."""
        return self.model_dump(mode="json", exclude={"kind", *self.SECRETS})

    def secrets(self) -> dict[str, Any]:
        """Return what is told to nobody, as far as it is set."""
        return self.model_dump(mode="json", include=set(self.SECRETS), exclude_none=True)
