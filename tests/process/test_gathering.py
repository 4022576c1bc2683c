"""Gathering under SIGKILL, outages, failures: each hour of each table arrives once, and stored times tell the truth."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import datetime, timedelta, timezone

import pytest

from footfall.collect.store import Store
from footfall.crash import COURIER_POINTS, GATHER_POINTS
from tests.process.gathering import HOUR, PROJECT
from tests.process.harness import GUARD_SECONDS, Observation

UNTIL = datetime(2026, 3, 2, tzinfo=timezone.utc)
DAY = timedelta(days=1)
SECRET = {"INSIGHTS": "user:password"}


class Gatherer:
    """Runs of one program, and what its server got."""

    def __init__(self, observation: Observation) -> None:
        self.observation = observation

    def start(self, until: datetime, *failing: datetime, **extra: str) -> subprocess.Popen[str]:
        arguments = [self.observation.sink.url, until.isoformat(), *(day.isoformat() for day in failing)]
        return subprocess.Popen(
            [sys.executable, "-m", "tests.process.gathering", *arguments],
            env=self.observation.environment(**SECRET, **extra),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, until: datetime, *failing: datetime, **extra: str) -> tuple[int, str]:
        process = self.start(until, *failing, **extra)
        out, err = process.communicate(timeout=GUARD_SECONDS)
        assert process.returncode in {0, -signal.SIGKILL}, err
        return process.returncode, out

    def settle(self) -> None:
        done = self.observation.send(**SECRET)
        assert done.returncode == 0, (done.stdout, done.stderr)

    def hours(self, table: str) -> Counter[str]:
        """How often each hour of *table* arrived, copies of one request counted once."""
        uploads = self.observation.accepted("/api/ingress/v1/upload")
        once = {received.key: received.records[0]["members"] for received in uploads}
        return Counter(row["hour"] for members in once.values() for row in members.get(f"./{table}.csv", ()))

    def stored(self, table: str) -> datetime | None:
        kept = Store(self.observation.directory / "state", PROJECT).read()
        return kept.entries.get(table)

    def judge(self, until: datetime) -> None:
        """Every hour once, in both tables, and nothing is on its way."""
        begin = UNTIL - 28 * DAY
        wanted = Counter((begin + number * HOUR).isoformat() for number in range((until - begin) // HOUR))
        for table in ("plain", "weekly"):
            assert self.hours(table) == wanted
            assert self.stored(table) == until
        assert Store(self.observation.directory / "state", PROJECT).read().progress.waiting == []
        assert list((self.observation.directory / "state" / "insights").rglob("stage-*")) == []


@pytest.fixture
def gatherer(observation: Observation) -> Gatherer:
    return Gatherer(observation)


POINTS = (*GATHER_POINTS, *(f"{point}:2" for point in ("before_handover", "after_handover")))
SHIPPING = ("after_files", "after_batch", "before_parcels", "after_parcels", "before_batch_goes")


@pytest.mark.parametrize("point", [*POINTS, *SHIPPING, *(point for point in COURIER_POINTS if point != "after_round")])
def test_a_run_killed_at_any_point(gatherer: Gatherer, point: str) -> None:
    """The next run goes on: nothing is lost, nothing is gathered under a second id."""
    assert gatherer.run(UNTIL, FOOTFALL_CRASH_AT=point)[0] == -signal.SIGKILL
    assert gatherer.run(UNTIL)[0] == 0
    assert gatherer.run(UNTIL + DAY)[0] == 0
    gatherer.judge(UNTIL + DAY)


def test_a_run_after_a_run(gatherer: Gatherer) -> None:
    """The second asks for what the first did not; a third for the same has nothing to ask for."""
    for until, intervals in ((UNTIL, 6), (UNTIL + DAY, 3), (UNTIL + DAY, 0)):
        assert gatherer.run(until)[1].split()[:3] == [str(intervals), "0", "0"]
    gatherer.judge(UNTIL + DAY)


def test_a_server_that_was_away(gatherer: Gatherer) -> None:
    """What could not be delivered is not gathered again; it arrives, and the stored times follow."""
    gatherer.observation.sink.set_mode("status:503")
    intervals, failed, pending, delivered = gatherer.run(UNTIL)[1].split()
    assert (intervals, failed, delivered) == ("6", "0", "0")
    assert int(pending) >= 5
    assert gatherer.stored("plain") is None
    assert gatherer.run(UNTIL + DAY)[1].split()[0] == "3"
    gatherer.observation.sink.set_mode("ok")
    gatherer.settle()
    gatherer.run(UNTIL + DAY)
    gatherer.judge(UNTIL + DAY)


def test_a_week_that_failed(gatherer: Gatherer) -> None:
    """The stored time waits before the hole; the weeks behind it are not sent again when it is filled."""
    second = UNTIL - 20 * DAY
    assert gatherer.run(UNTIL, second)[1].split()[:2] == ["6", "1"]
    assert gatherer.stored("weekly") == UNTIL - 21 * DAY
    assert gatherer.stored("plain") == UNTIL
    assert gatherer.run(UNTIL + DAY)[1].split()[:2] == ["4", "0"]
    gatherer.judge(UNTIL + DAY)


def test_a_server_that_takes_little(gatherer: Gatherer) -> None:
    """Too large a tarball is split on its way, and its interval counts as delivered when all parts are."""
    gatherer.observation.sink.set_mode("toobig:1500")
    gatherer.run(UNTIL)
    gatherer.settle()
    gatherer.run(UNTIL)
    gatherer.judge(UNTIL)


def test_kills_at_random_moments(gatherer: Gatherer) -> None:
    """Ten kills anywhere, while the server refuses half."""
    chance = random.Random(10)
    for kill in range(10):
        gatherer.observation.sink.set_mode(("ok", "half500")[kill % 2])
        victim = gatherer.start(UNTIL)
        time.sleep(chance.uniform(0.3, 1.2))
        victim.kill()
        victim.communicate(timeout=GUARD_SECONDS)
    gatherer.observation.sink.set_mode("ok")
    deadline = time.monotonic() + GUARD_SECONDS
    while gatherer.run(UNTIL)[1].split()[2] != "0":
        assert time.monotonic() < deadline
    gatherer.run(UNTIL + DAY)
    gatherer.judge(UNTIL + DAY)


def test_two_runs_at_once(gatherer: Gatherer) -> None:
    """One gathers, the other is told."""
    both = [gatherer.start(UNTIL) for _ in range(2)]
    said = [process.communicate(timeout=GUARD_SECONDS)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum("another run" in out for out in said) <= 1
    gatherer.judge(UNTIL)
