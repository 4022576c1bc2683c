"""The courier with a real outbox, a scripted network, and a clock that stands still: every action, every wait."""

from __future__ import annotations

import logging
import threading
import time

import pytest

from footfall.courier.courier import Courier
from footfall.courier.route import TlsError
from footfall.destination import Destination
from footfall.errors import NotOfferedError, TransportError, trouble
from footfall.ledger import Reason
from footfall.outbox.store import Outbox
from footfall.testing.clock import FakeClock
from footfall.testing.ledger import assert_ledger
from footfall.testing.transport import ScriptedTransport
from footfall.wire.base import DELIVERED, RETRY, Action, Request, Response, Verdict

HANG_GUARD_SECONDS = 20
OK = Response(status=200)
REFUSED = TransportError("nobody there", in_doubt=False)
CUT = TransportError("cut", in_doubt=True)


class Wire:
    """A wire whose meaning of an answer is a table."""

    name = "test"
    batch_records = 1

    def __init__(self, in_doubt="retry", table=None):
        self.in_doubt = in_doubt
        self.table = {
            200: DELIVERED,
            206: Verdict(action=Action.DELIVERED, rejected=1, reason=Reason.REFUSED, detail="one was bad"),
            400: Verdict(action=Action.DROP, reason=Reason.REFUSED, detail="no"),
            401: Verdict(action=Action.HALT),
            413: Verdict(action=Action.SPLIT),
            429: Verdict(action=Action.RETRY, wait_seconds=60),
            500: Verdict(action=Action.RETRY, max_attempts=2, reason=Reason.REFUSED),
            503: RETRY,
        } | (table or {})

    def base_url(self, endpoint):
        """Without the final slash."""
        return endpoint.rstrip("/")

    def translate(self, batch):
        """Nothing: requests are made by hand here."""
        return []

    def judge(self, response):
        """By the table; KeyError for what is not in it."""
        return self.table[response.status]

    def split(self, request):
        """Two halves of the body and of the records."""
        half = len(request.body) // 2
        if not half:
            return []
        return [
            Request(
                path=request.path,
                body=body,
                content_type=request.content_type,
                idempotency_key=f"{request.idempotency_key}-{place}",
                records=records,
            )
            for place, body, records in (
                (1, request.body[:half], request.records - request.records // 2),
                (2, request.body[half:], request.records // 2),
            )
        ]


class World:
    """An outbox with some destinations, and a courier for it."""

    def __init__(self, folder, script=(), *, then=None, wire=None, random=lambda: 1.0, transport=None):
        self.clock = FakeClock()
        self.folder = folder
        self.wire = wire or Wire()
        self.random = random
        self.transport = transport or ScriptedTransport(script, then=then)
        self.numbers = {}
        self.outbox = None
        self.reopen()

    def reopen(self):
        """Go on as another process would."""
        if self.outbox is not None:
            assert self.courier.stop(HANG_GUARD_SECONDS)
            self.outbox.close()
        self.outbox = Outbox.open(
            self.folder / "outbox.db",
            clock=self.clock,
            max_bytes=2**26,
            max_age_seconds=14 * 86400,
            reserve_bytes=65536,
        )
        self.courier = self.another_courier()

    def another_courier(self, **keywords):
        """A courier for the same outbox."""
        settings = {
            "transport": self.transport,
            "clock": self.clock,
            "wires": lambda destination: self.wire,
            "environ": {"TOKEN": "Authorization: Bearer abc"},
            "random": self.random,
        }
        return Courier(self.outbox, **(settings | keywords))

    def destination(self, host="a.example", **fields):
        """Register a destination at that host."""
        known = Destination(wire="test", endpoint=f"https://{host}/", **fields)
        self.numbers[host] = self.outbox.destination(known)
        return self.numbers[host]

    def put(self, *keys, host="a.example", body=b"body", order="", records=1):
        """Enqueue a request for each key."""
        if host not in self.numbers:
            self.destination(host)
        requests = [
            (
                self.numbers[host],
                Request(
                    path=f"/{key}",
                    body=body,
                    content_type="text/plain",
                    idempotency_key=key,
                    order_key=order,
                    records=records,
                ),
            )
            for key in keys
        ]
        self.outbox.intake(requests, offsets={}, now_ns=self.clock.now_ns())

    def known(self, host="a.example"):
        """What the outbox knows of that host."""
        return next(each for each in self.outbox.destinations() if each.id == self.numbers[host])

    def account(self):
        """The books of the first destination, which must balance."""
        ledger = self.outbox.ledger()
        assert_ledger(ledger)
        return ledger.accounts[0]

    @property
    def keys(self):
        """Keys in the order of sending."""
        return self.transport.keys


@pytest.fixture
def world(tmp_path):
    """Makes worlds, and sees to it that each ends in order."""
    made = []

    def make(*arguments, **keywords):
        made.append(World(tmp_path, *arguments, **keywords))
        return made[-1]

    yield make
    for it in made:
        assert it.courier.stop(HANG_GUARD_SECONDS)
        assert it.courier.in_flight() == 0
        assert_ledger(it.outbox.ledger())
        it.outbox.close()


def kinds(hidden_errors):
    """Hidden errors in words."""
    return [f"{doing}: {type(exception).__name__}" for doing, exception in hidden_errors]


# -- outcomes ---------------------------------------------------------------------------------------------


def test_delivers_everything(world):
    """All that is due, in the order it came, each once; then there is nothing to wake for."""
    it = world(then=OK)
    keys = [f"k{n}" for n in range(50)]
    it.put(*keys)
    assert it.courier.next_wake_seconds() == 0.0
    done = it.courier.deliver_once()
    assert (done.delivered, done.records, done.attempts) == (50, 50, 50)
    assert it.keys == keys
    assert it.courier.next_wake_seconds() is None
    assert it.courier.deliver_once().attempts == 0
    assert it.account().delivered == 50


def test_sends_to_the_destination_with_its_credentials(world):
    """Base URL by the wire, headers by reference, the whole exchange's time."""
    it = world(then=OK)
    it.destination(credentials="env:TOKEN")
    it.put("k")
    it.courier.deliver_once()
    (sent,) = it.transport.sent
    assert sent.url == "https://a.example/k"
    assert sent.headers == {"Authorization": "Bearer abc"}
    assert sent.timeout_seconds == 10.0


def test_retry_backs_off_and_others_go_on(world):
    """A 503 costs that request a wait, and nobody else (N11)."""
    it = world([Response(status=503)], then=OK)
    it.put("k1", "k2", "k3")
    done = it.courier.deliver_once()
    assert (done.delivered, done.retried) == (2, 1)
    assert it.courier.next_wake_seconds() == pytest.approx(1.0)
    it.clock.advance(0.9)
    assert it.courier.deliver_once().attempts == 0
    it.clock.advance(0.2)
    assert it.courier.deliver_once().delivered == 1
    assert it.keys == ["k1", "k2", "k3", "k1"]


def test_the_wait_of_a_request_doubles(world):
    """1 s, 2 s, 4 s, by attempt; the body and key stay the same (P3)."""
    it = world(then=Response(status=503))
    it.put("k")
    waits = []
    for _ in range(4):
        it.courier.deliver_once()
        waits.append(it.courier.next_wake_seconds())
        it.clock.advance(waits[-1])
    assert waits == pytest.approx([1, 2, 4, 8])
    assert {(sent.request.idempotency_key, sent.request.body) for sent in it.transport.sent} == {("k", b"body")}


def test_limited_attempts(world):
    """The wire's `max_attempts` ends in a counted drop."""
    it = world(then=Response(status=500))
    it.put("k")
    it.courier.deliver_once()
    it.clock.advance(5)
    assert it.courier.deliver_once().dropped == 1
    assert it.account().dropped == {Reason.REFUSED: 1}
    assert len(it.keys) == 2


def test_drop_is_counted_and_kept_for_doctor(world):
    """With its reason; status, path and detail can be looked up."""
    it = world([Response(status=400)])
    it.put("k", records=3)
    assert it.courier.deliver_once().dropped == 1
    assert it.account().dropped == {Reason.REFUSED: 3}
    (refusal,) = it.outbox.refused()
    assert (refusal.status, refusal.path, refusal.detail) == (400, "/k", "no")


def test_partial_success(world):
    """Rejected records count as dropped, the rest as delivered."""
    it = world([Response(status=206)])
    it.put("k", records=5)
    assert it.courier.deliver_once().records == 4
    assert (it.account().delivered, it.account().dropped) == (4, {Reason.REFUSED: 1})
    assert len(it.outbox.refused()) == 1


def test_split(world):
    """Too large is cut in two until it fits; records stay what they were; nothing left to cut is TOO_BIG."""

    def at_most_two(sent):
        return OK if len(sent.request.body) <= 2 else Response(status=413)

    it = world(then=at_most_two)
    it.put("k", body=b"12345678", records=4)
    it.courier.deliver_once()
    assert [sent.request.body for sent in it.transport.sent if len(sent.request.body) <= 2] == [
        b"12",
        b"34",
        b"56",
        b"78",
    ]
    assert it.account().delivered == 4
    it.wire.table[200] = Verdict(action=Action.SPLIT)
    it.put("j", body=b"1")
    assert it.courier.deliver_once().dropped == 1
    assert it.account().dropped == {Reason.TOO_BIG: 1}


def test_halt_keeps_everything(world):
    """401: the destination rests for 15 min, then 30; nothing is lost; an answer afterwards starts anew (N6)."""
    it = world([Response(status=401)] * 2, then=OK)
    it.put("k1", "k2")
    assert it.courier.deliver_once().halted == 1
    assert it.courier.next_wake_seconds() == pytest.approx(900)
    assert "401" in it.known().pause_reason
    it.clock.advance(899)
    assert it.courier.deliver_once().attempts == 0
    it.clock.advance(1)
    it.courier.deliver_once()
    assert it.courier.next_wake_seconds() == pytest.approx(1800)
    it.clock.advance(1800)
    assert it.courier.deliver_once().delivered == 2


def test_resuming_a_halted_destination(world):
    """Whoever mends the credentials need not wait."""
    it = world([Response(status=401)], then=OK)
    it.put("k")
    it.courier.deliver_once()
    it.outbox.resume(it.numbers["a.example"])
    assert it.courier.deliver_once().delivered == 1


def test_tls_failure_halts(world):
    """As a 401 does (N10)."""
    it = world([TlsError("untrusted")], then=OK)
    it.put("k")
    assert it.courier.deliver_once().halted == 1
    assert it.courier.next_wake_seconds() == pytest.approx(900)
    assert it.account().pending == 1


# -- waits that the server asks for, P9 ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("response", "seconds"),
    [
        (Response(status=429), 60),
        (Response(status=503, headers={"retry-after": "120"}), 120),
        (Response(status=429, headers={"retry-after": "30"}), 60),
        (Response(status=503, headers={"retry-after": "1000000000"}), 86400),
    ],
)
def test_no_request_inside_the_wait(world, response, seconds):
    """Not one to that destination, new ones included, and across a restart; afterwards it goes on (P9)."""
    it = world([response], then=OK, random=lambda: 0.0)
    it.put("k1", "k2")
    it.courier.deliver_once()
    for part in range(10):
        if part == 5:
            it.reopen()
        it.put(f"new{part}")
        it.clock.advance(seconds / 10 - 0.001)
        assert it.courier.deliver_once().attempts == 0
        assert len(it.keys) == 1
    it.clock.advance(0.1)
    assert it.courier.deliver_once().delivered == 12


def test_bad_retry_after_is_ignored(world):
    """Nonsense is back-off."""
    it = world([Response(status=503, headers={"retry-after": "soon"})], then=OK)
    it.put("k")
    it.courier.deliver_once()
    assert it.courier.next_wake_seconds() == pytest.approx(1.0)


def test_a_wait_survives_a_jump_of_the_wall_clock(world):
    """Ten years forth or back neither end nor lengthen it in the process that was told (P12)."""
    it = world([Response(status=429)], then=OK, random=lambda: 0.0)
    it.put("k")
    it.courier.deliver_once()
    for years in (10, -10):
        it.clock.jump_wall(years * 365 * 86400)
        assert it.courier.deliver_once().attempts == 0
    it.clock.advance(61)
    assert it.courier.deliver_once().delivered == 1


# -- no answer -----------------------------------------------------------------------------------------


def test_in_doubt_is_sent_again(world):
    """Same key, same bytes."""
    it = world([CUT], then=OK)
    it.put("k")
    assert it.courier.deliver_once().retried == 1
    it.clock.advance(1)
    assert it.courier.deliver_once().delivered == 1
    assert it.keys == ["k", "k"]


@pytest.mark.parametrize("by", ["wire", "destination"])
def test_in_doubt_is_dropped_where_a_copy_does_harm(world, by):
    """By the wire's word or the destination's; what surely was not sent is kept (N3)."""
    it = world([CUT, REFUSED], then=OK, wire=Wire(in_doubt="drop" if by == "wire" else "retry"))
    it.destination(in_doubt="" if by == "wire" else "drop")
    it.put("k1", "k2")
    done = it.courier.deliver_once()
    assert (done.dropped, done.retried) == (1, 1)
    it.clock.advance(1)
    assert it.courier.deliver_once().delivered == 1
    assert it.account().dropped == {Reason.IN_DOUBT: 1}


def test_the_destination_may_also_choose_to_retry(world):
    """Its word is above the wire's."""
    it = world([CUT], then=OK, wire=Wire(in_doubt="drop"))
    it.destination(in_doubt="retry")
    it.put("k")
    it.courier.deliver_once()
    it.clock.advance(1)
    assert it.courier.deliver_once().delivered == 1


def test_what_a_dead_process_had_leased(world):
    """Is in doubt: sent again with the same key, or dropped where a copy does harm; nothing else is lost."""
    it = world(then=OK)
    it.destination(in_doubt="drop")
    it.put("k1", "k2")
    it.outbox.lease(it.numbers["a.example"], now_ns=it.clock.now_ns(), ttl_seconds=60, limit=1)
    it.reopen()
    done = it.courier.deliver_once()
    assert (done.dropped, done.delivered) == (1, 1)
    assert it.keys == ["k2"]
    assert it.account().dropped == {Reason.IN_DOUBT: 1}


def test_breaker(world):
    """Three failures in a row end the attempts; later one probe asks, and one answer sets all free (N1)."""
    it = world([REFUSED] * 4, then=OK)
    it.put(*[f"k{n}" for n in range(20)])
    assert it.courier.deliver_once().retried == 3
    assert it.known().failures == 3
    it.clock.advance(0.5)
    assert it.courier.deliver_once().attempts == 0
    it.clock.advance(0.5)
    assert it.courier.deliver_once().retried == 1
    assert len(it.keys) == 4
    it.clock.advance(2)
    assert it.courier.deliver_once().delivered == 20
    assert it.known().failures == 0


def test_breaker_remembers_across_restarts(world):
    """A process that starts during an outage asks once."""
    it = world(then=REFUSED)
    it.put(*[f"k{n}" for n in range(20)])
    it.courier.deliver_once()
    it.reopen()
    it.clock.advance(60)
    assert it.courier.deliver_once().attempts == 1


def test_half_of_all_answers_500(world):
    """All delivered, none twice, and no pause of the queue (N11)."""
    answers = iter(range(10**6))
    it = world(then=lambda sent: OK if next(answers) % 2 else Response(status=503))
    keys = [f"k{n}" for n in range(200)]
    it.put(*keys)
    delivered = it.courier.deliver_once().delivered
    assert delivered == 100
    while (wait := it.courier.next_wake_seconds()) is not None:
        it.clock.advance(wait)
        delivered += it.courier.deliver_once().delivered
    assert delivered == 200


def test_an_unwilling_server_is_not_hammered(world):
    """Ten answers in a row saying "later" are enough, whatever waits."""
    it = world(then=Response(status=503))
    it.put(*[f"k{n}" for n in range(100)])
    assert it.courier.deliver_once().retried == 10


# -- order and neighbours -------------------------------------------------------------------------------


def test_order_keys(world):
    """One at a time, the next only after the one before is settled; others overtake."""
    it = world([Response(status=503)], then=OK)
    it.put("first", "second", "third", order="run")
    it.put("free")
    it.courier.deliver_once()
    assert it.keys == ["first", "free"]
    it.clock.advance(1)
    it.courier.deliver_once()
    assert it.keys == ["first", "free", "first", "second", "third"]


def test_a_dead_destination_delays_no_other(world):
    """While one server hangs, the others get all of theirs, old and new."""
    release = threading.Event()

    def answer(sent):
        if "dead" in sent.base_url:
            assert release.wait(HANG_GUARD_SECONDS)
            raise CUT
        return OK

    it = world(then=answer)
    it.put("d1", "d2", "d3", host="dead.example")
    it.put("a1", "a2", host="a.example")
    it.put("b1", host="b.example")
    try:
        done = it.courier.deliver_once(deadline=it.clock.monotonic() - 1)
        assert done.attempts == 0, "past its deadline nothing begins"
        helper = threading.Thread(target=move_on, args=(it,))
        helper.start()
        done = it.courier.deliver_once()
        helper.join(HANG_GUARD_SECONDS)
        assert done.delivered == 3
        assert it.courier.in_flight() == 1
        it.put("a3", host="a.example")
        assert it.courier.deliver_once().delivered == 1
        assert it.keys.count("d1") == 1
    finally:
        release.set()


def move_on(it):
    """Let the patience of `deliver_once` pass once all but the hanging destination are through."""
    deadline = time.monotonic() + HANG_GUARD_SECONDS
    while it.outbox.pending() > 3 and time.monotonic() < deadline:
        time.sleep(0.005)
    it.clock.advance(2)


def test_a_slow_server_gets_more_senders(world):
    """Up to eight at once; a quick one gets one, and none is left when all is done (P10)."""
    at_once, most, lock = [0], [0], threading.Lock()
    barrier = threading.Barrier(8, action=lambda: it.clock.advance(0.02))

    def slow(sent):
        with lock:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
        if sent.request.idempotency_key in {"k0", "k1", "k2"}:
            it.clock.advance(0.02)
        else:
            barrier.wait(HANG_GUARD_SECONDS)
        with lock:
            at_once[0] -= 1
        return OK

    it = world(then=slow)
    it.put(*[f"k{n}" for n in range(3 + 8 * 6)])
    assert it.courier.deliver_once().delivered == 51
    assert most[0] == 8
    assert it.courier.in_flight() == 0
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("footfall-courier")]


