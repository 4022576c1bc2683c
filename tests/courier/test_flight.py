"""Two requests under way from one sender: when, in which order, and what becomes of them when one goes wrong."""

from __future__ import annotations

import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from footfall.courier.courier import Courier
from footfall.courier.lane import MAX_FLIGHTS
from footfall.courier.transport import HttpTransport
from footfall.destination import Destination
from footfall.errors import TransportError
from footfall.outbox.store import Outbox
from footfall.testing.clock import FakeClock
from footfall.testing.ledger import assert_ledger
from footfall.testing.sink import Sink
from footfall.wire.base import DELIVERED, RETRY, Action, Request, Response, Verdict

HANG_GUARD_SECONDS = 20
WARM_UP = 3
"""Answers before a sender has two under way."""

OK = Response(status=200)
LATER = Response(status=503)
NO = Response(status=401)
CUT = TransportError("cut", in_doubt=True)
REFUSED = TransportError("nobody there", in_doubt=False)


class Wire:
    """Three answers, and what a copy does."""

    name, batch_records = "test", 1

    def __init__(self, in_doubt: str = "retry") -> None:
        self.in_doubt = in_doubt

    def base_url(self, endpoint: str) -> str:
        """As it is."""
        return endpoint

    def translate(self, batch: object) -> list[Request]:
        """By hand."""
        return []

    def judge(self, response: Response) -> Verdict:
        """By the status."""
        return {200: DELIVERED, 202: DELIVERED, 503: RETRY, 401: Verdict(action=Action.HALT)}[response.status]

    def split(self, request: Request) -> list[Request]:
        """Never."""
        return []


class Network:
    """Sends apart, and writes down what was begun (``>name``) and ended (``<name``).

    Args:
        clock: Each answer takes *seconds* of it.
        fates: What becomes of requests by name: an answer, or an exception as the answer.
        stillborn: Exceptions by name as soon as it is begun.
        whole: Names of those that cannot be begun.
    """

    def __init__(
        self,
        clock: FakeClock,
        *,
        seconds: float = 0.0,
        fates: dict[str, Any] | None = None,
        stillborn: dict[str, Exception] | None = None,
        whole: tuple[str, ...] = (),
    ) -> None:
        self.clock, self.seconds = clock, seconds
        self.fates, self.stillborn, self.whole = fates or {}, stillborn or {}, whole
        self.log: list[str] = []
        self.most = 0
        self._open = 0
        self._lock = threading.Lock()

    def begin(self, request: Request, **_: object) -> Any:
        """Half an exchange."""
        name = request.path[1:]
        if name in self.whole:
            return None
        self._begun(name)
        if name in self.stillborn:
            with self._lock:
                self._open -= 1
            raise self.stillborn[name]
        return lambda: self._ended(name)

    def send(self, request: Request, **_: object) -> Response:
        """A whole one."""
        name = request.path[1:]
        self._begun(name)
        return self._ended(name)

    def _begun(self, name: str) -> None:
        with self._lock:
            self.log.append(f">{name}")
            self._open += 1
            self.most = max(self.most, self._open)

    def _ended(self, name: str) -> Response:
        self.clock.advance(self.seconds)
        with self._lock:
            self.log.append(f"<{name}")
            self._open -= 1
        fate = self.fates.pop(name, OK)
        if isinstance(fate, Exception):
            raise fate
        return fate


