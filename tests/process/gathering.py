"""A program that gathers: ``python -m tests.process.gathering URL UNTIL [FAILING_DAY]``.

Two tables have a row for each hour of the intervals that they are asked for: ``plain`` in one piece, ``weekly`` in
slices, and split by size. The one of FAILING_DAY fails.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import footfall

HOUR = timedelta(hours=1)
WEEK = timedelta(weeks=1)
PROJECT = "tests/observed"

failing: list[datetime] = []


def hours(since: datetime, until: datetime) -> Iterator[dict[str, Any]]:
    while since < until:
        yield {"hour": since.isoformat(), "text": 'a "b",\nc'}
        since += HOUR


def weeks(key: str, last_gather: datetime, since: datetime | None, until: datetime) -> Iterator[tuple[Any, Any]]:
    begin = since or last_gather
    while begin < until:
        yield begin, min(begin + WEEK, until)
        begin += WEEK


@footfall.collector("plain", "1.0", format="csv")
def plain(since: datetime, until: datetime) -> Any:
    return hours(since, until)


@footfall.collector("weekly", "1.0", format="csv", slicing=weeks)
def weekly(since: datetime, until: datetime) -> Any:
    if any(since <= day < until for day in failing):
        raise RuntimeError("no")
    return hours(since, until)


@footfall.collector("info", "1.0")
def info(since: datetime, until: datetime) -> Any:
    return {"since": since.isoformat(), "until": until.isoformat()}


def main(url: str, until: str, day: str = "") -> None:
    failing.extend([datetime.fromisoformat(day)] if day else [])
    gathered = footfall.gather(
        sys.modules[__name__],
        until=datetime.fromisoformat(until),
        send_to=footfall.Insights(f"{url}/api/ingress/v1/upload", credentials="env:INSIGHTS"),
        project=PROJECT,
        max_data_bytes=4000,
        timeout_seconds=30.0,
    )
    print(gathered.intervals, gathered.failed, gathered.pending, gathered.delivered, gathered.reason)


if __name__ == "__main__":
    main(*sys.argv[1:])
