"""The circuit breaker, as a table and as a machine."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from footfall.courier.breaker import SILENT_LIMIT, UNWILLING_LIMIT, Breaker, State


def breaker(**keywords):
    """Return a breaker without luck: the whole wait, each time."""
    return Breaker(random=lambda: 1.0, **keywords)


def test_opens_after_three_without_an_answer():
    """Two are borne, the third opens it for a second."""
    it = breaker()
    for _ in range(2):
        assert it.acquire(0.0)
        it.silent(0.0)
    assert it.state(0.0) is State.CLOSED
    it.silent(0.0)
    assert it.state(0.0) is State.OPEN
    assert not it.acquire(0.5)
    assert it.wait_seconds(0.25) == 0.75


def test_one_probe_decides():
    """After the wait one request goes out and no second; its answer closes, its failure opens for twice as long."""
    it = breaker()
    for _ in range(3):
        it.silent(0.0)
    assert it.acquire(1.0)
    assert it.state(1.0) is State.HALF_OPEN
    assert not it.acquire(1.0)
    it.silent(1.0)
    assert it.wait_seconds(1.0) == 2.0
    assert it.acquire(3.0)
    it.answered()
    assert it.state(3.0) is State.CLOSED
    assert it.acquire(3.0)
    assert it.acquire(3.0)


def test_an_unused_probe_may_be_taken_again():
    """A probe that was not sent after all blocks nobody."""
    it = breaker(failures=3)
    assert it.acquire(0.0)
    it.unused()
    assert it.acquire(0.0)


def test_those_in_flight_make_no_outage_longer():
    """Eight requests that fail together open it once."""
    it = breaker()
    for _ in range(8):
        it.silent(0.0)
    assert it.wait_seconds(0.0) == 1.0


def test_an_answer_in_between_starts_the_count_again():
    """Three in a row, not three in all."""
    it = breaker()
    for _ in range(10):
        it.silent(0.0)
        it.silent(0.0)
        it.answered()
    assert it.state(0.0) is State.CLOSED


def test_unwilling_answers_are_borne_longer():
    """A server that answers is alive: ten answers in a row saying "later" open it (N11)."""
    it = breaker()
    for _ in range(UNWILLING_LIMIT - 1):
        it.unwilling(0.0)
    assert it.state(0.0) is State.CLOSED
    it.unwilling(0.0)
    assert it.state(0.0) is State.OPEN


def test_remembers_failures_of_earlier_processes():
    """A process that starts during an outage begins with a probe, and goes on with the longer waits."""
    assert breaker(failures=2).state(0.0) is State.CLOSED
    it = breaker(failures=6)
    assert it.state(0.0) is State.HALF_OPEN
    assert it.acquire(0.0)
    it.silent(0.0)
    assert it.wait_seconds(0.0) == 16.0


@given(st.lists(st.tuples(st.sampled_from(["silent", "unwilling", "answered", "unused"]), st.floats(0, 2000))))
def test_never_stays_shut(steps):
    """Whatever happens, at most 15 min later a request may go out, and in the open state none does."""
    it = Breaker(random=lambda: 0.999)
    now = 0.0
    for what, passes in steps:
        now += passes
        if it.acquire(now):
            assert it.state(now) is not State.OPEN
            match what:
                case "silent":
                    it.silent(now)
                case "unwilling":
                    it.unwilling(now)
                case "answered":
                    it.answered()
                case _:
                    it.unused()
        else:
            assert it.wait_seconds(now) > 0
    assert it.wait_seconds(now) <= 900
    assert it.acquire(now + 900)
    assert SILENT_LIMIT == 3
