"""P2 and P3: ``kill -9`` loses nothing that was accepted, whoever dies and wherever (reliability.md section 2)."""

from __future__ import annotations

import random
import signal
import time

import pytest

from footfall.crash import POINTS
from tests.process.harness import GUARD_SECONDS, Observation

ROUNDS = 7
PRODUCERS = 3


def test_killed_producers_lose_no_accepted_use(observation: Observation) -> None:
    """21 producers, which also deliver, die at random moments; each call that had returned arrives."""
    chance = random.Random(observation.directory.name)
    for round_number in range(ROUNDS):
        before = len(observation.confirmed())
        processes = [
            observation.driver(
                "until_killed",
                first=(round_number * PRODUCERS + producer) * 1_000_000,
                calls=1_000_000,
                FOOTFALL_DELIVERY_INTERVAL_SECONDS="0.05",
            )
            for producer in range(PRODUCERS)
        ]
        observation.wait_until_confirmed(before + 1)
        for process in processes:
            time.sleep(chance.uniform(0.05, 0.4) / PRODUCERS)
            process.send_signal(signal.SIGKILL)
            observation.kills += 1
        for process in processes:
            _, err = process.communicate(timeout=GUARD_SECONDS)
            assert err == ""
            assert process.returncode == -signal.SIGKILL
    assert observation.kills >= 20
    observation.send_everything()
    observation.assert_nothing_lost(doubtful_requests=observation.kills * 12)
    observation.assert_balanced()


@pytest.mark.parametrize("point", POINTS)
def test_a_courier_killed_at_a_named_point_loses_and_invents_nothing(observation: Observation, point: str) -> None:
    """Between any two steps of delivery: everything arrives, at most what was under way twice, under the same key."""
    observation.run("plain", calls=60, FOOTFALL_DELIVERY_INTERVAL_SECONDS="3600", FOOTFALL_EXIT_BUDGET_SECONDS="0")
    crashed = observation.send(FOOTFALL_CRASH_AT=point)
    assert crashed.returncode == -signal.SIGKILL, (point, crashed.returncode, crashed.stdout, crashed.stderr)
    observation.send_everything()
    assert sorted(observation.numbers()) == list(range(60))
    observation.assert_nothing_lost(doubtful_requests=24)
    observation.assert_balanced()


def test_a_run_that_was_killed_is_reported_as_killed(observation: Observation) -> None:
    """No original client can tell of an OOM kill: the next courier finds the start without an end."""
    process = observation.driver("run_until_killed", calls=100_000)
    observation.wait_until_confirmed(20)
    process.kill()
    process.communicate(timeout=GUARD_SECONDS)
    observation.send_everything()
    runs = [crumb["proc"] for crumb in observation.crumbs() if crumb["proc"].get("error_type") == "ProcessKilled"]
    assert [run["status"] for run in runs] == ["S"]
    started = [crumb for crumb in observation.crumbs() if crumb["proc"]["status"] == "R"]
    assert len(started) == 1
    spans = [span for span in observation.spans() if span["name"] == "tests/observed"]
    assert [span["attributes"]["error.type"] for span in spans] == ["ProcessKilled"]
    assert [span["attributes"]["footfall.outcome"] for span in spans] == ["killed"]
    observation.assert_nothing_lost(doubtful_requests=12)
    observation.assert_balanced()


def test_what_a_short_process_cannot_deliver_at_its_exit_is_kept(observation: Observation) -> None:
    """In CI delivery is tried at the exit, when some imports fail: nothing may be given up for that."""
    for number in range(5):
        observation.run("plain", first=100 * number, calls=10, CI="true")
    observation.send_everything()
    assert len(observation.numbers()) == 50
    observation.assert_nothing_lost()
    assert [account.get("dropped", {}) for account in observation.ledger()["accounts"]] == [{}, {}, {}]
