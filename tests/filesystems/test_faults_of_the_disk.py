"""D1 to D4: a disk that is full, read-only, gone or out of descriptors hurts telemetry alone, and only while it lasts.

`tests.filesystems.faulty` is the host program: results as ever, nothing said, exit status 0. Counts stay exact: what
the disk refused and memory could not hold is told as a number (P11). Damage and room inside the outbox are the business
of tests/outbox/test_corruption.py and test_disk.py.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import Any

import pytest

from tests.process.harness import GUARD_SECONDS, Observation

UNSHARE = ["unshare", "--user", "--map-root-user", "--mount"]
MOUNT = 'mount -t tmpfs -o size=8m,mode=700 tmpfs "$FOOTFALL_DIR" && exec "$@"'
THREADS = ["setpriv", "--ruid", "54321", "--bounding-set", "-sys_resource,-sys_admin"]
"""Limits of threads do not bind root: another real user, without the two capabilities that lift the limit."""


def may_mount() -> bool:
    """Whether this user may mount in a namespace of its own, which leaves nothing behind."""
    if shutil.which("unshare") is None:
        return False
    probe = [*UNSHARE, "sh", "-c", "mount -t tmpfs tmpfs /mnt"]
    return subprocess.run(probe, capture_output=True, timeout=GUARD_SECONDS, check=False).returncode == 0


def may_limit_threads() -> bool:
    """Whether a limit of threads binds here: for root only where it can become another real user."""
    if os.geteuid() != 0:
        return True
    probe = subprocess.run([*THREADS, "true"], capture_output=True, timeout=GUARD_SECONDS, check=False)
    return probe.returncode == 0


FAULTS = ["file size", "file size:early", "removed", "cut", "descriptors", "descriptors:early"]
if may_mount():
    FAULTS += ["full", "full:early", "read-only:early"]
if may_limit_threads():
    FAULTS += ["threads", "threads:early"]


def play(observation: Observation, fault: str, **extra: str) -> dict[str, Any]:
    """Run the host program; return its report."""
    report, name = observation.directory / "report.json", fault.partition(":")[0]
    before: list[str] = []
    if name in {"full", "read-only"}:
        (observation.directory / "state").mkdir()
        before = [*UNSHARE, "sh", "-c", MOUNT, "sh"]
    elif name == "threads" and os.geteuid() == 0:
        before = THREADS
    quick = {"FOOTFALL_DELIVERY_INTERVAL_SECONDS": "0.05", **extra}
    done = subprocess.run(
        [*before, sys.executable, "-m", "tests.filesystems.faulty", fault, observation.sink.url, str(report)],
        env=observation.environment(**quick), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=GUARD_SECONDS, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), (done.returncode, done.stdout, done.stderr)
    told: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    return told


def uses(observation: Observation) -> int:
    """Return how many uses the server was told of, in spans or only counted. A copy has the key of the first."""
    told = {received.key: received.records for received in observation.accepted("/v1/")}
    return sum(int(record["attributes"].get("footfall.count", 1)) for records in told.values() for record in records)


@pytest.mark.parametrize("fault", FAULTS)
def test_only_telemetry_is_hurt_and_only_while_it_lasts(observation: Observation, fault: str) -> None:
    """Every call is told of in the end, by itself or in a count; the books balance; nothing is dropped."""
    told = play(observation, fault)
    assert (told["pending"], told["corrupt"], told["balanced"]) == (0, 0, True), told
    assert set(told["dropped"]) <= {"untranslatable"}, "migas alone has no word for a count"
    assert uses(observation) == told["calls"], told
    assert len(set(told["said"])) == len(told["said"]) < 6, "a kind of trouble is told once a minute"
    # What was sent while the outbox could not note the answer is sent again, under its key and with the same bytes.
    observation.assert_duplicates(16 if fault == "file size" else 0)


COUNTED = """
import os, sys, time
import footfall
from footfall import runtime

footfall.instrument("tests/observed", version="1", send_to=[footfall.Otlp(sys.argv[1])], registry={
    "registry": {"calls": [{"function": "tests.process.observed:work", "rate": 0.001}]}})
from tests.process.observed import work
work(0)
assert footfall.drain(20).pending == 0
journal = runtime.current().journal
cut = journal.path
os.truncate(cut, 0)
for number in range(9):
    work(number)
limit = time.monotonic() + 20
while journal.path == cut:
    assert time.monotonic() < limit, "no new journal"
    time.sleep(0.01)
footfall.drain(20)
"""


def test_what_was_only_counted_is_not_written_to_a_file_that_was_cut(observation: Observation) -> None:
    """Uses beyond the rate wait in memory; the look at the file comes before they are written."""
    done = subprocess.run(
        [sys.executable, "-c", COUNTED, observation.sink.url],
        env=observation.environment(), capture_output=True, text=True, timeout=GUARD_SECONDS, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert uses(observation) == 10
