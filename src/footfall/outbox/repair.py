"""Read what can be read of a damaged outbox into a new one (reliability.md P13, D5).

Rows are read in order of their ids from both ends, so that one bad page costs the rows on it. Each is checked bit by
bit (`rows.decode`), and what cannot be vouched for is counted `corrupt`, so that the books of the new file balance.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import msgspec

from footfall.destination import Destination
from footfall.ledger import Reason
from footfall.outbox import ages, books, rows, rules
from footfall.outbox.failures import CAUGHT
from footfall.outbox.schema import BLOCKED
from footfall.outbox.withdrawal import OBEYED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_REQUESTS = (
    "SELECT id, destination, due, created, attempts, in_doubt, lease, digest, order_key, project, records, bytes,"
    " checksum, envelope, (SELECT body FROM bodies WHERE bodies.id = requests.id) FROM requests NOT INDEXED"
)
_MOST_ATTEMPTS = 10**6


def salvage(old: sqlite3.Connection, new: sqlite3.Connection, *, known: Mapping[int, Destination], tick: int) -> None:
    """Copy into *new*, a fresh outbox in an open transaction, what *old* still holds.

    Args:
        old: Opened on the damaged file; may fail at any statement.
        new: Where it goes.
        known: Destinations of this process, under the row ids it goes on using.
        tick: Now.
    """
    destinations = _destinations(old, new, known)
    # Read first, then counted: damage may have hit either books or rows.
    sums = dict.fromkeys(destinations, (0, 0))
    chains: set[tuple[int, str]] = set()
    strangers = 0
    for row in _requests(old):
        good = _checked(row, tick)
        if good is None:
            continue
        destination, records, size, order_key = good[1], good[10], good[11], good[8]
        if destination not in destinations:
            strangers += records
            continue
        if new.execute("INSERT OR IGNORE INTO requests VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)", good[:14]).rowcount < 1:
            continue
        if good[14] is not None:
            new.execute("INSERT OR REPLACE INTO bodies VALUES (?, ?)", (good[0], good[14]))
        sums[destination] = sums[destination][0] + records, sums[destination][1] + size
        if order_key is not None:
            chains.add((destination, order_key))
    for destination, (records, size) in sums.items():
        _account(new, destination, destinations[destination], records, size)
    books.unblock(new, chains, tick)
    books.count_corrupt(new, strangers)
    _small_tables(old, new)


def anchor(old: sqlite3.Connection) -> ages.Anchor | None:
    """Return the time that *old* remembers, if it can be read."""
    return next((ages.unpack(value) for (value,) in _each(old, "SELECT value FROM meta WHERE name = 'time'")), None)


def _destinations(
    old: sqlite3.Connection, new: sqlite3.Connection, known: Mapping[int, Destination]
) -> dict[int, dict[str, Any]]:
    """Copy destinations; return the old books of each, by row id."""
    found: dict[int, dict[str, Any]] = {row: {} for row in known}
    for row, destination in known.items():
        new.execute(
            "INSERT INTO destinations (id, key, description) VALUES (?, ?, ?)",
            (row, destination.key, msgspec.json.encode(destination)),
        )
    columns = "accepted", "delivered", "pending", "duplicates", "paused_until", "failures", "answered"
    query = f"SELECT id, key, description, {', '.join(columns)} FROM destinations NOT INDEXED"  # noqa: S608  constant names
    for row, key, description, *numbers in _each(old, query):
        try:
            destination = msgspec.json.decode(description, type=Destination)
        except (TypeError, ValueError):
            continue
        if not isinstance(row, int) or destination.key != key or known.get(row, destination).key != key:
            continue
        new.execute(
            "INSERT OR IGNORE INTO destinations (id, key, description) VALUES (?, ?, ?)", (row, key, description)
        )
        found[row] = dict(zip(columns, map(books.number, numbers), strict=True))
    for row, reason, records in _each(old, "SELECT destination, reason, records FROM drops"):
        if row in found and reason in {known_reason.value for known_reason in Reason}:
            found[row].setdefault("drops", {})[reason] = books.number(records)
    return found


def _account(new: sqlite3.Connection, row: int, old: Mapping[str, Any], pending: int, size: int) -> None:
    """Write books that balance: the old sums where they are plausible, and what is missing as `corrupt`."""
    drops: dict[str, int] = dict(old.get("drops", {}))
    delivered, accepted = old.get("delivered", 0), old.get("accepted", 0)
    expected = accepted - delivered - sum(drops.values())
    if expected != old.get("pending", 0):  # one of the sums is damaged: trust none of them about what is missing
        expected = min(expected, old.get("pending", 0))
    lost = max(expected - pending, 0)
    if lost:
        drops[Reason.CORRUPT.value] = drops.get(Reason.CORRUPT.value, 0) + lost
    new.execute(
        "UPDATE destinations SET accepted = ?, delivered = ?, pending = ?, pending_bytes = ?, duplicates = ?,"
        " paused_until = ?, failures = ?, answered = ? WHERE id = ?",
        (
            delivered + pending + sum(drops.values()),
            delivered,
            pending,
            size,
            *(old.get(name, 0) for name in ("duplicates", "paused_until", "failures", "answered")),
            row,
        ),
    )
    new.executemany("INSERT INTO drops VALUES (?, ?, ?)", [(row, reason, count) for reason, count in drops.items()])


def _checked(row: tuple[Any, ...], tick: int) -> tuple[Any, ...] | None:
    """Return *row* with every column plausible, or None when the request is not what was stored."""
    (identity, destination, due, created, attempts, in_doubt, lease, digest, _, project, _, _, crc, envelope, body) = (
        row
    )
    if not isinstance(identity, int) or not isinstance(destination, int) or not 0 < identity < 2**63 - rows.ID_STEP:
        return None
    request = rows.decode(envelope, body, crc, destination=destination, digested=digest)
    if request is None:
        return None
    lease = lease if isinstance(lease, str) else None
    due = due if isinstance(due, int) and 0 <= due < BLOCKED else tick
    if request.order_key and lease is None:
        due = BLOCKED
    return (
        identity,
        destination,
        due,
        created if isinstance(created, int) and 0 <= created <= tick else tick,
        min(books.number(attempts), _MOST_ATTEMPTS),
        1 if in_doubt else 0,
        lease,
        digest,
        request.order_key or None,
        project if isinstance(project, int) else None,
        request.records,
        len(envelope) + len(body or b"") + rows.OVERHEAD_BYTES,
        crc,
        envelope,
        body,
    )


def _requests(old: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    """Yield request rows from the first on until damage, then from the last back until damage."""
    last = -1
    for row in _each(old, f"{_REQUESTS} ORDER BY id"):
        if not isinstance(row[0], int) or row[0] <= last:
            break
        last = row[0]
        yield row
    for row in _each(old, f"{_REQUESTS} ORDER BY id DESC"):
        if not isinstance(row[0], int) or row[0] <= last:
            return
        yield row


def _small_tables(old: sqlite3.Connection, new: sqlite3.Connection) -> None:
    def text(value: object) -> bool:
        return isinstance(value, str)

    def blob(value: object) -> bool:
        return isinstance(value, bytes)

    def count(value: object) -> bool:
        return isinstance(value, int) and 0 <= value < BLOCKED

    tables: tuple[tuple[str, tuple[Callable[[object], bool], ...]], ...] = (
        ("journals", (text, count)),
        ("runs", (text, blob)),
        ("projects", (count, text, count)),
        ("refusals", (count, count, count, count, text, text)),
        ("held", (count, count)),
        ("files", (count, text, text, count)),
        ("parcels", (text, text, text)),
        ("rules", (count, count, lambda value: rules.labels(value) is not None, count, count)),
    )
    for table, kinds in tables:
        for row in _each(old, f"SELECT * FROM {table}"):  # noqa: S608  constant names
            if len(row) == len(kinds) and all(kind(value) for kind, value in zip(kinds, row, strict=True)):
                marks = ",".join("?" * len(row))
                new.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)  # noqa: S608  constant names
    for name in ("corrupt", "set_aside", OBEYED):
        for (value,) in _each(old, f"SELECT value FROM meta WHERE name = '{name}'"):  # noqa: S608  constant names
            new.execute("INSERT OR IGNORE INTO meta VALUES (?, 0)", (name,))
            new.execute("UPDATE meta SET value = value + ? WHERE name = ?", (books.number(value), name))


def _each(connection: sqlite3.Connection, query: str) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of *query* until there are no more or one cannot be read."""
    try:
        cursor = connection.execute(query)
        yield from cursor
    except (*CAUGHT, OverflowError):
        return
