"""Leasing and settling: which rows may be claimed, and what each verdict does to one. SQL on an open transaction."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from footfall.ledger import Reason
from footfall.outbox import books, intake, parcels, rows, rules
from footfall.outbox.ages import CAP_NS
from footfall.outbox.failures import DamageError
from footfall.outbox.rows import Leased, Settlement
from footfall.outbox.schema import BEHIND, BLOCKED
from footfall.wire.base import Action

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

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


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller asks for, and for how long.

    Attributes:
        tick: Now.
        ttl_ns: After which it lapses.
        limit: Requests at most.
        token: Of the lease.
        followers: Whether the rows that wait behind one of them for its order key are claimed along with it, all in the
            order of their ids. Whoever asks for them sends those of one key one after the other, and releases the rest
            when one of them stays. Otherwise each message of a busy key costs a lease and a commit of its own.
    """

    tick: int
    ttl_ns: int
    limit: int
    token: str
    followers: bool = False


def lease(connection: sqlite3.Connection, destination: int, ticks: Ticks, claim: Claim) -> list[Leased]:
    """Claim due rows of *destination*; rows that are damaged are dropped and counted."""
    tick, limit, token = claim.tick, claim.limit, claim.token
    found = connection.execute("SELECT paused_until FROM destinations WHERE id = ?", (destination,)).fetchone()
    if found is None or paused_until(found[0], tick):
        return []
    leased: list[Leased] = []
    bad: list[tuple[int, int, int, int, str | None]] = []
    seen: set[int] = set()
    size = 0
    candidates = _due(connection, destination, tick, limit)
    for row in _with_followers(connection, destination, list(candidates), limit) if claim.followers else candidates:
        identity, created, attempts, in_doubt, old_lease, digest, records, row_bytes, checksum, order_key, *rest = row
        for value in (created, attempts, records, row_bytes):
            books.whole(value)
        if identity in seen:
            msg = f"row {identity}: the index names it twice"
            raise DamageError(msg)
        seen.add(identity)
        if order_key is not None and old_lease is not None and _is_behind(connection, destination, row, leased):
            connection.execute(
                "UPDATE requests SET lease = NULL, in_doubt = 1, due = ? WHERE id = ?", (BLOCKED, identity)
            )
            continue
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
        # A lease outlives the upload of its file, whatever that takes.
        [
            (token, tick + min(claim.ttl_ns + int(item.request.upload_seconds * 1e9), CAP_NS), item.in_doubt, item.id)
            for item in leased
        ],
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


