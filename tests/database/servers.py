"""Databases with a table to gather: a PostgreSQL server of our own on the loopback, or a file of SQLite.

The table has a row for each number from 1 on, spread evenly over `DAYS`, the last one at the very end. A row's digest
is that of the rest of it, so that a row that was torn, or mixed from two, is known for it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

UNTIL = datetime(2026, 3, 2, tzinfo=timezone.utc)
DAYS = 28
BEGIN = UNTIL - timedelta(days=DAYS)
HOSTS = ("plain", 'with "quotes"', "with, comma", "two\nlines", "ümlaut €")

_ACCOUNT = "postgres"
"""PostgreSQL refuses to run as root; Debian's package makes this user."""


def find_postgres() -> Path | None:
    """Return the directory of the newest PostgreSQL server's programs; None where there is none."""
    found = shutil.which("initdb")
    places = [Path(found).parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda each: int(each.parent.name), reverse=True)
    return next((place for place in places if (place / "initdb").exists() and (place / "pg_ctl").exists()), None)


@contextmanager
def postgres(programs: Path) -> Iterator[str]:
    """Run a server of *programs* with an empty database; yield how to connect to it."""
    directory = Path(tempfile.mkdtemp(prefix="footfall-postgres-"))  # pytest's own are closed to other users
    who = {"user": _ACCOUNT, "group": _ACCOUNT, "extra_groups": []} if os.geteuid() == 0 else {}
    if who:
        shutil.chown(directory, _ACCOUNT, _ACCOUNT)
    data, port = directory / "data", _free_port()
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={directory} -c fsync=off"

    def call(program: str, *arguments: str) -> None:
        command = [str(programs / program), *arguments]
        # Into a file: the server inherits it, and a pipe would never end.
        with (directory / f"{program}.log").open("ab") as log:
            subprocess.run(command, cwd=directory, stdout=log, stderr=log, check=True, timeout=120, **who)

    try:
        call("initdb", "-D", str(data), "-U", "footfall", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        call("pg_ctl", "-D", str(data), "-w", "-l", str(directory / "server.log"), "-o", options, "start")
        try:
            yield f"host=127.0.0.1 port={port} user=footfall dbname=postgres"
        finally:
            call("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def fill_postgres(dsn: str, rows: int) -> None:
    """Make the table, with so many *rows*."""
    import psycopg

    hosts = ", ".join("%s" for _ in HOSTS)
    with psycopg.connect(dsn) as connection:
        connection.execute("SET TIME ZONE 'UTC'")
        connection.execute(
            f"""
            CREATE TABLE uses AS
            SELECT id, at, host, md5(concat_ws('|', id, extract(epoch FROM at)::bigint, host)) AS digest
            FROM (
                SELECT id, to_timestamp(%s + floor(id::float8 * %s / %s)) AS at,
                       (ARRAY[{hosts}])[1 + id %% {len(HOSTS)}] AS host
                FROM generate_series(1, %s) AS id
            ) AS made
            """,
            (BEGIN.timestamp(), DAYS * 86400, rows, *HOSTS, rows),
        )
        connection.execute("CREATE INDEX ON uses (at)")


def fill_sqlite(path: str, rows: int) -> None:
    """Likewise, in the file *path*."""

    def made() -> Iterator[tuple[int, str, str, str]]:
        for number in range(1, rows + 1):
            at, host = int(BEGIN.timestamp()) + number * DAYS * 86400 // rows, HOSTS[number % len(HOSTS)]
            yield number, datetime.fromtimestamp(at, timezone.utc).isoformat(" "), host, digest(number, at, host)

    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE uses (id INTEGER, at TEXT, host TEXT, digest TEXT)")
        connection.executemany("INSERT INTO uses VALUES (?, ?, ?, ?)", made())
        connection.execute("CREATE INDEX uses_at ON uses (at)")
    connection.close()


def digest(number: int, at: int, host: str) -> str:
    """Return what the row of *number* has as its digest; *at* are seconds since 1970."""
    return hashlib.md5(f"{number}|{at}|{host}".encode(), usedforsecurity=False).hexdigest()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port