def test_a_quick_server_gets_one_sender(world):
    """Threads of one interpreter would only get in each other's way."""
    names = set()

    def quick(sent):
        names.add(threading.current_thread().name)
        return OK

    it = world(then=quick)
    it.put(*[f"k{n}" for n in range(100)])
    it.courier.deliver_once()
    assert len(names) == 1
    assert all(name.startswith("footfall-courier-test-") for name in names)


# -- ends ------------------------------------------------------------------------------------------------


def test_stop(world):
    """The exchange under way ends, the rest goes back unharmed and its attempts do not count."""
    started, release = threading.Event(), threading.Event()

    def answer(sent):
        started.set()
        assert release.wait(HANG_GUARD_SECONDS)
        return OK

    it = world(then=answer)
    it.put("k1", "k2", "k3")
    caller = threading.Thread(target=it.courier.deliver_once)
    caller.start()
    assert started.wait(HANG_GUARD_SECONDS)
    assert not it.courier.stop()
    caller.join(HANG_GUARD_SECONDS)
    assert not caller.is_alive()
    release.set()
    assert it.courier.stop(HANG_GUARD_SECONDS)
    assert it.keys == ["k1"]
    assert it.courier.deliver_once().delivered == 1, "what was settled after the caller went is counted later"
    leased = it.outbox.lease(it.numbers["a.example"], now_ns=it.clock.now_ns(), ttl_seconds=1)
    assert [(each.request.idempotency_key, each.attempts, each.in_doubt) for each in leased] == [
        ("k2", 0, False),
        ("k3", 0, False),
    ]


