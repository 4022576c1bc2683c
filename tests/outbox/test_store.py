"""What one outbox in one process does."""

from __future__ import annotations

import os
import stat
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from outboxhelp import DAY, a_destination, a_request, open_outbox, output, python

from footfall.errors import OutboxBusyError, OutboxError, OutboxNewerError, UnsafeFileError
from footfall.ledger import Account, Reason
from footfall.outbox import schema
from footfall.outbox.store import Outbox, Settlement
from footfall.testing.clock import FakeClock
from footfall.wire.base import DELIVERED, RETRY, Action, Verdict

DROP = Verdict(action=Action.DROP, reason=Reason.REFUSED)
HALT = Verdict(action=Action.HALT)
SPLIT = Verdict(action=Action.SPLIT)


def fill(outbox: Outbox, clock: FakeClock, *keys: object, order: str = "", **options: object) -> int:
    """Enqueue one request for each key at one destination; return its id."""
    row = outbox.destination(a_destination())
    requests = [(row, a_request(key, order=order, **options)) for key in keys]
    outbox.intake(requests, offsets={}, now_ns=clock.now_ns())
    return row


def lease(outbox: Outbox, clock: FakeClock, row: int, *, limit: int = 100):
    """Lease for half a minute."""
    return outbox.lease(row, now_ns=clock.now_ns(), ttl_seconds=30, limit=limit)


def keys(leased) -> list[str]:
    """Return the idempotency keys."""
    return [item.request.idempotency_key for item in leased]


def only(outbox: Outbox) -> Account:
    """Return the books of the only destination."""
    (account,) = outbox.ledger().accounts
    return account


# -- intake


def test_what_goes_in_comes_out_unchanged(outbox, clock):
    """Small and large bodies, headers and order keys come back as the same value, oldest first."""
    row = outbox.destination(a_destination())
    requests = [
        a_request("small"),
        a_request("empty", body=b""),
        a_request("large", body=os.urandom(300_000)),
        a_request("ordered", order="job 1", records=7),
        a_request("ünïcode \N{SNOWMAN}"),
    ]
    assert outbox.intake([(row, request) for request in requests], offsets={}, now_ns=clock.now_ns()) == 5
    assert [request for _, request in outbox.peek(10)] == requests
    leased = lease(outbox, clock, row)
    assert [item.request for item in leased] == requests
    assert {item.created_ns for item in leased} == {clock.now_ns()}
    assert {item.attempts for item in leased} == {0}
    assert not any(item.in_doubt for item in leased)


def test_a_known_key_is_counted_and_not_kept_twice(outbox, clock):
    """The same key again adds nothing, also within one call; the same key at another destination is another request."""
    row, other = outbox.destination(a_destination()), outbox.destination(a_destination("b"))
    assert outbox.intake([(row, a_request(1, records=3)), (row, a_request(1, records=3))], offsets={}, now_ns=0) == 1
    assert outbox.intake([(row, a_request(1, records=3)), (other, a_request(1))], offsets={}, now_ns=0) == 1
    first, second = outbox.ledger().accounts
    assert (first.accepted, first.pending, first.duplicates) == (3, 3, 6)
    assert (second.accepted, second.pending, second.duplicates) == (1, 1, 0)


def test_rows_and_offsets_are_committed_together_or_not_at_all(outbox, clock):
    """A batch for an unknown destination changes nothing: no row, no offset, no run, no count."""
    row = fill(outbox, clock, 1)
    with pytest.raises(OutboxError, match=r"\[99\] are not registered"):
        outbox.intake(
            [(row, a_request(2)), (99, a_request(3))],
            offsets={"j": 10},
            now_ns=0,
            corrupt=1,
            open_runs={"j/1": b"{}"},
            observed={"o/p": 1},
        )
    assert outbox.offsets() == {}
    assert outbox.open_runs("") == {}
    assert outbox.observed() == {}
    assert outbox.ledger().corrupt == 0
    assert only(outbox).accepted == 1


