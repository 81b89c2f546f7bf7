"""Clients that hold a server up, for `serving.py --hostile`: uploads that stop, connections without a request.

    python benchmarks/hostile_clients.py HOST PORT

Sixteen begin an upload and stop sending, 250 send nothing, 250 send a byte of a header every two seconds. Whatever
the server closes is opened again. Runs until it is ended.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

STALLED, SILENT, SLOW = 16, 250, 250
UPLOAD = (
    b"POST /v1/score HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 100000\r\n\r\n"
)
HEADER = b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-Slow: " + b"a" * 10_000


async def main(host: str, port: int) -> None:
    """Open all, and keep as many open."""
    kinds = [UPLOAD] * STALLED + [b""] * SILENT
    await asyncio.gather(
        *(hold(host, port, sent, b"") for sent in kinds),
        *(hold(host, port, b"", HEADER) for _ in range(SLOW)),
    )


async def hold(host: str, port: int, at_once: bytes, slowly: bytes) -> None:
    """Keep one connection open, again and again."""
    while True:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(at_once)
            dripping = asyncio.create_task(drip(writer, slowly))
            with suppress(OSError):
                await reader.read()  # until the server closes it
            dripping.cancel()
            writer.close()
        await asyncio.sleep(0.5)


async def drip(writer: asyncio.StreamWriter, data: bytes) -> None:
    """Send a byte now and then."""
    with suppress(OSError):
        for byte in data:
            writer.write(bytes([byte]))
            await asyncio.sleep(2)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
