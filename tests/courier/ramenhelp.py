"""One line from pushes to a ramen server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import final

from courierline import HANG_GUARD_SECONDS, CourierLine

from footfall.courier.transport import Transport
from footfall.destination import Destination
from footfall.testing.clock import FakeClock
from footfall.testing.sink import Received, Sink
from footfall.usage import Kind, Usage

__all__ = ["HANG_GUARD_SECONDS", "REQUESTS", "Line"]

REQUESTS = 6


@final
class Line(CourierLine):
    """Everything of one process that delivers.

    Args:
        folder: Of the outbox.
        sink: The server.
        sender: Tells the messages of one test from those of others.
        options: Further ones of the wire.
        transport: Default: the real one.
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
        transport: Transport | None = None,
    ) -> None:
        destination = Destination(
            wire="ramen",
            endpoint=sink.url,
            options={"system_serial": 7, "sender": sender, "system_version": "1.0", **(options or {})},
            credentials="env:RAMEN" if environ else "",
        )
        super().__init__(
            folder,
            sink,
            destination,
            timeout_seconds=timeout_seconds,
            environ=environ,
            clock=clock,
            transport=transport,
        )
        self.sender, self.pushed = sender, 0

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
        self.take(uses, destination=destination)

    def requests(self) -> list[Received]:
        """Every request of this sender that reached the server."""
        return [each for each in self.sink.requests() if f"/{self.sender}." in each.path]

    def arrived(self) -> list[Received]:
        """Those that the server took."""
        return [each for each in self.requests() if each.accepted]