class Line:
    """An outbox and a courier to one destination over a network that sends apart."""

    def __init__(self, folder: Path, *, in_doubt: str = "retry", max_senders: int = 8, **network: Any) -> None:
        self.clock = FakeClock()
        self.network = Network(self.clock, **network)
        self.outbox = Outbox.open(folder / "outbox.db", clock=self.clock, max_bytes=2**26, max_age_seconds=1e9)
        self.number = self.outbox.destination(Destination(wire="test", endpoint="https://a.example.org"))
        wire: Any = Wire(in_doubt)
        transport: Any = self.network
        self.courier = Courier(
            self.outbox, transport=transport, clock=self.clock, wires=lambda _: wire, max_senders=max_senders
        )

    def put(self, *names: str, order: str = "") -> None:
        """Enqueue a request for each name."""
        requests = [
            (
                self.number,
                Request(path=f"/{name}", body=b"x", content_type="text/plain", idempotency_key=name, order_key=order),
            )
            for name in names
        ]
        self.outbox.intake(requests, offsets={}, now_ns=self.clock.now_ns())

    def deliver(self) -> list[str]:
        """Deliver what is due, and return what was begun and ended meanwhile."""
        self.network.log.clear()
        self.courier.deliver_once(deadline=self.clock.monotonic() + 3600)
        return list(self.network.log)

    def delivered(self) -> int:
        """How many requests arrived, by the books."""
        return self.outbox.ledger().accounts[0].delivered

    def close(self) -> None:
        """Nothing is under way any more, and the books balance."""
        assert self.courier.stop(HANG_GUARD_SECONDS)
        assert self.network._open == 0
        assert_ledger(self.outbox.ledger())
        self.outbox.close()


@pytest.fixture
def make(tmp_path):
    """Makes one line, and sees to it that it ends in order."""
    made: list[Line] = []

    def line(**keywords: Any) -> Line:
        made.append(Line(tmp_path, **keywords))
        return made[-1]

    yield line
    for each in made:
        each.close()


def warmed_up(line: Line) -> Line:
    """Let the courier learn how quick the server is."""
    line.put(*[f"w{number}" for number in range(WARM_UP)])
    line.deliver()
    assert line.network.most == 1
    return line


def test_the_next_goes_out_before_the_last_answer_is_read(make):
    """One sender, two under way, answers read in the order of sending."""
    line = warmed_up(make())
    line.put("a", "b", "c", "d")
    assert line.deliver() == [">a", ">b", "<a", ">c", "<b", ">d", "<c", "<d"]
    assert line.delivered() == WARM_UP + 4


def test_the_first_requests_go_one_by_one(make):
    """Whether a server takes us at all is asked with one request."""
    line = make()
    line.put("a", "b", "c", "d", "e", "f")
    assert line.deliver() == [">a", "<a", ">b", "<b", ">c", "<c", ">d", ">e", "<d", ">f", "<e", "<f"]


@pytest.mark.parametrize("keywords", [{"in_doubt": "drop"}, {"max_senders": 1}], ids=["copies do harm", "one sender"])
def test_one_at_a_time_where_that_is_asked_for(make, keywords):
    """A kill must not put two in doubt, or the caller wants one."""
    line = warmed_up(make(**keywords))
    line.put("a", "b", "c")
    assert line.deliver() == [">a", "<a", ">b", "<b", ">c", "<c"]


def test_of_one_order_key_one_is_under_way(make):
    """Others go out meanwhile; nothing is leased in vain."""
    line = warmed_up(make())
    line.put("a1", "a2", "a3", order="a")
    assert line.deliver() == [">a1", "<a1", ">a2", "<a2", ">a3", "<a3"]
    line.put("b1", "b2", order="b")
    line.put("c1", "c2", order="c")
    found = line.deliver()
    assert sorted(found) == sorted(f"{sign}{name}" for sign in "<>" for name in ("b1", "b2", "c1", "c2"))
    for key in "bc":
        assert [each for each in found if each[1] == key] == [f">{key}1", f"<{key}1", f">{key}2", f"<{key}2"]
    assert line.network.most == 2


def test_a_slow_server_gets_more_senders_with_one_each(make):
    """Never more under way than `max_senders`, not while the pace is found either."""
    line = make(seconds=0.02)
    line.put(*[f"m{number}" for number in range(200)])
    line.deliver()
    assert line.delivered() == 200
    assert line.network.most <= 8
    line.network.seconds = 0.0
    line.put(*[f"n{number}" for number in range(200)])
    line.deliver()
    assert line.network.most <= 8
    assert line.outbox.ledger().pending == 0


