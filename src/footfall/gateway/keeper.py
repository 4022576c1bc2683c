"""Keeps what was received, says so when it is synced, and delivers it. The one owner of the gateway's outbox.

Two threads. The writer commits what waits, many requests in one transaction, and only then do their senders hear a yes
(reliability.md P14): a commit costs one sync whatever is in it, so that a gateway which is busy is quick. The courier
delivers, as in every other process.

It refuses instead of dropping: beyond its size, where the disk is full, and for a destination whose backlog has grown
beyond its share, so that a dead destination neither takes the room of others nor loses what was acknowledged (G1).
"""

from __future__ import annotations

import enum
import queue
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final, TypeVar

from footfall.crash import crash_at
from footfall.delivery import CLOSE_SECONDS, Delivery
from footfall.errors import OutboxError, guard, trouble
from footfall.export.translation import NOWHERE
from footfall.outbox.failures import OutboxFullError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from footfall.destination import Destination
    from footfall.gateway.configuration import Configuration
    from footfall.gateway.reception import Received

K = TypeVar("K", int, str)

MAX_GROUP: Final = 64
"""Messages in one transaction."""

FULL_SECONDS: Final = 1.0
"""After a refusal for want of room nothing is read from the network for so long: it would be refused, too."""

IDLE_SECONDS: Final = 1.0


class Kept(str, enum.Enum):
    """What became of a message."""

    YES = "yes"
    FULL = "full"
    """The outbox or the disk has no room."""
    BACKLOG = "backlog"
    """A destination of it has its share of the outbox waiting already."""
    FAILED = "failed"
    """The outbox cannot be used now."""
    STOPPING = "stopping"


class _Job:
    """A message that waits for the writer."""

    __slots__ = ("done", "received", "since", "sizes")

    def __init__(self, received: Received) -> None:
        self.received = received
        self.sizes = received.sizes
        self.done: Future[Kept] = Future()
        self.since = time.monotonic()


