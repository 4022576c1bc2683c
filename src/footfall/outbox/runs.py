"""Held requests: they wait in the outbox for more of their kind, and are then joined into few.

A request that says `Request.hold_seconds` is a row like any other, due when that time is over: were nobody to join
it, it would be sent as it is. `join` takes the rows of one destination that nobody has tried yet and puts what its
wire makes of them in their place, oldest id first, in one transaction: a kill leaves the old rows or the new ones, and
the books carry the same records over. Rows that cannot be joined become due as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from footfall.destination import Destination
from footfall.errors import trouble
from footfall.outbox import books, intake, rows
from footfall.wire.base import Request

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Sequence

    from footfall.outbox.store import Outbox

    Join = Callable[[Sequence[Request]], list[Request]]

MOST_ROWS: Final = 1000
"""That one transaction joins; the rest comes in the next."""

_WAITING: Final = (
    "FROM held JOIN requests ON requests.id = held.id AND requests.lease IS NULL AND requests.attempts = 0"
    " AND NOT requests.in_doubt"
)
"""What nobody has tried to send: the server may have any other under its key, with the bytes that it had then."""


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """What is held for one destination.

    Attributes:
        id: Row id of the destination.
        destination: As it was registered.
        size_bytes: Of all held requests.
        is_due: Whether the oldest has waited long enough.
    """

    id: int
    destination: Destination
    size_bytes: int
    is_due: bool


class _Row(msgspec.Struct, frozen=True):
    id: int
    project: int | None
    created: int
    size: int
    request: Request


def waiting(outbox: Outbox) -> list[Waiting]:
    """Return what is held, by destination; costs one look at an empty table where nothing is."""
    tick = outbox.database.ticks.now()

    def work(connection: sqlite3.Connection) -> list[Waiting]:
        if connection.execute("SELECT 1 FROM held LIMIT 1").fetchone() is None:
            return []
        connection.execute("DELETE FROM held WHERE id NOT IN (SELECT id FROM requests)")
        found = connection.execute(
            f"SELECT held.destination, description, sum(requests.bytes), min(requests.due) {_WAITING}"
            " JOIN destinations ON destinations.id = held.destination GROUP BY held.destination"
        ).fetchall()
        return [
            Waiting(
                id=number,
                destination=msgspec.json.decode(description, type=Destination),
                size_bytes=size,
                is_due=books.whole(due) <= tick,
            )
            for number, description, size, due in found
        ]

    return outbox.database.run("held", work)


def join(outbox: Outbox, destination: int, joined: Join, *, most_bytes: int) -> int:
    """Join the oldest `MOST_ROWS` requests that are held for *destination*; return how many those were.

    Args:
        outbox: Held by this process.
        destination: Row id.
        joined: `JoiningWire.join`; what it raises leaves the requests as they are, and due.
        most_bytes: Of the requests that are joined into one.
    """
    tick = outbox.database.ticks.now()

    def work(connection: sqlite3.Connection) -> int:
        found = list(_rows(connection, destination))
        for group in _groups(found, most_bytes):
            _replace(connection, destination, group, joined, tick)
        return len(found)

    return outbox.database.run("join", work)


def _rows(connection: sqlite3.Connection, destination: int) -> Iterator[_Row]:
    columns = "requests.id, project, created, bytes, checksum, digest, envelope"
    query = (
        f"SELECT {columns}, (SELECT body FROM bodies WHERE bodies.id = requests.id) {_WAITING}"  # noqa: S608  constant
        " WHERE held.destination = ? ORDER BY requests.id LIMIT ?"
    )
    for row, project, created, size, checksum, digest, envelope, body in connection.execute(
        query, (destination, MOST_ROWS)
    ).fetchall():
        request = rows.decode(envelope, body, checksum, destination=destination, digested=digest)
        connection.execute("DELETE FROM held WHERE id = ?", (row,))
        # A damaged row is found and counted when it is leased; one that is not held took the number of one that was.
        if request is not None and request.hold_seconds:
            yield _Row(row, project, books.whole(created), books.whole(size), request)


def _groups(found: Sequence[_Row], most_bytes: int) -> list[list[_Row]]:
    """Return the rows that may become one request, each group within *most_bytes* where it has more than one."""
    groups: list[list[_Row]] = []
    latest: dict[tuple[int | None, str], list[_Row]] = {}
    sizes: dict[tuple[int | None, str], int] = {}
    for row in found:
        kind = row.project, row.request.joins
        if kind not in latest or sizes[kind] + row.size > most_bytes:
            latest[kind], sizes[kind] = [], 0
            groups.append(latest[kind])
        latest[kind].append(row)
        sizes[kind] += row.size
    return groups


def _replace(connection: sqlite3.Connection, destination: int, group: list[_Row], joined: Join, tick: int) -> None:
    parts: list[Request] = []
    if len(group) > 1:
        try:
            parts = joined([row.request for row in group])
        except Exception as error:  # noqa: BLE001  a bug in a wire: what it cannot join is sent as it is
            trouble.hidden("join requests", error)
    records = sum(row.request.records for row in group)
    ids = [row.id for row in group]
    created = min(row.created for row in group)
    batch = intake.prepare(
        [(destination, part) for part in parts], ids, [group[0].project] * len(parts), tick=tick, created=created
    )
    if not 0 < len(parts) < len(group) or batch.records != records:
        connection.executemany("UPDATE requests SET due = ? WHERE id = ?", [(tick, row) for row in ids])
        return
    books.delete(connection, [(row,) for row in ids])
    intake.insert(connection, batch, tick)
    # `insert` booked them as accepted once more.
    books.withdrawn(connection, destination, records=records, size=sum(row.size for row in group))