def test_deadline(world):
    """Nothing begins after it, and exchanges are cut to what is left, but for those that must not be cut."""
    it = world(then=OK)
    it.put("k1")
    it.courier.deliver_once(deadline=it.clock.monotonic() + 0.5)
    assert it.transport.sent[0].timeout_seconds == pytest.approx(0.5)
    it.put("k2", host="b.example")
    it.destination("c.example", in_doubt="drop")
    it.put("k3", host="c.example")
    assert it.courier.deliver_once(deadline=it.clock.monotonic() + 0.5).delivered == 1
    assert it.keys == ["k1", "k2"]
    assert it.courier.deliver_once().delivered == 1


def test_only_those_that_answer(world):
    """For the exit: a destination that never answered, or failed since, is left out and costs nothing (P5)."""
    it = world([OK, REFUSED], then=OK)
    it.put("k1")
    assert not it.courier.answering()
    assert it.courier.deliver_once(only_answering=True).attempts == 0
    it.courier.deliver_once()
    assert not it.courier.answering(), "nothing is due"
    it.put("k2")
    assert it.courier.answering()
    it.courier.deliver_once()
    it.clock.advance(5)
    assert not it.courier.answering()
    it.courier.deliver_once()
    it.put("k3")
    assert it.courier.answering()
    it.clock.advance(25 * 3600)
    assert not it.courier.answering()


