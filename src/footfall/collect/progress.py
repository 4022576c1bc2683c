"""What is on its way, what arrived, and how far each collector got: pure bookkeeping (insights.md sections 7 and 12).

A stored time says: up to here everything was delivered. It moves over a gapless prefix of delivered intervals only.
What was delivered beyond a hole is remembered and not gathered again; what is on its way neither; the hole is.

Each interval is written down, with the request ids of its tarballs, before they are handed over. An id that the shipper
does not know afterwards was never kept: its interval is a hole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, MutableMapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from footfall.collect.intervals import EVER, Span, gaps
from footfall.collect.shipping import Outcome

MANIFEST_KEY: Final = "manifest"
"""Counts as a collection: its stored time is the end of the last run of which something arrived."""

TOO_LARGE: Final = 413


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """An interval of one collector on its way.

    Attributes:
        source: `Registered.source`.
        key: Of the stored time.
        span: The interval; only its end counts for the manifest.
        ids: Request ids of the tarballs that hold it; all must arrive.
        full_sync_at: End of gathering, where it belongs to a full synchronisation.
        tarball_bytes: Size of the largest of the tarballs.
    """

    source: str
    key: str
    span: Span
    ids: tuple[str, ...]
    full_sync_at: datetime | None = None
    tarball_bytes: int = 0


class Done(msgspec.Struct, frozen=True):
    """An interval that needs no more gathering; `shipped` is False where there was nothing in it to ship."""

    span: Span
    shipped: bool = True


class FullSync(msgspec.Struct):
    """A full synchronisation under way: how many intervals are left, and when the last one was gathered."""

    left: int
    at: datetime | None = None


class Progress(msgspec.Struct, kw_only=True):
    """All that is remembered between runs, beside the stored times.

    Attributes:
        waiting: What is on its way, in order of gathering.
        done: By source, what arrived beyond the stored time.
        begins: By source, where it was first asked to begin.
        syncs: By key.
        settled: Request ids that the shipper may forget.
        max_tarball_bytes: Half of what the server last refused as too large; 0 where it never did.
    """

    waiting: list[Waiting] = []
    done: dict[str, list[Done]] = {}
    begins: dict[str, datetime] = {}
    syncs: dict[str, FullSync] = {}
    settled: list[str] = []
    max_tarball_bytes: int = 0

    def ids(self) -> list[str]:
        """Return the request ids of all that is on its way."""
        return list(dict.fromkeys(each for waiting in self.waiting for each in waiting.ids))

    def open_spans(self, source: str, span: Span, *, again: bool = False) -> list[Span]:
        """Return what of *span* is still to be gathered.

        Args:
            source: Which collector.
            span: What was asked for.
            again: What has arrived is wanted again; only what is on its way is not gathered twice.
        """
        taken = [waiting.span for waiting in self.waiting if waiting.source == source]
        if not again:
            taken += [done.span for done in self.done.get(source, ())]
        return list(gaps(span, taken))

    def position(self, source: str, stored: datetime | None) -> datetime | None:
        """Return where *source* goes on: its key's stored time, or else where its first hole may be."""
        return stored if stored is not None else self.begins.get(source)

    def sync_is_under_way(self, key: str) -> bool:
        """Whether intervals of a full synchronisation of *key* are on their way."""
        return key in self.syncs

    def begin(self, source: str, since: datetime) -> None:
        """Note that *source* is about to gather from *since* on."""
        self.begins[source] = min(self.begins.get(source, since), since)

    def begin_sync(self, key: str, intervals: int) -> None:
        """Note that a full synchronisation of *key* begins."""
        self.syncs[key] = FullSync(intervals)

    def empty(self, source: str, span: Span, key: str, full_sync_at: datetime | None) -> None:
        """Note that *span* was gathered and holds nothing to ship."""
        self.done.setdefault(source, []).append(Done(span, shipped=False))
        if full_sync_at is not None:
            self._synced(key, full_sync_at)

    def failed(self, key: str, *, full_sync: bool) -> None:
        """Note that an interval of *key* could not be gathered: it stays a hole."""
        if full_sync:
            self.syncs.pop(key, None)

    def settle(self, outcomes: Mapping[str, Outcome], entries: MutableMapping[str, datetime]) -> bool:
        """Move *entries*, the stored times by key, by what became of the tarballs; return whether anything happened.

        Args:
            outcomes: Of `ids`; those that are absent were never kept.
            entries: Changed in place.
        """
        before = self.waiting
        self.waiting = []
        for waiting in before:
            found = [outcomes.get(each) for each in waiting.ids]
            if any(outcome is not None and outcome.state == "pending" for outcome in found):
                self.waiting.append(waiting)
            elif all(outcome is not None and outcome.state == "delivered" for outcome in found):
                self._arrived(waiting, entries)
            else:
                self._lost(waiting, found)
        still = set(self.ids())
        gone = {each for waiting in before for each in waiting.ids} - still
        self.settled = sorted({*self.settled, *(gone & outcomes.keys())})
        for key in {waiting.key for waiting in before} - {MANIFEST_KEY}:
            self._advance(key, entries)
        self._end_syncs(entries)
        return len(self.waiting) < len(before)

    def prune(self, until: datetime, horizon: timedelta, sources: Collection[str] | None) -> None:
        """Forget what no run will ask about any more.

        Args:
            until: End of this run.
            horizon: How far back runs go.
            sources: All there are of their keys, so that others of these keys are gone; None where that is not known.
        """
        used = {each.source for each in self.waiting} | set(sources or ())
        keys = {_key(source) for source in sources or ()}
        for source in list(self.begins):
            if source not in used and _key(source) in keys:  # a function that has another name now
                del self.begins[source]
                self.done.pop(source, None)
        oldest = until - 2 * horizon  # the next run may be asked for an interval further back
        for source, done in list(self.done.items()):
            kept = [each for each in done if each.span.until > oldest]
            if kept:
                self.done[source] = kept
            else:
                del self.done[source]

    def _arrived(self, waiting: Waiting, entries: MutableMapping[str, datetime]) -> None:
        if waiting.key == MANIFEST_KEY and not waiting.source:
            entries[MANIFEST_KEY] = max(entries.get(MANIFEST_KEY, EVER), waiting.span.until)
            return
        self.done.setdefault(waiting.source, []).append(Done(waiting.span))
        if waiting.full_sync_at is not None:
            self._synced(waiting.key, waiting.full_sync_at)

    def _lost(self, waiting: Waiting, found: Sequence[Outcome | None]) -> None:
        if waiting.full_sync_at is not None:
            self.syncs.pop(waiting.key, None)
        if any(outcome is not None and outcome.status == TOO_LARGE for outcome in found) and waiting.tarball_bytes:
            self.max_tarball_bytes = waiting.tarball_bytes // 2

    def _synced(self, key: str, at: datetime) -> None:
        if (sync := self.syncs.get(key)) is not None:
            sync.left -= 1
            sync.at = at if sync.at is None else max(sync.at, at)

    def _end_syncs(self, entries: MutableMapping[str, datetime]) -> None:
        """Note the time of those that are complete; give up those of which nothing is on its way any more."""
        under_way = {waiting.key for waiting in self.waiting if waiting.full_sync_at is not None}
        for key, sync in list(self.syncs.items()):
            if sync.left <= 0 and sync.at is not None:
                entries[f"{key}_full"] = sync.at
            if sync.left <= 0 or key not in under_way:
                del self.syncs[key]

    def _advance(self, key: str, entries: MutableMapping[str, datetime]) -> None:
        """Move the stored time of *key* as far as all its collectors got."""
        sources = [source for source in self.begins if _key(source) == key]
        reached = [_reached(entries.get(key, self.begins[source]), self.done.get(source, ())) for source in sources]
        if not reached:
            return
        position = min(reached)
        if position > entries.get(key, min(self.begins[source] for source in sources)):
            entries[key] = position
        for source in sources:
            self.done[source] = [done for done in self.done.get(source, ()) if done.span.until > position]


def _key(source: str) -> str:
    return source.rpartition(":")[0]


def _reached(position: datetime, done: Iterable[Done]) -> datetime:
    """Return how far *done* leads from *position* without a gap; the end is always of something shipped."""
    reached = cursor = position
    for each in sorted(done, key=lambda done: done.span):
        if each.span.since > cursor:
            break
        if each.span.until > cursor:
            cursor = each.span.until
            reached = cursor if each.shipped else reached
    return reached