def test_what_the_journal_reader_wants_back(outbox, clock):
    """Offsets, open runs and observed uses are kept; each can be forgotten or added to."""
    outbox.intake([], offsets={"j": 5, "k": 1}, now_ns=0, open_runs={"j/1": b"one", "j_2": b"two"}, observed={"o/p": 2})
    outbox.intake([], offsets={"j": 9}, now_ns=0, open_runs={"j_2": None}, observed={"o/p": 3}, corrupt=4)
    outbox.forget_journal("k")
    assert outbox.offsets() == {"j": 9}
    assert outbox.open_runs("j/") == {"j/1": b"one"}
    assert outbox.open_runs("%") == {}
    assert outbox.observed() == {"o/p": 5}
    assert outbox.ledger().corrupt == 4


def test_what_cannot_be_told_is_counted(outbox, clock):
    """Records without a word in the wire, and requests with lone surrogates, are accepted and dropped at once."""
    row = outbox.destination(a_destination())
    bad = a_request("\ud800", body=b"", records=2)
    outbox.intake([(row, bad), (row, a_request(1))], offsets={"j": 1}, now_ns=0, untranslatable={row: 3})
    assert only(outbox).dropped == {Reason.UNTRANSLATABLE: 5}
    assert only(outbox).pending == 1
    assert outbox.offsets() == {"j": 1}


def test_a_destination_has_one_id(outbox):
    """The id is stable by key, and what was registered comes back."""
    first = outbox.destination(a_destination())
    assert outbox.destination(a_destination("b")) != first
    assert outbox.destination(a_destination()) == first
    assert [known.destination for known in outbox.destinations()] == [a_destination(), a_destination("b")]


# -- leases


def test_a_lease_excludes_others_until_it_lapses(outbox, clock):
    """Nobody else gets a leased request; after its time it is due again, marked in doubt, with one attempt more."""
    row = fill(outbox, clock, 1)
    (first,) = lease(outbox, clock, row)
    assert lease(outbox, clock, row) == []
    clock.advance(31)
    (second,) = lease(outbox, clock, row)
    assert (second.attempts, second.in_doubt, second.request) == (1, True, first.request)
    assert not outbox.settle(first, verdict=DELIVERED, now_ns=clock.now_ns())
    assert outbox.settle(second, verdict=DELIVERED, now_ns=clock.now_ns())
    assert only(outbox).delivered == 1


def test_a_lapsed_lease_that_nobody_took_still_settles(outbox, clock):
    """A slow answer counts as long as nobody else has the request."""
    row = fill(outbox, clock, 1)
    (leased,) = lease(outbox, clock, row)
    clock.advance(300)
    assert outbox.settle(leased, verdict=DELIVERED, now_ns=clock.now_ns())
    assert not outbox.settle(leased, verdict=DELIVERED, now_ns=clock.now_ns())
    assert only(outbox).delivered == 1


def test_the_longest_due_goes_first(outbox, clock):
    """A retry waits its turn among the others, and never stops the queue behind it."""
    row = fill(outbox, clock, "a", "b")
    (first,) = lease(outbox, clock, row, limit=1)
    outbox.settle(first, verdict=RETRY, now_ns=clock.now_ns(), retry_at_ns=clock.now_ns() + 10 * 10**9)
    clock.advance(5)
    fill(outbox, clock, "c")
    clock.advance(10)
    fill(outbox, clock, "d")
    assert keys(lease(outbox, clock, row)) == ["b", "c", "a", "d"]


def test_one_call_hands_out_bounded_bytes(outbox, clock):
    """However many are asked for, about 4 MiB come at once, and never nothing."""
    row = outbox.destination(a_destination())
    bodies = [bytes(3_000_000), bytes(3_000_000), bytes(9_000_000)]
    for number, body in enumerate(bodies):
        outbox.intake([(row, a_request(number, body=body))], offsets={}, now_ns=clock.now_ns())
    assert [len(lease(outbox, clock, row)) for _ in range(4)] == [1, 1, 1, 0]


