"""Connections with a limit on their number, and on the time that the head of a request may take.

uvicorn limits neither in a way that says ``Retry-After``, and waits for a head for ever: ten thousand senders of one
byte each would hold ten thousand connections.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

from footfall.gateway.configuration import Limits

TICK_SECONDS: Final = 1.0


def protocol(limits: Limits) -> type[asyncio.Protocol]:
    """Return the class of connections for uvicorn.

    On h11, which comes with uvicorn: what is tested is what everybody runs, and of a batch a head is a small part.
    """
    busy = (
        "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n"
        f"retry-after: {limits.retry_after_seconds}\r\n\r\n"
    ).encode()

    class Connection(H11Protocol):
        """One connection. `head_since` is when a head began to come that has not come whole, or None.

        One too many is `refused`: what still happens to it is nobody's business.
        """

        refused: bool = False

        head_since: float | None = None
        ticking: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            if len(self.connections) >= limits.connections:
                self.refused = True
                transport.write(busy)
                transport.close()
                return
            super().connection_made(transport)
            self.head_since = self.loop.time()
            self.ticking = self.loop.call_later(TICK_SECONDS, self.tick)

        def data_received(self, data: bytes) -> None:
            if self.refused:
                return
            super().data_received(data)
            cycle: Any = self.cycle  # None before the first request
            if cycle is not None and not cycle.response_complete:
                self.head_since = None
            elif self.head_since is None:
                self.head_since = self.loop.time()

        def connection_lost(self, exc: Exception | None) -> None:
            if self.ticking is not None:
                self.ticking.cancel()
            if not self.refused:
                super().connection_lost(exc)

        def eof_received(self) -> None:
            if not self.refused:
                super().eof_received()

        def tick(self) -> None:
            if self.head_since is not None and self.loop.time() - self.head_since > limits.head_seconds:
                self.transport.close()
                return
            self.ticking = self.loop.call_later(TICK_SECONDS, self.tick)

    return Connection