def test_without_threads(world, monkeypatch):
    """Where none can be had (limits, interpreter exit) the caller's does the work, and nobody complains (K3, D4)."""

    def refuse(self):
        raise RuntimeError("can't start new thread")

    it = world(then=OK)
    it.put(*[f"k{n}" for n in range(30)])
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        assert it.courier.deliver_once().delivered == 30


# -- trouble -------------------------------------------------------------------------------------------


def test_a_wire_that_cannot_judge(world, hidden_errors):
    """Is tried five times, then that request goes to quarantine; others are not touched (B3)."""
    it = world(then=lambda sent: OK if sent.request.idempotency_key == "good" else Response(status=999))
    it.put("bad", "good")
    for _ in range(5):
        it.courier.deliver_once()
        it.clock.advance(60)
    assert it.account().delivered == 1
    assert it.account().dropped == {Reason.UNTRANSLATABLE: 1}
    assert it.keys.count("bad") == 5
    assert set(kinds(hidden_errors)) == {"judging an answer: KeyError"}


def test_a_wire_that_cannot_split(world, hidden_errors):
    """What cannot be split is too big."""
    it = world([Response(status=413)])
    it.wire.split = lambda request: 1 // 0
    it.put("k")
    it.courier.deliver_once()
    assert it.account().dropped == {Reason.TOO_BIG: 1}
    assert kinds(hidden_errors) == ["splitting a request: ZeroDivisionError"]


