"""Which destinations are worth waiting for at exit."""

from __future__ import annotations

import pytest

from footfall.courier.health import Pulse, answering
from footfall.destination import Destination
from footfall.outbox.rows import KnownDestination

HOUR = 3600 * 10**9
NOW = 1_800_000_000 * 10**9


@pytest.mark.parametrize(
    ("last", "failures", "expected"),
    [
        (0, 0, False),
        (NOW - HOUR, 0, True),
        (NOW - 23 * HOUR, 0, True),
        (NOW - 25 * HOUR, 0, False),
        (NOW - HOUR, 1, False),
        (NOW + 10 * HOUR, 0, True),
    ],
)
def test_answering(last, failures, expected):
    """Answered within 24 h, and no failure since; an answer from the future is one of now."""
    known = KnownDestination(
        id=1, destination=Destination(wire="w", endpoint="http://localhost"), failures=failures, last_answer_ns=last
    )
    assert answering(known, now_ns=NOW) is expected


def test_answers_are_noted_rarely():
    """The first, the first after a failure, and one a minute: a note is a commit."""
    pulse = Pulse(failures=0, last_answer_ns=0)
    assert [pulse.answered(NOW + second * 10**9) for second in (0, 1, 59, 60, 61)] == [True, False, False, True, False]
    pulse.failed()
    assert pulse.answered(NOW + 62 * 10**9)
    assert pulse.answered(NOW - HOUR), "the clock was set back"
