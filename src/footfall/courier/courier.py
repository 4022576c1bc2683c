"""The courier: what is in the outbox goes to its destinations, one lane each.

`Courier.deliver_once` opens a lane for each destination that has something due and is not held back, and lets senders
work in it: one thread, more while the server is slow, none when nothing is left. A sender leases, sends, has the wire
judge, and settles, so a kill between any two steps costs at most a second copy with the same key (reliability.md P3);
while the server is quick it sends the next before it reads the last answer (`flight`).

A lane waits for nobody. `deliver_once` does not wait for a lane that hangs either: the lane goes on behind the caller's
back, `in_flight` counts it, and its results are in the counts of a later call.
"""

from __future__ import annotations

import itertools
import math
import os
import random as chance
import threading
from typing import TYPE_CHECKING, Final, cast

import msgspec

from footfall.courier import plan, report
from footfall.courier.flight import Flight, Hand
from footfall.courier.health import answering, reachable
from footfall.courier.lane import MAX_SENDERS, Lane
from footfall.courier.report import Delivered, Tally
from footfall.courier.transport import unobserved
from footfall.crash import crash_at
from footfall.errors import TransportError, guard
from footfall.ledger import Reason
from footfall.wire.base import Action, Response, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from footfall.clock import Clock
    from footfall.courier.plan import Plan
    from footfall.courier.transport import BeginningTransport, Transport
    from footfall.destination import Destination
    from footfall.outbox.rows import KnownDestination, Leased, Settlement
    from footfall.outbox.store import Outbox
    from footfall.wire.base import Request, Wire

MAX_LANES: Final = 32
"""Destinations served at once; the others come next."""

MAX_THREADS: Final = 40
"""Of all lanes together. A lane always gets its first sender, further ones only below this."""

PATIENCE_SECONDS: Final = 1.0
"""`deliver_once` without a deadline returns after so much, even if a server still keeps a lane waiting."""

UNUSABLE_SECONDS: Final = 60.0
"""Pause after a destination could not be used from here: its wire or its credentials are not to be had. In memory
only, since the next process may have them."""

_NS: Final = 10**9


