"""A test hook: die at a named point, as SIGKILL would have it.

``FOOTFALL_CRASH_AT=after_send`` makes the process kill itself when delivery first reaches the point
``after_send``; ``after_send:3`` at the third time. It is read once, when the first of those modules is loaded, and
nothing but the tests of reliability.md section 6 has a use for it. Unset, `crash_at` is an empty function.

Points, in order: `POINTS`; and `PARCEL_POINTS`, which only deliveries with files pass.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

INTAKE_POINTS: Final = ("before_intake", "after_intake", "before_unlink", "after_unlink")
"""A journal's lines translated; committed with their offset; a finished journal about to go; gone, not forgotten."""

COURIER_POINTS: Final = ("after_lease", "before_send", "after_send", "before_settle", "after_settle", "after_round")
"""Leased and committed; about to send; answer received; verdict known; verdict committed; nothing left to lease."""

PARCEL_POINTS: Final = (
    *("after_files", "after_batch", "before_parcels", "after_parcels", "before_batch_goes"),
    *("after_parts", "before_sweep"),
)
"""Only where files are handed over: copied, not named by a batch; batch there; about to be taken in; rows committed;
outcomes told, batch still there. Parts of a split file made, not named by a row; settled, files not swept."""

GATHER_POINTS: Final = ("before_handover", "after_handover", "before_times", "after_times")
"""Only where packages are gathered: their ids written down; handed over; outcomes known; stored times written down."""

POINTS: Final = INTAKE_POINTS + COURIER_POINTS
"""In the order in which they are passed."""


def _nowhere(name: str, /) -> None:
    del name


def arm(wish: str, kill: Callable[[], None]) -> Callable[[str], None]:
    """Return a `crash_at` for *wish* (``name`` or ``name:count``), or one that does nothing for "" or nonsense."""
    name, _, count = wish.partition(":")
    if name not in POINTS + PARCEL_POINTS + GATHER_POINTS or (count and not count.isdecimal()):
        return _nowhere
    left = [int(count or 1)]

    def crash(reached: str, /) -> None:
        if reached == name:
            left[0] -= 1
            if left[0] == 0:
                kill()

    return crash


def _die() -> None:  # pragma: no cover  nothing is left to report that it ran
    # SIGKILL where there is one: no handler, no atexit, no flush. Windows ends a process for any other number.
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


crash_at: Callable[[str], None] = arm(os.environ.get("FOOTFALL_CRASH_AT", ""), _die)
"""Called by intake and courier with the name of each point they pass."""
