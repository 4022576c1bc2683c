"""What the courier knows of one destination while it runs: its wire, its waits, its breaker, its pace."""

from __future__ import annotations

import math
import threading
from collections import deque
from typing import TYPE_CHECKING, Final, cast

import msgspec

from footfall.courier import authentication, credentials
from footfall.courier.breaker import Breaker, State
from footfall.courier.health import Pulse
from footfall.courier.rules import Rules
from footfall.errors import FootfallError
from footfall.ledger import Reason
from footfall.outbox.rows import Settlement
from footfall.wire.base import Action, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from footfall.destination import Destination
    from footfall.errors import TransportError
    from footfall.outbox.rows import KnownDestination, Leased
    from footfall.outbox.store import Outbox
    from footfall.wire.base import RepeatingWire, Request, RuledWire, Wire

IN_DOUBT: Final = Verdict(action=Action.DROP, reason=Reason.IN_DOUBT)
RULED_OUT: Final = Verdict(action=Action.DROP, reason=Reason.RULE)

MAX_SENDERS: Final = 8
"""Requests in flight to one destination at most (design.md section 4)."""

SENDER_SECONDS: Final = 0.0025
"""One sender for so much of an answer's latency: a server that answers within 2.5 ms gets one, since threads of one
interpreter only stand in each other's way (5 600 messages a second with one, 4 900 with two, 3 500 with eight); one
that takes 20 ms gets eight."""

MAX_FLIGHTS: Final = 2
"""Requests in flight of one sender at most (`flight`). Two leave no idle moment; with more, a kill puts more in doubt,
and a server that says "later" has heard more in vain."""

SINGLY: Final = 1000
"""Answers after a lost request before a sender has two in flight again."""

BATCH_SECONDS: Final = 0.5
"""Work leased at once: enough for a commit to pay, little to hand back when the server says "later"."""

FIRST_BATCH: Final = 8
LARGEST_BATCH: Final = 100
_REMEMBERED: Final = 4
_ENOUGH: Final = 3
"""Answers to judge a server's pace by, and how many it takes to call it slow. Their least counts: the first exchange
also connects and imports, and any may be held up by our own process."""


