"""Whether a destination answers: remembered in the outbox, so that the next process's exit need not find out.

At exit footfall spends its budget only on destinations that answered lately and did not fail since; to all others it
costs nothing (design.md section 4, reliability.md P5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from footfall.outbox.rows import KnownDestination

FRESH_NS: Final = 24 * 3600 * 10**9
"""An answer older than this says nothing about now."""

NOTE_NS: Final = 60 * 10**9
"""Answers in a row are written down at most this often: each note is a commit."""


def answering(destination: KnownDestination, *, now_ns: int) -> bool:
    """Whether *destination* answered within the last 24 h and did not fail since.

    An answer from the future (the clock was set back) counts as one of now (reliability.md section 3, 9).
    """
    last = destination.last_answer_ns
    return last > 0 and destination.failures == 0 and now_ns - last < FRESH_NS


class Pulse:
    """Decides which answers are worth a note."""

    def __init__(self, *, failures: int, last_answer_ns: int) -> None:
        self._failed = failures > 0
        self._noted_ns = last_answer_ns

    def answered(self, now_ns: int) -> bool:
        """Whether this answer is to be written down: the first, the first after a failure, or a minute's."""
        worth = self._failed or not self._noted_ns or not 0 <= now_ns - self._noted_ns < NOTE_NS
        if worth:
            self._failed = False
            self._noted_ns = now_ns
        return worth

    def failed(self) -> None:
        """Note that a request got no answer."""
        self._failed = True