class Courier:
    """Delivers what is in an outbox (design.md section 4).

    `deliver_once`, `stop` and the questions may be called from any thread; `deliver_once` from one at a time. In a fork
    child a courier does nothing: make a new one there.

    Args:
        outbox: Open, and held by this process.
        transport: To the network.
        clock: Of all waits. Only the hand-over between our own threads uses the real one.
        wires: Returns the wire of a destination; may raise, then the destination waits and its requests are kept.
        environ: Where ``env:NAME`` credentials are looked up, each time a lane opens.
        exchange_timeout_seconds: Longest exchange.
        may_send: Asked before each request; False ends the round, and what is leased goes back (reliability.md S15).
        max_senders: Requests in flight to one destination at most, which is also how many a kill can put in doubt.
        random: Uniform in [0, 1).
        split: Makes smaller requests of one, and of its file (`footfall.outbox.depot`).
    """

    def __init__(
        self,
        outbox: Outbox,
        *,
        transport: Transport,
        clock: Clock,
        wires: Callable[[Destination], Wire],
        environ: Mapping[str, str] = os.environ,
        exchange_timeout_seconds: float = 10.0,
        may_send: Callable[[], bool] = lambda: True,
        max_senders: int = MAX_SENDERS,
        random: Callable[[], float] = chance.random,
        split: Callable[[Wire, Request], list[Request]] = lambda wire, request: wire.split(request),
    ) -> None:
        self._outbox = outbox
        self._transport = transport
        self._begins = cast("BeginningTransport", transport) if hasattr(transport, "begin") else None
        self._clock = clock
        self._wires = wires
        self._environ = environ
        self._exchange_timeout_seconds = exchange_timeout_seconds
        # A lease outlives the slowest exchange by far: while it lasts, nobody else sends the same request.
        self._lease_seconds = max(60.0, 3 * exchange_timeout_seconds)
        self._may_send = may_send
        self._max_senders = max_senders
        self._random = random
        self._split = split
        self._lanes: dict[int, Lane] = {}
        self._seen = outbox.destinations()
        self._changed = threading.Condition()
        self._tally = Tally()
        self._threads = 0
        self._names = itertools.count(1)
        self._deadline: float | None = None
        self._stopping = threading.Event()
        self._pid = os.getpid()

    def deliver_once(self, *, deadline: float | None = None, only_answering: bool = False) -> Delivered:
        """Deliver what is due, and return what came of it and of lanes that earlier calls left behind.

        Returns when nothing is left that may be sent now, or at *deadline*, or (without one) when a server has kept us
        waiting for `PATIENCE_SECONDS`. Lanes left behind are waited for only with a deadline.

        Args:
            deadline: On the clock's monotonic scale. No exchange begins that could not end before it, if a copy would
                do harm; the others are cut short at it.
            only_answering: Leave out destinations that `health.answering` does not vouch for; for the exit.
        """
        if os.getpid() != self._pid:
            return Delivered()
        self._deadline = deadline
        busy = [lane for lane in self._lanes.values() if lane.senders]
        opened = self._ready(only_answering=only_answering)
        for lane in opened:
            self._open(lane)
        awaited = opened if deadline is None or only_answering else opened + busy
        patience = self._clock.monotonic() + PATIENCE_SECONDS if deadline is None else deadline
        with self._changed:
            while any(lane.senders for lane in awaited) and not self._stopping.is_set():
                left = patience - self._clock.monotonic()
                if left <= 0:
                    break
                # By the handed-in clock, but looked at again soon: a fake one may be moved while we wait.
                self._changed.wait(min(left, 0.1))
            return self._tally.take()

    def stop(self, timeout_seconds: float = 0.0) -> bool:
        """End all lanes after their current exchange, and return whether they have ended.

        Requests that are leased but not sent go back to the outbox. For good: `deliver_once` does nothing afterwards.

        Args:
            timeout_seconds: Longest wait for exchanges under way, in real time. Close the outbox only after a True.
        """
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
            return self._changed.wait_for(lambda: not self.in_flight(), timeout_seconds)

    def in_flight(self) -> int:
        """Return the number of senders at work: of threads, and of open exchanges, but where one sender has two."""
        return sum(lane.senders for lane in tuple(self._lanes.values()))

    def answering(self) -> bool:
        """Whether something is due to a destination that answered lately, did not fail since, and may be sent to."""
        return bool(self._sendable(only_answering=True))

    def reachable(self) -> bool:
        """Whether some destination answered lately and did not fail since; from memory, without the outbox's lock."""
        return reachable(self._seen, dict(self._lanes), now_ns=self._clock.now_ns(), now=self._clock.monotonic())

    def next_wake_seconds(self) -> float | None:
        """Return how long nothing will be due: 0.0 for "now", None for "until something is enqueued".

        Destinations whose lanes are at work do not count.
        """
        now_ns, now = self._clock.now_ns(), self._clock.monotonic()
        waits: list[float] = []
        for known in self._outbox.destinations():
            lane = self._lanes.get(known.id)
            if known.next_due_ns is None or (lane and lane.senders):
                continue
            waits.append(max((known.next_due_ns - now_ns) / _NS, lane.wait_seconds(now) if lane else 0.0, 0.0))
        # Up to the next millisecond: whoever wakes a rounding error too early would come again at once, and again.
        return math.ceil(min(waits) * 1000) / 1000 if waits else None

    # -- opening and closing lanes ---------------------------------------------------------------

    def _sendable(self, *, only_answering: bool) -> list[KnownDestination]:
        # Which lanes rest is asked first: one that ends in between may have been paused after the outbox was asked.
        busy = {number for number, lane in tuple(self._lanes.items()) if lane.senders}
        now_ns, now = self._clock.now_ns(), self._clock.monotonic()
        found: list[KnownDestination] = []
        self._seen = self._outbox.destinations()
        for known in self._seen:
            if known.id in busy or not known.due or known.paused_until_ns > now_ns:
                continue
            lane = self._lanes.get(known.id)
            if lane is not None:
                with lane.lock:
                    if lane.paused and not known.paused_until_ns:
                        # The outbox is right: over by its clock, or somebody resumed the destination.
                        lane.resume()
                    if lane.wait_seconds(now) > 0:
                        continue
            if not only_answering or answering(known, now_ns=now_ns):
                found.append(known)
        return found

    def _ready(self, *, only_answering: bool) -> list[Lane]:
        ready: list[Lane] = []
        room = MAX_LANES - sum(1 for lane in self._lanes.values() if lane.senders)
        for known in [] if self._stopping.is_set() else self._sendable(only_answering=only_answering):
            lane = self._lanes.get(known.id)
            if lane is None:
                lane = self._lanes[known.id] = Lane(known, random=self._random, max_senders=self._max_senders)
            if len(ready) < room and self._equip(lane):
                ready.append(lane)
        return ready

    def _equip(self, lane: Lane) -> bool:
        problem: str | None = None
        with guard("wire of a destination"):
            found = lane.equip(self._wires, self._environ)
            if lane.ruled is not None:
                known, now_ns = self._outbox.rules(lane.id), self._clock.now_ns()
                lane.rules.load(known, now_ns=now_ns, now=self._clock.monotonic())
            problem = found
        if problem == "":
            return True
        with lane.lock:
            lane.hold(self._clock.monotonic(), UNUSABLE_SECONDS)
        if problem:
            report.unusable(lane.destination, problem)
        return False

    def _open(self, lane: Lane) -> None:
        with lane.lock:
            lane.senders += 1
        if not self._start(lane):
            # No thread to be had (limit reached, interpreter ending): the caller's will do, for what one can do.
            self._serve(lane)

    def _start(self, lane: Lane) -> bool:
        name = f"footfall-courier-{lane.destination.wire}-{next(self._names)}"
        thread = threading.Thread(target=self._serve_in_thread, args=(lane,), name=name, daemon=True)
        with self._changed:
            self._threads += 1
        try:
            thread.start()
        except RuntimeError:
            with self._changed:
                self._threads -= 1
            return False
        return True

    def _serve_in_thread(self, lane: Lane) -> None:
        try:
            self._serve(lane)
        finally:
            with self._changed:
                self._threads -= 1

    def _serve(self, lane: Lane) -> None:
        hand = Hand()
        try:
            with guard("courier"), unobserved():
                while True:
                    leased = self._next(lane, hand) if hand.has_room(lane.flights()) else None
                    if leased is not None:
                        self._begin(lane, leased, hand)
                    elif hand.flying:
                        self._end(lane, hand)
                    else:
                        break
        finally:
            while hand.flying:  # after trouble of our own: they were sent, so their answers count
                with guard("courier, closing a lane"):
                    self._end(lane, hand)
            with guard("courier, closing a lane"):
                self._commit(lane, hand)
            with lane.lock:
                if lane.senders == 1:
                    with guard("courier, closing a lane"):
                        lane.hand_back(self._outbox)
                lane.left()
            with self._changed:
                self._changed.notify_all()

    # -- one request --------------------------------------------------------------------------------

    def _next(self, lane: Lane, hand: Hand) -> Leased | None:
        with lane.lock:
            now, alone = self._clock.monotonic(), not hand.flying
            if (alone and lane.is_surplus()) or self._must_end(lane, now):
                return None
            if lane.queue and now + self._exchange_timeout_seconds > lane.lease_ends:
                # Too long in our hands to be sent safely.
                lane.hand_back(self._outbox)
            if (alone or not lane.queue) and lane.wants_more():
                lane.refill(self._outbox, now=now, now_ns=self._clock.now_ns(), ttl_seconds=self._lease_seconds)
                crash_at("after_lease")
            if not lane.queue:
                crash_at("after_round")
                return None
            if not lane.breaker.acquire(now):
                return None
            leased = lane.take()
            if leased is None:  # all that is left waits for what others have in flight, and they will go on with it
                lane.breaker.unused()
                return None
            more = lane.senders < lane.senders_wanted() and self._threads < MAX_THREADS and lane.has_more()
            lane.senders += more
        if more and not self._start(lane):
            with lane.lock:
                lane.senders -= 1
        return leased

    def _must_end(self, lane: Lane, now: float) -> bool:
        if self._stopping.is_set() or lane.is_held(now) or not self._may_send():
            return True
        if self._deadline is None:
            return False
        needed = self._exchange_timeout_seconds if lane.drops_in_doubt else 0.0
        return now + needed >= self._deadline

    def _begin(self, lane: Lane, leased: Leased, hand: Hand) -> None:
        now = self._clock.monotonic()
        flight = Flight(leased, lane, now)
        hand.flying.append(flight)
        with lane.lock, guard("drop rules"):
            flight.unsent = lane.unsent(leased, now)
        if self._begins is not None and flight.unsent is None:
            flight.begin(self._begins, self._timeout_seconds(leased, now))

    def _end(self, lane: Lane, hand: Hand) -> None:
        """See the request that was taken first to its end."""
        with hand.flying.popleft() as flight:
            if flight.unsent is not None:
                self._settle(lane, flight.unsent, hand)
                return
            now = self._clock.monotonic()
            answer = flight.end(self._transport, self._timeout_seconds(flight.leased, now), now)
            crash_at("after_send")
            if isinstance(answer, TransportError):
                self._silent(lane, flight.leased, answer, hand)
                return
            with lane.lock:
                lane.took(self._clock.monotonic() - flight.began_at)
            self._answered(lane, flight.leased, answer, hand)

    def _timeout_seconds(self, leased: Leased, now: float) -> float:
        timeout = self._exchange_timeout_seconds + leased.request.upload_seconds
        return timeout if self._deadline is None else min(timeout, max(self._deadline - now, 0.01))

    def _answered(self, lane: Lane, leased: Leased, response: Response, hand: Hand) -> None:
        wire, attempt, now_ns = lane.wire, leased.attempts + 1, self._clock.now_ns()
        verdict = plan.unjudged(attempt=attempt)
        with guard("judging an answer"):
            if wire is not None:
                verdict = wire.judge(response)
        with lane.lock:
            # In force before the request is settled, so that no sender slips past.
            verdict = lane.with_rule_obeyed(verdict, self._clock.monotonic())
            steps = plan.after_answer(
                verdict, response, attempt=attempt, halts=lane.halts, now_ns=now_ns, random=self._random
            )
            worth_noting = lane.pulse.answered(now_ns)
        if worth_noting:
            self._outbox.answered(lane.id, now_ns=now_ns)
        self._obey(lane, steps)
        verdict, parts = steps.verdict, []
        if verdict.action is Action.SPLIT:
            with guard("splitting a request"):
                if wire is not None:
                    parts = plan.pieces(leased.request, self._split(wire, leased.request))
            if not parts:
                verdict = Verdict(action=Action.DROP, reason=Reason.TOO_BIG, detail=verdict.detail)
        if verdict.action is Action.DROP and verdict.reason is None:
            verdict = msgspec.structs.replace(verdict, reason=Reason.REFUSED)
        self._settle(lane, plan.settlement(leased, verdict, steps, parts, now_ns=now_ns), hand)
        report.answered(lane.destination, verdict, response.status)
        if verdict.action is Action.DROP or verdict.rejected:
            path = leased.request.path
            self._outbox.note_refusal(lane.id, status=response.status, path=path, detail=verdict.detail, now_ns=now_ns)

    def _silent(self, lane: Lane, leased: Leased, error: TransportError, hand: Hand) -> None:
        now_ns = self._clock.now_ns()
        with lane.lock:
            lane.failed(error)
            steps = plan.after_silence(
                error,
                attempt=leased.attempts + 1,
                halts=lane.halts,
                drop_in_doubt=lane.drops(leased.request),
                random=self._random,
            )
        self._outbox.failed(lane.id, now_ns=now_ns)
        self._obey(lane, steps)
        self._settle(lane, plan.settlement(leased, steps.verdict, steps, now_ns=now_ns), hand)
        report.silent(lane.destination, error)

    def _obey(self, lane: Lane, steps: Plan) -> None:
        """Hold the lane back before its request is settled, so that no sender slips past."""
        with lane.lock:
            now = self._clock.monotonic()
            match steps.sign:
                case "answered":
                    lane.breaker.answered()
                case "unwilling":
                    lane.breaker.unwilling(now)
                case "silent":
                    lane.breaker.silent(now)
            halted = steps.verdict.action is Action.HALT
            if halted and lane.is_held(now):
                # Others that were in flight when the first was refused: one refusal, not a row of them.
                return
            if halted or steps.sign == "answered":
                lane.halts = lane.halts + 1 if halted else 0
            if steps.pause_seconds and lane.pause(now, steps.pause_seconds):
                until_ns = self._clock.now_ns() + int(steps.pause_seconds * _NS)
                self._outbox.pause(lane.id, until_ns=until_ns, reason=steps.pause_reason)

    def _settle(self, lane: Lane, settlement: Settlement, hand: Hand) -> None:
        """Settle, or let it gather with others: a commit costs as much as several answers of a quick server.

        A kill puts in doubt what is in flight and what has gathered: together never more than `max_senders`.
        """
        hand.done.append(settlement)
        if lane.queue and hand.may_gather(self._max_senders // max(lane.senders, 1)):
            return
        is_gone = settlement.verdict.action in {Action.DELIVERED, Action.DROP}
        behind = [] if is_gone else lane.followers(settlement.leased)
        self._commit(lane, hand)
        for leased in behind:
            self._outbox.release(leased)

    def _commit(self, lane: Lane, hand: Hand) -> None:
        # Taken out first: what could not be settled is not tried again, its lease lapses.
        batch, hand.done = hand.done, []
        if not batch:
            return
        crash_at("before_settle")
        settled = self._outbox.settle_all(batch, now_ns=self._clock.now_ns())
        crash_at("after_settle")
        with self._changed:
            for settlement, well in zip(batch, settled, strict=True):
                if well:
                    self._tally.add(settlement)
                else:
                    report.lapsed(lane.destination)
