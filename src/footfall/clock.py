"""Time, handed in: UTC for records, monotonic for waiting (reliability.md P12)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import threading


class Clock(Protocol):
    """What footfall asks of time. `footfall.testing.FakeClock` is the other implementation."""

    def now_ns(self) -> int:
        """UTC nanoseconds; may jump."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...

    def wait(self, event: threading.Event, timeout_seconds: float) -> bool:
        """Wait until *event* is set, at most *timeout_seconds*; return whether it is."""
        ...


class SystemClock:
    """The real one."""

    def now_ns(self) -> int:
        """UTC nanoseconds from the operating system."""
        return time.time_ns()

    def monotonic(self) -> float:
        """Seconds of the operating system's monotonic clock."""
        return time.monotonic()

    def wait(self, event: threading.Event, timeout_seconds: float) -> bool:
        """Wait on *event*."""
        return event.wait(timeout_seconds)
