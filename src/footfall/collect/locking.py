"""One run at a time: an advisory lock of PostgreSQL where there is a connection (insights.md section 8)."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Generator
from typing import Any, Final

from footfall.errors import trouble

LOCK_NAME: Final = "gather_analytics_lock"


def lock_number(name: str) -> int:
    """Return the number that stands for *name*, the same one in every program."""
    return int(hashlib.sha512(name.encode()).hexdigest(), 16) % 2**63


@contextlib.contextmanager
def advisory_lock(connection: Any, name: str = LOCK_NAME, *, wait: bool = False) -> Generator[bool]:
    """Hold the lock of *name* in the session of *connection*; give False where another session has it.

    It is released only where it was taken here: sessions count, and a release too many would free somebody else's.

    Args:
        connection: DB-API, of Django or of SQLAlchemy's ``raw_connection()``.
        name: Of the lock.
        wait: Until it is free.
    """
    number = lock_number(name)
    cursor = connection.cursor()
    try:
        cursor.execute("SELECT pg_advisory_lock(%s);" if wait else "SELECT pg_try_advisory_lock(%s);", (number,))
        # `pg_advisory_lock` returns void: it is ours when the statement is over.
        acquired = bool(cursor.fetchall()[0][0]) or wait
        try:
            yield acquired
        finally:
            if acquired:
                _release(connection, cursor, number)
    finally:
        cursor.close()


def _release(connection: Any, cursor: Any, number: int) -> None:
    """Give the lock back; what is in the way of that does not undo what was gathered."""
    statement = "SELECT pg_advisory_unlock(%s);", (number,)
    try:
        cursor.execute(*statement)
    except Exception as error:  # noqa: BLE001  each driver has its own
        # After a statement of a collector that failed, PostgreSQL takes no other before the transaction is over. A
        # session that is gone has no locks.
        try:
            connection.rollback()
            cursor.execute(*statement)
        except Exception:  # noqa: BLE001  the first one says more
            trouble.hidden("advisory lock", error)