def test_only_the_first_of_an_order_key_can_be_leased(outbox, clock):
    """Each next one becomes due when the one before it is settled, not before; a retry holds them back."""
    row = fill(outbox, clock, "a1", "a2", "a3", order="a")
    fill(outbox, clock, "b1", order="b")
    first, other = lease(outbox, clock, row)
    assert keys([first, other]) == ["a1", "b1"]
    outbox.settle(first, verdict=RETRY, now_ns=clock.now_ns(), retry_at_ns=clock.now_ns() + 60 * 10**9)
    assert lease(outbox, clock, row) == []
    clock.advance(61)
    outbox.settle(other, verdict=HALT, now_ns=clock.now_ns())
    again = lease(outbox, clock, row)
    assert set(keys(again)) == {"a1", "b1"}
    for item in again:
        assert outbox.settle(item, verdict=DELIVERED, now_ns=clock.now_ns())
    (second,) = lease(outbox, clock, row)
    assert keys([second]) == ["a2"]
    outbox.settle(second, verdict=DROP, now_ns=clock.now_ns())
    assert keys(lease(outbox, clock, row)) == ["a3"]


def test_release_leaves_no_trace(outbox, clock):
    """A released request is due again and its attempt did not happen; the token is worth nothing any more."""
    row = fill(outbox, clock, 1)
    (leased,) = lease(outbox, clock, row)
    assert outbox.release(leased)
    assert not outbox.release(leased)
    (again,) = lease(outbox, clock, row)
    assert (again.attempts, again.in_doubt) == (0, False)


# -- verdicts


@pytest.mark.parametrize(
    ("verdict", "delivered", "dropped"),
    [
        (DELIVERED, 5, {}),
        (Verdict(action=Action.DELIVERED, rejected=2, reason=Reason.REFUSED), 3, {Reason.REFUSED: 2}),
        (Verdict(action=Action.DELIVERED, rejected=99), 0, {Reason.REFUSED: 5}),
        (Verdict(action=Action.DROP, reason=Reason.RULE), 0, {Reason.RULE: 5}),
        (Verdict(action=Action.DROP), 0, {Reason.REFUSED: 5}),
        (SPLIT, 0, {Reason.TOO_BIG: 5}),
    ],
)
def test_final_verdicts(outbox, clock, verdict, delivered, dropped):
    """Each removes the request and books all of its records."""
    row = fill(outbox, clock, 1, records=5)
    (leased,) = lease(outbox, clock, row)
    assert outbox.settle(leased, verdict=verdict, now_ns=clock.now_ns())
    account = only(outbox)
    assert (account.accepted, account.delivered, account.pending, account.dropped) == (5, delivered, 0, dropped)
    assert outbox.size_bytes() == 0
    assert outbox.next_due_ns() is None


def test_retries_end_where_the_verdict_says(outbox, clock):
    """At `max_attempts` a retry is a drop with the verdict's reason."""
    row = fill(outbox, clock, 1)
    verdict = Verdict(action=Action.RETRY, max_attempts=3, reason=Reason.UNTRANSLATABLE)
    for attempt in range(3):
        (leased,) = lease(outbox, clock, row)
        assert leased.attempts == attempt
        assert not leased.in_doubt
        assert outbox.settle(leased, verdict=verdict, now_ns=clock.now_ns())
    assert only(outbox).dropped == {Reason.UNTRANSLATABLE: 1}


def test_halt_keeps_the_request_untouched(outbox, clock):
    """It is due again at once and its attempt does not count."""
    row = fill(outbox, clock, 1)
    (leased,) = lease(outbox, clock, row)
    assert outbox.settle(leased, verdict=HALT, now_ns=clock.now_ns())
    assert lease(outbox, clock, row)[0].attempts == 0


