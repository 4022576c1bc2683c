"""Uses for an insights server, in programs that are killed: each row arrives once, in few uploads."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

from footfall.crash import POINTS
from tests.process.harness import GUARD_SECONDS, Observation

PROGRAM = """
import os, sys, time
import footfall
first, count, pause = int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
server = footfall.Insights(sys.argv[1], credentials="env:INSIGHTS")
footfall.instrument("tests/observed", version="1.0", send_to=[server])
fd = os.open(os.environ["CONFIRM"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
for number in range(first, first + count):
    footfall.event("step", number=number)
    os.write(fd, b"%d\\n" % number)
    time.sleep(pause)
"""
SECRET = {"INSIGHTS": "user:password"}
LEAVE = {"FOOTFALL_DELIVERY_INTERVAL_SECONDS": "3600", "FOOTFALL_EXIT_BUDGET_SECONDS": "0"}


def start(observation: Observation, first: int, count: int, pause: float = 0.0, **extra: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, observation.sink.url, str(first), str(count), str(pause)],
        env=observation.environment(CONFIRM=str(observation.confirm), **SECRET, **extra),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(observation: Observation, first: int, count: int, **extra: str) -> None:
    process = start(observation, first, count, **extra)
    out, err = process.communicate(timeout=GUARD_SECONDS)
    assert (process.returncode, out, err) == (0, "", "")


def rows(observation: Observation) -> Counter[int]:
    """How often each event arrived, copies of one request counted once."""
    once = {each.key: each.records[0]["members"]["./step.csv"] for each in observation.accepted("/api/ingress")}
    return Counter(int(row["footfall.extra.number"]) for found in once.values() for row in found)


@pytest.mark.parametrize("point", POINTS)
def test_a_delivery_killed_at_any_point(observation: Observation, point: str) -> None:
    """Held, joined, sent: whichever step is cut short, the next delivery goes on with what is there."""
    for first in (0, 100):
        run(observation, first, 30, **LEAVE)
    assert observation.send(**SECRET, FOOTFALL_CRASH_AT=point).returncode == -signal.SIGKILL
    done = observation.send(**SECRET)
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert rows(observation) == Counter([*range(30), *range(100, 130)])
    observation.assert_duplicates(2)
    observation.assert_balanced()


def test_many_looks_at_the_journals_and_one_upload(observation: Observation) -> None:
    """A running program uploads nothing for each second of its life; who drains gets all of it at once."""
    run(observation, 0, 30, FOOTFALL_DELIVERY_INTERVAL_SECONDS="0.05", FOOTFALL_EXIT_BUDGET_SECONDS="0")
    process = start(observation, 100, 400, 0.01, FOOTFALL_DELIVERY_INTERVAL_SECONDS="0.05")
    observation.wait_until_confirmed(200)
    assert observation.accepted("/api/ingress") == []
    done = observation.send(**SECRET)
    assert done.returncode in {0, 1}, (done.stdout, done.stderr)
    deadline = time.monotonic() + GUARD_SECONDS
    while not observation.accepted("/api/ingress"):
        assert time.monotonic() < deadline, "whoever delivers was asked, and did not"
        time.sleep(0.05)
    process.communicate(timeout=GUARD_SECONDS)
    assert observation.send(**SECRET).returncode == 0
    assert rows(observation) == Counter([*range(30), *range(100, 500)])
    observation.assert_balanced()


def test_killed_programs_lose_no_row(observation: Observation) -> None:
    """Six that record and deliver, with runs that end every few moments, die one after the other."""
    for number in range(6):
        process = start(observation, number * 10_000, 10_000, 0.001, FOOTFALL_DELIVERY_INTERVAL_SECONDS="0.05")
        observation.wait_until_confirmed(len(observation.confirmed()) + 100)
        if number % 2:
            observation.send(deadline_seconds=1, **SECRET)
        process.kill()
        process.communicate(timeout=GUARD_SECONDS)
    assert observation.send(**SECRET).returncode == 0
    arrived = rows(observation)
    assert set(observation.confirmed()) <= set(arrived)
    assert set(arrived.values()) == {1}
    observation.assert_balanced()


def test_what_waits_can_be_read(observation: Observation) -> None:
    """`footfall show` prints the rows, and `footfall off` takes them back."""
    run(observation, 0, 3, **LEAVE)
    environment = observation.environment(**SECRET)

    def footfall(*words: str) -> str:
        command = [sys.executable, "-m", "footfall", *words]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=GUARD_SECONDS, check=True
        ).stdout

    shown = footfall("show")
    assert "step.csv" in shown
    assert "footfall.extra.number" in shown
    assert "password" not in shown
    footfall("off")
    ledger = json.loads(footfall("status", "--json"))["ledger"]
    assert ledger["balanced"]
    assert sum(account.get("dropped", {}).get("opted_out", 0) for account in ledger["accounts"]) == 3
    assert observation.sink.requests() == []
