"""One line from pushes to a ramen server: outbox, courier, transport and wire are real, time is a fake clock's."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import final

from footfall.courier.courier import Courier
from footfall.courier.transport import HttpTransport
from footfall.destination import Destination
from footfall.outbox.store import Outbox
from footfall.testing.clock import FakeClock
from footfall.testing.sink import Received, Sink
from footfall.usage import Kind, Usage
from footfall.wire.base import Wire
from footfall.wire.load import load

REQUESTS = 6
ROUNDS = 300
HANG_GUARD_SECONDS = 20


@final
class Line:
    """Everything of one process that delivers.

    Args:
        folder: Of the outbox.
        sink: The server.
        sender: Tells the messages of one test from those of others.
        options: Further ones of the wire.
    """

    def __init__(
        self,
        folder: Path,
        sink: Sink,
        *,
        sender: str,
        timeout_seconds: float = 5,
        environ: dict[str, str] | None = None,
        clock: FakeClock | None = None,
        options: dict[str, float] | None = None,
    ) -> None:
        self.sink, self.sender = sink, sender
        self.clock = clock or FakeClock()
        self.outbox = Outbox.open(
            folder / "outbox.db", clock=self.clock, max_bytes=2**26, max_age_seconds=30 * 86400, reserve_bytes=2**16
        )
        self.transport = HttpTransport(connect_timeout_seconds=2, environ={}, proxies=dict)
        self.courier = Courier(
            self.outbox,
            transport=self.transport,
            clock=self.clock,
            wires=self.wire,
            environ=environ or {},
            exchange_timeout_seconds=timeout_seconds,
        )
        self.destination = Destination(
            wire="ramen",
            endpoint=sink.url,
            options={"system_serial": 7, "sender": sender, "system_version": "1.0", **(options or {})},
            credentials="env:RAMEN" if environ else "",
        )
        self.number = self.outbox.destination(self.destination)
        self.pushed = 0

    def __enter__(self) -> Line:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.courier.stop(HANG_GUARD_SECONDS)
        self.outbox.close()
        self.transport.close()

    def wire(self, destination: Destination) -> Wire:
        """The real one."""
        return load(destination.wire, destination.options)

    def push(self, count: int, *, types: int = 1, destination: int | None = None, **words: object) -> None:
        """Take in *count* messages, their data types in turn, numbered over all calls."""
        uses = []
        for _ in range(count):
            self.pushed += 1
            extra = {
                "ramen.category": "metrics",
                "ramen.data_type": f"type{self.pushed % types}",
                "ramen.data_version": 1,
                "ramen.data": json.dumps({"n": self.pushed}),
                **{f"ramen.{name}": value for name, value in words.items()},
            }
            uses.append(
                Usage(
                    project="owner/name",
                    name="ramen.push",
                    kind=Kind.EVENT,
                    trace_id=f"{self.pushed:032x}",
                    span_id=f"{self.pushed:016x}",
                    time_ns=self.clock.now_ns(),
                    extra=extra,
                )
            )
        requests = self.wire(self.destination).translate(uses)
        assert len(requests) == count
        number = self.number if destination is None else destination
        self.outbox.intake([(number, request) for request in requests], offsets={}, now_ns=self.clock.now_ns())

    def deliver_all(self) -> None:
        """Deliver until nothing is due any more, however long that takes on the fake clock."""
        for _ in range(ROUNDS):
            wait = self.courier.next_wake_seconds()
            if wait is None:
                return
            self.clock.advance(wait)
            self.courier.deliver_once()

    def requests(self) -> list[Received]:
        """Every request of this sender that reached the server."""
        return [each for each in self.sink.requests() if f"/{self.sender}." in each.path]

    def arrived(self) -> list[Received]:
        """Those that the server took."""
        return [each for each in self.requests() if each.accepted]