def test_parts_take_the_place_of_the_whole(outbox, clock):
    """Split again and again, all records keep their order before later ones, and the books do not move."""
    row = outbox.destination(a_destination())
    whole = a_request("0-16", order="o", records=16)
    outbox.intake([(row, whole), (row, a_request("end", order="o"))], offsets={}, now_ns=clock.now_ns())
    told: list[str] = []
    for _ in range(100):
        leased = lease(outbox, clock, row)
        if not leased:
            break
        (item,) = leased
        if item.request.records == 1:
            told.append(item.request.idempotency_key)
            outbox.settle(item, verdict=DELIVERED, now_ns=clock.now_ns())
            continue
        low, high = map(int, item.request.idempotency_key.split("-"))
        middle = low + max((high - low) // 4, 1)  # uneven on purpose
        parts = [a_request(f"{a}-{b}", order="o", records=b - a) for a, b in ((low, middle), (middle, high))]
        assert outbox.settle(item, verdict=SPLIT, now_ns=clock.now_ns(), replacements=parts)
        assert only(outbox).balanced
    assert told == [*(f"{number}-{number + 1}" for number in range(16)), "end"]
    assert (only(outbox).accepted, only(outbox).delivered) == (17, 17)


def test_records_missing_from_the_parts_are_too_big(outbox, clock):
    """What the wire could not cut small enough is booked, not forgotten."""
    row = fill(outbox, clock, "whole", records=10)
    (leased,) = lease(outbox, clock, row)
    outbox.settle(leased, verdict=SPLIT, now_ns=0, replacements=[a_request("p", records=4), a_request("q", records=5)])
    account = only(outbox)
    assert (account.accepted, account.pending, account.dropped) == (10, 9, {Reason.TOO_BIG: 1})


def test_several_settle_at_once(outbox, clock):
    """One transaction for many, each with its own verdict and its own answer."""
    row = fill(outbox, clock, 1, 2, 3)
    first, second, third = lease(outbox, clock, row)
    outbox.settle(third, verdict=DROP, now_ns=0)
    outcomes = [
        Settlement(leased=first, verdict=DELIVERED),
        Settlement(leased=second, verdict=RETRY),
        Settlement(leased=third, verdict=DELIVERED),
    ]
    assert outbox.settle_all(outcomes, now_ns=clock.now_ns()) == [True, True, False]
    assert (only(outbox).delivered, only(outbox).pending, only(outbox).lost) == (1, 1, 1)


VERDICTS = (
    DELIVERED,
    RETRY,
    DROP,
    HALT,
    Verdict(action=Action.DELIVERED, rejected=1),
    Verdict(action=Action.RETRY, max_attempts=1),
)


@given(st.lists(st.tuples(st.sampled_from(["", "a", "b"]), st.integers(0, 9), st.sampled_from(VERDICTS)), max_size=12))
@settings(deadline=None, max_examples=60)
def test_together_as_one_by_one(tmp_path_factory, plan):
    """Settling in one transaction leaves what settling in as many leaves, in any mixture, also of one row twice."""
    left = []
    for together in (True, False):
        clock = FakeClock()
        outbox = open_outbox(tmp_path_factory.mktemp("outbox"), clock)
        row = outbox.destination(a_destination())
        requests = [(row, a_request(number, order=order)) for number, (order, _, _) in enumerate(plan)]
        outbox.intake(requests, offsets={}, now_ns=clock.now_ns())
        leased = outbox.lease(row, now_ns=clock.now_ns(), ttl_seconds=30, limit=100, followers=True)
        outcomes = [
            Settlement(leased=leased[which % len(leased)], verdict=verdict, retry_at_ns=clock.now_ns() + 10**9)
            for _, which, verdict in plan
        ]
        if together:
            done = outbox.settle_all(outcomes, now_ns=clock.now_ns())
        else:
            done = [outbox.settle_all([each], now_ns=clock.now_ns())[0] for each in outcomes]
        again = keys(lease(outbox, clock, row))
        due_ns = outbox.next_due_ns()
        clock.advance(40)
        left.append((done, again, due_ns, only(outbox), keys(lease(outbox, clock, row))))
        outbox.close()
    assert left[0] == left[1]


# -- health


def test_a_pause_holds_a_destination_back_across_restarts(tmp_path, outbox, clock):
    """Nothing is leased within it; it is over when it is over, or resumed; it is at most a day long."""
    row = fill(outbox, clock, 1)
    outbox.pause(row, until_ns=clock.now_ns() + 100 * 10**9, reason="Retry-After")
    assert lease(outbox, clock, row) == []
    outbox.close()
    reopened = open_outbox(tmp_path, clock)
    (known,) = reopened.destinations()
    assert (known.paused_until_ns, known.pause_reason) == (clock.now_ns() + 100 * 10**9, "Retry-After")
    assert (known.due, known.next_due_ns) == (1, known.paused_until_ns)
    assert reopened.next_due_ns() == known.paused_until_ns
    clock.advance(101)
    assert len(lease(reopened, clock, row)) == 1
    fill(reopened, clock, 2)
    reopened.pause(row, until_ns=clock.now_ns() + 10**21, reason="for ever")
    clock.advance(DAY + 1)
    assert len(lease(reopened, clock, row)) == 2
    fill(reopened, clock, 3)
    reopened.pause(row, until_ns=clock.now_ns() + 10**12, reason="halt")
    reopened.resume(row)
    assert keys(lease(reopened, clock, row)) == ["3"]
    reopened.close()


def test_failures_in_a_row_and_the_last_answer_are_remembered(tmp_path, outbox, clock):
    """Across restarts; an answer ends the row."""
    row = outbox.destination(a_destination())
    assert [outbox.failed(row, clock.now_ns()) for _ in range(3)] == [1, 2, 3]
    outbox.close()
    reopened = open_outbox(tmp_path, clock)
    assert reopened.destinations()[0].failures == 3
    reopened.answered(row, clock.now_ns())
    clock.advance(100)
    (known,) = reopened.destinations()
    assert (known.failures, known.last_answer_ns) == (0, clock.now_ns() - 100 * 10**9)
    reopened.close()


def test_the_last_twenty_refusals_are_kept_without_secrets(outbox, clock):
    """Old ones go, long texts are cut, and the query of a path, where tokens hide, is not kept."""
    row = outbox.destination(a_destination())
    for number in range(30):
        outbox.note_refusal(row, status=400 + number, detail="x" * 999, path="/a?token=secret", now_ns=clock.now_ns())
    refused = outbox.refused()
    assert [refusal.status for refusal in refused] == list(range(410, 430))
    last = refused[-1]
    assert (last.destination, last.path, len(last.detail)) == (a_destination().key, "/a", 200)
    assert last.at_ns == clock.now_ns()


# -- limits


def test_old_requests_expire_and_young_ones_stay(outbox, clock):
    """Expired is counted; a leased request is never taken away from who sends it."""
    row = fill(outbox, clock, "under way", "old")
    clock.advance(13.5 * DAY)
    fill(outbox, clock, "young")
    (leased,) = outbox.lease(row, now_ns=clock.now_ns(), ttl_seconds=DAY, limit=1)
    assert outbox.trim(now_ns=clock.now_ns()) == 0
    clock.advance(0.5 * DAY)
    assert outbox.trim(now_ns=clock.now_ns()) == 1
    assert only(outbox).dropped == {Reason.EXPIRED: 1}
    assert [request.idempotency_key for _, request in outbox.peek(9)] == ["under way", "young"]
    clock.advance(0.5 * DAY)
    assert outbox.trim(now_ns=clock.now_ns()) == 1, "a lapsed lease protects no more"
    assert not outbox.settle(leased, verdict=DELIVERED, now_ns=clock.now_ns())


def test_beyond_the_size_limit_the_oldest_go(tmp_path, clock):
    """The newest are kept, the bound holds after each intake, and each loss is counted."""
    outbox = open_outbox(tmp_path, clock, max_bytes=20_000)
    row = outbox.destination(a_destination())
    for batch in range(10):
        requests = [(row, a_request(f"{batch}/{number}", body=bytes(100))) for number in range(20)]
        assert outbox.intake(requests, offsets={}, now_ns=clock.now_ns()) == 20
        assert outbox.size_bytes() <= 20_000
    account = only(outbox)
    assert account.accepted == 200
    assert account.dropped == {Reason.OVER_SIZE: 200 - account.pending}
    kept = [request.idempotency_key for _, request in outbox.peek(999)]
    assert kept == [f"{n // 20}/{n % 20}" for n in range(200)][-len(kept) :]
    outbox.close()


def test_trim_does_bounded_work(tmp_path, clock):
    """Thousands of expired requests go a thousand a call."""
    outbox = open_outbox(tmp_path, clock)
    fill(outbox, clock, *range(2500))
    clock.advance(15 * DAY)
    assert [outbox.trim(now_ns=clock.now_ns()) for _ in range(4)] == [1000, 1000, 500, 0]
    outbox.close()


def test_an_empty_outbox_gives_its_room_back(tmp_path, clock):
    """Files that grew with a backlog shrink when it is gone."""
    outbox = open_outbox(tmp_path, clock)
    row = outbox.destination(a_destination())
    requests = [(row, a_request(number, body=bytes(2000))) for number in range(2000)]
    outbox.intake(requests, offsets={}, now_ns=clock.now_ns())
    outbox.trim(now_ns=clock.now_ns())
    size = (tmp_path / "outbox.db").stat().st_size
    outbox.withdraw(lambda name: not name)
    for _ in range(100):
        outbox.trim(now_ns=clock.now_ns())
    assert (tmp_path / "outbox.db").stat().st_size < size / 4
    outbox.close()


def test_opting_out_drops_what_waits_and_nothing_else(outbox, clock):
    """By project, or all; a request under way is left to its sender, and until it is gone the no is not carried out."""
    row, other = outbox.destination(a_destination()), outbox.destination(a_destination("b"))
    requests = [(row, a_request(1)), (row, a_request(2)), (row, a_request(3)), (other, a_request(4))]
    outbox.intake(requests, offsets={}, now_ns=clock.now_ns(), projects=["o/p", "o/p", "o/q", "o/p"])
    (leased,) = lease(outbox, clock, row, limit=1)
    assert outbox.withdraw(lambda name: name == "o/p", refused_ns=5) == 2
    assert outbox.obeyed_ns() == 0
    assert outbox.withdraw(lambda name: name == "nobody/knows") == 0
    assert [request.idempotency_key for _, request in outbox.peek(9)] == ["1", "3"]
    assert outbox.withdraw(lambda name: name == "o/q", refused_ns=6) == 1
    assert outbox.obeyed_ns() == 6
    outbox.settle(leased, verdict=RETRY, now_ns=clock.now_ns())
    assert outbox.withdraw(lambda _: True, refused_ns=7) == 1
    assert outbox.obeyed_ns() == 7
    assert [account.dropped for account in outbox.ledger().accounts] == [{Reason.OPTED_OUT: 3}, {Reason.OPTED_OUT: 1}]


def test_dropping_the_first_of_an_order_lets_the_next_go(outbox, clock):
    """An order key never gets stuck behind something that is gone."""
    row = outbox.destination(a_destination())
    requests = [(row, a_request(1, order="o")), (row, a_request(2, order="o"))]
    outbox.intake(requests, offsets={}, now_ns=clock.now_ns(), projects=["o/p", "o/q"])
    assert outbox.withdraw(lambda name: name == "o/p") == 1
    assert keys(lease(outbox, clock, row)) == ["2"]


# -- one process, one file


def test_a_second_opener_is_told_to_keep_out(tmp_path, outbox, clock):
    """Within this process and from another one; afterwards it may have it."""
    with pytest.raises(OutboxBusyError, match="another process delivers"):
        open_outbox(tmp_path, clock)
    code = """
import sys, pathlib
from footfall.clock import SystemClock
from footfall.errors import OutboxBusyError
from footfall.outbox.store import Outbox
try:
    Outbox.open(pathlib.Path(sys.argv[1]), clock=SystemClock(), max_bytes=9, max_age_seconds=9).close()
    print("open")
except OutboxBusyError:
    print("busy")
"""
    assert output(python(code, tmp_path / "outbox.db")) == "busy\n"
    outbox.close()
    assert output(python(code, tmp_path / "outbox.db")) == "open\n"


def test_closing_twice_is_fine_and_using_it_then_is_an_error(outbox):
    """A closed outbox says so."""
    assert outbox.is_open
    outbox.close()
    outbox.close()
    assert not outbox.is_open
    with pytest.raises(OutboxError, match="closed"):
        outbox.pending()


def test_an_outbox_of_a_newer_footfall_is_left_alone(tmp_path, outbox, clock):
    """Its records stay, and the lock is free for the newer one."""
    fill(outbox, clock, 1)
    outbox.database.run("test", lambda c: c.execute("UPDATE meta SET value = 99 WHERE name = 'schema'").rowcount)
    outbox.database.connection.execute("PRAGMA user_version = 99")
    outbox.close()
    for _ in range(2):
        with pytest.raises(OutboxNewerError, match="layout 99"):
            open_outbox(tmp_path, clock)
    assert not list(tmp_path.glob("*.bad-*"))


def test_migrations_run_in_order_and_keep_what_is_there(tmp_path, clock, monkeypatch):
    """An older file gets the scripts it lacks, in one transaction, and opens again without any."""
    outbox = open_outbox(tmp_path, clock)
    fill(outbox, clock, 1)
    outbox.close()
    later = "CREATE TABLE later (x);\nINSERT INTO later VALUES (1);\n"
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, later))
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    for _ in range(2):
        outbox = open_outbox(tmp_path, clock)
        assert outbox.pending() == 1
        rows = outbox.database.run("test", lambda connection: connection.execute("SELECT x FROM later").fetchall())
        assert rows == [(1,)]
        outbox.close()
    assert not list(tmp_path.glob("*.bad-*"))