def _with_followers(
    connection: sqlite3.Connection, destination: int, due: list[tuple[Any, ...]], limit: int
) -> list[tuple[Any, ...]]:
    """Return the rows *due* and, up to *limit* in all, a fair share of what waits behind each for its order key."""
    last = {row[9]: row[0] for row in sorted(due, key=lambda row: books.whole(row[0])) if row[9] is not None}
    if not last:
        return due
    share = -((len(due) - limit) // len(last))  # rounded up
    query = (
        f"SELECT {_COLUMNS}, due FROM requests WHERE destination = ? AND order_key = ? AND id > ? ORDER BY id LIMIT ?"  # noqa: S608  constant names
    )
    for order_key, identity in last.items() if share > 0 else ():
        for row in connection.execute(query, (destination, order_key, identity, share)).fetchall():
            if row[-1] != BLOCKED or len(due) >= limit:
                break
            due.append(row[:-1])
    return sorted(due, key=lambda row: books.whole(row[0]))


def _is_behind(connection: sqlite3.Connection, destination: int, row: tuple[Any, ...], leased: list[Leased]) -> bool:
    """Whether a *row* whose lease lapsed must wait for an earlier one of its order key that is not *leased* with it."""
    query = "SELECT count(*) FROM requests WHERE destination = ? AND order_key = ? AND id < ?"
    (earlier,) = connection.execute(query, (destination, row[9], row[0])).fetchone()
    return bool(earlier > sum(item.id < row[0] and item.request.order_key == row[9] for item in leased))


_Row: TypeAlias = "tuple[int, int, int, str | None, int]"
"""Destination, records, bytes, order key and attempts of a leased row."""


def settle_all(
    connection: sqlite3.Connection, settlements: Sequence[Settlement], *, tick: int, retry_ticks: Sequence[int]
) -> list[bool]:
    """Do to leased rows what their verdicts say; False where the lease is somebody else's by now.

    Plain deliveries, which most are, are deleted and booked together: one by one they take twice as long.
    """
    done: list[bool] = []
    delivered: dict[int, tuple[int, int, int, int, str | None]] = {}
    for settlement, retry_tick in zip(settlements, retry_ticks, strict=True):
        leased, verdict = settlement.leased, settlement.verdict
        row = None if leased.id in delivered else _row(connection, leased)
        is_plain = verdict.action is Action.DELIVERED and not verdict.rejected and verdict.rule is None
        if row is not None and is_plain and leased.request.attachment is None:
            delivered[leased.id] = leased.id, *row[:4]
        else:
            # In their order: what becomes of a row may depend on whether one before it is gone.
            books.remove(connection, delivered.values(), None, tick)
            delivered.clear()
            _settle(connection, settlement, row, tick=tick, retry_tick=retry_tick)
        done.append(row is not None)
    books.remove(connection, delivered.values(), None, tick)
    return done


def _row(connection: sqlite3.Connection, leased: Leased) -> _Row | None:
    row = connection.execute(
        "SELECT destination, records, bytes, order_key, attempts FROM requests WHERE id = ? AND lease = ?",
        (leased.id, leased.lease),
    ).fetchone()
    if row is None:
        return None
    whole = books.whole
    return whole(row[0]), whole(row[1]), whole(row[2]), row[3], whole(row[4])


def _settle(
    connection: sqlite3.Connection, settlement: Settlement, row: _Row | None, *, tick: int, retry_tick: int
) -> None:
    leased, verdict = settlement.leased, settlement.verdict
    if verdict.rule is not None:  # the server's word holds, whatever becomes of the request
        rules.keep(connection, leased.destination, verdict.rule, tick)
    if row is None:
        return
    destination, records, size, order_key, attempts = row
    reason = verdict.reason or Reason.REFUSED
    parcels.answered(connection, leased.request, verdict)
    if verdict.action is Action.HALT:
        release(connection, leased, tick)
    elif verdict.action is Action.RETRY and not 0 < verdict.max_attempts <= attempts:
        connection.execute(
            f"UPDATE requests SET lease = NULL, in_doubt = 0, due = CASE WHEN {BEHIND} THEN ? ELSE ? END WHERE id = ?",  # noqa: S608  constant
            (BLOCKED, retry_tick, leased.id),
        )
    elif verdict.action is Action.DELIVERED:
        rejected = min(max(verdict.rejected, 0), records)
        parcels.delivered(connection, leased.id, leased.request)
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


def release(connection: sqlite3.Connection, leased: Leased, tick: int) -> bool:
    """Give a row back as it was before its lease: due, or behind an earlier one; the attempt not counted."""
    changed = connection.execute(
        f"UPDATE requests SET lease = NULL, due = CASE WHEN {BEHIND} THEN ? ELSE ? END,"  # noqa: S608  constant
        " attempts = max(attempts - 1, 0) WHERE id = ? AND lease = ?",
        (BLOCKED, tick, leased.id, leased.lease),
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
        parcels.dropped(connection, [(leased.id,)], Reason.TOO_BIG)
        books.settled(connection, destination, size=size, drops={Reason.TOO_BIG: records})
        return
    parcels.release(connection, [(leased.id,)])
    intake.insert(connection, batch, tick)
    # `insert` booked the parts as accepted; they are the same records, so the whole takes its own back.
    books.withdrawn(connection, destination, records=min(kept, records), size=size)
    books.settled(connection, destination, size=0, drops={Reason.TOO_BIG: max(records - kept, 0)})
