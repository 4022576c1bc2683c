"""`SequentialIds`: ids that count, so that a test can write them down."""

from __future__ import annotations

import threading
from collections import Counter


class SequentialIds:
    """Makes ids 1, 2, 3 and so on, for each width apart; safe to share between threads."""

    def __init__(self) -> None:
        self._last: Counter[int] = Counter()
        self._lock = threading.Lock()

    def bits(self, count: int) -> int:
        """Return the next number of *count* bits, never 0: a stand-in for `random.getrandbits`."""
        with self._lock:
            self._last[count] = self._last[count] % (2**count - 1) + 1
            return self._last[count]

    def trace_id(self) -> str:
        """Return the next trace id: 32 hexadecimal digits."""
        return f"{self.bits(128):032x}"

    def span_id(self) -> str:
        """Return the next span id: 16 hexadecimal digits."""
        return f"{self.bits(64):016x}"
