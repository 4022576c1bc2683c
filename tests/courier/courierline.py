"""One line from an outbox to a server: outbox, courier, transport and wire are real, time is a fake clock's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from typing_extensions import Self

from footfall.courier.courier import Courier
from footfall.courier.transport import HttpTransport, Transport
from footfall.destination import Destination
from footfall.outbox.store import Outbox
from footfall.testing.clock import FakeClock
from footfall.testing.sink import Received, Sink
from footfall.usage import Usage
from footfall.wire.base import Wire
from footfall.wire.load import load

ROUNDS = 300
HANG_GUARD_SECONDS = 20

L = TypeVar("L", bound="CourierLine")


class CourierLine:
    """Everything of one process that delivers; a block ends it.

    Args:
        folder: Of the outbox.
        sink: The server.
        destination: Where all goes.
        timeout_seconds: Longest exchange.
        environ: Where credentials are looked up.
        clock: Default: a new one.
        transport: Default: the real one.
    """

    def __init__(
        self,
        folder: Path,
        sink: Sink,
        destination: Destination,
        *,
        timeout_seconds: float = 5,
        environ: dict[str, str] | None = None,
        clock: FakeClock | None = None,
        transport: Transport | None = None,
    ) -> None:
        self.sink, self.destination, self.clock = sink, destination, clock or FakeClock()
        self.outbox = Outbox.open(
            folder / "outbox.db", clock=self.clock, max_bytes=2**26, max_age_seconds=30 * 86400, reserve_bytes=2**16
        )
        self._http = HttpTransport(connect_timeout_seconds=2, environ={}, proxies=dict)
        self.courier = Courier(
            self.outbox,
            transport=transport or self._http,
            clock=self.clock,
            wires=self.wire,
            environ=environ or {},
            exchange_timeout_seconds=timeout_seconds,
        )
        self.number = self.outbox.destination(destination)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.courier.stop(HANG_GUARD_SECONDS)
        self.outbox.close()
        self._http.close()

    def wire(self, destination: Destination) -> Wire:
        """The real one."""
        return load(destination.wire, destination.options)

    def take(self, uses: Sequence[Usage], *, destination: int | None = None) -> None:
        """Translate *uses*, each of which is told, and take in the requests."""
        requests = self.wire(self.destination).translate(uses)
        assert len(requests) == len(uses)
        number = self.number if destination is None else destination
        self.outbox.intake([(number, request) for request in requests], offsets={}, now_ns=self.clock.now_ns())

    def deliver_through(self, mode: str, where: str = "") -> None:
        """Try while the server (or one path of it) is in *mode*, then deliver all once it is well again."""
        self.sink.set_mode(mode, where)
        for _ in range(3):
            self.courier.deliver_once()
            self.clock.advance(0.5)
        self.sink.set_mode("ok")
        self.deliver_all()

    def deliver_all(self) -> None:
        """Deliver until nothing is due any more, however long that takes on the fake clock."""
        for _ in range(ROUNDS):
            wait = self.courier.next_wake_seconds()
            if wait is None:
                return
            self.clock.advance(wait)
            self.courier.deliver_once()

    def requests(self) -> list[Received]:
        """Every request that reached the server."""
        return self.sink.requests()
