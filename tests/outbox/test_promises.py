"""Promises that only other processes can show: SIGKILL at any moment, forks, interpreters that end."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from pathlib import Path

import pytest
from outboxhelp import HANG_SECONDS, a_destination, a_request, open_outbox, output, python

from footfall.clock import SystemClock
from footfall.errors import OutboxError
from footfall.testing.ledger import assert_ledger
from footfall.wire.base import DELIVERED

KILLS = 20

WORKER = """
import os, sys, pathlib, random
from footfall.clock import SystemClock
from footfall.destination import Destination
from footfall.ledger import Reason
from footfall.outbox.store import Outbox
from footfall.wire.base import DELIVERED, RETRY, Action, Request, Verdict

path, first, seed, network = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "True"
clock, chance = SystemClock(), random.Random(seed)
outbox = Outbox.open(path, clock=clock, network=network, max_bytes=2**30, max_age_seconds=1e6, reserve_bytes=2**16)
row = outbox.destination(Destination(wire="migas", endpoint="https://a.example.org"))
confirm = os.open(path.parent / "confirmed", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
settled = os.open(path.parent / "settled", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
number = first
print("ready", flush=True)
while True:
    count = chance.randrange(1, 60)
    numbers = range(number, number + count)
    requests = [
        (row, Request(path="/", body=bytes(chance.randrange(4000)), content_type="x", idempotency_key=str(n),
                      order_key="o" if n % 5 == 0 else ""))
        for n in numbers
    ]
    number += count
    outbox.intake(requests, offsets={"journal": number}, now_ns=clock.now_ns())
    os.write(confirm, "".join(f"{n}\\n" for n in numbers).encode())
    for leased in outbox.lease(row, now_ns=clock.now_ns(), ttl_seconds=60, limit=chance.randrange(1, 30)):
        key = leased.request.idempotency_key
        verdict = chance.choice([DELIVERED, DELIVERED, RETRY, Verdict(action=Action.DROP, reason=Reason.REFUSED)])
        if verdict is not RETRY:
            os.write(settled, f"{key}\\n".encode())  # first: a kill in between tells twice
        outbox.settle(leased, verdict=verdict, now_ns=clock.now_ns())
    outbox.trim(now_ns=clock.now_ns())
"""


def numbers_in(path: Path) -> set[str]:
    """Return what a killed process had written line by line."""
    return set(path.read_text().split()) if path.exists() else set()


@pytest.mark.parametrize("network", [False, True])
def test_a_killed_process_loses_nothing(tmp_path, network):
    """All that intake confirmed is there or settled, the offset says no less, and the books balance.

    Twenty kills, each anywhere between two steps; the next process needs nothing but the lock of the dead one. The
    clock is the workers': a fake one is ahead of a machine that has just started, so everything would age a day a turn.
    """
    clock = SystemClock()
    path = tmp_path / "outbox.db"
    for kill in range(KILLS):
        first = 1 + max((int(number) for number in numbers_in(tmp_path / "confirmed")), default=-1)
        outbox = open_outbox(tmp_path, clock, network=network, max_bytes=2**30)
        first = max(first, outbox.offsets().get("journal", 0))
        outbox.close()
        worker = python(WORKER, path, first, kill, network)
        try:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
            time.sleep(0.01 + 0.0137 * kill)  # the moment of the kill, not a wait for something
        finally:
            worker.send_signal(signal.SIGKILL)
            _, err = worker.communicate(timeout=HANG_SECONDS)
        assert worker.returncode == -signal.SIGKILL, err
    outbox = open_outbox(tmp_path, clock, network=network, max_bytes=2**30)
    kept = {request.idempotency_key for _, request in outbox.peek(10**6)}
    confirmed, settled = numbers_in(tmp_path / "confirmed"), numbers_in(tmp_path / "settled")
    assert confirmed
    assert confirmed <= kept | settled
    assert outbox.offsets()["journal"] > max(map(int, confirmed))
    (account,) = outbox.ledger().accounts
    assert account.accepted == outbox.offsets()["journal"]
    assert account.pending == len(kept)
    assert_ledger(outbox.ledger())
    assert outbox.set_aside() == 0
    outbox.close()
    assert _integrity(path) == "ok"


def _integrity(path: Path) -> str:
    connection = sqlite3.connect(path)
    (found,) = connection.execute("PRAGMA integrity_check").fetchone()
    connection.close()
    return str(found)


def test_what_was_leased_by_the_dead_is_due_at_once_and_in_doubt(tmp_path, clock):
    """No waiting for a lease that nobody holds; the attempt does not count, but nobody knows how it ended."""
    outbox = open_outbox(tmp_path, clock)
    row = outbox.destination(a_destination())
    outbox.close()
    code = """
import os, sys, pathlib
from footfall.clock import SystemClock
from footfall.outbox.store import Outbox
from footfall.wire.base import Request
clock = SystemClock()
outbox = Outbox.open(pathlib.Path(sys.argv[1]), clock=clock, max_bytes=2**20, max_age_seconds=1e6)
row = int(sys.argv[2])
request = Request(path="/", body=b"", content_type="x", idempotency_key="k")
outbox.intake([(row, request)], offsets={}, now_ns=clock.now_ns())
assert outbox.lease(row, now_ns=clock.now_ns(), ttl_seconds=3600)
os._exit(0)
"""
    output(python(code, tmp_path / "outbox.db", row))
    outbox = open_outbox(tmp_path, clock)
    (leased,) = outbox.lease(row, now_ns=clock.now_ns(), ttl_seconds=30)
    assert (leased.attempts, leased.in_doubt) == (0, True)
    outbox.close()


@pytest.mark.parametrize("ending", ["os._exit(0)", "sys.exit()", "del outbox; gc.collect(); sys.exit()"])
def test_a_fork_child_never_touches_the_file(tmp_path, ending):
    """It is refused, may close and end as it likes, and the parent's file and WAL are as if it had never been."""
    code = f"""
import gc, os, sys, pathlib
from footfall.clock import SystemClock
from footfall.destination import Destination
from footfall.clock import SystemClock
from footfall.errors import OutboxError
from footfall.outbox.store import Outbox
from footfall.wire.base import Request
clock, directory = SystemClock(), pathlib.Path(sys.argv[1])
outbox = Outbox.open(directory / "outbox.db", clock=clock, max_bytes=2**20, max_age_seconds=1e6, reserve_bytes=2**16)
row = outbox.destination(Destination(wire="migas", endpoint="https://a.example.org"))
def put(key):
    outbox.intake([(row, Request(path="/", body=b"", content_type="x", idempotency_key=key))], offsets={{}},
                  now_ns=clock.now_ns())
put("before")
def state():
    return {{p.name: (p.stat().st_ino, p.stat().st_size, p.read_bytes()) for p in directory.glob("*-wal")}}
before = state()
assert before
child = os.fork()
if child == 0:
    try:
        put("never")
    except OutboxError as error:
        assert "another process" in str(error)
    else:
        os._exit(7)
    assert not outbox.is_open
    outbox.close()
    {ending}
assert os.waitpid(child, 0)[1] == 0
assert state() == before
put("after")
print(*(request.idempotency_key for _, request in outbox.peek(9)))
outbox.close()
"""
    assert output(python(code, tmp_path)) == "before after\n"
    assert _integrity(tmp_path / "outbox.db") == "ok"


def test_a_fork_child_that_outlives_its_parent_does_not_hold_the_lock(tmp_path, clock):
    """The lock goes with the process that took it, not with those that inherited its descriptors."""
    code = """
import os, sys, pathlib
from footfall.clock import SystemClock
from footfall.outbox.store import Outbox
outbox = Outbox.open(pathlib.Path(sys.argv[1]), clock=SystemClock(), max_bytes=9, max_age_seconds=9)
ready, tell = os.pipe()
child = os.fork()
if child == 0:
    os.write(tell, b"x")
    sys.stdin.read()  # lives until the test closes its end
    os._exit(0)
os.read(ready, 1)
os.kill(os.getpid(), 9)
"""
    process = python(code, tmp_path / "outbox.db", stdin=-1)
    try:
        assert process.wait(HANG_SECONDS) == -signal.SIGKILL
        outbox = open_outbox(tmp_path, clock)
        outbox.close()
    finally:
        process.communicate(timeout=HANG_SECONDS)


def test_forked_in_this_very_process(tmp_path, clock):
    """The check needs no new interpreter: in the child of a fork every public method refuses, except close."""
    outbox = open_outbox(tmp_path, clock)
    row = outbox.destination(a_destination())
    outbox.intake([(row, a_request(1))], offsets={}, now_ns=clock.now_ns())
    (leased,) = outbox.lease(row, now_ns=clock.now_ns(), ttl_seconds=30)
    calls = [
        lambda: outbox.destination(a_destination()),
        outbox.destinations,
        lambda: outbox.intake([], offsets={}, now_ns=0),
        outbox.offsets,
        lambda: outbox.forget_journal("j"),
        lambda: outbox.open_runs(""),
        outbox.observed,
        lambda: outbox.lease(row, now_ns=0, ttl_seconds=1),
        lambda: outbox.settle(leased, verdict=DELIVERED, now_ns=0),
        lambda: outbox.release(leased),
        lambda: outbox.pause(row, until_ns=0, reason=""),
        lambda: outbox.resume(row),
        lambda: outbox.answered(row, 0),
        lambda: outbox.failed(row, 0),
        lambda: outbox.trim(now_ns=0),
        lambda: outbox.withdraw(lambda name: name == "o/p"),
        outbox.obeyed_ns,
        outbox.ledger,
        outbox.pending,
        outbox.size_bytes,
        outbox.next_due_ns,
        lambda: outbox.peek(1),
        outbox.refused,
        lambda: outbox.note_refusal(row, status=1, detail="", path="", now_ns=0),
        outbox.set_aside,
    ]
    child = os.fork()
    if child == 0:
        refused = 0
        for call in calls:
            try:
                call()
            except OutboxError:
                refused += 1
        outbox.close()
        os._exit(refused)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == len(calls)
    assert outbox.settle(leased, verdict=DELIVERED, now_ns=clock.now_ns())
    outbox.close()


def test_a_process_that_ends_without_closing_keeps_everything(tmp_path, clock):
    """An interpreter that simply ends finalises nothing of SQLite's, and says nothing on stderr."""
    code = """
import sys, pathlib
from footfall.clock import SystemClock
from footfall.outbox.store import Outbox
outbox = Outbox.open(pathlib.Path(sys.argv[1]), clock=SystemClock(), max_bytes=9, max_age_seconds=9)
outbox.intake([], offsets={"j": 7}, now_ns=0)
"""
    process = python(code, tmp_path / "outbox.db")
    _, err = process.communicate(timeout=HANG_SECONDS)
    assert (process.returncode, err) == (0, "")
    outbox = open_outbox(tmp_path, clock)
    assert outbox.offsets() == {"j": 7}
    outbox.close()
