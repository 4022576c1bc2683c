"""Held requests: joined as a whole, or sent as they are; the same records in the books all the while."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from outboxhelp import HANG_SECONDS, a_destination, a_request, open_outbox, python

from footfall.destination import Destination
from footfall.errors import ConfigurationError, OutboxNewerError
from footfall.export.runs import Runs
from footfall.ledger import Reason
from footfall.outbox import runs, schema
from footfall.outbox.store import Outbox
from footfall.testing.clock import FakeClock
from footfall.testing.ledger import assert_ledger
from footfall.wire.base import DELIVERED, RETRY, Request

HOLD_SECONDS = 300.0
MIGRATIONS = schema.MIGRATIONS


def held(key: object, *, joins: str = "a", body: bytes = b"body", records: int = 1) -> Request:
    request = a_request(key, body=body, records=records)
    return msgspec.structs.replace(request, hold_seconds=HOLD_SECONDS, joins=joins)


def joined(requests: Sequence[Request]) -> list[Request]:
    """Bodies one after the other, under a key of the keys."""
    return [
        a_request(
            "+".join(request.idempotency_key for request in requests),
            body=b"".join(request.body for request in requests),
            records=sum(request.records for request in requests),
        )
    ]


class Wire:
    """As much of one as `Runs` asks for."""

    run_bytes = 2000

    def join(self, requests: Sequence[Request]) -> list[Request]:
        return joined(requests)


def wire(destination: Destination) -> Any:
    return Wire()


def intake(outbox: Outbox, clock: FakeClock, *requests: Request, project: str = "owner/tool") -> int:
    number = outbox.destination(a_destination())
    outbox.intake(
        [(number, request) for request in requests],
        offsets={},
        now_ns=clock.now_ns(),
        projects=[project] * len(requests),
    )
    return number


def pending(outbox: Outbox) -> list[str]:
    return [request.idempotency_key for _, request in outbox.peek(100)]


def due(outbox: Outbox, clock: FakeClock, number: int) -> list[str]:
    found = outbox.lease(number, now_ns=clock.now_ns(), ttl_seconds=60)
    for leased in found:
        outbox.release(leased)
    return [leased.request.idempotency_key for leased in found]


def test_nothing_is_joined_before_its_time(outbox: Outbox, clock: FakeClock) -> None:
    """The timer is that of the oldest; the wait is known to who waits for the next due request."""
    number = intake(outbox, clock, held(1))
    clock.advance(200)
    intake(outbox, clock, held(2))
    ends = Runs(outbox, wires=wire)
    assert (ends.end(), due(outbox, clock, number)) == (0, [])
    next_ns = outbox.next_due_ns()
    assert next_ns is not None
    assert (next_ns - clock.now_ns()) / 1e9 == pytest.approx(100)
    clock.advance(100)
    assert ends.end() == 2
    assert due(outbox, clock, number) == pending(outbox) == ["1+2"]
    assert_ledger(outbox.ledger())
    assert (outbox.ledger().accounts[0].accepted, outbox.pending()) == (2, 2)


def test_a_size_ends_a_run(outbox: Outbox, clock: FakeClock) -> None:
    """And no request becomes larger than that, unless one is by itself."""
    number = intake(outbox, clock, *(held(key, body=bytes(500)) for key in range(5)))
    assert Runs(outbox, wires=wire).end() == 5
    sizes = [len(request.body) for _, request in outbox.peek(10)]
    assert sum(sizes) == 2500
    assert len(sizes) == 3
    assert max(sizes) <= 2000
    assert len(due(outbox, clock, number)) == 3


def test_an_end_takes_all(outbox: Outbox, clock: FakeClock) -> None:
    """Somebody drains: what is held is joined now, and a single one is due as it is."""
    number = intake(outbox, clock, held(1))
    ends = Runs(outbox, wires=wire)
    assert ends.end(all_of_them=True) == 1
    assert due(outbox, clock, number) == ["1"]
    assert ends.end(all_of_them=True) == 0


def test_only_what_belongs_together_is_joined(outbox: Outbox, clock: FakeClock) -> None:
    """One `joins`, one project: who says no to a project takes back all of it, and nothing else."""
    intake(outbox, clock, held(1), held(2, joins="b"), held(3))
    intake(outbox, clock, held(4), held(5), project="owner/other")
    Runs(outbox, wires=wire).end(all_of_them=True)
    assert pending(outbox) == ["1+3", "2", "4+5"]
    assert outbox.withdraw(lambda project: project == "owner/other") == 2
    assert pending(outbox) == ["1+3", "2"]
    assert outbox.ledger().accounts[0].dropped == {Reason.OPTED_OUT: 2}


def test_what_was_tried_is_not_joined(outbox: Outbox, clock: FakeClock) -> None:
    """Its key may have reached a server: it goes on alone."""
    number = intake(outbox, clock, held(1), held(2))
    clock.advance(HOLD_SECONDS)
    first, second = outbox.lease(number, now_ns=clock.now_ns(), ttl_seconds=60)
    outbox.settle(first, verdict=RETRY, now_ns=clock.now_ns())
    assert Runs(outbox, wires=wire).end(all_of_them=True) == 0
    outbox.settle(second, verdict=DELIVERED, now_ns=clock.now_ns())
    assert pending(outbox) == ["1"]


def test_what_a_killed_process_may_have_sent_is_not_joined(tmp_path: Path, clock: FakeClock) -> None:
    """Nobody knows how its attempt ended, so that it counts for nothing else; its bytes stay as they were."""
    outbox = open_outbox(tmp_path, clock)
    number = intake(outbox, clock, held(1))
    clock.advance(HOLD_SECONDS)
    outbox.lease(number, now_ns=clock.now_ns(), ttl_seconds=60)
    outbox.close()
    outbox = open_outbox(tmp_path, clock)
    intake(outbox, clock, held(2), held(3))
    assert Runs(outbox, wires=wire).end(all_of_them=True) == 2
    assert sorted(pending(outbox)) == ["1", "2+3"]
    assert_ledger(outbox.ledger())
    outbox.close()


@pytest.mark.parametrize("reply", [[], "same number", "records lost", "raises"])
def test_what_a_wire_cannot_join_is_sent_as_it_is(
    outbox: Outbox, clock: FakeClock, reply: Any, hidden_errors: list[tuple[str, BaseException]]
) -> None:
    """A bug in a wire costs the joining and nothing else."""

    def join(requests: Sequence[Request]) -> list[Request]:
        if reply == "raises":
            raise RuntimeError
        if reply == "same number":
            return list(requests)
        return [msgspec.structs.replace(joined(requests)[0], records=1)] if reply else []

    number = intake(outbox, clock, held(1), held(2))
    assert runs.join(outbox, number, join, most_bytes=10_000) == 2
    assert due(outbox, clock, number) == ["1", "2"]
    assert [doing for doing, _ in hidden_errors] == (["join requests"] if reply == "raises" else [])
    assert_ledger(outbox.ledger())


def test_a_wire_that_is_gone_holds_nothing_for_ever(
    outbox: Outbox, clock: FakeClock, hidden_errors: list[tuple[str, BaseException]]
) -> None:
    """Uninstalled, or of a version without `join`: the requests are due when their time comes."""

    def gone(destination: Destination) -> Any:
        msg = "no such wire"
        raise ConfigurationError(msg)

    number = intake(outbox, clock, held(1), held(2))
    assert Runs(outbox, wires=gone).end(all_of_them=True) == 0
    assert Runs(outbox, wires=lambda destination: object()).end(all_of_them=True) == 0  # type: ignore[arg-type,return-value]
    assert len(hidden_errors) == 2
    clock.advance(HOLD_SECONDS)
    assert due(outbox, clock, number) == ["1", "2"]


def test_a_row_that_is_gone_is_no_longer_held(outbox: Outbox, clock: FakeClock) -> None:
    """Dropped by somebody's no; another request may get its number, and is not held."""
    number = intake(outbox, clock, held(1))
    outbox.withdraw(lambda project: True)
    intake(outbox, clock, a_request(2))
    assert Runs(outbox, wires=wire).end(all_of_them=True) in {0, 1}
    assert due(outbox, clock, number) == ["2"]


