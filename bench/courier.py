"""The courier against ramen's `QueueReader.run`, requests a second; one message a request on both sides.

Both begin with a full queue on disk and end with an empty one. The server takes everything with a 202, at once or after
20 ms. Ours sends migas crumbs, which are one request each, as ramen's messages are.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.intake import MESSAGE
from bench.measure import Figure, compare, gain, interleave, per_second
from bench.servers import serving
from bench.worker import Worker

PROJECT = "bench/courier"


def deliver(server: str, messages: int) -> Callable[[], float]:
    """Ours: nanoseconds a message, from the outbox to *server* and settled."""
    from footfall.clock import SystemClock
    from footfall.courier.courier import Courier
    from footfall.courier.transport import HttpTransport
    from footfall.outbox.store import Outbox
    from footfall.usage import Kind, Outcome, Usage
    from footfall.wire.destinations import Migas
    from footfall.wire.migas import MigasWire

    directory = Path(os.environ["FOOTFALL_DIR"])
    directory.mkdir(mode=0o700)
    clock, wire = SystemClock(), MigasWire()
    outbox = Outbox.open(directory / "outbox.db", clock=clock, max_bytes=2**26, max_age_seconds=86400)
    destination = outbox.destination(Migas(f"http://{server}"))
    courier = Courier(outbox, transport=HttpTransport(), clock=clock, wires=lambda _: wire)

    def usage() -> Usage:
        return Usage(
            project=PROJECT,
            project_version="1",
            name="bench.courier:work",
            kind=Kind.END,
            trace_id=secrets.token_hex(16),
            span_id=secrets.token_hex(8),
            time_ns=time.time_ns(),
            outcome=Outcome.OK,
        )

    def delivered() -> int:
        return sum(account.delivered for account in outbox.ledger().accounts)

    def measure() -> float:
        requests = wire.translate([usage() for _ in range(messages)])
        outbox.intake([(destination, request) for request in requests], offsets={}, now_ns=clock.now_ns())
        before = delivered()
        begin = time.perf_counter_ns()
        while outbox.pending():
            courier.deliver_once()
        took = (time.perf_counter_ns() - begin) / messages
        if delivered() - before != messages:
            msg = f"{delivered() - before} of {messages} requests were delivered"
            raise AssertionError(msg)
        return took

    return measure


def read(server: str, messages: int) -> Callable[[], float]:
    """The reference: ramen's reader empties its queue; nanoseconds a message."""
    from infi.ramen_client.config import QueueReaderConfig
    from infi.ramen_client.queue_reader import QueueReader
    from infi.ramen_client.queue_writer import QueueWriter

    directory = os.path.join(os.environ["FOOTFALL_DIR"], "ramen")
    names = {"sender": "bench", "system_serial": 1, "system_version": "1", "queue_dir": directory}
    config = QueueReaderConfig({**names, "hostname": server, "auth_token": "token", "ssl": False})
    writer, reader = QueueWriter(config), QueueReader(config)

    def measure() -> float:
        for _ in range(messages):
            writer.push("events", "work", "v1", MESSAGE)
        begin = time.perf_counter_ns()
        sent = reader.run(blocking=False)
        took = (time.perf_counter_ns() - begin) / messages
        if sent != messages:
            msg = f"ramen's reader sent {sent} of {messages} messages"
            raise AssertionError(msg)
        return took

    return measure


def figures(directory: Path) -> Iterator[Figure]:
    """A server that answers at once, and one that takes 20 ms."""
    plans = (("quick server", 0.0, 4, 400, 100, 16), ("20 ms server", 0.02, 7, 400, 40, 10))
    for name, delay_seconds, target, ours, theirs, rounds in plans:
        place = directory / name.replace(" ", "-")
        with (
            serving(delay_seconds) as server,
            Worker("bench.courier:deliver", place / "ours", server=server, messages=ours) as courier,
            Worker("bench.courier:read", place / "ramen", server=server, messages=theirs) as reader,
        ):
            sent, reference = interleave(rounds, courier, reader)
        yield gain(f"courier / ramen reader, {name}", compare(sent, reference), target, show=per_second)
