"""The books of the outbox: running sums that every change of a row carries along. SQL on an open transaction.

accepted = delivered + pending + dropped holds for each destination at every commit, because each function here moves
records from one column to another and nothing else touches them (reliability.md section 1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from footfall.ledger import Account, Ledger, Reason
from footfall.outbox import parcels
from footfall.outbox.failures import DamageError
from footfall.outbox.schema import BLOCKED

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping


def number(value: object) -> int:
    """Return *value* where it is a plausible count, else 0."""
    return value if isinstance(value, int) and 0 <= value < BLOCKED else 0


def whole(value: object) -> int:
    """Return *value*, which must be a whole number.

    Raises:
        DamageError: It is none: SQLite lets damage put anything into any column.
    """
    if not isinstance(value, int):
        msg = f"a {type(value).__name__} where a number belongs"
        raise DamageError(msg)
    return value


def register(connection: sqlite3.Connection, key: str, description: bytes) -> int:
    """Return the row id of the account under *key*, opened if it is new."""
    found = connection.execute("SELECT id FROM destinations WHERE key = ?", (key,)).fetchone()
    if found is not None:
        return int(found[0])
    inserted = connection.execute("INSERT INTO destinations (key, description) VALUES (?, ?)", (key, description))
    return int(inserted.lastrowid or 0)


def enqueued(connection: sqlite3.Connection, destination: int, *, records: int, size: int, duplicates: int = 0) -> None:
    """Book *records* as accepted and pending, and *duplicates* as known already."""
    connection.execute(
        "UPDATE destinations SET accepted = accepted + :records, pending = pending + :records,"
        " pending_bytes = pending_bytes + :size, duplicates = duplicates + :duplicates WHERE id = :destination",
        {"records": records, "size": size, "duplicates": duplicates, "destination": destination},
    )


def settled(
    connection: sqlite3.Connection,
    destination: int,
    *,
    size: int,
    delivered: int = 0,
    drops: Mapping[Reason, int] | None = None,
) -> None:
    """Book pending records of *size* bytes as *delivered*, the rest as dropped by reason."""
    lost = {reason: records for reason, records in (drops or {}).items() if records}
    connection.execute(
        "UPDATE destinations SET delivered = delivered + :delivered, pending = pending - :delivered - :lost,"
        " pending_bytes = pending_bytes - :size WHERE id = :destination",
        {"delivered": delivered, "lost": sum(lost.values()), "size": size, "destination": destination},
    )
    for reason, records in lost.items():
        _count(connection, destination, reason, records)


def withdrawn(connection: sqlite3.Connection, destination: int, *, records: int, size: int) -> None:
    """Undo `enqueued` for records that others stand for from now on."""
    enqueued(connection, destination, records=-records, size=-size)


def never_enqueued(connection: sqlite3.Connection, destination: int, reason: Reason, records: int) -> None:
    """Book *records* that were accepted and dropped without ever being a row."""
    connection.execute("UPDATE destinations SET accepted = accepted + ? WHERE id = ?", (records, destination))
    _count(connection, destination, reason, records)


def count_corrupt(connection: sqlite3.Connection, records: int) -> None:
    """Book *records* that were damaged before they could belong to a destination."""
    if records:
        connection.execute("INSERT OR IGNORE INTO meta VALUES ('corrupt', 0)")
        connection.execute("UPDATE meta SET value = value + ? WHERE name = 'corrupt'", (records,))


def remove(
    connection: sqlite3.Connection,
    rows: Iterable[tuple[int, int, int, int, str | None]],
    reason: Reason | None,
    tick: int,
) -> int:
    """Delete *rows* (id, destination, records, bytes, order key), booked as dropped for *reason*; None: as delivered.

    A request that is delivered with a file is not for this: `claims.settle_all` also lets go of its file.

    Returns:
        Records of them all.
    """
    sums: dict[int, tuple[int, int]] = {}
    ids: list[tuple[int]] = []
    chains: set[tuple[int, str]] = set()
    for row, destination, records, size, order_key in rows:
        ids.append((row,))
        before = sums.get(destination, (0, 0))
        sums[whole(destination)] = before[0] + whole(records), before[1] + whole(size)
        if order_key is not None:
            chains.add((destination, order_key))
    if reason is not None:
        parcels.dropped(connection, ids, reason)
    delete(connection, ids)
    for destination, (records, size) in sums.items():
        if reason is None:
            settled(connection, destination, size=size, delivered=records)
        else:
            settled(connection, destination, size=size, drops={reason: records})
    unblock(connection, chains, tick)
    return sum(records for records, _ in sums.values())


def delete(connection: sqlite3.Connection, ids: list[tuple[int]]) -> None:
    """Delete rows and their bodies; the books are the caller's."""
    connection.executemany("DELETE FROM requests WHERE id = ?", ids)
    connection.executemany("DELETE FROM bodies WHERE id = ?", ids)


