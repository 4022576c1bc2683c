"""One connection to one outbox file, held by one process: open, guard, transact, renew, close.

What is promised here: only the process that holds the lock reads or writes the file. A fork child never touches the
connection it inherits, not even to close it, and does not keep its parent's lock alive (reliability.md 3.5). Damage
is answered with a new file into which the old one is read, a full disk with an error that changed nothing.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from footfall.errors import OutboxError, trouble
from footfall.outbox import ages, books, files, repair, reserve, schema
from footfall.outbox.failures import CAUGHT, DamageError, OutboxFullError, is_damage, is_full, translated
from footfall.places import boot_id

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from footfall.clock import Clock
    from footfall.destination import Destination

T = TypeVar("T")

BUSY_TIMEOUT_SECONDS: Final = 2.0
"""Wait for another program that looks at the file; the lock file already keeps other couriers out."""

ANCHOR_INTERVAL_NS: Final = 600 * 10**9
"""The file's memory of the time is at most this old; what a reboot costs in precision."""

_open_databases: weakref.WeakSet[Database] = weakref.WeakSet()


class _Kept(msgspec.Struct, gc=False):
    """Refers to itself and is invisible to the garbage collector, so it and what it holds are never finalised.

    The end of a fork child's interpreter would otherwise finalise the connection it inherited: SQLite would see the
    last user leave, and delete the WAL that the parent is still writing to.
    """

    connection: Any = None
    itself: Any = None


