"""What the outbox knows, for whoever asks: destinations and their health, what is due, waiting, or was refused.

SQL on an open transaction; nothing here changes a row but `note_refusal`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from footfall.destination import Destination
from footfall.outbox import books, rows
from footfall.outbox.ages import CAP_NS
from footfall.outbox.claims import paused_until
from footfall.outbox.failures import DamageError
from footfall.outbox.rows import KnownDestination, Refusal
from footfall.outbox.schema import BLOCKED

if TYPE_CHECKING:
    import sqlite3

    from footfall.outbox.ages import Ticks
    from footfall.wire.base import Request

T = TypeVar("T")

COUNTED_DUE: Final = 1000
REFUSALS_KEPT: Final = 20
MOST_TEXT: Final = 200
"""Characters kept of what a server said."""


def destinations(connection: sqlite3.Connection, ticks: Ticks) -> list[KnownDestination]:
    """Return every destination in the order of registration."""
    found = connection.execute(
        "SELECT id, description, paused_until, pause_reason, failures, answered, pending FROM destinations ORDER BY id"
    ).fetchall()
    tick = ticks.now()
    known: list[KnownDestination] = []
    for row, description, pause, reason, failures, answered, pending in found:
        paused = paused_until(pause, tick)
        due = _next_due(connection, row, paused, tick)
        known.append(
            KnownDestination(
                id=row,
                destination=_description(row, description),
                paused_until_ns=ticks.wall_ns(paused) if paused else 0,
                pause_reason=reason if paused else "",
                failures=books.number(failures),
                last_answer_ns=ticks.wall_ns(books.number(answered)) if answered else 0,
                pending=pending,
                due=_count_due(connection, row, tick),
                next_due_ns=None if due is None else ticks.wall_ns(due),
            )
        )
    return known


def next_due_ns(connection: sqlite3.Connection, ticks: Ticks) -> int | None:
    """Return the UTC nanoseconds at which something can be leased next, or None."""
    tick = ticks.now()
    found = connection.execute("SELECT id, paused_until FROM destinations").fetchall()
    dues = (_next_due(connection, row, paused_until(pause, tick), tick) for row, pause in found)
    first = min((due for due in dues if due is not None), default=None)
    return None if first is None else ticks.wall_ns(first)


def backlogs(connection: sqlite3.Connection) -> dict[int, int]:
    """Return, by row id, the bytes that are pending for a destination, where there are any."""
    return dict(connection.execute("SELECT id, pending_bytes FROM destinations WHERE pending_bytes > 0").fetchall())


def peek(connection: sqlite3.Connection, limit: int) -> list[tuple[str, Request]]:
    """Return up to *limit* of the oldest pending requests with the keys of their destinations."""
    query = (
        "SELECT destinations.key, destination, envelope,"
        " (SELECT body FROM bodies WHERE bodies.id = requests.id), checksum, digest"
        " FROM requests JOIN destinations ON destinations.id = destination ORDER BY requests.id LIMIT ?"
    )
    found: list[tuple[str, Request]] = []
    for key, row, envelope, body, checksum, digest in connection.execute(query, (limit,)).fetchall():
        request = rows.decode(envelope, body, checksum, destination=row, digested=digest)
        if request is not None:
            found.append((key, request))
    return found


def note_refusal(
    connection: sqlite3.Connection, destination: int, *, tick: int, status: int, path: str, detail: str
) -> None:
    """Remember a refusal, without the query of *path*; forget all but the last `REFUSALS_KEPT`."""
    connection.execute(
        "INSERT INTO refusals (destination, at, status, path, detail) VALUES (?, ?, ?, ?, ?)",
        (destination, tick, status, path.partition("?")[0][:MOST_TEXT], detail[:MOST_TEXT]),
    )
    connection.execute("DELETE FROM refusals WHERE id <= (SELECT max(id) FROM refusals) - ?", (REFUSALS_KEPT,))


def refused(connection: sqlite3.Connection, ticks: Ticks) -> list[Refusal]:
    """Return the refusals kept, oldest first."""
    found = connection.execute(
        "SELECT key, at, status, path, detail FROM refusals JOIN destinations ON destinations.id = destination"
        " ORDER BY refusals.id"
    ).fetchall()
    return [
        Refusal(destination=key, at_ns=ticks.wall_ns(books.number(at)), status=status, path=path, detail=detail)
        for key, at, status, path, detail in found
    ]


def mapping(connection: sqlite3.Connection, query: str, kind: type[T], values: tuple[object, ...] = ()) -> dict[str, T]:
    """Return the rows of a query of two columns, a text and a *kind*.

    Raises:
        DamageError: They hold something else.
    """
    found = dict(connection.execute(query, values).fetchall())
    if not all(isinstance(name, str) and isinstance(value, kind) for name, value in found.items()):
        msg = f"something else where text and {kind.__name__} belong"
        raise DamageError(msg)
    return found


def _description(row: int, description: bytes) -> Destination:
    try:
        return msgspec.json.decode(description, type=Destination)
    except (TypeError, ValueError) as error:
        msg = f"destination {row}: its description does not parse"
        raise DamageError(msg) from error


def _next_due(connection: sqlite3.Connection, destination: int, paused: int, tick: int) -> int | None:
    """Return the tick at which something of *destination* can be leased, or None."""
    query = "SELECT due FROM requests WHERE destination = ? AND due {} ORDER BY due LIMIT 1"
    first = connection.execute(query.format("< ?"), (destination, BLOCKED)).fetchone()
    if first is None:
        return None
    due = first[0] if first[0] <= tick + CAP_NS else tick
    return max(due, paused, tick)


def _count_due(connection: sqlite3.Connection, destination: int, tick: int) -> int:
    query = (
        "SELECT count(*) FROM (SELECT 1 FROM requests WHERE destination = ? AND (due <= ? OR due BETWEEN ? AND ?)"
        " LIMIT ?)"
    )
    values = destination, tick, tick + CAP_NS + 1, BLOCKED - 1, COUNTED_DUE
    return int(connection.execute(query, values).fetchone()[0])