def unblock(connection: sqlite3.Connection, chains: Iterable[tuple[int, str]], tick: int) -> None:
    """Make the first row of each (destination, order key) due, if it has been waiting for one before it."""
    connection.executemany(
        "UPDATE requests SET due = ? WHERE due = ? AND id = (SELECT id FROM requests"
        " WHERE destination = ? AND order_key = ? AND order_key IS NOT NULL ORDER BY id LIMIT 1)",
        [(tick, BLOCKED, destination, order_key) for destination, order_key in chains],
    )


def size(connection: sqlite3.Connection) -> int:
    """Return the bytes of all pending requests."""
    return int(connection.execute("SELECT coalesce(sum(pending_bytes), 0) FROM destinations").fetchone()[0])


def pending(connection: sqlite3.Connection) -> int:
    """Return the records of all pending requests."""
    return int(connection.execute("SELECT coalesce(sum(pending), 0) FROM destinations").fetchone()[0])


def counter(connection: sqlite3.Connection, name: str) -> int:
    """Return one of the counts in `meta`."""
    found = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return number(found[0]) if found else 0


def set_number(connection: sqlite3.Connection, name: str, value: int) -> None:
    """Set one of the numbers in `meta`."""
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))


def ledger(connection: sqlite3.Connection) -> Ledger:
    """Return all accounts. Costs a row a destination, not a row a request.

    Raises:
        DamageError: A reason is none of ours.
    """
    drops: dict[int, dict[Reason, int]] = {}
    for destination, reason, records in connection.execute("SELECT destination, reason, records FROM drops"):
        drops.setdefault(destination, {})[_reason(reason)] = records
    rows = connection.execute(
        "SELECT id, key, accepted, delivered, pending, duplicates FROM destinations ORDER BY id"
    ).fetchall()
    return Ledger(
        accounts=tuple(
            Account(
                destination=key,
                accepted=accepted,
                delivered=delivered,
                pending=waiting,
                dropped=drops.get(row, {}),
                duplicates=duplicates,
            )
            for row, key, accepted, delivered, waiting, duplicates in rows
        ),
        corrupt=counter(connection, "corrupt"),
    )


def audit(connection: sqlite3.Connection) -> None:
    """Compare books and index, which costs one look a destination.

    Damage can hide rows without SQLite noticing. What the books call pending and the index does not know would
    otherwise never be settled, and whoever waits for an empty outbox would wait for ever.

    Raises:
        DamageError: They do not fit together; the rows must be read and counted anew.
    """
    columns = "accepted", "delivered", "pending", "pending_bytes", "duplicates"
    for row, *numbers in connection.execute(f"SELECT id, {', '.join(columns)} FROM destinations").fetchall():  # noqa: S608  constant names
        first = connection.execute("SELECT due FROM requests WHERE destination = ? ORDER BY due LIMIT 1", (row,))
        due = first.fetchone()
        if any(not isinstance(value, int) or value < 0 for value in numbers):
            msg = f"destination {row}: {dict(zip(columns, numbers, strict=True))}"
            raise DamageError(msg)
        waiting, size_bytes = numbers[2], numbers[3]
        if (size_bytes > 0) != (due is not None) or (due is None and waiting) or not (due is None or _is_tick(due[0])):
            msg = f"destination {row}: {waiting} records, {size_bytes} bytes pending, first due {due}"
            raise DamageError(msg)
    if not ledger(connection).balanced:
        msg = "the books do not balance"
        raise DamageError(msg)


def _is_tick(value: object) -> bool:
    return isinstance(value, int) and 0 <= value < BLOCKED


def _reason(word: str) -> Reason:
    try:
        return Reason(word)
    except ValueError as error:
        msg = f"unknown reason {word!r}"
        raise DamageError(msg) from error


def _count(connection: sqlite3.Connection, destination: int, reason: Reason, records: int) -> None:
    connection.execute("INSERT OR IGNORE INTO drops VALUES (?, ?, 0)", (destination, reason.value))
    connection.execute(
        "UPDATE drops SET records = records + ? WHERE destination = ? AND reason = ?",
        (records, destination, reason.value),
    )


def update_destination(connection: sqlite3.Connection, destination: int, columns: Mapping[str, int | str]) -> None:
    """Set *columns* of a destination; their names are ours, never anybody's text."""
    names = ", ".join(f"{name} = ?" for name in columns)
    connection.execute(f"UPDATE destinations SET {names} WHERE id = ?", (*columns.values(), destination))  # noqa: S608
