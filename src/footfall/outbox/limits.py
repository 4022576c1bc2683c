"""Age and size: which rows go when there is too much. SQL on an open transaction; each function has its bound."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final

from footfall.ledger import Reason
from footfall.outbox import books
from footfall.outbox.failures import OutboxFullError

if TYPE_CHECKING:
    import sqlite3

UNLEASED: Final = "(lease IS NULL OR due <= ?)"
"""SQL for rows that nobody is sending at the tick to bind: a lapsed lease protects no more."""

TRIM_ROWS: Final = 1000
"""Rows that one transaction drops at the most: its WAL stays within the reserve."""

ROW: Final = "id, destination, records, bytes, order_key"
"""Columns that `books.remove` asks for."""


def expire(connection: sqlite3.Connection, oldest: int, tick: int, *, limit: int) -> int:
    """Drop at most *limit* rows created at or before *oldest*, leased ones excepted.

    Ids rise with time, so the first young row ends the search, and mostly there is nothing older than it.
    """
    query = f"SELECT created, {ROW} FROM requests WHERE {UNLEASED} ORDER BY id LIMIT ?"  # noqa: S608  constant names
    first = connection.execute(query, (tick, 1)).fetchone()
    if first is None or books.whole(first[0]) > oldest:
        return 0
    found = connection.execute(query, (tick, limit)).fetchall()
    old: list[Any] = [row for _, *row in takewhile(lambda row: books.whole(row[0]) <= oldest, found)]
    return books.remove(connection, old, Reason.EXPIRED, tick)


def shrink(connection: sqlite3.Connection, max_bytes: int, tick: int, *, limit: int) -> int:
    """Drop the oldest unleased rows, at most *limit*, until all fit into *max_bytes*."""
    excess = books.size(connection) - max_bytes
    if excess <= 0:
        return 0
    found = connection.execute(f"SELECT {ROW} FROM requests WHERE {UNLEASED} ORDER BY id LIMIT ?", (tick, limit))  # noqa: S608  constant names
    old: list[Any] = []
    for row in found.fetchall():
        if excess <= 0:
            break
        excess -= books.whole(row[3])
        old.append(row)
    return books.remove(connection, old, Reason.OVER_SIZE, tick)


def refuse(connection: sqlite3.Connection, max_bytes: int, tick: int, *, limit: int) -> int:
    """Refuse the transaction that made all requests together larger than *max_bytes*; in place of `shrink`.

    Raises:
        OutboxFullError: They are; the transaction is undone.
    """
    del tick, limit
    if books.size(connection) > max_bytes:
        msg = f"outbox: with this more than {max_bytes} bytes would be pending; its sender has to keep it for now"
        raise OutboxFullError(msg)
    return 0
