"""Starts, kills and judges programs under observation. The sink's journal is the only truth."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from footfall.testing.sink.client import Sink

ROOT = Path(__file__).parents[2]
GUARD_SECONDS = 60.0
"""No test waits longer for anything: a hang is a failure."""


class Observation:
    """A state directory, a sink, and the programs that run against them."""

    def __init__(self, directory: Path, sink: Sink) -> None:
        self.directory = directory
        self.sink = sink
        self.kills = 0
        self.confirm = directory / "confirmed"

    def environment(self, **extra: str) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if key in {"PATH", "LANG", "TMPDIR", "SYSTEMROOT"}}
        return {
            **kept,
            "HOME": str(self.directory),
            "FOOTFALL": "on",
            "FOOTFALL_DIR": str(self.directory / "state"),
            "XDG_CONFIG_HOME": str(self.directory / "config"),
            "FOOTFALL_RATE": "0",
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "error",
            **extra,
        }

    def driver(self, scenario: str, *, first: int = 0, calls: int = 50, **extra: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.process.driver", scenario, str(first), str(calls)]
        return subprocess.Popen(
            [*command, str(self.confirm), self.sink.url],
            env=self.environment(**extra),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, scenario: str, *, first: int = 0, calls: int = 50, **extra: str) -> float:
        """Run a driver to its end; return the seconds it took. It must succeed and say nothing."""
        began = time.monotonic()
        process = self.driver(scenario, first=first, calls=calls, **extra)
        out, err = process.communicate(timeout=GUARD_SECONDS)
        assert (process.returncode, out, err) == (0, "", ""), (process.returncode, out, err)
        return time.monotonic() - began

    def send(self, *, deadline_seconds: float = 20.0, **extra: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "footfall", "send", "--deadline", str(deadline_seconds)]
        return subprocess.run(
            command, env=self.environment(**extra), capture_output=True, text=True, timeout=GUARD_SECONDS, check=False
        )

    def send_everything(self) -> None:
        done = self.send()
        assert done.returncode == 0, (done.stdout, done.stderr)

    def ledger(self) -> dict[str, Any]:
        command = [sys.executable, "-m", "footfall", "status", "--json"]
        done = subprocess.run(command, env=self.environment(), capture_output=True, text=True, timeout=30, check=True)
        ledger: dict[str, Any] = json.loads(done.stdout)["ledger"]
        return ledger

    def confirmed(self) -> list[int]:
        if not self.confirm.exists():
            return []
        whole = self.confirm.read_bytes().rpartition(b"\n")[0]
        return [int(line) for line in whole.split()]

    def wait_until_confirmed(self, count: int) -> None:
        limit = time.monotonic() + GUARD_SECONDS
        while len(self.confirmed()) < count:
            assert time.monotonic() < limit, f"only {len(self.confirmed())} of {count} calls returned"
            time.sleep(0.005)

    def spans(self) -> list[dict[str, Any]]:
        return [span for received in self.accepted("/v1/traces") for span in received.records]

    def crumbs(self) -> list[dict[str, Any]]:
        return [crumb for received in self.accepted("/api/breadcrumb") for crumb in received.records]

    def call_records(self) -> list[dict[str, Any]]:
        return [record["fields"] for received in self.accepted("/api/calls/") for record in received.records]

    def accepted(self, path: str) -> list[Any]:
        return [received for received in self.sink.requests() if received.accepted and received.path.startswith(path)]

    def numbers(self) -> Counter[int]:
        """Return how often each numbered call arrived as a span."""
        key = "footfall.args.number"
        return Counter(int(span["attributes"][key]) for span in self.spans() if key in span["attributes"])

    def assert_nothing_lost(self, *, doubtful_requests: int = 0) -> None:
        """Everything confirmed arrived; what arrived twice came under the same key with the same bytes.

        Args:
            doubtful_requests: How many requests may have arrived twice: answers lost, couriers killed.
        """
        confirmed, arrived = self.confirmed(), self.numbers()
        missing = sorted(set(confirmed) - set(arrived))
        assert not missing, f"{len(missing)} of {len(confirmed)} confirmed calls never arrived: {missing[:10]}"
        self.assert_duplicates(doubtful_requests)
        crumbs = len({received.key for received in self.accepted("/api/breadcrumb")})
        spans = len({(span["trace_id"], span["span_id"]) for span in self.spans()})
        assert crumbs >= spans, "each use is a breadcrumb too"
        recorded = {record["kwargs"]["number"] for record in self.call_records()}
        assert recorded >= set(confirmed), "each use is a call record too"

    def assert_duplicates(self, doubtful_requests: int) -> None:
        bodies: dict[str, set[str]] = {}
        copies: Counter[str] = Counter()
        for received in self.sink.requests():
            if received.accepted:
                bodies.setdefault(received.key, set()).add(received.body_sha256)
                copies[received.key] += 1
        assert all(len(hashes) == 1 for hashes in bodies.values()), "a key came with different bytes"
        extra = sum(count - 1 for count in copies.values())
        assert extra <= doubtful_requests, f"{extra} requests arrived twice, {doubtful_requests} could have"
        if not doubtful_requests:
            span_ids = Counter(span["span_id"] for span in self.spans())
            assert not {key: count for key, count in span_ids.items() if count > 1}

    def assert_balanced(self, *, pending: int = 0) -> None:
        ledger = self.ledger()
        assert ledger["balanced"], ledger
        assert ledger["pending"] == pending, ledger
        assert ledger["corrupt"] == 0, ledger


def dropped(ledger: dict[str, Any], wire: str) -> dict[str, int]:
    """Return what the accounts of *wire* have dropped, by reason."""
    found: Counter[str] = Counter()
    for account in _accounts(ledger, wire):
        found.update(account.get("dropped", {}))
    return dict(found)


def _accounts(ledger: dict[str, Any], wire: str) -> Iterable[dict[str, Any]]:
    return (account for account in ledger["accounts"] if account["destination"].startswith(wire + ":"))
