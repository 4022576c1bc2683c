"""Stored times against a model: whatever becomes of tarballs, no moment is lost, and none is sent twice."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import datetime, timedelta, timezone
from types import ModuleType
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from footfall.collect.intervals import EVER, HORIZON, Interval, Span, gaps
from footfall.collect.planning import plan
from footfall.collect.progress import Progress, Waiting
from footfall.collect.registered import Registered, mark, registered
from footfall.collect.shipping import Outcome

BEGIN = datetime(2026, 1, 5, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
STATES = st.sampled_from(["delivered", "pending", "dropped", "unknown", "failed", "empty"])


def daily(
    key: str, last_gather: datetime, since: Any = None, until: Any = None, full_sync_enabled: bool = False
) -> Any:
    begin = since or last_gather
    while begin < until:
        yield begin, min(begin + DAY, until)
        begin += DAY


def collector(slicing: Any = None, **more: Any) -> Registered:
    return Registered(name="f", function=daily, key="k", version="1", slicing=slicing, **more)


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.lists(STATES, min_size=1, max_size=8)), min_size=1, max_size=12),
    st.booleans(),
)
def test_every_hour_arrives_once(runs: list[tuple[int, list[str]]], sliced: bool) -> None:
    """Runs of any length whose tarballs have any fate; at last all is well, and then each hour has arrived once."""
    progress, entries, arrived = Progress(), {}, Counter[datetime]()
    outcomes: dict[str, Outcome] = {}
    spans: dict[str, Span] = {}
    until, number, one = BEGIN, 0, collector(daily if sliced else None)

    def deliver(key: str) -> None:
        outcomes[key] = Outcome(state="delivered")
        at = max(spans[key].since, BEGIN)
        while at < spans[key].until:
            arrived[at] += 1
            at += HOUR

    for hours, fates in [*runs, (1, ["delivered"]), (1, ["delivered"])]:
        until += hours * HOUR
        if (hours, fates) == (1, ["delivered"]):
            for key in [key for key, outcome in outcomes.items() if outcome.state == "pending"]:
                deliver(key)
        progress = msgspec.json.decode(msgspec.json.encode(progress), type=Progress)
        progress.settle(outcomes, entries)
        before = entries.get("k")
        slices = plan(one, Interval(None, until, BEGIN), progress, entries, until)
        if slices:
            progress.begin(one.source, slices[0].since or EVER)
        for turn, each in enumerate(slices):
            fate = fates[turn % len(fates)]
            key, number = str(number), number + 1
            spans[key] = Span(each.since or BEGIN, each.until or until)
            if fate == "failed":
                progress.failed("k", full_sync=False)
            elif fate == "empty":
                progress.empty(one.source, each.cover, "k", None)
                deliver(key)
                del outcomes[key]
            else:
                progress.waiting.append(Waiting(source=one.source, key="k", span=each.cover, ids=(key,)))
                if fate == "delivered":
                    deliver(key)
                elif fate != "unknown":
                    outcomes[key] = Outcome(state="pending" if fate == "pending" else "dropped")
        progress.settle(outcomes, entries)
        progress.prune(until, HORIZON, {one.source})
        stored = entries.get("k")
        assert before is None or (stored is not None and stored >= before)
        if stored is not None:
            at = BEGIN
            while at < stored:
                assert arrived[at] == 1, "a stored time moved past a hole"
                at += HOUR
    assert arrived == Counter(BEGIN + n * HOUR for n in range((until - BEGIN) // HOUR))


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 10)), max_size=8), st.integers(0, 40), st.integers(0, 20))
def test_gaps_are_what_is_not_taken(taken: list[tuple[int, int]], begin: int, length: int) -> None:
    """Hour by hour."""

    def span(first: int, hours: int) -> Span:
        return Span(BEGIN + first * HOUR, BEGIN + (first + hours) * HOUR)

    found = list(gaps(span(begin, length), [span(*each) for each in taken]))
    covered = {hour for first, hours in taken for hour in range(first, first + hours)}
    open_hours = [hour for hour in range(begin, begin + length) if hour not in covered]
    assert [hour for each in found for hour in _hours(each)] == open_hours
    assert all(one.until < other.since for one, other in itertools.pairwise(found))


def _hours(span: Span) -> range:
    return range((span.since - BEGIN) // HOUR, (span.until - BEGIN) // HOUR)


def test_two_functions_of_one_key_move_it_together() -> None:
    """The stored time of the key waits for the slower one."""
    progress, entries = Progress(), dict[str, datetime]()
    whole = Span(BEGIN, BEGIN + DAY)
    for name in ("a", "b"):
        progress.begin(f"k:{name}", BEGIN)
        progress.waiting.append(Waiting(source=f"k:{name}", key="k", span=whole, ids=(name,)))
    progress.settle({"a": Outcome(state="delivered"), "b": Outcome(state="pending")}, entries)
    assert entries == {}
    assert progress.open_spans("k:a", whole) == []
    progress.settle({"b": Outcome(state="delivered")}, entries)
    assert entries == {"k": BEGIN + DAY}
    assert progress.done == {"k:a": [], "k:b": []}


def test_a_function_with_another_name_goes_on() -> None:
    """A source that is gone does not hold its key back."""
    progress = Progress()
    progress.begin("k:old", BEGIN)
    progress.begin("other:x", BEGIN)
    progress.prune(BEGIN, HORIZON, {"k:new"})
    assert progress.begins == {"other:x": BEGIN}


def test_a_full_synchronisation_counts_when_all_of_it_arrived() -> None:
    """And is not begun a second time while it is on its way."""
    one, now = collector(daily, full_sync_interval_days=5), BEGIN + DAY
    for lost in (False, True):
        progress, entries = Progress(), dict[str, datetime]()

        def everything(key: str, last_gather: datetime, full_sync_enabled: bool = False, **_: Any) -> Any:
            return [(BEGIN, BEGIN + HOUR), (BEGIN + HOUR, now)] if full_sync_enabled else []

        one = collector(everything, full_sync_interval_days=5)
        slices = plan(one, Interval(None, now, BEGIN), progress, entries, now)
        assert [each.full_sync for each in slices] == [True, True]
        progress.begin(one.source, BEGIN)
        progress.begin_sync("k", len(slices))
        for number, each in enumerate(slices):
            progress.waiting.append(
                Waiting(source=one.source, key="k", span=each.cover, ids=(str(number),), full_sync_at=now)
            )
        progress.settle({"0": Outcome(state="delivered"), "1": Outcome(state="pending")}, entries)
        assert "k_full" not in entries
        assert plan(one, Interval(None, now, BEGIN), progress, entries, now) == []
        progress.settle({"1": Outcome(state="dropped" if lost else "delivered")}, entries)
        assert ("k_full" in entries) == (not lost)
        assert (entries.get("k") == now) == (not lost)


def test_what_was_too_large_is_halved() -> None:
    """The next tarballs of the interval are at most half as large."""
    progress = Progress(
        waiting=[Waiting(source="k:f", key="k", span=Span(BEGIN, BEGIN + DAY), ids=("a",), tarball_bytes=90)]
    )
    progress.settle({"a": Outcome(state="dropped", status=413)}, {})
    assert progress.max_tarball_bytes == 45
    assert progress.settled == ["a"]


def test_marks_are_read_in_the_order_of_names() -> None:
    """A subset holds names in the module, not keys."""
    module = ModuleType("m")
    for name, key in (("b", "1"), ("a", "2"), ("c", "3")):

        def function(**_: Any) -> None: ...

        setattr(module, name, mark(function, key=key, version="1"))
    module.other = daily
    assert [(each.name, each.key) for each in registered(module)] == [("a", "2"), ("b", "1"), ("c", "3")]
    assert [each.name for each in registered(module, {"c", "2"})] == ["c"]
