"""The outbox against a dictionary: any order of calls, the same books, the same order, the same bounds."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from outboxhelp import DAY, a_destination, a_request, open_outbox

from footfall.ledger import Reason
from footfall.outbox.rows import OVERHEAD_BYTES, Settlement
from footfall.outbox.store import Leased
from footfall.testing.clock import FakeClock
from footfall.testing.ledger import assert_ledger
from footfall.wire.base import DELIVERED, RETRY, Action, DropRule, Request, Verdict

MAX_BYTES = 40 * (OVERHEAD_BYTES + 100)
MAX_AGE_SECONDS = 3 * DAY
TTL_SECONDS = 30.0
RULES = [DropRule(labels={"n": str(n)}, seconds=seconds) for n, seconds in enumerate((5.0, 3600.0, 10 * DAY))]

VERDICTS = {
    "delivered": DELIVERED,
    "partial": Verdict(action=Action.DELIVERED, rejected=1, reason=Reason.REFUSED),
    "retry": RETRY,
    "retry twice": Verdict(action=Action.RETRY, max_attempts=2, reason=Reason.UNTRANSLATABLE),
    "drop": Verdict(action=Action.DROP, reason=Reason.RULE),
    "in doubt": Verdict(action=Action.DROP, reason=Reason.IN_DOUBT),
    "split": Verdict(action=Action.SPLIT),
    "halt": Verdict(action=Action.HALT),
} | {
    f"ordered {number}": Verdict(action=Action.DROP, reason=Reason.RULE, rule=rule) for number, rule in enumerate(RULES)
}


@dataclass
class Kept:
    """What the model knows of one pending request."""

    place: tuple[float, ...]
    request: Request
    created: float
    due: float
    lease: str = ""
    attempts: int = 0
    in_doubt: bool = False
    blocked: bool = False


class OutboxModel(RuleBasedStateMachine):
    """Time in the model is seconds on the monotonic clock: no jump of the wall may be seen."""

    @initialize()
    def start(self) -> None:
        """An empty outbox and its model."""
        self.directory = Path(tempfile.mkdtemp(prefix="footfall-model-"))
        self.clock = FakeClock()
        self.open()
        self.rows = [self.outbox.destination(a_destination(name)) for name in "ab"]
        self.kept: dict[tuple[int, str], Kept] = {}
        self.settled = dict.fromkeys(self.rows, 0)
        self.accepted = dict.fromkeys(self.rows, 0)
        self.held: list[Leased] = []
        self.paused = dict.fromkeys(self.rows, 0.0)
        self.rules: dict[tuple[int, str], tuple[float, int]] = {}
        self.next = 0
        self.places = 0

    def open(self) -> None:
        """Open the file."""
        self.outbox = open_outbox(
            self.directory, self.clock, max_bytes=MAX_BYTES, max_age_seconds=MAX_AGE_SECONDS, reserve_bytes=2**14
        )

    def teardown(self) -> None:
        """Remove the file."""
        if hasattr(self, "outbox"):
            self.outbox.close()
            shutil.rmtree(self.directory)

    @property
    def now(self) -> float:
        """Seconds on the monotonic clock."""
        return self.clock.monotonic()

    def gone(self, row: int, key: str) -> None:
        """Settled, one way or another."""
        kept = self.kept.pop((row, key))
        self.settled[row] += kept.request.records

    def follow_drops(self) -> None:
        """Forget what the outbox dropped on its own; only unleased requests may go, and only the oldest."""
        left = {(self.by_key(key), request.idempotency_key) for key, request in self.outbox.peek(10**6)}
        missing = [kept for name, kept in self.kept.items() if name not in left]
        for kept in missing:
            assert not kept.lease or kept.due <= self.now, "somebody is sending it"
            free = [other for other in self.kept.values() if not other.lease or other.due <= self.now]
            assert all(kept.place <= other.place for other in free if other not in missing), "not the oldest"
        for name in [name for name in self.kept if name not in left]:
            self.gone(*name)
        assert left == set(self.kept)

    def by_key(self, key: str) -> int:
        """Return the row id of a destination by its key."""
        return self.rows[[a_destination(name).key for name in "ab"].index(key)]

    # -- rules

    @rule(
        which=st.lists(st.integers(0, 1), min_size=1, max_size=12),
        order=st.sampled_from(["", "", "o", "p"]),
        size=st.sampled_from([0, 10, 100, 2500]),
        records=st.integers(1, 5),
        again=st.booleans(),
    )
    def intake(self, which, order, size, records, again) -> None:
        """New requests, perhaps a known one; what is too much goes at once."""
        requests = []
        for index in which:
            self.next += 1
            requests.append((self.rows[index], a_request(self.next, body=bytes(size), order=order, records=records)))
        if again and self.kept:
            (row, _), kept = next(iter(self.kept.items()))
            requests.append((row, kept.request))
        new = [(row, request) for row, request in requests if (row, request.idempotency_key) not in self.kept]
        projects = [f"o/{row}" for row, _ in requests]
        taken = self.outbox.intake(requests, offsets={"j": self.next}, now_ns=self.clock.now_ns(), projects=projects)
        assert taken == len(new)
        for row, request in new:
            self.places += 1
            self.accepted[row] += request.records
            kept = Kept((self.places,), request, self.now, self.now, blocked=bool(request.order_key))
            self.kept[row, request.idempotency_key] = kept
        self.follow_drops()
        self.unblock()
        free = sum(not kept.lease for kept in self.kept.values())
        assert self.outbox.size_bytes() <= MAX_BYTES or not free

    @rule(index=st.integers(0, 1), limit=st.integers(1, 6), followers=st.booleans())
    def lease(self, index, limit, followers) -> None:
        """What is due and blocked by nothing, the longest due first; perhaps with what waits behind it, in order."""
        row = self.rows[index]
        got = self.outbox.lease(
            row, now_ns=self.clock.now_ns(), ttl_seconds=TTL_SECONDS, limit=limit, followers=followers
        )
        if self.paused[row] > self.now:
            assert got == []
            return
        can = self.can_be_leased(row)
        chosen = sorted(can, key=lambda key: (can[key].due, can[key].place))[:limit]
        if followers and any(can[key].request.order_key for key in chosen):
            # By age as soon as an order key is among them; else the longest due first, as without followers.
            chosen = sorted(chosen + self.behind(row, chosen, limit), key=lambda key: self.kept[row, key].place)
        expected = []
        for key in chosen:
            kept = self.kept[row, key]
            if kept.lease and not set(self.before(row, kept)) <= set(expected):
                # A lease of several in order has lapsed: who is not the first of them waits again.
                kept.lease, kept.in_doubt, kept.blocked = "", True, True
            else:
                expected.append(key)
        assert [item.request.idempotency_key for item in got] == expected
        for item in got:
            kept = self.kept[row, item.request.idempotency_key]
            assert item.request == kept.request
            kept.in_doubt = kept.in_doubt or bool(kept.lease)
            assert (item.attempts, item.in_doubt) == (kept.attempts, kept.in_doubt)
            kept.lease, kept.due, kept.attempts = item.lease, self.now + TTL_SECONDS, kept.attempts + 1
            kept.blocked = False
        self.held += got

    def before(self, row: int, kept: Kept) -> list[str]:
        """Return what stands before *kept* in its order."""
        order = kept.request.order_key
        return [
            key
            for (owner, key), other in self.kept.items()
            if owner == row and order and other.request.order_key == order and other.place < kept.place
        ]

    def behind(self, row: int, chosen: list[str], limit: int) -> list[str]:
        """Return what comes along with *chosen*: of each order key a fair share of those that wait, without a gap."""
        last: dict[str, Kept] = {}
        for key in sorted(chosen, key=lambda key: self.kept[row, key].place):
            kept = self.kept[row, key]
            if kept.request.order_key:
                last[kept.request.order_key] = kept
        found: list[str] = []
        for order, head in last.items():
            share = -((len(chosen) - limit) // len(last))
            chain = sorted(
                (other.place, key, other)
                for (owner, key), other in self.kept.items()
                if owner == row and other.request.order_key == order and other.place > head.place
            )
            for _, key, other in chain[:share]:
                if not other.blocked or len(chosen) + len(found) >= limit:
                    break
                found.append(key)
        return found

    def give_back(self, row: int, kept: Kept, due: float) -> None:
        """Not leased any more: due at that time, unless another one stands before it."""
        kept.lease, kept.blocked = "", bool(self.before(row, kept))
        kept.due = self.now if kept.blocked else due

    def can_be_leased(self, row: int) -> dict[str, Kept]:
        """Return what is due and waits for nothing before it."""
        mine = {key: kept for (owner, key), kept in self.kept.items() if owner == row}
        return {key: kept for key, kept in mine.items() if kept.due <= self.now and not kept.blocked}

    def unblock(self) -> None:
        """Make the first of each order key due, if it has waited."""
        first: dict[tuple[int, str], Kept] = {}
        for (row, _), kept in sorted(self.kept.items(), key=lambda item: item[1].place):
            first.setdefault((row, kept.request.order_key), kept)
        for kept in first.values():
            if kept.blocked:
                kept.blocked, kept.due = False, self.now

    @precondition(lambda self: self.held)
    @rule(
        data=st.data(),
        word=st.sampled_from(sorted(VERDICTS)),
        wait=st.sampled_from([None, 0.0, 5.0, 100.0, 10 * DAY]),
        parts=st.integers(0, 3),
    )
    def settle(self, data, word, wait, parts) -> None:
        """Any verdict on any lease, good or stale."""
        leased = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        row, request, verdict = leased.destination, leased.request, VERDICTS[word]
        kept = self.kept.get((row, request.idempotency_key))
        good = kept is not None and kept.lease == leased.lease
        replacements = [
            a_request(f"{request.idempotency_key}.{number}", order=request.order_key, body=b"", records=1)
            for number in range(min(parts, request.records))
        ]
        done = self.outbox.settle(
            leased,
            verdict=verdict,
            now_ns=self.clock.now_ns(),
            retry_at_ns=None if wait is None else self.clock.now_ns() + int(wait * 1e9),
            replacements=replacements,
        )
        assert done == good
        if verdict.rule is not None:  # kept, whatever became of the request
            label = (row, verdict.rule.labels["n"])
            known = self.rules.get(label, (0.0, 0))
            dropped = known[1] if known[0] > self.now else 0
            self.rules[label] = self.now + min(verdict.rule.seconds, DAY), dropped
        if not good:
            return
        if word == "halt":
            self.give_back(row, kept, self.now)
            kept.attempts -= 1
        elif word == "retry" or (word == "retry twice" and kept.attempts < 2):
            self.give_back(row, kept, self.now + min(wait or 0.0, DAY))
            kept.in_doubt = False
        elif word == "split" and replacements:
            self.gone(row, request.idempotency_key)
            for number, part in enumerate(replacements):
                self.settled[row] -= part.records
                place = (*kept.place, number)
                blocked = bool(part.order_key)
                self.kept[row, part.idempotency_key] = Kept(place, part, kept.created, self.now, blocked=blocked)
        else:
            self.gone(row, request.idempotency_key)
        self.unblock()

    @precondition(lambda self: self.held)
    @rule(which=st.sampled_from(RULES))
    def obey(self, which) -> None:
        """Never sent, because of a rule; counted beside it where it still holds."""
        leased = self.held.pop()
        row = leased.destination
        kept = self.kept.get((row, leased.request.idempotency_key))
        good = kept is not None and kept.lease == leased.lease
        settlement = Settlement(leased=leased, verdict=VERDICTS["drop"], obeyed=which)
        assert self.outbox.settle_all([settlement], now_ns=self.clock.now_ns()) == [good]
        if not good:
            return
        self.gone(row, leased.request.idempotency_key)
        label = (row, which.labels["n"])
        if label in self.rules:
            until, dropped = self.rules[label]
            self.rules[label] = until, dropped + kept.request.records
        self.unblock()

    @precondition(lambda self: self.held)
    @rule()
    def release(self) -> None:
        """Back as it was."""
        leased = self.held.pop()
        kept = self.kept.get((leased.destination, leased.request.idempotency_key))
        good = kept is not None and kept.lease == leased.lease
        assert self.outbox.release(leased) == good
        if good:
            self.give_back(leased.destination, kept, self.now)
            kept.attempts -= 1

    @rule(seconds=st.sampled_from([0.0, 1.0, 31.0, 3600.0, DAY, 2 * DAY]))
    def time_passes(self, seconds) -> None:
        """Leases lapse, waits end."""
        self.clock.advance(seconds)

    @rule(years=st.integers(-10, 10))
    def wall_jumps(self, years) -> None:
        """Nobody notices."""
        self.clock.jump_wall(years * 365 * DAY)

    @rule()
    def trim(self) -> None:
        """What is too old goes, and nothing else."""
        self.outbox.trim(now_ns=self.clock.now_ns())
        left = {(self.by_key(key), request.idempotency_key) for key, request in self.outbox.peek(10**6)}
        for name in [name for name in self.kept if name not in left]:
            kept = self.kept[name]
            assert kept.created <= self.now - MAX_AGE_SECONDS, "too young to expire"
            assert not kept.lease or kept.due <= self.now, "somebody is sending it"
            self.gone(*name)
        assert left == set(self.kept)
        free = [kept for kept in self.kept.values() if not kept.lease or kept.due <= self.now]
        assert all(kept.created > self.now - MAX_AGE_SECONDS for kept in free), "old ones are left"
        self.unblock()

    @rule(index=st.integers(0, 1), seconds=st.sampled_from([10.0, 1000.0, 5 * DAY]))
    def pause(self, index, seconds) -> None:
        """For a day at most."""
        until = self.clock.now_ns() + int(seconds * 1e9)
        self.outbox.pause(self.rows[index], until_ns=until, reason="asked to")
        self.paused[self.rows[index]] = self.now + min(seconds, DAY)

    @rule(index=st.integers(0, 1))
    def resume(self, index) -> None:
        """Before its time."""
        self.outbox.resume(self.rows[index])
        self.paused[self.rows[index]] = 0.0

    @rule(index=st.integers(0, 1))
    def opt_out(self, index) -> None:
        """All that nobody is sending."""
        self.outbox.withdraw(lambda name: name == f"o/{self.rows[index]}")
        for (row, key), kept in list(self.kept.items()):
            if row == self.rows[index] and (not kept.lease or kept.due <= self.now):
                self.gone(row, key)
        self.unblock()

    @rule()
    def reopen(self) -> None:
        """Leases end, in doubt; all else stays."""
        self.outbox.close()
        self.open()
        self.held.clear()
        for (row, _), kept in self.kept.items():
            if kept.lease:
                self.give_back(row, kept, self.now)
                kept.in_doubt = True
                kept.attempts -= 1

    # -- what always holds

    @invariant()
    def books_and_rows_agree(self) -> None:
        """Ledger, unique keys, order."""
        if not hasattr(self, "kept"):
            return
        assert_ledger(self.outbox.ledger())
        for account in self.outbox.ledger().accounts:
            row = self.by_key(account.destination)
            pending = sum(kept.request.records for (owner, _), kept in self.kept.items() if owner == row)
            assert account.accepted == self.accepted[row]
            assert account.pending == pending
            assert account.delivered + account.lost == self.settled[row]
        found = [(self.by_key(key), request.idempotency_key) for key, request in self.outbox.peek(10**6)]
        assert len(found) == len(set(found))
        assert found == sorted(self.kept, key=lambda name: self.kept[name].place)
        rules = {(self.by_key(each.destination), each.labels["n"]): each.dropped for each in self.outbox.rules()}
        assert rules == {label: dropped for label, (until, dropped) in self.rules.items() if until > self.now}
        due = self.outbox.next_due_ns()
        assert (due is None) == (not self.kept)


TestOutboxModel = OutboxModel.TestCase
TestOutboxModel.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
