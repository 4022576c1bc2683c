"""Whether a destination answers: remembered in the outbox, so that the next process's exit need not find out.

At exit footfall spends its budget only on destinations that answered lately and did not fail since; to all others it
costs nothing (design.md section 4, reliability.md P5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from footfall.courier.lane import Lane
    from footfall.outbox.rows import KnownDestination

FRESH_NS: Final = 24 * 3600 * 10**9
"""An answer older than this says nothing about now."""

NOTE_NS: Final = 60 * 10**9
"""Answers in a row are written down at most this often: each note is a commit."""


def answering(destination: KnownDestination, *, now_ns: int) -> bool:
    """Whether *destination* answered within the last 24 h and did not fail since.

    An answer from the future (the clock was set back) counts as one of now (reliability.md section 3, 9).
    """
    return destination.failures == 0 and _is_fresh(destination.last_answer_ns, now_ns)


def _is_fresh(last_answer_ns: int, now_ns: int) -> bool:
    return last_answer_ns > 0 and now_ns - last_answer_ns < FRESH_NS


def reachable(known: Iterable[KnownDestination], lanes: Mapping[int, Lane], *, now_ns: int, now: float) -> bool:
    """Whether the exit may have a last word for some destination: it answers and is not held.

    The outbox is not asked: it may be in a transaction of 40 ms, and an exit does not wait for that.

    Args:
        known: Destinations as the outbox had them a moment ago.
        lanes: What has happened to some of them since, by their ids.
        now_ns: UTC nanoseconds.
        now: Monotonic seconds.
    """
    return any(lane.pulse.answering(now_ns) and not lane.is_held(now) for lane in lanes.values()) or any(
        answering(each, now_ns=now_ns) and each.paused_until_ns <= now_ns for each in known if each.id not in lanes
    )


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

    def answering(self, now_ns: int) -> bool:
        """What `answering` says of the destination by now."""
        return not self._failed and _is_fresh(self._noted_ns, now_ns)

    def failed(self) -> None:
        """Note that a request got no answer."""
        self._failed = True
