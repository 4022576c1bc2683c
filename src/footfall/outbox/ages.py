"""Ticks: the outbox's own count of nanoseconds, which no jump of the wall clock moves (reliability.md 3.9, P12).

All times in the file are ticks. Within a process a tick is a monotonic nanosecond. Between processes:

- same boot (same boot id): the kernel's monotonic clock runs on, so the gap is exact, whatever the wall clock did;
- another boot, or a system without boot ids: the gap is what the wall clock says, but at least 0 and at most
  `CAP_NS`. A clock that jumped ten years while the machine was off makes requests at most one day older.

Hence ages count time that somebody could have seen pass: a machine that is switched off for a month ages its requests
by one day, and the time a laptop sleeps does not count. Both err on the side of keeping; size still bounds the file.

Callers speak in UTC nanoseconds. A moment of theirs is translated by its distance from the clock's present; a
distance beyond `CAP_NS` means that the clock jumped in between, and the moment counts as "now".
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from footfall.clock import Clock

CAP_NS: Final = 24 * 3600 * 10**9
"""Longest wait that is believed: 24 hours."""


class Anchor(msgspec.Struct, frozen=True):
    """A moment seen by all clocks at once, as the file remembers it.

    Attributes:
        tick: The outbox's count.
        wall_ns: UTC nanoseconds.
        monotonic_ns: The kernel's monotonic clock.
        boot: Boot id, or "" where there is none.
    """

    tick: int
    wall_ns: int
    monotonic_ns: int
    boot: str


def gap_ns(anchor: Anchor, *, wall_ns: int, monotonic_ns: int, boot: str) -> int:
    """Return how many nanoseconds passed since *anchor*; never negative."""
    if boot and boot == anchor.boot and monotonic_ns >= anchor.monotonic_ns:
        return monotonic_ns - anchor.monotonic_ns
    return min(max(wall_ns - anchor.wall_ns, 0), CAP_NS)


def distance_ns(moment_ns: int, *, wall_ns: int) -> int:
    """Return how far *moment_ns* is from the present, or 0 when it is farther than any honest distance."""
    distance = moment_ns - wall_ns
    return distance if abs(distance) <= CAP_NS else 0


def wait_ns(until_ns: int, *, wall_ns: int) -> int:
    """Return how long to wait until *until_ns*: at least 0, at most `CAP_NS`."""
    return min(max(until_ns - wall_ns, 0), CAP_NS)


def pack(anchor: Anchor) -> bytes:
    """Return *anchor* as stored: a checksum, and JSON. One flipped bit here would age every request at once."""
    text = msgspec.json.encode(anchor)
    return b"%08x %s" % (zlib.crc32(text), text)


def unpack(stored: object) -> Anchor | None:
    """Return the anchor in *stored*, or None when it is missing or damaged."""
    if not isinstance(stored, bytes) or len(stored) < 9:
        return None
    text = stored[9:]
    if stored[:9] != b"%08x " % zlib.crc32(text):
        return None
    try:
        return msgspec.json.decode(text, type=Anchor)
    except msgspec.DecodeError:
        return None


class Ticks:
    """Counts ticks from a clock, going on from where the file's last process was.

    Args:
        clock: Of this process.
        boot: This machine's boot id, or "".
        anchor: What the file remembers, or None.
        fallback: Tick to start from without an anchor.
    """

    def __init__(self, clock: Clock, *, boot: str, anchor: Anchor | None, fallback: int) -> None:
        self._clock = clock
        self._boot = boot
        self._monotonic_ns = self._read_monotonic_ns()
        self._base = fallback
        if anchor is not None:
            passed = gap_ns(anchor, wall_ns=clock.now_ns(), monotonic_ns=self._monotonic_ns, boot=boot)
            self._base = anchor.tick + passed

    def now(self) -> int:
        """The present tick; never goes back within a process."""
        return self._base + max(self._read_monotonic_ns() - self._monotonic_ns, 0)

    def at(self, moment_ns: int) -> int:
        """The tick of a caller's "now"."""
        return self.now() + distance_ns(moment_ns, wall_ns=self._clock.now_ns())

    def until(self, moment_ns: int) -> int:
        """The tick at which a wait until *moment_ns* is over; at most `CAP_NS` away."""
        return self.now() + wait_ns(moment_ns, wall_ns=self._clock.now_ns())

    def wall_ns(self, tick: int) -> int:
        """UTC nanoseconds of *tick*, by the clock as it is set now."""
        return self._clock.now_ns() + tick - self.now()

    def anchor(self) -> Anchor:
        """The present, to be kept in the file."""
        return Anchor(self.now(), self._clock.now_ns(), self._read_monotonic_ns(), self._boot)

    def _read_monotonic_ns(self) -> int:
        return int(self._clock.monotonic() * 1e9)
