"""Parcels under SIGKILL: what was confirmed arrives, nothing arrives under two keys, and the books balance."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from typing import Any

import pytest

from footfall.crash import COURIER_POINTS, PARCEL_POINTS
from tests import tarballs
from tests.process.harness import GUARD_SECONDS, Observation
from tests.process.shipping import key_of

SENDER_POINTS = ("after_files", "after_batch")
SPLITTING = "toobig:3000"
HOSTS = 200
SECRET = {"INSIGHTS": "user:password"}


class Line:
    """A package, programs that ship it, and deliveries that may be killed."""

    def __init__(self, observation: Observation) -> None:
        self.observation = observation
        self.package = tarballs.make(observation.directory / tarballs.NAME, hosts=HOSTS)
        self.shipped = 0
        self.kills = 0

    def start(self, count: int, **extra: str) -> subprocess.Popen[str]:
        confirm, url = str(self.observation.confirm), self.observation.sink.url
        arguments = [str(self.shipped), str(count), confirm, url, str(self.package)]
        self.shipped += count
        return subprocess.Popen(
            [sys.executable, "-m", "tests.process.shipping", *arguments],
            env=self.observation.environment(**SECRET, **extra),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ship(self, count: int) -> None:
        process = self.start(count)
        out, err = process.communicate(timeout=GUARD_SECONDS)
        assert (process.returncode, out, err) == (0, "", "")

    def send(self, **extra: str) -> subprocess.CompletedProcess[str]:
        done = self.observation.send(**SECRET, **extra)
        if done.returncode == -signal.SIGKILL:
            self.kills += 1
        return done

    def settle(self) -> None:
        done = self.send()
        assert done.returncode == 0, (done.stdout, done.stderr)

    def files(self) -> Counter[str]:
        folder = self.observation.directory / "state" / "outbox" / "files"
        return Counter(path.suffix for path in folder.iterdir())

    def accepted(self) -> list[Any]:
        return self.observation.accepted("/api/ingress/v1/upload")

    def judge(self, *, in_doubt: int, left: tuple[str, ...] = ()) -> None:
        """Every confirmed parcel arrived, whole or in parts; a second copy has the same key and the same bytes.

        Args:
            in_doubt: How many requests may have arrived twice.
            left: Kinds of files that killed senders may have left, which go after some hours.
        """
        wanted = {key_of(number) for number in self.observation.confirmed()}
        arrived = {received.key for received in self.accepted()}
        split = {received.key for received in self.observation.sink.requests() if received.answer == 413}
        assert wanted <= arrived | split
        assert not arrived & split
        self.observation.assert_duplicates(in_doubt)
        self.observation.assert_balanced()
        assert set(self.files()) <= {".outcome", *left}, self.files()

    def rows(self) -> Counter[str]:
        """How often each row of the first table arrived, copies of one request counted once."""
        once = {received.key: received.records[0]["members"] for received in self.accepted()}
        return Counter(row["number"] for members in once.values() for row in members.get("./hosts.csv", ()))


@pytest.fixture
def line(observation: Observation) -> Line:
    return Line(observation)


@pytest.mark.parametrize("point", sorted(set(COURIER_POINTS) | set(PARCEL_POINTS) - {*SENDER_POINTS, "after_parts"}))
def test_a_delivery_killed_at_any_point(line: Line, point: str) -> None:
    """The next one goes on: once is enough for each parcel, unless the answer had come and nobody wrote it down."""
    line.ship(3)
    assert line.send(FOOTFALL_CRASH_AT=point).returncode == -signal.SIGKILL
    line.settle()
    line.judge(in_doubt=1)
    assert len({received.key for received in line.accepted()}) == 3


@pytest.mark.parametrize("point", SENDER_POINTS)
def test_a_sender_killed_at_any_point(line: Line, point: str) -> None:
    """Before its batch is there, nothing was kept, and nobody said so; afterwards it is delivered once."""
    process = line.start(1, FOOTFALL_CRASH_AT=point)
    process.communicate(timeout=GUARD_SECONDS)
    assert process.returncode == -signal.SIGKILL
    line.settle()
    assert line.observation.confirmed() == []
    assert len(line.accepted()) == (point == "after_batch")
    line.observation.assert_balanced()
    line.shipped = 0
    line.ship(1)
    line.settle()
    line.judge(in_doubt=0)
    assert len(line.accepted()) == 1, "the same request id is delivered once"


@pytest.mark.parametrize("point", ["after_send", "after_parts", "before_settle", "after_settle", "before_sweep"])
@pytest.mark.parametrize("passage", [1, 2])
def test_a_split_killed_at_any_point(line: Line, point: str, passage: int) -> None:
    """Too large, split, some parts split again: each row arrives once, whichever step is cut short."""
    line.observation.sink.set_mode(SPLITTING)
    line.ship(1)
    line.send(FOOTFALL_CRASH_AT=f"{point}:{passage}")
    line.settle()
    line.judge(in_doubt=line.kills)
    assert line.rows() == Counter(str(number) for number in range(HOSTS))
    assert len({received.key for received in line.accepted()}) >= 2


def test_twenty_kills_at_random_moments(line: Line) -> None:
    """Senders and deliveries die anywhere in between; the server splits, refuses half, and loses nothing."""
    chance = random.Random(20)
    sink = line.observation.sink
    for kill in range(20):
        sink.set_mode(("ok", SPLITTING, "half500", "lostack")[kill % 4])
        victim = line.start(3) if kill % 2 else _sending(line)
        other = None if kill % 2 else line.start(2)
        time.sleep(chance.uniform(0.2, 0.9))
        victim.kill()
        victim.communicate(timeout=GUARD_SECONDS)
        if other is not None:
            other.communicate(timeout=GUARD_SECONDS)
        line.kills += 1
    sink.set_mode("ok")
    deadline = time.monotonic() + GUARD_SECONDS
    while line.send().returncode != 0:
        assert time.monotonic() < deadline
    confirmed = line.observation.confirmed()
    assert len(confirmed) >= 20
    lost = sum(received.mode == "lostack" for received in sink.requests())
    line.judge(in_doubt=lost + 8 * line.kills, left=(".file", ".new", ".tmp"))


def _sending(line: Line) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "footfall", "send", "--deadline", "20"],
        env=line.observation.environment(**SECRET),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_commands_know_what_waits(line: Line) -> None:
    """Shown with its file and without its secret, counted with its size, and gone with one word."""
    line.ship(2)
    observation = line.observation

    def footfall(*words: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "footfall", *words],
            env=observation.environment(**SECRET), capture_output=True, text=True, timeout=GUARD_SECONDS, check=True,
        ).stdout  # fmt: skip

    assert observation.ledger()["pending"] == 2, "also before anybody took them in"
    shown = footfall("show")
    assert f"(with the file {key_of(0)}.file, {line.package.stat().st_size} bytes)" in shown
    assert "x-rh-insights-request-id: 00000000-0000-0000-0000-000000000001" in shown
    assert "password" not in shown
    assert "files waiting" in footfall("status")
    assert line.files() == Counter({".file": 2, ".outcome": 2})
    line.ship(1)
    footfall("off")
    ledger = observation.ledger()
    assert ledger["balanced"]
    assert ledger["pending"] == 0
    assert [account["dropped"] for account in ledger["accounts"]] == [{"opted_out": 3}]
    assert line.files() == Counter({".outcome": 3})
    assert observation.sink.requests() == []
