"""The files beside an outbox, as the one process sees them that holds it: taking in, splitting, sweeping.

What it promises, each with a test in ``tests/outbox/test_depot.py``:

- **What was handed over is taken in once**, however often this is killed: rows first (`Outbox.intake`, synced), then
  outcomes, then the batch goes. A parcel that the database knows is never taken in again.
- **A file goes only after its row**: the row goes in a transaction, and `Depot.run` then removes what no row names. A
  kill between the two leaves a file for the next run, never a row without its file.
- **A row without a file**, which only somebody else's deletion makes, is dropped and counted ``corrupt``.
- **A file without a row** is removed when its parcel was taken in before, when it is a part, or after
  `ABANDONED_SECONDS`: whoever was handing it over was killed before its batch was there.
- **At the size limit** the oldest files that are not being sent are dropped with their requests, and counted.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import zlib
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

import msgspec

from footfall.crash import crash_at
from footfall.errors import trouble
from footfall.ledger import Reason
from footfall.outbox import books, limits, parcels
from footfall.outbox.handover import (
    FILE,
    FORGOTTEN,
    NEW,
    OUTCOME,
    PART,
    PENDING,
    Batch,
    Handed,
    Standing,
    batches,
    unread_parcels,
)
from footfall.places import open_private, private_directory, sync_directory, write_all, write_private
from footfall.wire.base import Attachment, key_of

if TYPE_CHECKING:
    import sqlite3

    from footfall.outbox.store import Outbox
    from footfall.wire.base import FileSplittingWire, Request, Wire

ABANDONED_SECONDS: Final = 6 * 3600.0
"""After which a file that nobody names is what a killed process left; copying one takes far less."""


class Depot:
    """The directory of files of an outbox that this process holds.

    Args:
        outbox: Open here.
        directory: May not exist: then there is nothing.
        allows: Whether the user lets a project's parcels from that time (UTC nanoseconds) be sent.
        max_bytes: Of all files beyond which the oldest are dropped.
    """

    def __init__(self, outbox: Outbox, directory: Path, *, allows: Callable[[str, int], bool], max_bytes: int) -> None:
        self._outbox = outbox
        self._directory = directory
        self._allows = allows
        self._max_bytes = max_bytes
        self._told: dict[str, Standing] = {}
        self._making: dict[str, str] = {}
        self._lock = threading.Lock()

    def run(self, now_ns: int) -> int:
        """Take in what was handed over, tell what became of parcels, and sweep; return how many parcels were taken in.

        Raises:
            OutboxError: The outbox could not keep them; the batches stay.
        """
        if not self._directory.is_dir():
            return 0
        taken = 0
        for path, batch in batches(self._directory):
            if batch is None:
                self._set_aside(path)
                continue
            taken += self._take(batch, now_ns)
            self._tell()
            crash_at("before_batch_goes")
            path.unlink(missing_ok=True)
        crash_at("before_sweep")
        self._sweep()
        self._tell()
        return taken

    def unread(self) -> int:
        """Return how many parcels were handed over and not taken in yet."""
        return unread_parcels(self._directory)

    def size_bytes(self) -> int:
        """Return the size of all files that wait."""
        return self._outbox.database.run("files", parcels.size)

    # -- splitting

    def split(self, wire: Wire, request: Request) -> list[Request]:
        """Return what *wire* makes of *request*, which is too large; parts of its file are on the disk then, synced.

        Until rows name the parts, they are what the next run of another process removes.
        """
        whole = request.attachment
        if whole is None:
            return wire.split(request)
        if not hasattr(wire, "split_file"):
            return []
        made: dict[int, Attachment] = {}

        @contextlib.contextmanager
        def make(number: int) -> Generator[BinaryIO]:
            name = f"{key_of(request.idempotency_key, str(number))}{PART}"
            with self._lock:
                self._making[name] = whole.name
            with _written(self._directory / name) as file:
                yield cast("BinaryIO", file)
            made[number] = msgspec.structs.replace(whole, name=name, size=file.size, crc32=file.crc32)

        with (self._directory / whole.name).open("rb") as source:
            parts = cast("FileSplittingWire", wire).split_file(request, source, make)
        crash_at("after_parts")
        sync_directory(self._directory)
        return [_with_file(part, made[number]) for number, part in enumerate(parts)]

    # -- taking in

    def _take(self, batch: Batch, now_ns: int) -> int:
        keys = [handed.request.idempotency_key for handed in batch.handed]
        known = self._outbox.database.run("parcels", lambda connection: parcels.known(connection, keys))
        new = [handed for handed in batch.handed if handed.request.idempotency_key not in known]
        if not new:
            return 0
        allowed = self._allows(batch.project, batch.kept_ns)
        whole = [handed for handed in new if allowed and self._is_whole(handed)]
        for handed in new:
            if handed not in whole:
                self._refuse(handed, Reason.CORRUPT if allowed else Reason.OPTED_OUT)
        crash_at("before_parcels")
        requests = [(self._outbox.destination(handed.destination), handed.request) for handed in whole]
        self._outbox.intake(requests, offsets={}, now_ns=now_ns, projects=[batch.project] * len(whole))
        crash_at("after_parcels")
        self._outbox.database.run("files", self._shrink)
        return len(new)

    def _is_whole(self, handed: Handed) -> bool:
        attachment = handed.request.attachment
        if attachment is None:
            return False
        with contextlib.suppress(OSError):
            return (self._directory / attachment.name).lstat().st_size == attachment.size
        return False

    def _refuse(self, handed: Handed, reason: Reason) -> None:
        number = self._outbox.destination(handed.destination)

        def work(connection: sqlite3.Connection) -> None:
            parcels.refuse(connection, handed.request.idempotency_key, reason)
            books.never_enqueued(connection, number, reason, handed.request.records)

        self._outbox.database.run("refuse", work)

    def _set_aside(self, path: Path) -> None:
        trouble.note(
            "damaged batch", "footfall: what was handed over as %s cannot be read; it was set aside", path.name
        )
        self._outbox.intake([], offsets={}, now_ns=time.time_ns(), corrupt=1)
        path.replace(path.with_suffix(".bad"))

    def _shrink(self, connection: sqlite3.Connection) -> None:
        excess = parcels.size(connection) - self._max_bytes
        if excess <= 0:
            return
        tick = self._outbox.database.ticks.now()
        columns = ", ".join(f"requests.{column}" for column in limits.ROW.split(", "))
        found = connection.execute(
            f"SELECT files.bytes, {columns} FROM files JOIN requests USING (id) WHERE {limits.UNLEASED} ORDER BY id",  # noqa: S608  constants
            (tick,),
        )
        old: list[Any] = []
        for size, *row in found.fetchall():
            if excess <= 0:
                break
            excess -= size
            old.append(row)
        books.remove(connection, old, Reason.OVER_SIZE, tick)

    # -- telling

    def _tell(self) -> None:
        """Write the outcome of each parcel that changed since it was last told."""
        for fate in self._outbox.database.run("parcels", parcels.fates):
            standing = _standing(fate)
            if self._told.get(fate.key) != standing:
                write_private(self._directory / f"{fate.key}{OUTCOME}", msgspec.json.encode(standing))
                self._told[fate.key] = standing

    # -- sweeping

    def _sweep(self) -> None:
        # In this order: a row that was there before the list was made had its file in it, and a file in the list that
        # no row names afterwards is nobody's, unless a sender is making it.
        database = self._outbox.database
        before = database.run("files", parcels.names)
        present = {entry.name: entry for entry in os.scandir(self._directory)}
        with self._lock:
            parts = dict(self._making)
        named = database.run("files", parcels.names)
        # A part is being made as long as its whole has a row.
        making = {part for part, whole in parts.items() if whole in named}
        with self._lock:
            for part in parts.keys() - making:
                del self._making[part]
        self._drop_missing((before & named) - present.keys())
        taken = {fate.key for fate in database.run("parcels", parcels.fates)}
        handed = {
            handed.request.attachment.name
            for _, batch in batches(self._directory)
            for handed in (batch.handed if batch else ())
            if handed.request.attachment
        }
        for name in present.keys() - named - making - handed:
            stem, _, kind = name.rpartition(".")
            gone = (f".{kind}" == PART) or (f".{kind}" == FILE and stem in taken)
            if gone or (f".{kind}" in {FILE, NEW, ".tmp"} and self._is_abandoned(name, making)):
                (self._directory / name).unlink(missing_ok=True)
        self._forget([name.removesuffix(FORGOTTEN) for name in present if name.endswith(FORGOTTEN)])
        self._correct(name.removesuffix(OUTCOME) for name in present if name.endswith(OUTCOME))

    def _is_abandoned(self, name: str, making: Iterable[str]) -> bool:
        if any(name.startswith(each) for each in making):
            return False
        with contextlib.suppress(OSError):
            return (self._directory / name).lstat().st_mtime < time.time() - ABANDONED_SECONDS
        return False

    def _drop_missing(self, names: set[str]) -> None:
        if not names:
            return
        trouble.note("missing file", "footfall: %d files of waiting parcels were deleted by somebody else", len(names))

        def work(connection: sqlite3.Connection) -> None:
            tick = self._outbox.database.ticks.now()
            columns = ", ".join(f"requests.{column}" for column in limits.ROW.split(", "))
            query = f"SELECT {columns} FROM files JOIN requests USING (id) WHERE name = ?"  # noqa: S608  constants
            found = [row for name in names for row in connection.execute(query, (name,)).fetchall()]
            books.remove(connection, found, Reason.CORRUPT, tick)

        self._outbox.database.run("missing", work)

    def _forget(self, keys: list[str]) -> None:
        if keys:
            self._outbox.database.run("forget", lambda connection: parcels.forget(connection, keys))
        for key in keys:
            self._told.pop(key, None)
            for kind in (OUTCOME, FORGOTTEN):
                (self._directory / f"{key}{kind}").unlink(missing_ok=True)

    def _correct(self, keys: Iterable[str]) -> None:
        """Call those parcels dropped that an outcome calls pending and the database does not know: it was lost."""
        strangers = set(keys) - self._told.keys()
        if not strangers:
            return
        strangers -= self._outbox.database.run("parcels", lambda connection: parcels.known(connection, strangers))
        lost = Standing(state="dropped", reason=Reason.CORRUPT.value)
        for key in strangers:
            path = self._directory / f"{key}{OUTCOME}"
            with contextlib.suppress(OSError, msgspec.MsgspecError):
                if msgspec.json.decode(path.read_bytes(), type=Standing).state == PENDING.state:
                    write_private(path, msgspec.json.encode(lost))


class _Written:
    """A new file that knows its size and checksum."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.size = self.crc32 = 0

    def write(self, data: bytes) -> int:
        write_all(self._fd, data)
        self.size, self.crc32 = self.size + len(data), zlib.crc32(data, self.crc32)
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""


@contextlib.contextmanager
def _written(path: Path) -> Generator[_Written]:
    """Make *path* of what is written in the block, synced and renamed into place; nothing where the block raises."""
    temporary = path.with_suffix(PART + NEW)
    private_directory(path.parent)
    temporary.unlink(missing_ok=True)
    fd = open_private(temporary)
    try:
        file = _Written(fd)
        try:
            yield file
            os.fsync(fd)
        finally:
            os.close(fd)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _with_file(part: Request, made: Attachment) -> Request:
    at = part.attachment.at if part.attachment else 0
    return msgspec.structs.replace(part, attachment=msgspec.structs.replace(made, at=at))


def _standing(fate: parcels.Fate) -> Standing:
    if fate.waiting:
        return msgspec.structs.replace(PENDING, detail=fate.detail, attempts=fate.attempts)
    if fate.reason:
        return Standing(state="dropped", reason=fate.reason, detail=fate.detail)
    return Standing(state="delivered", detail=fate.detail)
