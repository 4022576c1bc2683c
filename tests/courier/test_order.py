"""Order keys on their way out: one at a time for each key, several keys at once, and nobody overtakes."""

from __future__ import annotations

import random
import threading
import time

import pytest

from footfall.courier.courier import Courier
from footfall.destination import Destination
from footfall.errors import TransportError
from footfall.outbox.store import Outbox
from footfall.testing.clock import FakeClock
from footfall.testing.ledger import assert_ledger
from footfall.testing.transport import ScriptedTransport
from footfall.wire.base import DELIVERED, RETRY, Action, Request, Response, Verdict

HANG_GUARD_SECONDS = 20
MEANING = {
    202: DELIVERED,
    413: Verdict(action=Action.SPLIT),
    503: RETRY,
    401: Verdict(action=Action.HALT),
    400: Verdict(action=Action.DROP),
}


class Wire:
    """The body is a number; the answer's meaning a table; a request is split once, into two."""

    name, in_doubt, batch_records = "test", "retry", 1

    def base_url(self, endpoint):
        """As it is."""
        return endpoint

    def translate(self, batch):
        """By hand."""
        return []

    def judge(self, response):
        """By the table."""
        return MEANING[response.status]

    def split(self, request):
        """Two parts, the first time."""
        if len(request.body) <= 2:
            return []
        return [a_request(request.order_key, request.path[1:] + part, body=b"x") for part in ("a", "b")]


class Server:
    """Answers after a while of the courier's clock, badly now and then; knows who was there at the same time."""

    def __init__(self, clock, seed, *, trouble):
        self.clock = clock
        self.chance = random.Random(seed)
        self.trouble = trouble
        self.lock = threading.Lock()
        self.in_flight: list[str] = []
        self.most = 0
        self.collisions = 0
        self.done: dict[str, list[str]] = {}

    def send(self, request, **_):
        """One exchange."""
        key = request.order_key
        with self.lock:
            self.collisions += key in self.in_flight
            self.in_flight.append(key)
            self.most = max(self.most, len(self.in_flight))
            status = self.chance.choice([202] * 9 + [503, 413, 400, 401, 0]) if self.trouble else 202
        self.clock.advance(0.03)
        time.sleep(0.002)
        with self.lock:
            self.in_flight.remove(key)
            if status in {202, 400}:
                self.done.setdefault(key, []).append(request.path[1:])
        if not status:
            raise TransportError("cut", in_doubt=True)
        return Response(status=status)


def a_request(key, name, *, body=b"xxx"):
    """A request under an order key."""
    return Request(
        path=f"/{name}", body=body, content_type="text/plain", idempotency_key=f"{key}-{name}", order_key=key
    )


@pytest.mark.parametrize("keys", [1, 3, 20])
@pytest.mark.parametrize("trouble", [False, True], ids=["well", "badly"])
def test_nobody_overtakes(tmp_path, keys, trouble):
    """Whatever becomes of one, the next of its key is sent after it is gone, also over a restart in the middle."""
    clock, wire = FakeClock(), Wire()
    server = Server(clock, keys, trouble=trouble)
    names = {f"k{key}": [f"{number:03d}" for number in range(60 // keys)] for key in range(keys)}
    requests = [a_request(key, name) for name in names["k0"] for key in names]
    for part in range(3):
        outbox = Outbox.open(tmp_path / "outbox.db", clock=clock, max_bytes=2**26, max_age_seconds=1e9)
        row = outbox.destination(Destination(wire="test", endpoint="https://a.example.org"))
        third = requests[part * 20 : (part + 1) * 20]
        outbox.intake([(row, each) for each in third], offsets={}, now_ns=clock.now_ns())
        courier = Courier(outbox, transport=server, clock=clock, wires=lambda destination: wire)
        for _ in range(3 if part < 2 else 2000):
            wait = courier.next_wake_seconds()
            if wait is None and not outbox.pending():
                break
            if wait is not None:
                clock.advance(wait)
            # With a deadline it also waits for lanes that an earlier call left behind.
            courier.deliver_once(deadline=clock.monotonic() + 60)
        if part == 1:  # as after a kill: leased, and nobody settles
            outbox.lease(row, now_ns=clock.now_ns(), ttl_seconds=60, limit=7, followers=True)
        assert courier.stop(HANG_GUARD_SECONDS)
        ledger = outbox.ledger()
        assert_ledger(ledger)
        outbox.close()
    assert ledger.pending == 0
    assert server.collisions == 0
    assert (server.most > 1) == (keys > 1)
    for key, sent in server.done.items():
        assert sent == sorted(sent), key
        assert trouble or sent == names[key]


def test_attempts_that_kills_cut_short_are_no_failures_of_the_server(tmp_path):
    """After many deaths of ours the first failure costs what a first one does, not minutes for all of its key."""
    clock, wire = FakeClock(), Wire()
    destination = Destination(wire="test", endpoint="https://a.example.org")
    for death in range(21):
        outbox = Outbox.open(tmp_path / "outbox.db", clock=clock, max_bytes=2**26, max_age_seconds=1e9)
        row = outbox.destination(destination)
        if death == 0:
            requests = [(row, a_request("k", name)) for name in ("a", "b", "c")]
            outbox.intake(requests, offsets={}, now_ns=clock.now_ns())
        if death < 20:
            assert len(outbox.lease(row, now_ns=clock.now_ns(), ttl_seconds=60, followers=True)) == 3
            outbox.close()
    answers = ScriptedTransport([Response(status=503)], then=Response(status=202))
    courier = Courier(outbox, transport=answers, clock=clock, wires=lambda _: wire, random=lambda: 0.99)
    assert courier.deliver_once().retried == 1
    wait = courier.next_wake_seconds()
    assert 0 < wait <= 1
    clock.advance(wait)
    assert courier.deliver_once().delivered == 3
    assert courier.stop(HANG_GUARD_SECONDS)
    assert_ledger(outbox.ledger())
    outbox.close()