class Lane:
    """State of one destination. Its `lock` guards everything but `wire`, `base_url` and `headers`.

    Args:
        known: As the outbox has it.
        random: Uniform in [0, 1).
        max_senders: Requests in flight at most.
    """

    def __init__(self, known: KnownDestination, *, random: Callable[[], float], max_senders: int = MAX_SENDERS) -> None:
        self.id = known.id
        self.destination = known.destination
        self.lock = threading.Lock()
        self.breaker = Breaker(random=random, failures=known.failures)
        self.pulse = Pulse(failures=known.failures, last_answer_ns=known.last_answer_ns)
        self.wire: Wire | None = None
        self.ruled: RuledWire | None = None
        self._repeating: RepeatingWire | None = None
        self.rules = Rules()
        self.base_url = ""
        self.headers: Mapping[str, str] = {}
        self.queue: deque[Leased] = deque()
        self._in_flight: set[str] = set()
        self.lease_ends = 0.0
        self.more_due = False
        self.senders = 0
        self.paused = False
        self.halts = 0
        self._leaving = 0
        self._held_until = 0.0
        self._max_senders = max_senders
        self._wanted = 1
        self._singly = 0
        self._next_singly = SINGLY
        self._latencies: deque[float] = deque(maxlen=_REMEMBERED)

    def equip(self, wires: Callable[[Destination], Wire], environ: Mapping[str, str]) -> str:
        """Look up wire and credentials, and return what is missing in our own words, or "" when nothing is.

        The wire is looked up once, credentials each time: they may change, and are not kept longer than needed.
        """
        destination = self.destination
        try:
            if self.wire is None:
                wire = wires(destination)
                self.base_url = wire.base_url(destination.endpoint)
                self.wire = wire
                self.ruled = cast("RuledWire", wire) if hasattr(wire, "labels") else None
                self._repeating = cast("RepeatingWire", wire) if hasattr(wire, "may_repeat") else None
            self.headers, secret = {}, None
            if destination.credentials:
                secret = credentials.resolve(destination.credentials, environ)
                if secret is None:
                    return credentials.missing(destination.credentials)
            self.headers = authentication.proof(self.wire, secret)
        except (FootfallError, OSError) as error:
            # Words of ours, or of the system about a path that the user gave.
            return str(error)
        return ""

    @property
    def drops_in_doubt(self) -> bool:
        """Whether a request that may have arrived is dropped instead of sent again."""
        wish = self.destination.in_doubt or (self.wire.in_doubt if self.wire else "retry")
        return wish == "drop"

    def drops(self, request: Request) -> bool:
        """Whether *request*, which may have arrived, is dropped: not where a copy of it does no harm."""
        return self.drops_in_doubt and not (self._repeating is not None and self._repeating.may_repeat(request))

    def take(self) -> Leased | None:
        """Return the next request to be sent: none while another one with its order key is in flight."""
        for index, leased in enumerate(self.queue):
            key = leased.request.order_key
            if key not in self._in_flight:
                del self.queue[index]
                if key:
                    self._in_flight.add(key)
                return leased
        return None

    def has_more(self) -> bool:
        """Whether another sender may find something to do."""
        return self.more_due or bool(self.queue)

    def wants_more(self) -> bool:
        """Whether to lease: there is nothing here that may go now, and something may have become due since."""
        return all(each.request.order_key in self._in_flight for each in self.queue)

    def refill(self, outbox: Outbox, *, now: float, now_ns: int, ttl_seconds: float) -> None:
        """Lease what is due, with what waits behind it in order."""
        if not self.queue:
            self.lease_ends = now + ttl_seconds
        limit = self.batch() if self.breaker.state(now) is State.CLOSED else 1
        found = outbox.lease(
            self.id,
            now_ns=now_ns,
            ttl_seconds=ttl_seconds,
            limit=limit,
            # Who must not get a second copy, not even after a loss of power, is written down before it is tried.
            synced=self.drops_in_doubt,
            followers=True,
        )
        self.queue.extend(found)
        self.more_due = len(found) == limit

    def hand_back(self, outbox: Outbox) -> None:
        """Give back what is leased and not sent."""
        while self.queue:
            outbox.release(self.queue.popleft())

    def landed(self, leased: Leased, *, well: bool) -> None:
        """Let those with the order key of *leased*, which was taken, go on; or, if it did not end well, not.

        Nobody knows then what became of it: they wait with it until the lease lapses.
        """
        if not well:
            self.followers(leased)
        with self.lock:
            self._in_flight.discard(leased.request.order_key)

    def followers(self, leased: Leased) -> list[Leased]:
        """Take out of the queue what must wait because *leased* stays where it is."""
        key = leased.request.order_key
        with self.lock:
            found = [each for each in self.queue if key and each.request.order_key == key]
            for each in found:
                self.queue.remove(each)
        return found

    def unsent(self, leased: Leased, now: float) -> Settlement | None:
        """Return how *leased* ends unsent, its place at the breaker given up; None when it is to be sent."""
        settlement: Settlement | None = None
        if leased.in_doubt and self.drops(leased.request):
            settlement = Settlement(leased=leased, verdict=IN_DOUBT)
        elif self.ruled is not None and self.rules:
            rule = self.rules.against(self.ruled.labels(leased.request), now)
            if rule is not None:
                settlement = Settlement(leased=leased, verdict=RULED_OUT, obeyed=rule)
        if settlement is not None:
            self.breaker.unused()
        return settlement

    def with_rule_obeyed(self, verdict: Verdict, now: float) -> Verdict:
        """Return *verdict*, its drop rule in force; without the rule where its wire has no rules or it is none."""
        rule = verdict.rule
        if rule is None or (self.ruled is not None and self.rules.add(rule, now)):
            return verdict
        return msgspec.structs.replace(verdict, rule=None)

    def hold(self, now: float, seconds: float) -> None:
        """Send nothing for *seconds* from *now* (monotonic); never shortens a longer wait."""
        self._held_until = max(self._held_until, now + seconds)

    def pause(self, now: float, seconds: float) -> bool:
        """As `hold`, for a wait that the outbox is to remember as well; return whether it is longer than any before."""
        longer = now + seconds > self._held_until
        self.paused = True
        self.hold(now, seconds)
        return longer

    def resume(self) -> None:
        """Forget the wait: by the outbox it is over."""
        self._held_until = 0.0
        self.paused = False

    def wait_seconds(self, now: float) -> float:
        """Return how long nothing may be sent, by hold or breaker."""
        return max(self._held_until - now, self.breaker.wait_seconds(now), 0.0)

    def is_held(self, now: float) -> bool:
        """Whether a hold is on."""
        return self._held_until > now

    def took(self, seconds: float) -> None:
        """Note how long an answer took."""
        self._latencies.append(seconds)
        self._singly = max(self._singly - 1, 0)
        if len(self._latencies) >= _ENOUGH:
            self._wanted = min(max(math.ceil(min(self._latencies) / SENDER_SECONDS), 1), self._max_senders)

    def failed(self, error: TransportError) -> None:
        """Note that there was no answer.

        Some servers serve one connection at a time, and a second request gets no answer while the first connection is
        kept. So requests go singly for a while after one is lost, ten times as long after each further one.
        """
        self.pulse.failed()
        if error.in_doubt:
            self._singly = self._next_singly
            self._next_singly *= 10

    def senders_wanted(self) -> int:
        """Return how many senders there should be, from how fast the server answers."""
        return self._wanted

    def flights(self) -> int:
        """Return how many requests a sender may have in flight: two where it is alone and the server is quick.

        One before the server has answered some, after one was lost, and where a copy would do harm. Needs no lock.
        """
        if (
            self._singly
            or self._wanted > 1
            or self.senders > 1
            or len(self._latencies) < _ENOUGH
            or self.drops_in_doubt
        ):
            return 1
        return min(MAX_FLIGHTS, self._max_senders)

    def batch(self) -> int:
        """Return how many requests to lease at once.

        One where a copy would do harm: were we killed, all that is leased would be in doubt, sent or not.
        """
        if self.drops_in_doubt:
            return 1
        if not self._latencies:
            return FIRST_BATCH
        pace = self.senders_wanted() / max(min(self._latencies), 0.001)
        return min(max(int(pace * BATCH_SECONDS), FIRST_BATCH), LARGEST_BATCH)

    def is_surplus(self) -> bool:
        """Whether one sender may go because fewer are wanted; counts a yes, so that not all go at once."""
        if self.senders - self._leaving <= self.senders_wanted():
            return False
        self._leaving += 1
        return True

    def left(self) -> None:
        """Note that a sender is gone."""
        self.senders -= 1
        self._leaving = min(self._leaving, self.senders)