class Database:
    """The file at *path*, opened by this process.

    Args:
        path: Of the database, in a directory of ours.
        clock: Time.
        network: The directory lies on a network file system: rollback journal, no WAL.
        reserve_bytes: Room taken beforehand, in the database and again in the WAL.

    Raises:
        OutboxBusyError: Another process holds it.
        OutboxNewerError: A newer footfall wrote it.
        OutboxFullError: It is new, and its reserve could not be taken.
        OutboxError: It cannot be opened.
        UnsafeFileError: The file is not ours.
    """

    def __init__(self, path: Path, *, clock: Clock, network: bool, reserve_bytes: int) -> None:
        self.path = path
        self.registered: dict[int, Destination] = {}
        self.reserve_pages = max(reserve_bytes // reserve.PAGE_BYTES, 1)
        self.has_wal = not network
        self._clock = clock
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._kept = _Kept()
        self._kept.itself = self._kept
        self._lock_fd: int | None = files.take_lock(path.with_name(path.name + ".lock"))
        self._anchored_at = 0
        self._is_synced = True
        self._set_on: sqlite3.Connection | None = None
        self._homes = 0
        self.ticks = ages.Ticks(clock, boot=boot_id(), anchor=None, fallback=clock.now_ns())
        try:
            self._open()
        except CAUGHT as error:
            self._abandon()
            raise translated(error, doing="open", path=path) from error
        except BaseException:
            self._abandon()
            raise
        self._identity = files.identity(path)
        _open_databases.add(self)

    @property
    def is_open(self) -> bool:
        """Whether there is a connection, and it is this process's."""
        return self._pid == os.getpid() and self._kept.connection is not None

    @property
    def keep_pages(self) -> int:
        """Free pages that enqueueing leaves for leasing and settling."""
        return max(self.reserve_pages // 4, 16)

    def run(self, doing: str, work: Callable[[sqlite3.Connection], T], *, synced: bool = True) -> T:
        """Return what *work* returns, run in one transaction: all of it is committed, or nothing.

        Args:
            doing: A word for messages.
            work: Called again from the start when the file had to be renewed, or the WAL to be emptied.
            synced: Whether the commit also survives loss of power.

        Raises:
            OutboxFullError: No room, even after a checkpoint.
            OutboxError: Closed, inherited through a fork, or trouble that a new file does not cure.
        """
        with self.held(doing):
            try:
                return self._transact(work, synced=synced)
            except CAUGHT as error:
                try:
                    if is_damage(error):
                        self._renew(error)
                    elif is_full(error) and self.has_wal:
                        reserve.checkpoint(self.connection)
                    else:
                        raise
                    return self._transact(work, synced=synced)
                except CAUGHT as second:
                    raise translated(second, doing=doing, path=self.path) from second

    def held(self, doing: str) -> threading.RLock:
        """Return the lock to hold while using `connection`.

        Raises:
            OutboxError: This process inherited the outbox through a fork.
        """
        if self._pid != os.getpid():
            msg = f"outbox {self.path.name}: {doing}: opened by another process; a fork child only writes its journal"
            raise OutboxError(msg)
        return self._lock

    @property
    def connection(self) -> sqlite3.Connection:
        """The open connection.

        Raises:
            OutboxError: It was closed.
        """
        connection: sqlite3.Connection | None = self._kept.connection
        if connection is None:
            msg = f"outbox {self.path.name}: closed; open it again"
            raise OutboxError(msg)
        return connection

    def check_present(self) -> None:
        """Make sure that the file is still where it was: SQLite would go on writing to a file without a name.

        Raises:
            OutboxError: It was removed or replaced.
        """
        if files.identity(self.path) != self._identity:
            msg = f"outbox {self.path.name}: removed or replaced while in use; journals are kept; open it again"
            raise OutboxError(msg)

    def grow(self, wanted: int) -> None:
        """Make *wanted* pages free, beside those kept for leasing and settling; in no transaction.

        Raises:
            OutboxFullError: There is no room.
        """
        try:
            reserve.grow(self.connection, self.path, wanted + self.keep_pages, wal=self.has_wal)
        except CAUGHT as error:
            raise translated(error, doing="grow", path=self.path) from error

    def settle_down(self) -> None:
        """Give each page in the WAL its home in the database, while there is room (`reserve`, rule 2)."""
        if self.has_wal and reserve.pages(self.connection) > self._homes:
            with suppress(*CAUGHT):
                if reserve.checkpoint(self.connection):
                    self._homes = reserve.pages(self.connection)

    def close(self) -> None:
        """Close the file and give up the lock. In a fork child: nothing. Any number of times."""
        if self._pid != os.getpid():
            return
        with self._lock:
            connection = self._kept.connection
            if connection is not None:
                with suppress(*CAUGHT):
                    self._transact(self._save_anchor)
            self._abandon()
            if connection is not None and self.has_wal and files.identity(self.path) is not None:
                with suppress(OSError):
                    files.reserve_wal(self.path, self.reserve_pages)

    def after_fork_in_child(self) -> None:
        """Let go of the parent's lock, which lives as long as any descriptor of it."""
        if self._lock_fd is not None:
            files.drop_lock(self._lock_fd)
            self._lock_fd = None

    def _transact(self, work: Callable[[sqlite3.Connection], T], *, synced: bool = True) -> T:
        connection = self.connection
        if self._is_synced != synced or self._set_on is not connection:
            connection.execute(f"PRAGMA synchronous = {'FULL' if synced else 'NORMAL'}")
            self._is_synced, self._set_on = synced, connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(connection)
            if self.ticks.now() - self._anchored_at > ANCHOR_INTERVAL_NS and connection.total_changes:
                self._save_anchor(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # SQLite itself rolls back on a full disk
                with suppress(*CAUGHT):
                    connection.execute("ROLLBACK")
            raise
        return result

    def _save_anchor(self, connection: sqlite3.Connection) -> None:
        self._anchored_at = self.ticks.now()
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('time', ?)", (ages.pack(self.ticks.anchor()),))

    def _open(self) -> None:
        if files.make_private(self.path):
            try:
                self._connect()
                self._transact(self._save_anchor)
                reserve.grow(self.connection, self.path, self.reserve_pages, wal=self.has_wal)
            except BaseException:
                self._disconnect()
                files.remove(self.path)
                raise
            return
        if self.has_wal:
            with suppress(OSError):  # on a full disk the outbox must open all the same, to be emptied
                files.reserve_wal(self.path, self.reserve_pages)
        try:
            if self.path.stat().st_size < reserve.PAGE_BYTES:
                msg = "the file was cut to less than a page"  # which SQLite would take for a new one
                raise DamageError(msg)
            self._connect()
            self.ticks = self._find_ticks(self.connection)
            self._transact(_void_leases(self.ticks.now()))
            books.audit(self.connection)
        except CAUGHT as error:
            if not is_damage(error):
                raise
            self._renew(error)
            self._transact(_void_leases(self.ticks.now()))
            return
        try:
            self._transact(self._save_anchor)
            reserve.grow(self.connection, self.path, self.keep_pages, wal=self.has_wal)
        except (*CAUGHT, OutboxFullError) as error:
            trouble.note("outbox reserve", "footfall: no room for the outbox's reserve: %s", type(error).__name__)

    def _connect(self) -> None:
        # On network file systems SQLite's own locks may be missing, or wait for ever; ours is held.
        place = f"{self.path.absolute().as_uri()}{'' if self.has_wal else '?nolock=1'}"
        connection = sqlite3.connect(
            place, uri=True, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
        )
        self._kept.connection = connection
        schema.configure(connection, network=not self.has_wal)
        schema.migrate(connection)
        reserve.clear(connection)

    def _disconnect(self) -> None:
        connection, self._kept.connection = self._kept.connection, None
        if connection is not None:
            with suppress(*CAUGHT):
                connection.close()

    def _abandon(self) -> None:
        self._disconnect()
        self._kept.itself = None
        if self._lock_fd is not None:
            files.drop_lock(self._lock_fd)
            self._lock_fd = None

    def _renew(self, damage: BaseException) -> None:
        """Set the file aside, start a new one, and read into it what the old one still holds.

        If the new one cannot be made, the old one gets its name back: three failures in a row would otherwise
        push the only good copy out of the files kept.
        """
        tick = self.ticks.now()
        self._disconnect()
        aside = files.set_aside(self.path)
        try:
            files.make_private(self.path)
            self._connect()
            old = sqlite3.connect(aside, isolation_level=None)
            try:
                old.text_factory = _lenient
                tick = self._salvage(old, tick)
            finally:
                old.close()
            with suppress(OutboxFullError):
                reserve.grow(self.connection, self.path, self.reserve_pages, wal=self.has_wal)
        except BaseException:
            self._disconnect()
            files.remove(self.path)
            files.move(aside, self.path)
            raise
        self._identity = files.identity(self.path)
        files.prune(self.path)
        trouble.note(
            "outbox set aside",
            "footfall: the outbox was damaged (%s); it was set aside as %s, and what could be read was kept",
            type(damage).__name__,
            aside.name,
        )

    def _salvage(self, old: sqlite3.Connection, tick: int) -> int:
        with suppress(*CAUGHT):
            old.execute("PRAGMA locking_mode = EXCLUSIVE")
        if not self._anchored_at:  # not opened yet: only the file knows the time
            self.ticks = ages.Ticks(
                self._clock, boot=boot_id(), anchor=repair.anchor(old), fallback=self._clock.now_ns()
            )
            tick = self.ticks.now()

        def work(connection: sqlite3.Connection) -> None:
            repair.salvage(old, connection, known=self.registered, tick=tick)
            connection.execute("INSERT OR IGNORE INTO meta VALUES ('set_aside', 0)")
            connection.execute("UPDATE meta SET value = value + 1 WHERE name = 'set_aside'")
            self._save_anchor(connection)

        self._transact(work)
        return tick

    def _find_ticks(self, connection: sqlite3.Connection) -> ages.Ticks:
        row = connection.execute("SELECT value FROM meta WHERE name = 'time'").fetchone()
        last = connection.execute("SELECT created FROM requests ORDER BY id DESC LIMIT 1").fetchone()
        fallback = books.number(last[0]) if last else 0
        return ages.Ticks(
            self._clock,
            boot=boot_id(),
            anchor=ages.unpack(row[0]) if row else None,
            fallback=fallback or self._clock.now_ns(),
        )


def _void_leases(tick: int) -> Callable[[sqlite3.Connection], None]:
    """Leases belong to a process that is gone: its requests are due, and in doubt.

    Their attempts do not count: they tell nothing of the server, and with twenty kills behind it a request would wait
    for minutes after the first failure of its own, and all behind it in order as well.
    """

    def work(connection: sqlite3.Connection) -> None:
        connection.execute(
            "UPDATE requests SET lease = NULL, in_doubt = 1, attempts = max(attempts - 1, 0),"  # noqa: S608  constant
            f" due = CASE WHEN {schema.BEHIND} THEN ? ELSE ? END WHERE lease IS NOT NULL",
            (schema.BLOCKED, tick),
        )

    return work


def _lenient(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def _after_fork_in_child() -> None:
    for database in tuple(_open_databases):
        database.after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
