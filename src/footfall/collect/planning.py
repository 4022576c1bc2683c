"""Which intervals a run asks each collector for (insights.md section 6, and the gaps that earlier runs left)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from footfall.collect.intervals import EVER, HORIZON, Interval, Span
from footfall.collect.progress import Progress
from footfall.collect.registered import Registered


class Slice(NamedTuple):
    """One interval to ask for.

    Attributes:
        since: Begin; None where the slicing function leaves it open.
        until: End; likewise.
        cover: What is settled when it arrives: from the end of the slice before, for what lies between is nobody's
            wish. The first one of a run that nobody gave a begin covers all that came before.
        full_sync: Whether it is a part of a full synchronisation.
    """

    since: datetime | None
    until: datetime | None
    cover: Span
    full_sync: bool


def plan(
    collector: Registered, interval: Interval, progress: Progress, entries: Mapping[str, datetime], now: datetime
) -> list[Slice]:
    """Return the slices for *collector*, in order.

    Without a slicing function that is one: from the begin that was asked for, or else from where it is to go on. What
    was delivered beyond a hole, or is on its way, is left out; where somebody asked for a begin, only the latter.

    Args:
        collector: Which.
        interval: Of the run.
        progress: What is on its way, and what arrived.
        entries: Stored times.
        now: The present.

    Raises:
        Exception: Whatever the slicing function raises.
    """
    full_sync = is_full_sync_due(collector, progress, entries, now)
    begin = progress.position(collector.source, entries.get(collector.key)) or interval.last_gather
    begin = min(max(begin, interval.until - HORIZON), interval.until)
    if collector.slicing is None:
        wanted = [(interval.since or begin, interval.until)]
    elif full_sync:
        wanted = collector.slicing(collector.key, begin, full_sync_enabled=True)
    else:
        wanted = collector.slicing(collector.key, begin, since=interval.since, until=interval.until)
    again = interval.since is not None
    edge = interval.since if interval.since is not None and not full_sync else EVER
    slices: list[Slice] = []
    for since, until in wanted:
        span = Span(since or EVER, until or interval.until)
        cover = Span(min(span.since, edge), span.until)
        if full_sync:
            slices.append(Slice(since, until, cover, full_sync))
        else:
            slices += _open(Slice(since, until, cover, full_sync), span, progress, collector.source, again=again)
        edge = span.until
    return slices


def is_full_sync_due(collector: Registered, progress: Progress, entries: Mapping[str, datetime], now: datetime) -> bool:
    """Whether everything is to be gathered anew: it is time, and no full synchronisation is on its way."""
    if not collector.full_sync_interval_days or progress.sync_is_under_way(collector.key):
        return False
    last = entries.get(f"{collector.key}_full")
    return last is None or last < now - timedelta(days=collector.full_sync_interval_days)


def _open(whole: Slice, span: Span, progress: Progress, source: str, *, again: bool) -> Iterator[Slice]:
    for open_span in progress.open_spans(source, span, again=again):
        if open_span == span:
            yield whole
        elif open_span.since == span.since:
            yield Slice(whole.since, open_span.until, Span(whole.cover.since, open_span.until), full_sync=False)
        else:
            yield Slice(open_span.since, open_span.until, open_span, full_sync=False)
