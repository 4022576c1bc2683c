"""Servers that misbehave: the host notices nothing, nothing is lost, delivery resumes (reliability.md N rows)."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from footfall.testing.sink.client import Sink
from tests.process.harness import Observation, dropped

FAULTS = ("refuse", "hang", "drip", "status:500", "status:503", "half500", "portal", "badjson", "huge", "noanswer")


@pytest.mark.parametrize("mode", FAULTS)
def test_a_fault_costs_the_host_nothing_and_loses_nothing(observation: Observation, mode: str) -> None:
    """While the fault lasts: same output, same exit status, a quick exit. After it: everything arrives."""
    observation.sink.set_mode(mode)
    took = observation.run("slowly", calls=100, FOOTFALL_DELIVERY_INTERVAL_SECONDS="0.05")
    assert took < 20, "the exit waited for a dead server"
    observation.sink.set_mode("ok")
    deadline = time.monotonic() + 50
    while observation.send(deadline_seconds=10).returncode != 0:
        assert time.monotonic() < deadline, observation.ledger()
    ledger = observation.ledger()
    assert ledger["balanced"]
    assert ledger["pending"] == 0
    assert dropped(ledger, "migas") == dropped(ledger, "access") == {}
    assert len({received.key for received in observation.accepted("/api/breadcrumb")}) == 100
    assert {record["kwargs"]["number"] for record in observation.call_records()} == set(range(100))
    # The OTLP specification makes 500 final, unlike 429, 502, 503 and 504: what met one is refused, and counted so.
    refused = dropped(ledger, "otlp").get("refused", 0)
    assert (refused > 0) == (mode in {"status:500", "half500"})
    assert len(observation.numbers()) + refused == 100
    observation.assert_duplicates(doubtful_requests=600)


def test_lost_answers_make_copies_with_the_same_key_and_bytes(observation: Observation) -> None:
    """P3: the only duplicates are requests whose answer was lost, and the server can tell them by their key."""
    observation.sink.set_mode("lostack")
    observation.run("slowly", calls=30, FOOTFALL_DELIVERY_INTERVAL_SECONDS="0.05")
    observation.sink.set_mode("ok")
    deadline = time.monotonic() + 50
    while observation.send(deadline_seconds=10).returncode != 0:
        assert time.monotonic() < deadline
    lost = sum(1 for received in observation.sink.requests() if received.mode == "lostack")
    observation.assert_nothing_lost(doubtful_requests=lost)
    observation.assert_balanced()


def test_retry_after_is_obeyed_also_by_the_next_process(observation: Observation) -> None:
    """P9: no request inside the wait that a server asked for, across processes; then everything arrives."""
    observation.sink.set_mode("status:429:retry-after=4")
    observation.run("plain", calls=20, FOOTFALL_DELIVERY_INTERVAL_SECONDS="3600", FOOTFALL_EXIT_BUDGET_SECONDS="0")
    assert observation.send(deadline_seconds=3).returncode == 1
    observation.sink.set_mode("ok")
    refused = {
        received.path.partition("?")[0]: received.time_ns
        for received in observation.sink.requests()
        if not received.accepted
    }
    assert "/v1/traces" in refused
    deadline = time.monotonic() + 30
    while not observation.spans():
        observation.send(deadline_seconds=2)
        assert time.monotonic() < deadline
    first_span = min(r.time_ns for r in observation.accepted("/v1/traces"))
    assert first_span - refused["/v1/traces"] >= 3.9e9
    assert sorted(observation.numbers()) == list(range(20))


def test_a_redirect_is_never_followed(observation: Observation, tmp_path: Path) -> None:
    """S13: the other server sees no request; ours are kept."""
    with Sink(tmp_path / "other") as other:
        observation.sink.set_mode(f"redirect:307:{other.url}")
        observation.run("plain", calls=10, FOOTFALL_DELIVERY_INTERVAL_SECONDS="0.05")
        observation.send(deadline_seconds=2)
        assert other.requests() == []
    observation.assert_balanced(pending=30)


def test_a_dead_destination_does_not_delay_another(observation: Observation, tmp_path: Path) -> None:
    """One project, two servers, one of them hanging: the other gets everything at once."""
    observation.sink.set_mode("hang", "/api/breadcrumb")
    observation.run("plain", calls=40, FOOTFALL_DELIVERY_INTERVAL_SECONDS="3600", FOOTFALL_EXIT_BUDGET_SECONDS="0")
    observation.send(deadline_seconds=3)
    assert sorted(observation.numbers()) == list(range(40))
    assert sorted(record["kwargs"]["number"] for record in observation.call_records()) == list(range(40))
    assert observation.ledger()["pending"] == 40
