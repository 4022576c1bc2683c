"""The whole way out, against a server process with faults: outbox, courier, transport, a real wire.

Time in the courier is a fake clock's, so that waits of hours cost nothing; the network's is real.
"""

from __future__ import annotations

from collections import Counter

import pytest

from footfall.courier.courier import Courier
from footfall.courier.transport import HttpTransport
from footfall.destination import Destination
from footfall.outbox.store import Outbox
from footfall.testing.clock import FakeClock
from footfall.testing.ids import SequentialIds
from footfall.testing.ledger import assert_ledger
from footfall.testing.sink import Sink
from footfall.usage import Kind, Outcome, Usage
from footfall.wire.migas import MigasWire

REQUESTS = 6
ROUNDS = 200
HANG_GUARD_SECONDS = 20

TAKEN_WITHOUT_A_WORD = {"lostack", "closemid", "drip:0.2", "drip:0.2:body", "headers", "flap:0.05:0.05"}
"""Modes in which the server has the records and the client cannot know: copies, with the same key, are in order.

A server that goes away every 50 ms may do so between a record and its answer; on a busy machine it does.
"""

FAULTS = [
    *("refuse", "flap:0.05:0.05", "half500", "status:503", "status:500", "status:408", "status:425", "noanswer"),
    *("lostack", "closemid", "hang", "drip:0.2", "drip:0.2:body", "huge", "gzipbomb:64", "badjson", "portal"),
    *("headers", "interim", "garbage", "status:429", "status:503:retry-after=3600", "status:503:retry-after=soon"),
    *("status:401", "status:403", "redirect:302:http://127.0.0.1:9/", "cookie", "ok"),
]


@pytest.fixture(scope="module")
def sink(tmp_path_factory):
    """One server for all tests of this module; each tells its requests by their project."""
    with Sink(tmp_path_factory.mktemp("sink")) as it:
        yield it


@pytest.mark.parametrize("mode", FAULTS)
def test_it_comes_back_by_itself(sink, tmp_path, mode):
    """During the fault nothing is lost and little is sent; afterwards everything arrives (P1, P3, P8, N rows)."""
    project = f"fault/{FAULTS.index(mode)}"
    ids, clock, wire = SequentialIds(), FakeClock(), MigasWire()
    outbox = Outbox.open(tmp_path / "outbox.db", clock=clock, max_bytes=2**26, max_age_seconds=30 * 86400)
    transport = HttpTransport(connect_timeout_seconds=2, environ={}, proxies=dict)
    courier = Courier(
        outbox,
        transport=transport,
        clock=clock,
        wires=lambda destination: wire,
        exchange_timeout_seconds=0.4 if mode.startswith(("hang", "drip", "interim", "huge")) else 5,
    )
    number = outbox.destination(Destination(wire="migas", endpoint=sink.url))
    uses = [
        Usage(
            project=project,
            name="module:function",
            kind=Kind.END,
            trace_id=ids.trace_id(),
            span_id=ids.span_id(),
            time_ns=clock.now_ns(),
            outcome=Outcome.OK,
        )
        for _ in range(REQUESTS)
    ]
    outbox.intake([(number, request) for request in wire.translate(uses)], offsets={}, now_ns=clock.now_ns())
    try:
        sink.set_mode(mode)
        for _ in range(3):
            courier.deliver_once()
            clock.advance(0.5)
        sink.set_mode("ok")
        for _ in range(ROUNDS):
            wait = courier.next_wake_seconds()
            if wait is None:
                break
            clock.advance(wait)
            courier.deliver_once()
        ledger = outbox.ledger()
        assert_ledger(ledger)
        assert (ledger.accounts[0].delivered, ledger.pending) == (REQUESTS, 0)
        arrived = [each for each in sink.requests() if each.accepted and each.crumb.get("project") == project]
        bodies = Counter((each.key, each.body_sha256) for each in arrived)
        assert len(bodies) == len({key for key, _ in bodies}) == REQUESTS
        if mode not in TAKEN_WITHOUT_A_WORD:
            assert len(arrived) == REQUESTS
    finally:
        assert courier.stop(HANG_GUARD_SECONDS)
        outbox.close()
        transport.close()
