"""The delivering side of one state directory: journals to outbox to servers, by one process at a time.

Used by the background thread of a recording process (`runtime`), and by ``footfall send``. Who opens it holds the
outbox's lock; everybody else only appends to journals and reads the status file.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from footfall.clock import Clock, SystemClock
from footfall.consent.choice import Choice, Watch
from footfall.courier import transport as http
from footfall.courier.courier import Courier
from footfall.courier.transport import HttpTransport, Transport
from footfall.destination import Destination
from footfall.errors import OutboxBusyError, OutboxError, guard, trouble
from footfall.export.intake import Intake
from footfall.export.runs import Runs
from footfall.journal.lines import MAX_LINE_BYTES
from footfall.ledger import Ledger
from footfall.outbox.depot import Depot
from footfall.outbox.store import Outbox
from footfall.places import (
    GONE_SECONDS,
    Places,
    adopt,
    discard,
    is_alive,
    open_private,
    private_directory,
    write_private,
)
from footfall.settings import Settings
from footfall.status import Status, last_status, unread_records
from footfall.version import VERSION
from footfall.wire.base import Wire
from footfall.wire.load import installed, load, sample

OUTBOX_NAME: Final = "outbox.db"
ASKED_FOR_ALL: Final = "drain"
"""File in the outbox's directory by which a process that waits for another one's delivery asks it to hold nothing."""

STATUS_INTERVAL_SECONDS: Final = 1.0
CLOSE_SECONDS: Final = 2.0
"""Longest wait for exchanges under way before an outbox is closed."""


class Delivery:
    """Everything between journals and servers, owned by this process.

    Args:
        places: Whose state directory.
        settings: Sizes, ages, time-outs.
        clock: Time.
        transport: The way to the servers; default: HTTP.
        is_alive: Says whether a process id with that start time lives; default: of this machine.
        loading: Held while modules are imported that only some destinations need (`background.Background.loading`).
        keep_seconds: How long nothing must have been written to a finished journal before it is removed.
        max_line_bytes: Of a journal; a longer line is taken for damage.
        refuses: At its size limit the outbox refuses what is new, instead of dropping the oldest.

    Raises:
        OutboxBusyError: Another process delivers.
        OutboxError: The outbox cannot be used.
    """

    def __init__(
        self,
        places: Places,
        settings: Settings,
        *,
        clock: Clock | None = None,
        transport: Transport | None = None,
        is_alive: Callable[[int, str], bool] = is_alive,
        loading: contextlib.AbstractContextManager[Any] | None = None,
        keep_seconds: float = 0.0,
        max_line_bytes: int = MAX_LINE_BYTES,
        refuses: bool = False,
    ) -> None:
        self.places = places
        self.clock = clock or SystemClock()
        with contextlib.suppress(OSError):  # then opening says why
            private_directory(places.outbox)  # somebody removed it under a running process (reliability.md D3)
        self.outbox = Outbox.open(
            places.outbox / OUTBOX_NAME,
            clock=self.clock,
            network=places.network,
            max_bytes=settings.outbox_max_bytes,
            max_age_seconds=settings.outbox_max_age_seconds,
            refuses=refuses,
        )
        self._http = HttpTransport(
            settings.connect_timeout_seconds, version=VERSION, loading=loading, files=places.files
        )
        self._wires: dict[str, Wire] = {}
        self._choice = Watch(places.config)
        self._obeyed: Choice | None = None
        self._obeyed_ns = 0
        self.intake = Intake(
            places.journal,
            self.outbox,
            wires=self.wire,
            is_alive=is_alive,
            choice=self._choice,
            keep_seconds=keep_seconds,
            max_line_bytes=max_line_bytes,
        )
        self.depot = Depot(
            self.outbox,
            places.files,
            allows=lambda project, time_ns: self._choice().allows(project, time_ns),
            max_bytes=settings.outbox_files_max_bytes,
        )
        self.runs = Runs(self.outbox, wires=self.wire)
        self.courier = Courier(
            self.outbox,
            transport=transport or self._http,
            clock=self.clock,
            wires=self.wire,
            exchange_timeout_seconds=settings.exchange_timeout_seconds,
            may_send=lambda: self._choice() is self._obeyed,
            split=self.depot.split,
        )
        self._status_at = 0.0

    def step(self, *, deadline: float | None = None, only_answering: bool = False, whole_runs: bool = False) -> bool:
        """Take in what is new and send what is due; return whether anything moved.

        Args:
            deadline: On the clock's monotonic scale; nothing new is begun after it.
            only_answering: Only to destinations that answered lately and did not fail since: for the exit.
            whole_runs: Also what is held for more to come; at the exit that is so anyway.
        """
        self.obey()
        taken = self.bring_in(keep_going=lambda: deadline is None or self.clock.monotonic() < deadline)
        self.runs.end(all_of_them=whole_runs or only_answering or self._is_asked_for_all())
        self.outbox.trim(now_ns=self.clock.now_ns())
        delivered = self.courier.deliver_once(deadline=deadline, only_answering=only_answering)
        now = self.clock.monotonic()
        if now - self._status_at >= STATUS_INTERVAL_SECONDS or taken or delivered.attempts:
            self._status_at = now
            self.write_status()
        return bool(taken or delivered.attempts)

    def bring_in(self, *, keep_going: Callable[[], bool] = lambda: True) -> int:
        """Take in what is new in journals and what was handed over; return how many records that was."""
        return self.intake.run(keep_going=keep_going) + self.depot.run(self.clock.now_ns())

    def obey(self) -> int:
        """Drop what waits here and the user has said no to, now or since it was recorded; return how many records.

        Before anything is taken in: what `Intake` then lets pass is younger than the last no.
        """
        choice = self._choice()
        if choice.problem:
            return 0  # who cannot read the user's no sends nothing, and deletes nothing either
        last_ns = max(choice.refused_ns.values(), default=0)
        dropped = 0
        if (choice.projects or last_ns) and (choice is not self._obeyed or last_ns > self._obeyed_ns):
            since_ns = self.outbox.obeyed_ns()
            dropped = self.outbox.withdraw(
                lambda project: not choice.allows(project, since_ns + 1), refused_ns=max(last_ns, since_ns)
            )
            self._obeyed_ns = self.outbox.obeyed_ns()
        self._obeyed = choice
        return dropped

    def drain(self, *, timeout_seconds: float, stop: Callable[[], bool] = lambda: False) -> Ledger:
        """Deliver until nothing is pending or *timeout_seconds* are over; return the books.

        What has to wait longer than the time that is left (back-off, ``Retry-After``) is not waited for.
        """
        deadline = self.clock.monotonic() + timeout_seconds
        while True:
            moved = self.step(deadline=deadline, whole_runs=True)
            left = deadline - self.clock.monotonic()
            if stop() or left <= 0 or (not self.outbox.pending() and not self._unread()):
                break
            if not moved:
                wake = self.courier.next_wake_seconds()
                if wake is None or wake > left:
                    break
                time.sleep(min(max(wake, 0.01), left))
        self.write_status()
        return self.ledger()

    def ledger(self) -> Ledger:
        """Return the books, with what journals hold beyond what was taken in."""
        return msgspec.structs.replace(self.outbox.ledger(), unread=self._unread())

    def status(self) -> Status:
        """Return what `write_status` would write."""
        return Status(
            time_ns=self.clock.now_ns(),
            pid=os.getpid(),
            ledger=self.outbox.ledger(),
            observed=self.outbox.observed(),
            offsets=self.outbox.offsets(),
            answering=self.courier.answering(),
            trouble=dict(trouble.counts),
            rules=tuple(self.outbox.rules()),
            file_bytes=self.depot.size_bytes(),
        )

    def write_status(self) -> None:
        """Leave the figures where others can read them, renamed into place."""
        with guard("write status"), contextlib.suppress(OSError):
            write_private(self.places.status, msgspec.json.encode(self.status()))

    def close(self, timeout_seconds: float = 0.0) -> None:
        """Write the status once more and let go of the outbox, waiting *timeout_seconds* for exchanges under way."""
        ended = self.courier.stop(timeout_seconds)
        self.write_status()
        if ended:  # else its threads still settle; the process's end closes the file, and its journal is replayed
            self._http.close()
            self.outbox.close()

    def wire(self, destination: Destination) -> Wire:
        """Return the wire of *destination*, the same one each time.

        Raises:
            NotOfferedError: It is not installed.
            ConfigurationError: It refuses its options.
        """
        key = destination.key
        if key not in self._wires:
            self._wires[key] = load(destination.wire, destination.options)
        return self._wires[key]

    def _unread(self) -> int:
        return unread_records(self.places.journal, self.outbox.offsets()) + self.depot.unread()

    def _is_asked_for_all(self) -> bool:
        try:
            (self.places.outbox / ASKED_FOR_ALL).unlink()
        except OSError:
            return False
        return True


def deliver_for_others(
    places: Places, settings: Settings, *, deadline: float, transport: Transport | None = None
) -> Iterator[tuple[str, Ledger]]:
    """Deliver what machines that are gone left on a shared file system; yield name and books of each.

    A directory in which nothing is left, and to which nobody wrote for two days, is removed; another is looked at again
    the next time.

    Args:
        places: Our own.
        settings: Sizes, ages, time-outs.
        deadline: Monotonic seconds.
        transport: The way to the servers; default: HTTP.
    """
    for left in adopt(places):
        try:
            delivery = Delivery(
                left,
                settings,
                transport=transport,
                is_alive=lambda _pid, _started: False,
                keep_seconds=GONE_SECONDS,
            )
        except (OutboxError, OSError) as error:  # busy, damaged beyond reading, or taken over by a third machine
            trouble.hidden("adopted outbox", error)
            continue
        try:
            ledger = delivery.drain(timeout_seconds=max(0.0, deadline - time.monotonic()))
        finally:
            delivery.close(CLOSE_SECONDS)
        if not ledger.pending:
            discard(left)
        yield left.host, ledger


def forget(places: Places, settings: Settings) -> Ledger | None:
    """Drop what waits in *places* and the user has said no to: from journals and outbox, counted `opted_out`.

    Returns:
        The books afterwards. None where another process delivers: it does the same within its next turn.

    Raises:
        OutboxError: The outbox cannot be used.
    """
    try:
        delivery = Delivery(places, settings)
    except OutboxBusyError:
        return None
    try:
        delivery.obey()
        delivery.bring_in()
        return delivery.ledger()
    finally:
        delivery.close()


def ask_for_all(places: Places) -> None:
    """Ask whoever delivers from *places* to send also what it holds for more to come."""
    with contextlib.suppress(OSError):
        os.close(open_private(places.outbox / ASKED_FOR_ALL))


def preload() -> None:
    """Import what delivery would otherwise import on its way, from whichever thread is first.

    So that all late imports happen in one place, which a fork can wait for (`background.Background.loading`).
    """
    http.preload()
    for name in installed():
        with guard("load wire"):
            sample(name)


def current_status(places: Places, settings: Settings) -> Status:
    """Return the books as they are now: from the outbox where nobody delivers, else from the status file.

    Journals are taken in first where the lock is free; nothing is sent.
    """
    with contextlib.suppress(OutboxBusyError):
        delivery = Delivery(places, settings)
        try:
            delivery.bring_in()
            return msgspec.structs.replace(delivery.status(), ledger=delivery.ledger())
        finally:
            delivery.close()
    return last_status(places)
