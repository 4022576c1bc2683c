"""How often a use is reported: counts stay exact, detail is bounded (design.md section 3).

A `Meter` belongs to one registered thing in one process. Up to its rate uses are reported; beyond it they are only
counted, and the next line carries the exact number. It is the generic cell rate algorithm, which needs one comparison
for a use that is only counted.

Threads share a meter without a lock. Each statement that changes ``suppressed`` reads and writes it without a call or a
backward jump between, and CPython 3.10 to 3.13 with the GIL switches threads only at those. On builds without the GIL
that does not hold; there `unlimited` is set, every use is reported, and nothing is counted apart.
"""

from __future__ import annotations

import sys
from typing import Final

NEVER_LIMITS: Final = -(1 << 62)
LONGEST_NS: Final = 100 * 365 * 86400 * 1e9
"""A century between two reports is "once"; the quotient of a smaller rate may not even be finite."""
UNLIMITED_BUILD: Final = not getattr(sys, "_is_gil_enabled", lambda: True)()


class Meter:
    """Rate and count of one registered thing.

    Attributes:
        open_at_ns: Monotonic nanoseconds before which uses are only counted.
        suppressed: Uses counted and carried by no line yet.
        prefix: Head of the usual line, or None until the function is defined in this process's journal.
    """

    __slots__ = (
        "interval_ns",
        "number",
        "open_at_ns",
        "prefix",
        "suppressed",
        "theoretical_arrival_ns",
        "tolerance_ns",
        "unlimited",
    )

    def __init__(self, number: int, *, rate_per_second: float) -> None:
        """Make a meter that reports *rate_per_second* uses (0: all), in bursts of up to one second's worth."""
        self.number = number
        self.unlimited = rate_per_second <= 0 or UNLIMITED_BUILD
        self.interval_ns = 0 if self.unlimited else int(min(1e9 / rate_per_second, LONGEST_NS))
        self.tolerance_ns = 0 if self.unlimited else int(max(0.0, 1e9 - self.interval_ns))
        self.reset()

    def reset(self) -> None:
        """Begin anew, as a fork child must: what the parent counted is the parent's."""
        self.open_at_ns = NEVER_LIMITS
        self.theoretical_arrival_ns = NEVER_LIMITS
        self.suppressed = 0
        self.prefix: bytes | None = None

    def admit(self, now_ns: int) -> bool:
        """Whether the use that begins at *now_ns* is reported; otherwise it was counted."""
        if now_ns < self.open_at_ns:
            self.suppressed += 1
            return False
        if not self.unlimited:
            arrival = self.theoretical_arrival_ns
            arrival = max(arrival, now_ns) + self.interval_ns
            self.theoretical_arrival_ns = arrival
            self.open_at_ns = arrival - self.tolerance_ns
        return True

    def take(self) -> int:
        """Return the uses counted so far, and count from zero again."""
        taken, self.suppressed = self.suppressed, 0
        return taken
