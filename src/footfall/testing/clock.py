"""`FakeClock`: time that passes when a test says so (reliability.md P12)."""

from __future__ import annotations

import threading
from typing import Final

START_NS: Final = 1_700_000_000_000_000_000
"""Where a fake clock begins: 2023-11-14, 22:13:20 UTC."""


class FakeClock:
    """A `footfall.clock.Clock` whose waits take no time.

    Wall and monotonic time move together by `advance` and `wait`; `jump_wall` moves the wall alone, as an administrator
    or a suspended laptop does. Safe to share between threads.

    Args:
        now_ns: UTC nanoseconds to begin at.
        monotonic: Seconds to begin at.

    Attributes:
        waits: Every timeout that `wait` was asked for, in seconds.
    """

    def __init__(self, now_ns: int = START_NS, monotonic: float = 1000.0) -> None:
        self._now_ns = now_ns
        self._monotonic_ns = round(monotonic * 1e9)
        self._lock = threading.Lock()
        self.waits: list[float] = []

    def now_ns(self) -> int:
        """UTC nanoseconds."""
        return self._now_ns

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return self._monotonic_ns / 1e9

    def wait(self, event: threading.Event, timeout_seconds: float) -> bool:
        """Let *timeout_seconds* pass at once, unless *event* is set already; return whether it is set."""
        with self._lock:
            self.waits.append(timeout_seconds)
        if not event.is_set():
            self.advance(max(0.0, timeout_seconds))
        return event.is_set()

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass, on both clocks.

        Raises:
            ValueError: *seconds* is negative; only the wall clock goes back, by `jump_wall`.
        """
        if seconds < 0:
            msg = f"time does not go back by advance({seconds}); use jump_wall"
            raise ValueError(msg)
        with self._lock:
            self._now_ns += round(seconds * 1e9)
            self._monotonic_ns += round(seconds * 1e9)

    def jump_wall(self, seconds: float) -> None:
        """Set the wall clock forward by *seconds*, or back where negative; the monotonic clock does not notice."""
        with self._lock:
            self._now_ns += round(seconds * 1e9)