@pytest.mark.parametrize("fate", [LATER, NO, CUT, RuntimeError("bug")], ids=["later", "no", "cut", "bug"])
def test_one_that_fails_leaves_the_other_alone(make, fate, hidden_errors):
    """It stays and comes again; what was sent behind it counts."""
    line = warmed_up(make(fates={"a": fate}))
    line.put("a", "b", "c", "d")
    found = line.deliver()
    assert found[:3] == [">a", ">b", "<a"]
    assert "<b" in found
    for _ in range(50):
        if not line.outbox.pending():
            break
        line.clock.advance(line.courier.next_wake_seconds() or 0.0)
        line.deliver()
    assert line.delivered() == WARM_UP + 4
    assert bool(hidden_errors) == isinstance(fate, RuntimeError)


def test_after_a_no_only_what_was_under_way_is_sent(make):
    """A halt holds the lane before anything else is taken."""
    line = warmed_up(make(fates={"a": NO, "b": NO}))
    line.put("a", "b", "c", "d")
    assert line.deliver() == [">a", ">b", "<a", "<b"]
    assert line.outbox.pending() == 4


@pytest.mark.parametrize("error", [REFUSED, OSError("bug")], ids=["refused", "bug"])
def test_one_that_cannot_be_sent_is_ended_before_another_is_taken(make, error, hidden_errors):
    """So that a server that is gone is not asked with two at a time."""
    line = warmed_up(make(stillborn={"a": error}))
    line.put("a", "b", "c")
    found = line.deliver()
    # What fails in its own way may have been sent: a lost one.
    assert found == ([">a", ">b", ">c", "<b", "<c"] if error is REFUSED else [">a", ">b", "<b", ">c", "<c"])
    assert line.outbox.pending() == 1
    assert bool(hidden_errors) == (error is not REFUSED)


def test_what_can_only_be_sent_whole_waits_for_its_turn(make):
    """Uploads and calls of gRPC: after those before it, and before the next is taken."""
    line = warmed_up(make(whole=("b", "c")))
    line.put("a", "b", "c", "d", "e")
    assert line.deliver() == [">a", "<a", ">b", "<b", ">c", "<c", ">d", ">e", "<d", "<e"]


def test_a_kill_puts_no_more_in_doubt_than_before(make, monkeypatch):
    """In flight and answered but not booked: never more than `max_senders` together (reliability.md P3)."""
    line = warmed_up(make())
    open_ones: Counter[str] = Counter()
    most = 0
    begin, settle_all = line.network.begin, line.outbox.settle_all

    def begun(request: Request, **keywords: object) -> Any:
        nonlocal most
        open_ones[request.idempotency_key] += 1
        most = max(most, len(open_ones))
        return begin(request, **keywords)

    def settled(settlements: Any, **keywords: Any) -> Any:
        found = settle_all(settlements, **keywords)
        for each in settlements:
            del open_ones[each.leased.request.idempotency_key]
        return found

    monkeypatch.setattr(line.network, "begin", begun)
    monkeypatch.setattr(line.outbox, "settle_all", settled)
    line.put(*[f"m{number}" for number in range(100)])
    line.deliver()
    assert most == 8
    assert not open_ones


def test_trouble_of_our_own_loses_no_answer(make, monkeypatch, hidden_errors):
    """The outbox fails once while two are under way: the other is still heard, and what is not booked comes again."""
    line = warmed_up(make())
    settle_all, calls = line.outbox.settle_all, []

    def failing(settlements: Any, **keywords: Any) -> Any:
        calls.append([each.leased.request.idempotency_key for each in settlements])
        if len(calls) == 1:
            msg = "disk"
            raise OSError(msg)
        return settle_all(settlements, **keywords)

    monkeypatch.setattr(line.outbox, "settle_all", failing)
    line.put(*[f"m{number:02d}" for number in range(20)])
    log = line.deliver()
    assert Counter(each[0] for each in log) == {">": 8, "<": 8}
    assert calls[1] == [log[-1][1:]]
    assert hidden_errors
    line.clock.advance(3600)
    line.deliver()
    assert line.delivered() == WARM_UP + 20