def test_no_shared_memory_file_and_mode_0600_whatever_the_umask(tmp_path, clock):
    """EXCLUSIVE was set before the first access; nobody else can read any file."""
    before = os.umask(0)
    try:
        outbox = open_outbox(tmp_path, clock)
        fill(outbox, clock, 1)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
        outbox.close()
        modes |= {path.name + " closed": stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
    names = ["outbox.db", "outbox.db-wal", "outbox.db.lock"]
    assert modes == dict.fromkeys([*names, *(name + " closed" for name in names)], 0o600)


def test_on_a_network_file_system_there_is_no_wal(tmp_path, clock):
    """The same behaviour with a rollback journal."""
    outbox = open_outbox(tmp_path, clock, network=True)
    row = fill(outbox, clock, 1, 2)
    # With an exclusive lock SQLite keeps the journal file, emptied, from one transaction to the next.
    assert {path.name for path in tmp_path.iterdir()} == {"outbox.db", "outbox.db-journal", "outbox.db.lock"}
    outbox.close()
    assert {path.name for path in tmp_path.iterdir()} == {"outbox.db", "outbox.db.lock"}
    outbox = open_outbox(tmp_path, clock, network=True)
    first, _ = lease(outbox, clock, row)
    assert outbox.settle(first, verdict=DELIVERED, now_ns=clock.now_ns())
    outbox.trim(now_ns=clock.now_ns())
    assert only(outbox).delivered == 1
    outbox.close()


def test_a_link_laid_in_place_of_the_outbox_is_refused(tmp_path, clock):
    """Neither followed nor replaced (S1)."""
    (tmp_path / "elsewhere").write_bytes(b"")
    (tmp_path / "outbox.db").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnsafeFileError, match="not a plain file"):
        open_outbox(tmp_path, clock)
    assert (tmp_path / "elsewhere").read_bytes() == b""


