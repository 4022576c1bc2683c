"""Delivers what an outbox holds, in a process of its own: ``courier_child.py <outbox.db> <url> [hang]``."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from footfall.clock import SystemClock
from footfall.courier.courier import Courier
from footfall.courier.transport import HttpTransport
from footfall.destination import Destination
from footfall.outbox.store import Outbox
from footfall.wire.base import DELIVERED, RETRY, Request


class Wire:
    """Any 200 is a yes."""

    name = "child"
    in_doubt = "retry"
    batch_records = 1

    def base_url(self, endpoint):
        """As it is."""
        return endpoint

    def translate(self, batch):
        """Not asked for here."""
        return []

    def judge(self, response):
        """By status."""
        return DELIVERED if response.status == 200 else RETRY

    def split(self, request):
        """Not asked for here."""
        return []


def main(path, url, *words):
    """Enqueue ten requests (known ones are ignored), deliver, say what is left."""
    outbox = Outbox.open(Path(path), clock=SystemClock(), max_bytes=2**26, max_age_seconds=86400)
    number = outbox.destination(Destination(wire="child", endpoint=url))
    if not outbox.ledger().accounts[0].accepted:
        requests = [
            (number, Request(path=f"/{key}", body=b"x", content_type="t", idempotency_key=f"key-{key}"))
            for key in range(10)
        ]
        outbox.intake(requests, offsets={}, now_ns=SystemClock().now_ns())
    transport = HttpTransport(environ={}, proxies=dict)
    courier = Courier(
        outbox,
        transport=transport,
        clock=SystemClock(),
        wires=lambda destination: Wire(),
        exchange_timeout_seconds=30,
        max_senders=1,
    )
    if "hang" in words:
        # As the runtime does it: a daemon thread that dies with the interpreter.
        threading.Thread(target=courier.deliver_once, daemon=True).start()
        while not courier.in_flight():
            pass
        sys.stdin.readline()
        return
    courier.deliver_once(deadline=SystemClock().monotonic() + 20)
    ledger = outbox.ledger()
    assert ledger.balanced
    assert courier.stop(20)
    transport.close()
    outbox.close()
    sys.stdout.write(f"{ledger.accounts[0].delivered} {ledger.pending}")


if __name__ == "__main__":
    main(*sys.argv[1:])