def test_a_wire_that_splits_into_itself(world):
    """Does not keep us busy for ever."""
    it = world([Response(status=413)])
    it.wire.split = lambda request: [request]
    it.put("k")
    assert it.courier.deliver_once().dropped == 1


def test_an_unknown_wire(world):
    """Requests of a wire that is not installed are kept, and looked at again after a minute; others go on."""
    it = world(then=OK)

    def wires(destination):
        if "raman" in destination.endpoint:
            raise NotOfferedError("'raman'; installed: test")
        return it.wire

    it.courier = it.another_courier(wires=wires)
    it.put("k1", host="raman.example")
    it.put("k2")
    assert it.courier.deliver_once().delivered == 1
    assert it.courier.next_wake_seconds() == pytest.approx(60)


def test_a_wire_that_cannot_be_made(world, hidden_errors):
    """An outside wire with a bug stops only its own destination."""
    it = world(then=OK)
    it.courier = it.another_courier(wires=lambda destination: 1 // 0)
    it.put("k")
    assert it.courier.deliver_once().attempts == 0
    assert it.outbox.pending() == 1
    assert kinds(hidden_errors) == ["wire of a destination: ZeroDivisionError"]


def test_missing_credentials(world, tmp_path):
    """Nothing is sent without them; they are kept for a process that has them, and used as soon as they are there."""
    it = world(then=OK)
    token = tmp_path / "token"
    it.destination(credentials=f"file:{token}")
    it.put("k")
    assert it.courier.deliver_once().attempts == 0
    assert it.known().paused_until_ns == 0
    token.touch(0o600)
    token.write_text("X-Key: 1")
    it.clock.advance(61)
    assert it.courier.deliver_once().delivered == 1


def test_a_transport_with_a_bug(world, hidden_errors):
    """Counts as a connection that was cut."""
    it = world([ZeroDivisionError("bug")], then=OK)
    it.put("k")
    assert it.courier.deliver_once().retried == 1
    assert kinds(hidden_errors) == ["transport: ZeroDivisionError"]


def test_one_record_a_kind_of_trouble(world, caplog):
    """However many fail, one record a minute for each kind, without credentials or the server's words (P6, S3)."""
    trouble._logged_at.clear()
    refused = Response(status=401, body=b"canary-body")
    it = world([REFUSED, refused], then=OK)
    it.destination(credentials="env:TOKEN")
    it.put(*[f"k{n}" for n in range(20)])
    with caplog.at_level(logging.WARNING, logger="footfall"):
        it.courier.deliver_once()
        it.transport.add(*[REFUSED] * 20)
        for _ in range(5):
            it.clock.advance(2000)
            it.courier.deliver_once()
    texts = [record.getMessage() for record in caplog.records]
    assert len(texts) == 2
    assert "check env:TOKEN" in texts[1]
    assert not any("abc" in text or "canary" in text for text in texts)
