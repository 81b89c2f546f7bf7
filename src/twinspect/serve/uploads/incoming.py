"""The bytes of uploads that are arriving, counted: many slow clients must not fill the memory."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twinspect.serve.api_errors import ApiError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

RETRY_AFTER = 5
"""Seconds after which a client whose upload found no room should try again."""


@dataclass
class IncomingBytes:
    """How many bytes of bodies are in memory.

    Attributes:
        limit: bytes of all bodies together.
        held: bytes that have arrived and are not let go of yet.
    """

    limit: int
    held: int = 0

    @contextmanager
    def body(self) -> Iterator[IncomingBody]:
        """Count the bytes of a body until the block ends."""
        body = IncomingBody(self)
        try:
            yield body
        finally:
            self.held -= body.size


@dataclass
class IncomingBody:
    """One body.

    Attributes:
        total: that of all bodies.
        size: bytes that have arrived.
    """

    total: IncomingBytes
    size: int = 0

    async def counted(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Pass the pieces on and count them.

        Raises:
            ApiError: all bodies together are too large.
        """
        async for chunk in chunks:
            self.size += len(chunk)
            self.total.held += len(chunk)
            if self.total.held > self.total.limit:
                raise ApiError(
                    "queue_full",
                    "too many uploads arrive at once; send it again later",
                    retry_after=RETRY_AFTER,
                )
            yield chunk
