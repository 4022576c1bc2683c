"""What requests with files leave in the database: names, sizes, and the fate of parcels. SQL on an open transaction.

A **parcel** is what somebody handed over to be delivered: one request with one file, and after a split several. It is
settled when none of its files is waited for any more: delivered when the server took all of them, else dropped, with
the reason that the last one was dropped for. A row of `parcels` stays after that until it is forgotten, so that nothing
is taken in twice, and whoever gathered it learns of its fate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from footfall.ledger import Reason

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from footfall.wire.base import Request, Verdict

MOST_DETAIL: Final = 200
NO_ANSWER: Final = "no answer"

_ATTEMPTS: Final = (
    "SELECT coalesce(max(attempts - (lease IS NOT NULL)), 0) FROM files JOIN requests USING (id) WHERE parcel = key"
)


class Fate(msgspec.Struct, frozen=True, kw_only=True):
    """How a parcel stands.

    Attributes:
        key: Of the parcel.
        waiting: Its files that are not settled.
        reason: Why one of them was dropped, or "".
        detail: What the server last said, `Verdict.detail`; `NO_ANSWER`, or "" where nobody tried.
        attempts: Of the waiting requests, the most that have ended.
    """

    key: str
    waiting: int
    reason: str
    detail: str
    attempts: int


def insert(connection: sqlite3.Connection, files: Sequence[tuple[int, str, str, int]]) -> None:
    """Note *files* (request's id, parcel, name, bytes), and their parcels where they are new."""
    connection.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", files)
    connection.executemany("INSERT OR IGNORE INTO parcels (key) VALUES (?)", [(parcel,) for _, parcel, _, _ in files])


def refuse(connection: sqlite3.Connection, key: str, reason: Reason) -> None:
    """Note a parcel that was never enqueued, and why."""
    connection.execute("INSERT OR IGNORE INTO parcels VALUES (?, ?, '')", (key, reason.value))


def answered(connection: sqlite3.Connection, request: Request, verdict: Verdict) -> None:
    """Note what the server said of *request*, if it has a file."""
    if request.attachment is not None:
        values = (verdict.detail or NO_ANSWER)[:MOST_DETAIL], request.attachment.parcel
        connection.execute("UPDATE parcels SET detail = ? WHERE key = ?", values)


def delivered(connection: sqlite3.Connection, row: int, request: Request) -> None:
    """Let go of the file of *request*, if it has one."""
    if request.attachment is not None:
        release(connection, [(row,)])


def dropped(connection: sqlite3.Connection, ids: Sequence[tuple[int]], reason: Reason) -> None:
    """Note that the requests *ids* are given up; costs one look where no request has a file."""
    if connection.execute("SELECT 1 FROM files LIMIT 1").fetchone() is None:
        return
    connection.executemany(
        "UPDATE parcels SET reason = ? WHERE key = (SELECT parcel FROM files WHERE id = ?)",
        [(reason.value, row) for (row,) in ids],
    )
    release(connection, ids)


def release(connection: sqlite3.Connection, ids: Iterable[tuple[int]]) -> None:
    """Let go of the files of the requests *ids*."""
    connection.executemany("DELETE FROM files WHERE id = ?", ids)


def names(connection: sqlite3.Connection) -> set[str]:
    """Return the names of all files that belong to a request."""
    return {str(name) for (name,) in connection.execute("SELECT name FROM files").fetchall()}


def size(connection: sqlite3.Connection) -> int:
    """Return the bytes of all files."""
    return int(connection.execute("SELECT coalesce(sum(bytes), 0) FROM files").fetchone()[0])


def fates(connection: sqlite3.Connection) -> list[Fate]:
    """Return how each parcel stands that is not forgotten."""
    found = connection.execute(
        f"SELECT key, (SELECT count(*) FROM files WHERE parcel = key), reason, detail, ({_ATTEMPTS}) FROM parcels"  # noqa: S608  constant
        " ORDER BY key"
    )
    return [Fate(**dict(zip(Fate.__struct_fields__, row, strict=True))) for row in found]


def known(connection: sqlite3.Connection, keys: Iterable[str]) -> set[str]:
    """Return those of *keys* that are parcels, settled or not."""
    return {key for key in keys if connection.execute("SELECT 1 FROM parcels WHERE key = ?", (key,)).fetchone()}


def forget(connection: sqlite3.Connection, keys: Iterable[str]) -> None:
    """Forget those of *keys* that are settled."""
    connection.executemany(
        "DELETE FROM parcels WHERE key = :key AND NOT EXISTS (SELECT 1 FROM files WHERE parcel = :key)",
        [{"key": key} for key in keys],
    )
