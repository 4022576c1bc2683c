"""What follows from an answer, or from none: pure, a table of rules rather than a tangle of threads.

The wire says what an answer means (`Verdict`). These rules add what is the same for all wires: how long to wait, for
the request or for the whole destination, when to give up, and what it tells of the destination (reliability.md N1-N10).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec

from footfall.courier.backoff import RETRY_AFTER_CAP_SECONDS, backoff_seconds, halt_seconds, retry_after_seconds
from footfall.courier.route import TlsError
from footfall.courier.uploads import SpoiltFileError
from footfall.ledger import Reason
from footfall.outbox.rows import Settlement
from footfall.wire.base import Action, Request, Response, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from footfall.errors import TransportError
    from footfall.outbox.rows import Leased

QUARANTINE_ATTEMPTS: Final = 5
"""A request whose answers the wire cannot judge is given up after so many."""

SPREAD_SECONDS: Final = 4.0
"""Clients that were told the same `Retry-After` come back spread over at most this, so as not to come together.
Less than the 5 s after which delivery must have resumed (reliability.md P8)."""

Sign = Literal["answered", "unwilling", "silent"]
"""What an outcome tells of the destination: well, alive but not now, no answer."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to do with a request and its destination.

    Attributes:
        verdict: What the outbox is told.
        sign: What the breaker is told.
        retry_seconds: For RETRY: this request waits so long.
        pause_seconds: The whole destination waits so long; 0.0 for not at all.
        pause_reason: Shown by `footfall status`; our words only.
    """

    verdict: Verdict
    sign: Sign
    retry_seconds: float = 0.0
    pause_seconds: float = 0.0
    pause_reason: str = ""


def after_answer(
    verdict: Verdict, response: Response, *, attempt: int, halts: int, now_ns: int, random: Callable[[], float]
) -> Plan:
    """Return what follows from *response*, which the wire judged as *verdict*. SPLIT is left to `pieces`.

    Args:
        verdict: Of the wire.
        response: For its status and ``Retry-After``.
        attempt: Number of the attempt that was answered, from one on.
        halts: Halts of the destination in a row before this one.
        now_ns: UTC.
        random: Uniform in [0, 1).
    """
    wish = response.headers.get("retry-after")
    asked = retry_after_seconds(wish, now_ns=now_ns) if wish else None
    if verdict.action is Action.HALT:
        wait = max(halt_seconds(halts + 1), asked or 0.0)
        return Plan(verdict=verdict, sign="answered", pause_seconds=wait, pause_reason=f"halted by {response.status}")
    if verdict.action is not Action.RETRY:
        return Plan(verdict=verdict, sign="answered")
    wishes = [
        min(max(each, 0.0), RETRY_AFTER_CAP_SECONDS) for each in (verdict.wait_seconds, asked) if each is not None
    ]
    pause = max(wishes, default=0.0)
    if pause:
        pause += random() * min(pause * 0.1, SPREAD_SECONDS)
    if 0 < verdict.max_attempts <= attempt:
        verdict = Verdict(action=Action.DROP, reason=verdict.reason or Reason.REFUSED, detail=verdict.detail)
    wait = backoff_seconds(attempt, random) if verdict.retry_seconds is None else verdict.retry_seconds
    return Plan(
        verdict=verdict,
        sign="unwilling",
        retry_seconds=pause or wait,
        pause_seconds=pause,
        pause_reason=f"the server asked for it with {response.status}" if pause else "",
    )


def after_silence(
    error: TransportError, *, attempt: int, halts: int, drop_in_doubt: bool, random: Callable[[], float]
) -> Plan:
    """Return what follows from *error*: a halt (TLS), another try, or a drop.

    Dropped is what is in doubt where a copy would do harm, and what cannot be sent because its file is gone.
    """
    if isinstance(error, TlsError):
        halted = Verdict(action=Action.HALT)
        return Plan(
            verdict=halted, sign="silent", pause_seconds=halt_seconds(halts + 1), pause_reason="halted by a TLS failure"
        )
    if isinstance(error, SpoiltFileError):
        return Plan(verdict=Verdict(action=Action.DROP, reason=Reason.CORRUPT), sign="unwilling")
    if error.in_doubt and drop_in_doubt:
        return Plan(verdict=Verdict(action=Action.DROP, reason=Reason.IN_DOUBT), sign="silent")
    wait = backoff_seconds(attempt, random) if error.retry_seconds is None else error.retry_seconds
    return Plan(verdict=Verdict(action=Action.RETRY), sign="silent", retry_seconds=wait)


def settlement(
    leased: Leased, verdict: Verdict, steps: Plan, parts: Sequence[Request] = (), *, now_ns: int
) -> Settlement:
    """Return what the outbox is told of *leased*: *verdict*, *parts* in its place, and when to try again."""
    retry_at_ns = now_ns + int(steps.retry_seconds * 1e9) if verdict.action is Action.RETRY else None
    return Settlement(leased=leased, verdict=verdict, retry_at_ns=retry_at_ns, replacements=parts)


def unjudged(*, attempt: int) -> Verdict:
    """Return the verdict on an answer that the wire failed on: some more tries, then quarantine (reliability.md B3)."""
    if attempt >= QUARANTINE_ATTEMPTS:
        return Verdict(action=Action.DROP, reason=Reason.UNTRANSLATABLE, detail="the wire failed on the answers")
    return Verdict(action=Action.RETRY, detail="the wire failed on the answer")


def pieces(request: Request, parts: Sequence[Request]) -> list[Request]:
    """Return *parts*, or nothing where they would not help: each must be smaller, under a key of its own.

    A wire that answers "too large" with the same request again would otherwise keep the courier busy for ever.
    """
    keys = {part.idempotency_key for part in parts}
    smaller = all(part.size < request.size for part in parts)
    if not smaller or len(keys) < len(parts) or request.idempotency_key in keys:
        return []
    return list(parts)
