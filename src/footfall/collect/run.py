"""`Run`: collectors are asked in order, their answers packed, the tarballs handed over (insights.md sections 3 and 4).

Nothing is lost and nothing is sent twice, wherever the process dies:

- Tarballs are handed over in batches in which no interval is cut in two: all its tarballs are kept, or none.
- Before that, the batch's intervals and request ids are written down and synced. After a crash, ids that the shipper
  does not know were never kept, and their intervals are gathered again; all others were, and are not.
- Stored times move by what the shipper says became of the tarballs, at the end of this run or in a later one.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, MutableMapping, Sequence
from datetime import datetime
from typing import Final, Generic, Protocol, TypeVar

from footfall.collect.collection import Collection, Context, CsvCollection
from footfall.collect.intervals import EVER, HORIZON, Interval, Span
from footfall.collect.package import Package, Packages
from footfall.collect.planning import plan
from footfall.collect.progress import MANIFEST_KEY, Progress, Waiting
from footfall.collect.registered import FORMATS, Registered
from footfall.collect.shipping import Outcome, Parcel, Piece, Shipper
from footfall.collect.splitting import split_file
from footfall.crash import crash_at
from footfall.errors import FootfallError

MAX_TARBALL_BYTES: Final = 100 * 2**20
"""What the server takes at most, after compression (insights.md section 10)."""

P = TypeVar("P", bound=Package)


class Host(Context, Protocol[P]):
    """Whose run it is: makes the parts."""

    def make_collection(self, registered: Registered) -> Collection:
        """Return an empty collection of *registered*."""
        ...

    def make_package(self) -> P:
        """Return an empty package."""
        ...

    def max_data_size(self) -> int:
        """Return the bytes that a package may hold."""
        ...

    def make_tarball(self, package: P, config: Collection | None) -> None:
        """Write the tarball of *package*, and note its path there; raise nothing."""
        ...

    def gathered(self, collection: Collection) -> None:
        """Hear of *collection*, which was gathered or has failed."""
        ...

    def parcel(self, package: P, pieces: tuple[Piece, ...]) -> Parcel | None:
        """Return *package* ready for the way; None where that is not configured, which was logged."""
        ...


class Run(Generic[P]):
    """One run.

    Args:
        host: Whose.
        progress: What is on its way, and what arrived; changed in place.
        entries: Stored times; changed in place.
        shipper: Takes the tarballs; None in a dry run, which changes nothing.
        save: Writes *progress* down, synced.
        told: Called with how many of how many intervals are gathered.

    Attributes:
        collections: By format, in order.
        config: The collection that goes into every package.
        packages: In order of their making.
    """

    def __init__(
        self,
        host: Host[P],
        *,
        progress: Progress,
        entries: MutableMapping[str, datetime],
        shipper: Shipper | None,
        save: Callable[[], None],
        told: Callable[[int, int], object] = lambda _done, _total: None,
    ) -> None:
        self.collections: dict[str, list[Collection]] = {each: [] for each in FORMATS}
        self.config: Collection | None = None
        self.packages = Packages(host.make_package, host.max_data_size)
        self._host = host
        self._progress = progress
        self._entries = entries
        self._shipper = shipper
        self._save = save
        self._told = told
        self._sources: set[str] = set()
        self._made: list[P] = []

    def settle(self) -> bool:
        """Move the stored times by what became of earlier runs; return whether anything happened."""
        self.forget()
        return self._shipper is not None and self._progress.settle(
            self._shipper.outcomes(self._progress.ids()), self._entries
        )

    def plan(self, collectors: Iterable[Registered], interval: Interval) -> None:
        """Make the collections that are due."""
        now = self._host.now()
        for collector in collectors:
            if collector.config:
                self.config = self._host.make_collection(collector)
                self.config.since, self.config.until = interval.since, interval.until
                continue
            self._sources.add(collector.source)
            try:
                slices = plan(collector, interval, self._progress, self._entries, now)
            except Exception as error:
                self._host.logger.exception("Could not slice metric %s: %s", collector.key, error)  # noqa: TRY401  as the host logs others
                continue
            for each in slices:
                collection = self._host.make_collection(collector)
                collection.since, collection.until = each.since, each.until
                collection.cover, collection.full_sync = each.cover, each.full_sync
                self.collections[collector.format].append(collection)
            if slices and self._shipper is not None:
                self._progress.begin(collector.source, slices[0].since or EVER)
                if slices[0].full_sync:
                    self._progress.begin_sync(collector.key, len(slices))

    def gather(self) -> None:
        """Ask all collectors but the config, JSON before CSV, and make and hand over the packages."""
        limit = self._host.max_data_size()
        total = sum(map(len, self.collections.values()))
        collections = (each for group in FORMATS for each in self.collections[group])
        for done, collection in enumerate(collections):
            self._told(done, total)
            collection.gather(limit)
            self._host.gathered(collection)
            self._note(collection)
            for part in collection.split():
                package = self.packages.place(part)
                if part.ship_immediately():
                    self._process(package)
        for package in list(self.packages):
            self._process(package)
        self._hand_over(self._made)
        self._told(total, total)

    def finish(self, timeout_seconds: float, *, all_known: bool) -> bool:
        """Deliver for a while, and move the stored times; return whether anything was settled.

        The caller writes down the stored times, then the progress: whoever dies in between does it again.

        Args:
            timeout_seconds: For delivering; 0 only looks.
            all_known: All collectors of their keys took part, so that others may be forgotten.
        """
        if self._shipper is None:
            return False
        ids = self._progress.ids()
        outcomes = (
            self._shipper.wait(ids, timeout_seconds=timeout_seconds)
            if ids and timeout_seconds > 0
            else self._shipper.outcomes(ids)
        )
        crash_at("before_times")
        for package in self.packages:
            if package.shipped is None and timeout_seconds > 0:
                package.shipped = self._is_delivered(package, outcomes.get(package.request_id))
        settled = self._progress.settle(outcomes, self._entries)
        self._progress.prune(self._host.gather_until, HORIZON, self._sources if all_known else None)
        return settled

    def forget(self) -> None:
        """Let the shipper forget what is written down."""
        crash_at("after_times")
        if self._shipper is not None and self._progress.settled:
            self._shipper.forget(tuple(self._progress.settled))
            self._progress.settled = []

    def _is_delivered(self, package: P, outcome: Outcome | None) -> bool:
        if outcome is None or outcome.state != "delivered":
            state = (
                "is kept and will be sent later" if outcome is not None and outcome.state == "pending" else "is lost"
            )
            said = f"status {outcome.status}" if outcome is not None and outcome.status else "no answer"
            name = package.path.name if package.path is not None else package.request_id
            why = f", {outcome.reason}" if outcome is not None and outcome.reason else ""
            self._host.logger.error("Upload failed with %s%s: %s %s", said, why, name, state)
            return False
        return True

    def _note(self, collection: Collection) -> None:
        """Write down what needs no tarball."""
        if self._shipper is None or collection.cover is None:
            return
        source, key = collection.registered.source, collection.key
        if not collection.successful:
            self._progress.failed(key, full_sync=collection.full_sync)
        elif collection.is_empty():
            self._progress.empty(source, collection.cover, key, self._synced_at(collection))

    def _process(self, package: P) -> None:
        if package.processed:
            return
        package.processed = True
        self._host.make_tarball(package, self.config)
        halves = self._halves(package)
        for collection in package.collections if not halves else ():
            collection.cleanup()
        if halves:
            self.packages.replace(package, halves)
            for half in halves:
                self._process(half)
        elif self._shipper is not None:
            self._made.append(package)
            if self._is_whole():
                self._hand_over(self._made)

    def _halves(self, package: P) -> list[P]:
        """Return what takes the place of *package* where its tarball is larger than the server takes; else nothing."""
        limit = min(MAX_TARBALL_BYTES, self._progress.max_tarball_bytes or MAX_TARBALL_BYTES)
        if package.path is None or package.path.stat().st_size <= limit:
            return []
        groups: list[list[Collection]]
        first = package.collections[0]
        if len(package.collections) > 1:
            middle = (len(package.collections) + 1) // 2
            groups = [package.collections[:middle], package.collections[middle:]]
        elif isinstance(first, CsvCollection) and first.path is not None:
            files = split_file(first.path, first.data_size() // 2 + 1)
            first.origin.parts += len(files) - 1
            groups = [[first.with_path(file)] for file in files]
        else:
            groups = []
        if len(groups) < 2:
            if groups:
                package.collections = groups[0]
            self._host.logger.error(
                "%s has %d bytes, more than the %d that the server takes, and cannot be split",
                package.path.name,
                package.path.stat().st_size,
                limit,
            )
            return []
        package.path.unlink()
        halves: list[P] = []
        for group in groups:
            half = self._host.make_package()
            for collection in group:
                half.add(collection)
            halves.append(half)
        return halves

    def _is_whole(self) -> bool:
        """Whether no answer is only in part in the packages made and not handed over."""
        here = Counter(id(collection.origin) for package in self._made for collection in package.collections)
        return all(
            here[id(collection.origin)] == collection.origin.parts
            for package in self._made
            for collection in package.collections
        )

    def _hand_over(self, made: list[P]) -> None:
        """Write down what is about to be handed over, hand it over, and remove the tarballs."""
        if self._shipper is None or not made:
            return
        packages, self._made = made, []
        total = Counter(id(collection.origin) for package in packages for collection in package.collections)
        seen: Counter[int] = Counter()
        parcels: list[Parcel] = []
        for package in packages:
            pieces = tuple(_piece(each, seen, total) for each in package.collections if each.successful)
            parcel = self._host.parcel(package, pieces) if package.path is not None else None
            if parcel is not None:
                parcels.append(parcel)
        if len(parcels) == len(packages):
            self._ship(packages, parcels)
        else:  # what is not kept as a whole is gathered again
            self._give_up(packages)
        for package in packages:
            if package.path is not None:
                with contextlib.suppress(OSError):
                    package.path.unlink()

    def _ship(self, packages: Sequence[P], parcels: Sequence[Parcel]) -> None:
        if self._shipper is None:
            return
        before = self._progress.waiting
        self._progress.waiting = before + self._waiting(packages)
        try:
            self._save()
            crash_at("before_handover")
            self._shipper.ship(*parcels)
            crash_at("after_handover")
        except (FootfallError, OSError) as error:
            self._host.logger.error("Packages could not be kept for delivery: %s", error)  # noqa: TRY400  says it all
            self._progress.waiting = before
            self._give_up(packages)

    def _give_up(self, packages: Sequence[P]) -> None:
        for package in packages:
            package.shipped = False
            for collection in package.collections:
                self._progress.failed(collection.key, full_sync=collection.full_sync)

    def _waiting(self, packages: Sequence[P]) -> list[Waiting]:
        """Return what is on its way when *packages* are."""
        found: dict[int, tuple[Collection, list[P]]] = {}
        for package in packages:
            for collection in package.collections:
                if collection.successful:
                    found.setdefault(id(collection.origin), (collection, []))[1].append(package)
        waiting = [
            Waiting(
                source=collection.registered.source,
                key=collection.key,
                span=collection.cover or Span(EVER, EVER),
                ids=tuple(package.request_id for package in holders),
                full_sync_at=self._synced_at(collection),
                tarball_bytes=max(package.path.stat().st_size if package.path else 0 for package in holders),
            )
            for collection, holders in found.values()
        ]
        end = Span(EVER, self._host.gather_until)
        return waiting + [
            Waiting(source="", key=MANIFEST_KEY, span=end, ids=(package.request_id,)) for package in packages
        ]

    def _synced_at(self, collection: Collection) -> datetime | None:
        return (collection.finished_at or self._host.now()) if collection.full_sync else None


def _piece(collection: Collection, seen: Counter[int], total: Counter[int]) -> Piece:
    number = id(collection.origin)
    seen[number] += 1
    return Piece(
        key=collection.key,
        since=collection.since,
        until=collection.until,
        part=seen[number] - 1,
        parts=total[number],
        full_sync=collection.full_sync,
    )