KILLED_WHILE_JOINING = """
import os, signal, sys
from pathlib import Path
from footfall.clock import SystemClock
from footfall.outbox import runs, schema
from footfall.outbox.store import Outbox
outbox = Outbox.open(Path(sys.argv[1]), clock=SystemClock(), max_bytes=2**26, max_age_seconds=1e6)
def join(requests):
    os.kill(os.getpid(), signal.SIGKILL)
runs.join(outbox, 1, join, most_bytes=10_000)
"""


def test_a_kill_while_joining_changes_nothing(tmp_path: Path, clock: FakeClock) -> None:
    """One transaction: the held ones are still there, once each, and held."""
    outbox = open_outbox(tmp_path, clock)
    number = intake(outbox, clock, held(1), held(2))
    outbox.close()
    child = python(KILLED_WHILE_JOINING, tmp_path / "outbox.db")
    child.communicate(timeout=HANG_SECONDS)
    assert child.returncode == -signal.SIGKILL, sys.platform
    outbox = open_outbox(tmp_path, clock)
    assert pending(outbox) == ["1", "2"]
    assert Runs(outbox, wires=wire).end(all_of_them=True) == 2
    assert due(outbox, clock, number) == ["1+2"]
    assert_ledger(outbox.ledger())
    outbox.close()


def test_an_outbox_of_the_version_before_gets_the_tables(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And keeps what waits in it; an older footfall reads nothing of it afterwards."""
    with monkeypatch.context() as before:
        before.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:2])
        before.setattr(schema, "VERSION", 2)
        old = open_outbox(tmp_path, clock)
        intake(old, clock, a_request("k"))
        old.close()
        with monkeypatch.context() as now:
            now.setattr(schema, "MIGRATIONS", MIGRATIONS)
            now.setattr(schema, "VERSION", len(MIGRATIONS))
            outbox = open_outbox(tmp_path, clock)
            assert (pending(outbox), runs.waiting(outbox)) == (["k"], [])
            intake(outbox, clock, held(1), held(2))
            assert Runs(outbox, wires=wire).end(all_of_them=True) == 2
            assert pending(outbox) == ["k", "1+2"]
            assert_ledger(outbox.ledger())
            outbox.close()
        with pytest.raises(OutboxNewerError):
            open_outbox(tmp_path, clock)
    assert not list(tmp_path.glob("*.bad-*"))
