"""How a destination fares: failures in a row, and when it last answered. SQL on an open transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3


def answered(connection: sqlite3.Connection, destination: int, tick: int) -> None:
    """Note a useful answer at *tick*. Written at most once a minute while all is well, because it costs a sync."""
    connection.execute(
        "UPDATE destinations SET failures = 0, answered = :tick WHERE id = :destination"
        " AND (failures <> 0 OR answered = 0 OR answered NOT BETWEEN :tick - 60000000000 AND :tick)",
        {"tick": tick, "destination": destination},
    )


def failed(connection: sqlite3.Connection, destination: int) -> int:
    """Count one more failure in a row; return how many there are."""
    connection.execute("UPDATE destinations SET failures = failures + 1 WHERE id = ?", (destination,))
    found = connection.execute("SELECT failures FROM destinations WHERE id = ?", (destination,)).fetchone()
    return int(found[0]) if found else 0