def test_a_removed_file_is_noticed(tmp_path, outbox, clock):
    """SQLite would go on writing to a file without a name; intake must not say yes to that (D3)."""
    row = fill(outbox, clock, 1)
    (tmp_path / "outbox.db").unlink()
    with pytest.raises(OutboxError, match="removed or replaced"):
        outbox.intake([(row, a_request(2))], offsets={}, now_ns=0)


def test_threads_may_share_one_outbox(outbox, clock):
    """Eight of them enqueue, lease and settle at once; nothing is told twice or lost."""
    row = outbox.destination(a_destination())
    told: list[str] = []

    def work(thread: int) -> None:
        for number in range(5):
            requests = [(row, a_request(f"{thread}/{number}/{part}")) for part in range(4)]
            outbox.intake(requests, offsets={}, now_ns=clock.now_ns())
            for item in outbox.lease(row, now_ns=clock.now_ns(), ttl_seconds=60, limit=4):
                if outbox.settle(item, verdict=DELIVERED, now_ns=clock.now_ns()):
                    told.append(item.request.idempotency_key)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == len(set(told)) == 160
    assert only(outbox).delivered == 160


# -- clocks


@pytest.mark.parametrize("years", [10, -10])
def test_a_clock_that_jumps_loses_and_delays_nothing(outbox, clock, years):
    """Ten years either way: nothing expires, what was due is due, and waits keep their length (P12)."""
    row = fill(outbox, clock, 1, 2)
    (leased,) = lease(outbox, clock, row, limit=1)
    outbox.settle(leased, verdict=RETRY, now_ns=clock.now_ns(), retry_at_ns=clock.now_ns() + 60 * 10**9)
    outbox.pause(row, until_ns=clock.now_ns() + 30 * 10**9, reason="Retry-After")
    clock.jump_wall(years * 365 * DAY)
    assert outbox.trim(now_ns=clock.now_ns()) == 0
    assert outbox.next_due_ns() == clock.now_ns() + 30 * 10**9
    clock.advance(31)
    assert keys(lease(outbox, clock, row)) == ["2"]
    clock.advance(30)
    assert sorted(keys(lease(outbox, clock, row))) == ["1", "2"]


