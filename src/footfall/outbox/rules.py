"""Drop rules: what servers have ordered not to be sent, for how long, and what was dropped for it.

Kept with the requests, so that they hold for every process of the user that delivers, and after a restart
(reliability.md N9). The outbox does not know what labels a request has; the courier asks the wire, drops what a rule
matches, and says in its settlement by which rule. SQL on an open transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from footfall.outbox import books
from footfall.outbox.ages import CAP_NS
from footfall.outbox.failures import DamageError
from footfall.outbox.rows import KnownRule

if TYPE_CHECKING:
    import sqlite3

    from footfall.outbox.ages import Ticks
    from footfall.wire.base import DropRule

MOST_RULES: Final = 256
"""Of one destination; the one that would end first makes room. A server with more to say can answer each request."""

_LABELS: Final = msgspec.json.Decoder(dict[str, str])


def stored(rule: DropRule) -> str:
    """Return the labels of *rule* as the table has them: the same labels, the same text."""
    return msgspec.json.encode(rule.labels, order="deterministic").decode()


def labels(text: object) -> dict[str, str] | None:
    """Return the labels in *text*, or None where it holds none: a rule without any would match everything."""
    try:
        return (_LABELS.decode(text) if isinstance(text, str) else None) or None
    except (msgspec.MsgspecError, ValueError):
        return None


def keep(connection: sqlite3.Connection, destination: int, rule: DropRule, tick: int) -> None:
    """Remember *rule* from *tick* on, at most 24 hours; one that is known already begins anew."""
    if not rule.labels:
        return
    forget(connection, tick)
    until = tick + min(max(int(rule.seconds * 1e9), 0), CAP_NS)
    connection.execute(
        "INSERT INTO rules (destination, labels, until) VALUES (?, ?, ?)"
        " ON CONFLICT (destination, labels) DO UPDATE SET until = excluded.until",
        (destination, stored(rule), until),
    )
    connection.execute(
        "DELETE FROM rules WHERE id IN"
        " (SELECT id FROM rules WHERE destination = ? ORDER BY until DESC, id DESC LIMIT -1 OFFSET ?)",
        (destination, MOST_RULES),
    )


def count(connection: sqlite3.Connection, destination: int, rule: DropRule, records: int) -> None:
    """Note that *records* were dropped because of *rule*."""
    connection.execute(
        "UPDATE rules SET dropped = dropped + ? WHERE destination = ? AND labels = ?",
        (records, destination, stored(rule)),
    )


def forget(connection: sqlite3.Connection, tick: int) -> None:
    """Remove rules whose time is over; one that claims to hold longer than any may is damaged or from the future."""
    connection.execute("DELETE FROM rules WHERE until <= ? OR until > ?", (tick, tick + CAP_NS))


def active(connection: sqlite3.Connection, ticks: Ticks, destination: int | None) -> list[KnownRule]:
    """Return the rules that hold now, of *destination* or of all, those that end first in front.

    Raises:
        DamageError: One cannot be read.
    """
    tick = ticks.now()
    found = connection.execute(
        "SELECT key, labels, until, dropped FROM rules JOIN destinations ON destinations.id = destination"
        " WHERE until > ? AND until <= ? AND destination = coalesce(?, destination) ORDER BY until, rules.id",
        (tick, tick + CAP_NS, destination),
    ).fetchall()
    known: list[KnownRule] = []
    for key, text, until, dropped in found:
        content = labels(text)
        if content is None:
            msg = "a drop rule does not parse"
            raise DamageError(msg)
        known.append(
            KnownRule(
                destination=key,
                labels=content,
                until_ns=ticks.wall_ns(books.whole(until)),
                dropped=books.number(dropped),
            )
        )
    return known