class Keeper:
    """The outbox of a gateway, with the two threads that work on it.

    Args:
        delivery: Open; its outbox refuses at its limit. Closed by `stop`.
        configuration: Destinations and limits.
        waited: Told how many seconds a message waited for its commit.

    Raises:
        OutboxError: The outbox cannot be used.
        NotOfferedError: A wire is not installed.
        ConfigurationError: A wire refuses its options.
    """

    def __init__(
        self, delivery: Delivery, configuration: Configuration, *, waited: Callable[[float], None] = lambda _: None
    ) -> None:
        self.delivery = delivery
        self._outbox = delivery.outbox
        self._share_bytes = configuration.limits.share_bytes
        self._waited = waited
        self._numbers = {NOWHERE.key: self._outbox.destination(NOWHERE)}
        for destination in configuration.destinations():
            delivery.wire(destination)
            self._numbers[destination.key] = self._outbox.destination(destination)
        self._by_identity: dict[int, tuple[Destination, int]] = {}
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._no_more = False
        self._full_until = 0.0
        self._writer = threading.Thread(target=self._write, name="footfall-writer", daemon=True)
        self._courier = threading.Thread(target=self._deliver, name="footfall-courier", daemon=True)

    def start(self) -> None:
        """Start both threads."""
        self._writer.start()
        self._courier.start()

    def number(self, destination: Destination) -> int:
        """Return the outbox's number of *destination*, which the configuration names. No look at the disk."""
        found = self._by_identity.get(id(destination))  # its key is a digest over all fields
        if found is None:
            found = self._by_identity[id(destination)] = (destination, self._numbers[destination.key])
        return found[1]

    def keep(self, received: Received) -> Future[Kept]:
        """Return what will say whether *received* is on the disk."""
        job = _Job(received)
        if self._no_more or not self._writer.is_alive():
            job.done.set_result(Kept.STOPPING)
        else:
            self._jobs.put(job)
        return job.done

    @property
    def is_full(self) -> bool:
        """Whether something was refused for want of room a moment ago."""
        return time.monotonic() < self._full_until

    @property
    def is_ready(self) -> bool:
        """Whether what comes now could be kept."""
        return self._writer.is_alive() and self._courier.is_alive() and not self._no_more and not self.is_full

    def stop(self, budget_seconds: float) -> None:
        """Commit what waits, deliver for up to *budget_seconds* to whoever answers, and let the outbox go."""
        deadline = time.monotonic() + budget_seconds
        self._no_more = True
        self._jobs.put(None)
        self._writer.join()
        self._stopping.set()
        self._wake.set()
        self._courier.join(max(0.1, deadline - time.monotonic()))
        if not self._courier.is_alive():
            with guard("last delivery"):
                self.delivery.step(deadline=deadline, only_answering=True)
        self.delivery.close(CLOSE_SECONDS)

    # -- the writer

    def _write(self) -> None:
        while True:
            job = self._jobs.get()
            group: list[_Job] = []
            while job is not None:
                group.append(job)
                if len(group) == MAX_GROUP or self._jobs.empty():
                    break
                job = self._jobs.get()
            self._commit_all(group)
            if job is None:
                break
        while not self._jobs.empty():
            late = self._jobs.get()
            if late is not None:
                late.done.set_result(Kept.STOPPING)

    def _commit_all(self, group: list[_Job]) -> None:
        if not group:
            return
        try:
            admitted = self._admitted(group)
            found = self._commit(admitted)
            if found is Kept.FULL and len(admitted) > 1:  # one of them may be what does not fit
                for job in admitted:
                    _tell(job, self._commit([job]) if not self.is_full else Kept.FULL)
            else:
                for job in admitted:
                    _tell(job, found)
        except Exception as error:  # noqa: BLE001  a sender that hears nothing waits; a no can be repeated
            trouble.hidden("keep", error)
        for job in group:
            _tell(job, Kept.FAILED)
        self._wake.set()

    def _admitted(self, group: list[_Job]) -> list[_Job]:
        """Return those of *group* whose destinations have room; tell the others. The first for a destination fits."""
        backlogs = self._outbox.backlogs()
        admitted: list[_Job] = []
        for job in group:
            waiting = {number: backlogs.get(number, 0) for number in job.sizes}
            if any(size and size + job.sizes[number] > self._share_bytes for number, size in waiting.items()):
                _tell(job, Kept.BACKLOG)
                continue
            for number, size in job.sizes.items():
                backlogs[number] = waiting[number] + size
            admitted.append(job)
        return admitted

    def _commit(self, jobs: list[_Job]) -> Kept:
        """Put all of *jobs* into the outbox, or nothing."""
        told = [job.received.translation for job in jobs]
        crash_at("before_intake")
        try:
            self._outbox.intake(
                [request for each in told for request in each.requests],
                offsets={},
                now_ns=self.delivery.clock.now_ns(),
                untranslatable=_summed(each.untranslatable for each in told),
                homeless=_summed(each.homeless for each in told),
                observed=_summed(job.received.uses for job in jobs),
                projects=[project for each in told for project in each.projects],
            )
        except OutboxFullError as error:
            trouble.note("gateway: full", "footfall gateway: %s", error)
            if len(jobs) == 1:
                self._full_until = time.monotonic() + FULL_SECONDS
            return Kept.FULL
        except OutboxError as error:
            trouble.hidden("keep", error)
            return Kept.FAILED
        crash_at("after_intake")
        now = time.monotonic()
        for job in jobs:
            self._waited(now - job.since)
        return Kept.YES

    # -- the courier

    def _deliver(self) -> None:
        while not self._stopping.is_set():
            moved, wake = False, None
            with guard("deliver"):
                moved = self.delivery.step()
                wake = self.delivery.courier.next_wake_seconds()
            if not moved:
                self._wake.wait(IDLE_SECONDS if wake is None else min(max(wake, 0.01), IDLE_SECONDS))
            self._wake.clear()


def _tell(job: _Job, kept: Kept) -> None:
    if not job.done.done():
        job.done.set_result(kept)


def _summed(several: Iterable[Mapping[K, int]]) -> dict[K, int]:
    found: dict[K, int] = {}
    for each in several:
        for key, count in each.items():
            found[key] = found.get(key, 0) + count
    return found
