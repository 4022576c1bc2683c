"""A disk without room: intake is refused and changes nothing, and what is there still drains (reliability.md P11, D1).

Two real ways to have no room, each in a process of its own: a file size limit (``RLIMIT_FSIZE``; writes fail with
``EFBIG``), everywhere; and, where this user may mount, a file system of a few megabytes filled to its last byte (writes
fail with ``ENOSPC``).
"""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
from outboxhelp import HANG_SECONDS, output, python

PRELUDE = """
import os, pathlib, resource, signal, subprocess, sys
from footfall.clock import SystemClock
from footfall.destination import Destination
from footfall.errors import OutboxError
from footfall.outbox import reserve
from footfall.outbox.failures import OutboxFullError
from footfall.outbox.store import Outbox
from footfall.testing.ledger import assert_ledger
from footfall.wire.base import DELIVERED, RETRY, Action, Request, Verdict

clock, directory = SystemClock(), pathlib.Path(sys.argv[1])
means = sys.argv[2]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

def open_outbox():
    return Outbox.open(directory / "outbox.db", clock=clock, max_bytes=2**30, max_age_seconds=1e6, reserve_bytes=2**18)

def no_room():
    if means == "limit":
        # Nothing can grow beyond what the larger of the two files has now.
        largest = max(path.stat().st_size for path in directory.iterdir())
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))
    else:
        with open(directory / "filler", "ab", buffering=0) as filler:
            for size in (2**16, 4096, 1):
                try:
                    while True:
                        filler.write(bytes(size))
                except OSError:
                    pass
        assert os.statvfs(directory).f_bavail == 0

def room_again():
    if means == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    else:
        (directory / "filler").unlink()

def batch(first, count=50, size=1000):
    return [(row, Request(path="/", body=bytes(size), content_type="x", idempotency_key=str(n)))
            for n in range(first, first + count)]

def put(first, **options):
    return outbox.intake(batch(first, **options), offsets={"j": first}, now_ns=clock.now_ns())

def drain():
    delivered = 0
    while leased := outbox.lease(row, now_ns=clock.now_ns(), ttl_seconds=30, limit=20):
        outbox.trim(now_ns=clock.now_ns())
        for number, item in enumerate(leased):
            if number == 3 and item.attempts < 2:
                assert outbox.settle(item, verdict=RETRY, now_ns=clock.now_ns())
                continue
            assert outbox.settle(item, verdict=DELIVERED, now_ns=clock.now_ns())
            delivered += 1
    return delivered

if means == "limit":  # the disk itself has plenty of room: let the file grow the careful way all the same
    reserve.PLENTY_BYTES = 2**62
outbox = open_outbox()
row = outbox.destination(Destination(wire="migas", endpoint="https://a.example.org"))
"""

FULL_WHILE_RUNNING = """
put(0), put(50)
no_room()
taken = 100
try:
    for first in range(100, 10000, 50):
        put(first)
        taken = first + 50
    sys.exit("never full")
except OutboxFullError as error:
    assert "journals" in str(error) or "free disk space" in str(error), error
assert outbox.offsets() == {"j": taken - 50}, (outbox.offsets(), taken)
assert outbox.pending() == taken
assert_ledger(outbox.ledger())
assert drain() == taken
assert outbox.pending() == 0
for round in range(20):  # what was freed can be used, and freed again, for as long as it takes
    put(20000 + 50 * round)
    outbox.trim(now_ns=clock.now_ns())
    assert drain() == 50
room_again()
for first in range(30000, 30300, 50):
    put(first)
assert outbox.pending() == 300
assert_ledger(outbox.ledger())
outbox.close()
print("done")
"""