def test_after_a_lost_one_requests_go_singly(make, monkeypatch):
    """For a while, and for ten times as long after the next: perhaps the server serves one connection at a time."""
    monkeypatch.setattr("footfall.courier.lane.SINGLY", 4)
    line = warmed_up(make(fates={"a": CUT, "z": CUT}))
    line.put("a", "b")
    assert line.deliver() == [">a", ">b", "<a", "<b"]
    line.clock.advance(60)
    line.put("c", "d", "e", "f")  # with b, a, c and d, four answers
    assert line.deliver() == [">a", "<a", ">c", "<c", ">d", "<d", ">e", ">f", "<e", "<f"]
    line.put("z", *[f"m{number}" for number in range(50)])
    log = line.deliver()
    singly = [f"{sign}m{number}" for number in range(1, 40) for sign in "><"]
    assert log[: 4 + len(singly) + 2] == [">z", ">m0", "<z", "<m0", *singly, ">m40", ">m41"]


class OneConnection(BaseHTTPRequestHandler):
    """Keeps its connection; `HTTPServer` has no thread for another."""

    protocol_version = "HTTP/1.1"
    paths: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        """202."""
        self.rfile.read(int(self.headers["content-length"]))
        self.paths.append(self.path)
        self.send_response(202)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Not on stderr."""


def deliver_to(url: str, folder: Path, count: int, exchange_timeout_seconds: float) -> tuple[int, int]:
    """Deliver *count* requests over real connections; return most connections at once, and tries without an answer."""
    clock = FakeClock()
    outbox = Outbox.open(folder / "outbox.db", clock=clock, max_bytes=2**26, max_age_seconds=1e9)
    row = outbox.destination(Destination(wire="test", endpoint=url))
    transport, wire = HttpTransport(environ={}, proxies=dict), Wire()
    courier = Courier(
        outbox,
        transport=transport,
        clock=clock,
        wires=lambda _: wire,
        exchange_timeout_seconds=exchange_timeout_seconds,
    )
    requests = [
        Request(
            path=f"/ramen/v1/events/1/s.t{number % 7}.v1/?version=1&reqid={number}",
            body=b"{}",
            content_type="application/json",
            idempotency_key=f"{number}",
            order_key=f"{number % 7}",
        )
        for number in range(count)
    ]
    outbox.intake([(row, each) for each in requests], offsets={}, now_ns=clock.now_ns())
    most, silent = 0, 0
    while outbox.pending():
        clock.advance(courier.next_wake_seconds() or 0.0)
        found = courier.deliver_once(deadline=clock.monotonic() + 3600)
        silent += found.retried
        most = max(most, transport.open_connections())
    assert courier.stop(HANG_GUARD_SECONDS)
    assert_ledger(outbox.ledger())
    outbox.close()
    transport.close()
    return most, silent


def test_over_real_connections(tmp_path):
    """As many connections as requests under way, and each message once."""
    with Sink(tmp_path / "sink") as sink:
        assert deliver_to(sink.url, tmp_path, 100, HANG_GUARD_SECONDS) == (MAX_FLIGHTS, 0)
        assert len(sink.requests()) == 100


def test_a_server_that_serves_one_connection_at_a_time(tmp_path):
    """One request gets no answer and comes again; from then on they go singly."""
    OneConnection.paths.clear()
    server = HTTPServer(("127.0.0.1", 0), OneConnection)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    _, silent = deliver_to(f"http://127.0.0.1:{server.server_port}", tmp_path, 100, 0.5)
    server.shutdown()
    thread.join(HANG_GUARD_SECONDS)
    server.server_close()
    assert silent == 1
    assert len(set(OneConnection.paths)) == 100
