"""A program that gathers a table day by day, as its users would write it.

    python -m tests.database.program URL KIND:WHERE UNTIL SECONDS

It says on stdout how far it is, a word and two numbers a line, so that whoever kills it knows in the midst of what.
"""

from __future__ import annotations

import re
import sqlite3
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import footfall

PROJECT = "tests/database"
PACKAGE_BYTES = 6 * 2**20
DAY = timedelta(days=1)

connection: Any = None


def days(key: str, last_gather: datetime, since: datetime | None, until: datetime) -> Iterator[tuple[Any, Any]]:
    begin = since or last_gather
    while begin < until:
        yield begin, min(begin + DAY, until)
        begin += DAY


@footfall.collector("uses", "1.0", format="csv", slicing=days)
def uses(since: datetime, until: datetime) -> Any:
    select = "SELECT id, at, host, digest FROM uses WHERE at > {0} AND at <= {0}"
    if isinstance(connection, sqlite3.Connection):
        return connection.execute(select.format("?"), (since.isoformat(" "), until.isoformat(" ")))
    cursor = connection.cursor(name="uses")  # on the server: rows come as they are asked for
    cursor.execute(select.format("%s"), (since, until))
    return cursor


@footfall.collector("totals", "1.0")
def totals(since: datetime, until: datetime) -> Any:
    return {"rows": connection.execute("SELECT count(*) FROM uses").fetchone()[0]}


def connect(kind: str, where: str) -> Any:
    if kind == "sqlite":
        return sqlite3.connect(where)
    import psycopg

    found = psycopg.connect(where)
    found.execute("SET TIME ZONE 'UTC'")
    return found


def memory_kib(name: str) -> int:
    """Return a figure of this program alone; `ru_maxrss` is at least what its parent had when it was started."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1])


def say(*words: object) -> None:
    print(*words, flush=True)


def main(url: str, database: str, until: str, wait_seconds: str) -> None:
    global connection  # noqa: PLW0603  as in a module of collectors that shares one
    connection = connect(*database.split(":", 1))
    before_kib = memory_kib("VmRSS")
    say("start", 0, 0)

    def told(done: int, total: int) -> None:
        say("gather" if done < total else "deliver", done, total)

    gathered = footfall.gather(
        sys.modules[__name__],
        until=datetime.fromisoformat(until),
        send_to=footfall.Insights(f"{url}/api/ingress/v1/upload", credentials="env:INSIGHTS"),
        project=PROJECT,
        max_data_bytes=PACKAGE_BYTES,
        timeout_seconds=float(wait_seconds),
        told=told,
    )
    assert not gathered.failed, gathered
    connection.close()
    say("end", gathered.pending, memory_kib("VmHWM") - before_kib)


if __name__ == "__main__":
    main(*sys.argv[1:])
