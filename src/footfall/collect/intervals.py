"""Which interval a run is about, and which parts of it are still open: pure arithmetic (insights.md section 6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Final, NamedTuple

HORIZON: Final = timedelta(weeks=4)
"""What is older is not gathered any more."""

EVER: Final = datetime.min.replace(tzinfo=timezone.utc)
"""Stands for "from the beginning", where a slice has no `since`."""


class Interval(NamedTuple):
    """What a run gathers.

    Attributes:
        since: Begin, where somebody asked for one; None leaves it to the stored times of each key.
        until: End.
        last_gather: Where keys begin that have no stored time; never after `until`.
    """

    since: datetime | None
    until: datetime
    last_gather: datetime


class Span(NamedTuple):
    """A part of time; `since` is `EVER` where nobody named a begin."""

    since: datetime
    until: datetime


def resolve(
    since: datetime | None,
    until: datetime | None,
    *,
    now: datetime,
    stored: datetime | None,
    warn: Callable[[str], object],
) -> Interval:
    """Return the interval of a run.

    Args:
        since: As asked for, aware.
        until: Likewise.
        now: The present; what lies behind it is cut off.
        stored: End of the last run.
        warn: Called with a sentence for each bound that is not what was asked for.

    Raises:
        TypeError: A time has no zone.
        ValueError: Nothing is left between the two.
    """
    if until is not None and until > now:
        until = now
        warn(f"End of the collection interval is in the future, setting to {now}.")
    if since is not None and since > now:
        since = now
        warn(f"Start of the collection interval is in the future, setting to {now}.")
    if since is not None and until is not None and until > since + HORIZON:
        until = since + HORIZON
        warn(f"End of the collection interval is greater than 4 weeks from start, setting end to {until}.")
    if until is None:
        until = now if since is None else min(since + HORIZON, now)
    if since is not None and since >= until:
        warn("Start of the collection interval is later than the end, ignoring request.")
        msg = f"nothing lies between since={since} and until={until}"
        raise ValueError(msg)
    horizon = until - HORIZON
    last_gather = stored or horizon
    if last_gather < horizon:
        last_gather = horizon
        warn(f"Last analytics run was more than 4 weeks prior to {until}, using {horizon} instead.")
    return Interval(since, until, min(last_gather, until))


def gaps(span: Span, taken: Iterable[Span]) -> Iterator[Span]:
    """Yield the parts of *span* that no one of *taken* covers, in order."""
    begin = span.since
    for other in sorted(taken):
        if other.until <= begin:
            continue
        if other.since >= span.until:
            break
        if other.since > begin:
            yield Span(begin, other.since)
        begin = other.until
        if begin >= span.until:
            return
    if begin < span.until:
        yield Span(begin, span.until)
