"""What the courier says of its work: counts for its caller, and at most a log record a minute for each kind of trouble.

Nothing here quotes a server or a credential (reliability.md P6, S3, S19).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import msgspec

from footfall.courier.route import TlsError
from footfall.destination import Destination
from footfall.errors import TransportError, trouble
from footfall.wire.base import Action, Verdict

if TYPE_CHECKING:
    from footfall.outbox.rows import Settlement


class Delivered(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the requests since the last call. In requests, but for `records`."""

    delivered: int = 0
    records: int = 0
    """Records that were delivered, without those that their server rejected."""
    retried: int = 0
    split: int = 0
    dropped: int = 0
    halted: int = 0

    @property
    def attempts(self) -> int:
        """Requests that met any fate."""
        return self.delivered + self.retried + self.split + self.dropped + self.halted


_FIELD: Final = {
    Action.DELIVERED: "delivered",
    Action.RETRY: "retried",
    Action.SPLIT: "split",
    Action.DROP: "dropped",
    Action.HALT: "halted",
}
"""Where each action is counted."""


class Tally:
    """Counts for `Delivered`. Not safe for threads: its owner holds a lock."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, settlement: Settlement) -> None:
        """Count what became of one request."""
        verdict = settlement.verdict
        self._counts[_FIELD[verdict.action]] += 1
        if verdict.action is Action.DELIVERED:
            self._counts["records"] += settlement.leased.request.records - verdict.rejected

    def take(self) -> Delivered:
        """Return the counts, and begin anew."""
        found, self._counts = self._counts, Counter()
        return Delivered(**found)


def unusable(destination: Destination, problem: str) -> None:
    """Tell that *destination* cannot be used from here; *problem* is in our words."""
    trouble.note("courier: unusable", "footfall: %s: %s; requests are kept", destination.key, problem)


def silent(destination: Destination, error: TransportError) -> None:
    """Tell that there was no answer."""
    kind = "courier: TLS" if isinstance(error, TlsError) else "courier: no answer"
    trouble.note(kind, "footfall: %s: %s", destination.key, error)


def lapsed(destination: Destination) -> None:
    """Tell that a lease lapsed before its request was settled, so that it may be sent twice."""
    trouble.note("courier: lapsed", "footfall: %s: an exchange outlived its lease", destination.key)


def answered(destination: Destination, verdict: Verdict, status: int) -> None:
    """Tell of an answer that was no plain yes."""
    if verdict.action in {Action.DELIVERED, Action.SPLIT} and not verdict.rejected:
        return
    key, reason = destination.key, verdict.reason.value if verdict.reason else "refused"
    match verdict.action:
        case Action.HALT:
            reference = destination.credentials
            advice = f"check {reference}" if reference else "check its endpoint, and whether it wants credentials"
            message = "footfall: %s: answered %d; delivery halted, requests are kept; %s"
            trouble.note("courier: halted", message, key, status, advice)
        case Action.RETRY:
            trouble.note("courier: later", "footfall: %s: answered %d; requests are kept", key, status)
        case Action.DROP:
            message = "footfall: %s: answered %d; a request was dropped (%s); see `footfall doctor`"
            trouble.note(f"courier: dropped, {reason}", message, key, status, reason)
        case Action.DELIVERED if verdict.rejected:
            message = "footfall: %s: took a request but for %d records (%s); see `footfall doctor`"
            trouble.note("courier: rejected in part", message, key, verdict.rejected, reason)
        case Action.DELIVERED | Action.SPLIT:
            pass
