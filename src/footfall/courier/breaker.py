"""A circuit breaker for one destination: stop calling who does not answer, and look again with one request.

Pure: time and chance are handed in. Two kinds of failure open it: no answer at all, and an answer that says "later".
A server that answers is alive, so many more of the latter are borne: with half of all answers 500, ten in a row
happen once in about a thousand requests, three in a row once in eight (reliability.md N11).
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

from footfall.courier.backoff import backoff_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

SILENT_LIMIT: Final = 3
"""Requests in a row without an answer that open the breaker."""

UNWILLING_LIMIT: Final = 10
"""Answers in a row saying "later" that open it."""


class State(str, enum.Enum):
    """What the breaker lets through."""

    CLOSED = "closed"
    """Everything."""
    OPEN = "open"
    """Nothing, until the wait is over."""
    HALF_OPEN = "half-open"
    """One request, whose fate decides."""


class Breaker:
    """The state machine. Not safe for threads: its owner holds a lock.

    Args:
        random: Uniform in [0, 1).
        failures: In a row, as remembered from earlier processes. With three or more, the first request is a probe.
    """

    def __init__(self, *, random: Callable[[], float], failures: int = 0) -> None:
        self._random = random
        self._silent = 0
        self._unwilling = 0
        self._until = 0.0
        self._probing = False
        self._opened = max(failures - SILENT_LIMIT + 1, 0)
        self._state = State.HALF_OPEN if self._opened else State.CLOSED

    def state(self, now: float) -> State:
        """Return the state at *now* (monotonic seconds)."""
        if self._state is State.OPEN and now >= self._until:
            self._state, self._probing = State.HALF_OPEN, False
        return self._state

    def wait_seconds(self, now: float) -> float:
        """Return how long nothing may be sent; 0.0 when something may."""
        return max(self._until - now, 0.0) if self.state(now) is State.OPEN else 0.0

    def acquire(self, now: float) -> bool:
        """Whether one more request may be sent now. A yes must be followed by its fate, or by `unused`."""
        state = self.state(now)
        if state is State.CLOSED:
            return True
        if state is State.OPEN or self._probing:
            return False
        self._probing = True
        return True

    def unused(self) -> None:
        """Take back an `acquire` whose request was not sent."""
        self._probing = False

    def answered(self) -> None:
        """Note a good answer: everything is forgotten."""
        self._state = State.CLOSED
        self._silent = self._unwilling = self._opened = 0
        self._probing = False

    def silent(self, now: float) -> None:
        """Note a request without an answer."""
        self._silent += 1
        self._failed(now, self._silent >= SILENT_LIMIT)

    def unwilling(self, now: float) -> None:
        """Note an answer that says "later"."""
        self._silent = 0
        self._unwilling += 1
        self._failed(now, self._unwilling >= UNWILLING_LIMIT)

    def _failed(self, now: float, limit: bool) -> None:
        state = self.state(now)
        if state is State.OPEN:
            # Others that were in flight when it opened: the same outage, not a longer one.
            return
        if state is State.HALF_OPEN or limit:
            self._opened += 1
            self._silent = self._unwilling = 0
            self._probing = False
            self._state = State.OPEN
            self._until = now + backoff_seconds(self._opened, self._random)
