"""The user said no: whose requests are waiting, and whether anything is left of them. SQL on an open transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from footfall.ledger import Reason
from footfall.outbox import books, limits
from footfall.outbox.failures import DamageError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

OBEYED: Final = "obeyed"
"""Number in `meta`: UTC nanoseconds of the last no that was carried out in full."""


def waiting(connection: sqlite3.Connection) -> list[tuple[int | None, str]]:
    """Return row id and name of each project with requests; (None, "") for requests that name none."""
    found = connection.execute(
        "SELECT DISTINCT project, coalesce(name, '') FROM requests LEFT JOIN projects ON projects.id = project"
    ).fetchall()
    if not all(isinstance(name, str) for _, name in found):
        msg = "a project's name is no text"
        raise DamageError(msg)
    return found


def note(connection: sqlite3.Connection, projects: Sequence[int | None], refused_ns: int) -> None:
    """Remember the no of *refused_ns* as carried out, unless a request of *projects* is still there."""
    left = any(
        connection.execute("SELECT 1 FROM requests WHERE project IS ? LIMIT 1", (row,)).fetchone() for row in projects
    )
    if not left:
        books.set_number(connection, OBEYED, refused_ns)


def drop(connection: sqlite3.Connection, project: int | None, tick: int, *, limit: int) -> tuple[int, int]:
    """Drop at most *limit* unleased rows of *project*; return how many rows and records those were."""
    query = f"SELECT {limits.ROW} FROM requests WHERE project IS ? AND {limits.UNLEASED} LIMIT ?"  # noqa: S608  constants
    found = connection.execute(query, (project, tick, limit)).fetchall()
    return len(found), books.remove(connection, found, Reason.OPTED_OUT, tick)
