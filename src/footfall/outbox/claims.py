"""Leasing and settling: which rows may be claimed, and what each verdict does to one. SQL on an open transaction."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, Any, Final

from footfall.ledger import Reason
from footfall.outbox import books, intake, rows, rules
from footfall.outbox.ages import CAP_NS
from footfall.outbox.failures import DamageError
from footfall.outbox.rows import Leased, Settlement
from footfall.outbox.schema import BLOCKED
from footfall.wire.base import Action

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from footfall.outbox.ages import Ticks

MOST_LEASED_BYTES: Final = 4 * 2**20
"""One call hands out no more than this (but always one request): memory stays bounded, whatever the bodies."""

_COLUMNS: Final = (
    "id, created, attempts, in_doubt, lease, digest, records, bytes, checksum, order_key, envelope,"
    " (SELECT body FROM bodies WHERE bodies.id = requests.id)"
)


def paused_until(value: object, tick: int) -> int:
    """Return the tick until which a destination is paused, or 0. A pause longer than its cap counts as over."""
    return value if isinstance(value, int) and tick < value <= tick + CAP_NS else 0


def lease(
    connection: sqlite3.Connection, destination: int, *, ticks: Ticks, tick: int, ttl_ns: int, limit: int, token: str
) -> list[Leased]:
    """Claim up to *limit* due rows of *destination* under *token*; rows that are damaged are dropped and counted."""
    found = connection.execute("SELECT paused_until FROM destinations WHERE id = ?", (destination,)).fetchone()
    if found is None or paused_until(found[0], tick):
        return []
    leased: list[Leased] = []
    bad: list[tuple[int, int, int, int, str | None]] = []
    seen: set[int] = set()
    size = 0
    for row in _due(connection, destination, tick, limit):
        identity, created, attempts, in_doubt, old_lease, digest, records, row_bytes, checksum, order_key, *rest = row
        for value in (created, attempts, records, row_bytes):
            books.whole(value)
        if identity in seen:
            msg = f"row {identity}: the index names it twice"
            raise DamageError(msg)
        seen.add(identity)
        request = rows.decode(rest[0], rest[1], checksum, destination=destination, digested=digest)
        if request is None or request.records != records:
            bad.append((identity, destination, records, row_bytes, order_key))
            continue
        if leased and size + row_bytes > MOST_LEASED_BYTES:
            break
        size += row_bytes
        leased.append(
            Leased(
                id=identity,
                destination=destination,
                request=request,
                attempts=attempts,
                created_ns=ticks.wall_ns(created),
                lease=token,
                in_doubt=bool(in_doubt) or old_lease is not None,
            )
        )
    connection.executemany(
        "UPDATE requests SET lease = ?, due = ?, attempts = attempts + 1, in_doubt = ? WHERE id = ?",
        [(token, tick + ttl_ns, int(item.in_doubt), item.id) for item in leased],
    )
    if bad:
        books.remove(connection, bad, Reason.CORRUPT, tick)
    return leased


def _due(connection: sqlite3.Connection, destination: int, tick: int, limit: int) -> Iterator[tuple[Any, ...]]:
    query = f"SELECT {_COLUMNS} FROM requests WHERE destination = ? AND due {{}} ORDER BY due, id LIMIT ?"  # noqa: S608  constant names
    # A due time beyond any honest wait counts as now (reliability.md 3.9).
    cursors = (
        (query.format("<= ?"), (destination, tick, limit)),
        (query.format("BETWEEN ? AND ?"), (destination, tick + CAP_NS + 1, BLOCKED - 1, limit)),
    )
    seen = 0
    for text, values in cursors:
        for row in connection.execute(text, values).fetchmany(limit - seen) if limit > seen else ():
            seen += 1
            yield row


def settle(connection: sqlite3.Connection, settlement: Settlement, *, tick: int, retry_tick: int) -> bool:
    """Do to one leased row what its verdict says; return False when the lease is somebody else's by now."""
    leased, verdict = settlement.leased, settlement.verdict
    if verdict.rule is not None:  # the server's word holds, whatever becomes of the request
        rules.keep(connection, leased.destination, verdict.rule, tick)
    row = connection.execute(
        "SELECT destination, records, bytes, order_key, attempts FROM requests WHERE id = ? AND lease = ?",
        (leased.id, leased.lease),
    ).fetchone()
    if row is None:
        return False
    destination, records, size, order_key, attempts = *map(books.whole, row[:3]), row[3], books.whole(row[4])
    reason = verdict.reason or Reason.REFUSED
    if verdict.action is Action.HALT:
        release(connection, leased, tick)
    elif verdict.action is Action.RETRY and not 0 < verdict.max_attempts <= attempts:
        connection.execute(
            "UPDATE requests SET lease = NULL, in_doubt = 0, due = ? WHERE id = ?", (retry_tick, leased.id)
        )
    elif verdict.action is Action.DELIVERED:
        rejected = min(max(verdict.rejected, 0), records)
        books.delete(connection, [(leased.id,)])
        books.settled(connection, destination, size=size, delivered=records - rejected, drops={reason: rejected})
        if order_key is not None:
            books.unblock(connection, [(destination, order_key)], tick)
    elif verdict.action is Action.SPLIT and settlement.replacements:
        _split(connection, settlement, destination=destination, records=records, size=size, tick=tick)
        if order_key is not None:
            books.unblock(connection, [(destination, order_key)], tick)
    else:
        if verdict.action is Action.SPLIT:
            reason = Reason.TOO_BIG
        books.remove(connection, [(leased.id, destination, records, size, order_key)], reason, tick)
        if settlement.obeyed is not None:
            rules.count(connection, destination, settlement.obeyed, records)
    return True


def release(connection: sqlite3.Connection, leased: Leased, tick: int) -> bool:
    """Give a row back as it was before its lease: due, the attempt not counted."""
    changed = connection.execute(
        "UPDATE requests SET lease = NULL, due = ?, attempts = max(attempts - 1, 0) WHERE id = ? AND lease = ?",
        (tick, leased.id, leased.lease),
    )
    return changed.rowcount > 0


def _split(
    connection: sqlite3.Connection, settlement: Settlement, *, destination: int, records: int, size: int, tick: int
) -> None:
    """Put smaller requests in the place of one. Records that the parts no longer carry are booked `too_big`."""
    leased = settlement.leased
    created, project = connection.execute("SELECT created, project FROM requests WHERE id = ?", (leased.id,)).fetchone()
    parts = settlement.replacements
    ids = intake.ids_of_parts(connection, leased.id, parts)
    books.delete(connection, [(leased.id,)])
    batch = intake.prepare(
        [(destination, part) for part in parts], ids or (), repeat(project), tick=tick, created=created
    )
    kept = batch.records
    if not kept:
        books.settled(connection, destination, size=size, drops={Reason.TOO_BIG: records})
        return
    intake.insert(connection, batch, tick)
    # `insert` booked the parts as accepted; they are the same records, so the whole takes its own back.
    books.withdrawn(connection, destination, records=min(kept, records), size=size)
    books.settled(connection, destination, size=0, drops={Reason.TOO_BIG: max(records - kept, 0)})