def run(code: str, directory: object, means: str) -> None:
    """Run *code* behind the prelude, in a process of its own; it must get to its end."""
    if means == "limit":
        assert output(python(PRELUDE + code, directory, means)) == "done\n"
        return
    script = 'mount -t tmpfs -o size=3m tmpfs "$1" && exec "$2" -W error -c "$3" "$1" tmpfs'
    command = [*UNSHARE, "sh", "-c", script, "sh", str(directory), sys.executable, PRELUDE + code]
    found = subprocess.run(command, capture_output=True, text=True, timeout=HANG_SECONDS, check=False)
    assert (found.returncode, found.stdout) == (0, "done\n"), found.stderr


UNSHARE = ["unshare", "--user", "--map-root-user", "--mount"]


def means_here() -> list[str]:
    """Ways to run out of room that this machine allows. A mount namespace of its own leaves nothing behind."""
    if shutil.which("unshare") is None:
        return ["limit"]
    probe = [*UNSHARE, "sh", "-c", "mount -t tmpfs tmpfs /mnt"]
    allowed = subprocess.run(probe, capture_output=True, timeout=HANG_SECONDS, check=False).returncode == 0
    return ["limit", "tmpfs"] if allowed else ["limit"]


@pytest.fixture(params=means_here())
def means(request) -> str:
    """Each way in turn."""
    return request.param


def test_a_full_disk_refuses_intake_and_drains(tmp_path, means):
    """Intake ends with a clear error, rows and offsets as before; everything is delivered with no byte free.

    What was freed is used again; and when there is room, all is as ever.
    """
    run(FULL_WHILE_RUNNING, tmp_path, means)


def test_a_full_disk_between_two_processes(tmp_path, means):
    """Closed, the outbox keeps the place of its WAL: opened on a disk that filled up meanwhile, it drains."""
    code = """
put(0), put(50), put(100)
outbox.close()
no_room()
outbox = open_outbox()
assert outbox.pending() == 150
assert drain() == 150
assert_ledger(outbox.ledger())
outbox.close()
outbox = open_outbox()
assert outbox.pending() == 0
outbox.close()
print("done")
"""
    run(code, tmp_path, means)


def test_killed_on_a_full_disk(tmp_path, means):
    """A courier that dies on a full disk leaves a WAL; the next one opens, finds all, and drains."""
    code = """
put(0), put(50), put(100)
outbox.close()
no_room()
child = os.fork()
if child == 0:
    outbox = open_outbox()
    for item in outbox.lease(row, now_ns=clock.now_ns(), ttl_seconds=30, limit=20)[:10]:
        outbox.settle(item, verdict=DELIVERED, now_ns=clock.now_ns())
    os.kill(os.getpid(), 9)
os.waitpid(child, 0)
outbox = open_outbox()
assert outbox.pending() == 140
assert drain() == 140
assert_ledger(outbox.ledger())
outbox.close()
print("done")
"""
    run(code, tmp_path, means)


def test_no_room_for_the_reserve_leaves_nothing_behind(tmp_path, means):
    """A new outbox that cannot take its reserve is not made; journals do without (reliability.md 3.7)."""
    code = """
outbox.close()
for name in ("outbox.db", "outbox.db-wal"):
    (directory / name).unlink()
if means == "limit":
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**15, resource.RLIM_INFINITY))
else:
    no_room()
try:
    open_outbox()
    sys.exit("opened")
except OutboxFullError:
    pass
assert {path.name for path in directory.iterdir()} <= {"outbox.db.lock", "filler"}, list(directory.iterdir())
room_again()
open_outbox().close()
print("done")
"""
    run(code, tmp_path, means)


def test_a_batch_that_is_too_large_for_the_disk_is_refused_whole(tmp_path, means):
    """Larger than what is left: nothing of it is kept, and a smaller one still fits."""
    code = """
put(0)
if means == "limit":
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**21, resource.RLIM_INFINITY))
try:
    put(1000, count=60, size=60_000)
    sys.exit("never full")
except OutboxFullError:
    pass
assert outbox.pending() == 50
put(5000)
assert drain() == 100
assert_ledger(outbox.ledger())
outbox.close()
print("done")
"""
    run(code, tmp_path, means)
