"""How long to wait: after a failure, when the server says so, and after a refusal of credentials.

Pure: chance and time are handed in (reliability.md N1, N5, N6, P9).
"""

from __future__ import annotations

import re
from datetime import timezone
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_SECONDS: Final = 1.0
LONGEST_SECONDS: Final = 15 * 60.0
"""Back-off doubles from the first to the longest."""

RETRY_AFTER_CAP_SECONDS: Final = 24 * 3600.0
"""No server holds us back longer at once; one that means it says it again (reliability.md S14)."""

FIRST_HALT_SECONDS: Final = 15 * 60.0
LONGEST_HALT_SECONDS: Final = 24 * 3600.0

_DELAY: Final = re.compile(r"([0-9]{1,15})(?:\.[0-9]*)?", re.ASCII)


def backoff_seconds(attempt: int, random: Callable[[], float]) -> float:
    """Return the wait after the *attempt*-th failure in a row: full jitter below 1 s, 2 s, 4 s ... 15 min.

    The whole interval is used, not its upper half: clients that failed together must not come back together
    (reliability.md N12).

    Args:
        attempt: From one on.
        random: Uniform in [0, 1), such as `random.random`.
    """
    doublings = min(max(attempt, 1) - 1, 30)
    return random() * min(FIRST_SECONDS * 2.0**doublings, LONGEST_SECONDS)


def retry_after_seconds(value: str, *, now_ns: int) -> float | None:
    """Return the wait that a ``Retry-After`` header asks for, 0 to 24 h, or None for a value that makes no sense.

    Both forms of RFC 9110 section 10.2.3 are read: seconds, and an HTTP date (one in the past is no wait).

    Args:
        value: The header, from a server that need not be friendly. Never raises.
        now_ns: UTC, for dates.
    """
    text = value.strip()
    if match := _DELAY.fullmatch(text):
        return min(float(match[1]), RETRY_AFTER_CAP_SECONDS)
    if text.isascii() and text.isdigit():
        return RETRY_AFTER_CAP_SECONDS
    from email.utils import parsedate_to_datetime  # noqa: PLC0415  the rare form; costs the import of email

    try:
        when = parsedate_to_datetime(text[:64])
        if when.tzinfo is None:
            # "-0000", or asctime's form, which has no zone: RFC 9110 says that all HTTP dates are UTC.
            when = when.replace(tzinfo=timezone.utc)
        wait = when.timestamp() - now_ns / 1e9
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return min(max(wait, 0.0), RETRY_AFTER_CAP_SECONDS)


def halt_seconds(count: int) -> float:
    """Return how long a destination rests after the *count*-th refusal in a row: 15 min doubling to 24 h."""
    return min(FIRST_HALT_SECONDS * 2.0 ** min(max(count, 1) - 1, 30), LONGEST_HALT_SECONDS)
