"""Room on the disk, taken before it is needed (reliability.md 3.7).

On a full disk SQLite refuses even to delete, because a transaction first goes to the WAL, and a WAL whose pages have no
home in the database cannot be emptied. Two rules keep leasing and settling possible with 0 bytes free:

1. The WAL has its length beforehand (`files.reserve_wal`) and is never shortened.
2. Unless the disk has plenty of room (`is_plenty`), the database grows only here, never inside another transaction:
   zeros are written and checkpointed, which puts their pages on the disk, and deleted, which leaves the pages free for
   rows. So each page that a later transaction writes has its home, and a checkpoint never needs room. That costs 5 us a
   row while the file grows, hence the exception; what grew that way gets its homes at the next `Outbox.trim`.

A growth that fails is undone: the zeros are deleted and the file's end is cut, so that the checkpoint has no page left
without a home. The WAL was made long enough for both beforehand. Tried on tmpfs and ext4; copy-on-write file systems
(btrfs, ZFS) take new blocks for each write and give no such promise. In rollback-journal mode (network file systems) a
failed growth leaves nothing behind, but each transaction needs a journal file: there, too, there is no promise.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from footfall.outbox import files
from footfall.outbox.failures import OutboxFullError, is_full

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

PAGE_BYTES: Final = 4096

LEAST_STEP_PAGES: Final = 128
MOST_STEP_PAGES: Final = 1024
"""One growth is a quarter of the file within these bounds: few syncs for a large file, little waste for a small one."""

PLENTY_BYTES: Final = 256 * 2**20
"""Free space beyond which the file may grow the quick way. A quota that the file system does not tell of can still
be met then; requests are kept, and delivery goes on when there is room again."""

_MARGIN_FRAMES: Final = 64
"""WAL pages for undoing a growth: free-list trunks, pointer maps, the ballast's own leaf."""


class NeedsRoomError(Exception):
    """A transaction would have made the file longer; see rule 2."""


def pages(connection: sqlite3.Connection) -> int:
    """Return the number of pages of the file."""
    return int(connection.execute("PRAGMA page_count").fetchone()[0])


def free_pages(connection: sqlite3.Connection) -> int:
    """Return how many of them are free."""
    return int(connection.execute("PRAGMA freelist_count").fetchone()[0])


def checkpoint(connection: sqlite3.Connection) -> bool:
    """Copy the WAL into the database as far as possible; return whether all of it was.

    Raises:
        sqlite3.Error: Pages could not be written.
    """
    _, frames, copied = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return bool(frames == copied)


def pages_needed(total_bytes: int, rows: int) -> int:
    """Return a generous estimate of the pages that *rows* new rows of *total_bytes* in all will take."""
    return int(total_bytes * 1.3) // PAGE_BYTES + rows // 40 + 16


def is_plenty(path: Path) -> bool:
    """Whether nothing can fill the disk, or meet the file size limit, before the next checkpoint."""
    if not hasattr(os, "statvfs"):
        return False
    try:
        found = os.statvfs(path.parent)
        limit = _file_size_limit()
        return found.f_bavail * found.f_frsize >= PLENTY_BYTES and (
            limit < 0 or path.stat().st_size + PLENTY_BYTES <= limit
        )
    except OSError:
        return False


def _file_size_limit() -> int:
    import resource  # noqa: PLC0415  not on every platform

    return resource.getrlimit(resource.RLIMIT_FSIZE)[0]


def grow(connection: sqlite3.Connection, path: Path, wanted: int, *, wal: bool) -> None:
    """Make at least *wanted* pages free.

    Args:
        connection: In no transaction.
        path: Of the database.
        wanted: Free pages that there shall be.
        wal: Whether the database has a WAL.

    Raises:
        OutboxFullError: There is no room; the file is as it was.
    """
    free = free_pages(connection)
    while free < wanted:
        step = min(max(pages(connection) // 4, LEAST_STEP_PAGES), MOST_STEP_PAGES)
        try:
            _step(connection, path, free=free, step=step, wal=wal)
        except OSError as error:
            msg = (
                f"outbox {path.name}: no room to grow by {step * PAGE_BYTES} bytes ({error.strerror}); free disk space"
            )
            raise OutboxFullError(msg) from error
        free = free_pages(connection)


def clear(connection: sqlite3.Connection) -> None:
    """Remove what a growth left behind whose process was killed."""
    if connection.execute("SELECT 1 FROM ballast LIMIT 1").fetchone():
        connection.execute("DELETE FROM ballast")


def shrink(connection: sqlite3.Connection, *, keep: int, most: int) -> None:
    """Give free pages beyond *keep* back to the file system, at most *most* of them in this call."""
    spare = min(free_pages(connection) - keep, most)
    if spare >= min(most, keep):
        _cut(connection, spare)
        checkpoint(connection)  # which cuts the file


def _step(connection: sqlite3.Connection, path: Path, *, free: int, step: int, wal: bool) -> None:
    if wal:
        checkpoint(connection)
        files.reserve_wal(path, free + step + _MARGIN_FRAMES)
    # The zeros take the free pages first, and only then extend the file.
    connection.execute("INSERT INTO ballast (zeros) VALUES (zeroblob(?))", ((free + step) * PAGE_BYTES,))
    try:
        if wal:
            checkpoint(connection)
    except BaseException as error:
        connection.execute("DELETE FROM ballast")
        _cut(connection, step)
        checkpoint(connection)
        if is_full(error):
            msg = (
                f"outbox {path.name}: no room to grow by {step * PAGE_BYTES} bytes; free disk space or raise the quota"
            )
            raise OutboxFullError(msg) from error
        raise
    connection.execute("DELETE FROM ballast")


def _cut(connection: sqlite3.Connection, count: int) -> None:
    # SQLite cuts one page a step and Python's `execute` makes one step of a statement without columns.
    connection.executescript(f"PRAGMA incremental_vacuum({count});")
