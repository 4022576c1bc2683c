"""P7: forks lose nothing, repeat nothing, hang nothing (reliability.md F1 to F9)."""

from __future__ import annotations

import sys

import pytest

from tests.process.harness import Observation

ROUNDS = 5

EXPECTED = {
    "os_fork": 5,
    "fork_inside_a_call": 2,
    "mp_fork": 4,
    "daemonic": 1,
    "pool_terminate": 1,
    "executor": 1,
}
"""Calls of a scenario, as a multiple of its argument."""


@pytest.mark.parametrize("scenario", EXPECTED)
def test_every_call_of_parent_and_children_arrives_once(observation: Observation, scenario: str) -> None:
    """Whatever way children are made and end, each of their calls is one use; 5 rounds."""
    step = 1000
    for round_number in range(ROUNDS):
        observation.run(scenario, first=round_number * step, calls=10)
    observation.send_everything()
    assert len(observation.confirmed()) == EXPECTED[scenario] * 10 * ROUNDS
    observation.assert_nothing_lost()
    observation.assert_balanced()


@pytest.mark.parametrize("scenario", ["mp_spawn", "mp_forkserver"])
def test_new_interpreters_record_for_themselves(observation: Observation, scenario: str) -> None:
    """Children that are new interpreters instrument themselves and share the outbox."""
    observation.run(scenario, calls=10)
    observation.send_everything()
    assert sorted(observation.numbers()) == list(range(40))
    observation.assert_nothing_lost()
    observation.assert_balanced()


def test_a_fork_while_another_thread_records(observation: Observation) -> None:
    """No lock that a thread of the parent held stays locked in the child, and no line is torn."""
    for round_number in range(ROUNDS):
        observation.run("fork_while_recording", first=round_number * 10_000, calls=20)
    observation.send_everything()
    observation.assert_nothing_lost()
    observation.assert_balanced()


def test_children_have_sessions_of_their_own(observation: Observation) -> None:
    """A fork child's session is new and names its parent's."""
    observation.run("os_fork", calls=2)
    observation.send_everything()
    sessions = {
        span["attributes"]["session.id"]: span["attributes"].get("session.previous_id") for span in observation.spans()
    }
    parents = [session for session, previous in sessions.items() if previous is None]
    assert len(parents) == 1
    assert len(sessions) == 5
    assert {previous for previous in sessions.values() if previous} == set(parents)


def test_the_run_of_a_forking_program_ends_once(observation: Observation) -> None:
    """The child that leaves its parent's block says nothing about it (migas.md defect D8)."""
    observation.run("fork_inside_a_call", calls=3)
    observation.send_everything()
    statuses = [
        crumb["proc"]["status"]
        for crumb in observation.crumbs()
        if crumb["proc"].get("status_desc") in {"Started", "Completed"}
    ]
    assert sorted(statuses) == ["C", "R"]


assert sys.platform != "win32", "these tests fork"