@pytest.mark.parametrize("years", [10, -10])
def test_a_clock_that_jumps_between_processes(tmp_path, years):
    """After a restart in the same boot ages are exact; after another boot they are off by a day at most."""
    clock = FakeClock()
    outbox = open_outbox(tmp_path, clock)
    row = fill(outbox, clock, 1)
    outbox.close()
    clock.jump_wall(years * 365 * DAY)
    outbox = open_outbox(tmp_path, clock)
    clock.advance(13.9 * DAY)
    assert outbox.trim(now_ns=clock.now_ns()) == 0
    outbox.close()
    rebooted = FakeClock(now_ns=clock.now_ns() + years * 365 * 86400 * 10**9, monotonic=1.0)
    outbox = open_outbox(tmp_path, rebooted, max_age_seconds=15 * DAY)
    assert outbox.trim(now_ns=rebooted.now_ns()) == 0
    assert keys(lease(outbox, rebooted, row)) == ["1"]
    rebooted.advance(2 * DAY)
    assert outbox.trim(now_ns=rebooted.now_ns()) == 1
    outbox.close()


def test_a_moment_read_before_a_jump_counts_as_now(outbox, clock):
    """The caller looked at the clock, then it jumped: nothing expires, nothing waits for years."""
    row = fill(outbox, clock, 1)
    far = clock.now_ns() + 10 * 365 * 86400 * 10**9
    assert outbox.trim(now_ns=far) == 0
    (leased,) = outbox.lease(row, now_ns=far, ttl_seconds=30)
    outbox.settle(leased, verdict=RETRY, now_ns=far, retry_at_ns=far)
    clock.advance(DAY)
    assert keys(lease(outbox, clock, row)) == ["1"]
