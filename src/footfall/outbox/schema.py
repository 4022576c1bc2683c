"""Tables, numbered migrations, and the layout on disk.

    outbox.db           the database: tables below, mode 0600
    outbox.db-wal       its write-ahead log. While nobody has the outbox open, zeros that keep its place on the disk
    outbox.db-journal   on network file systems instead of the log, while the outbox is open
    outbox.db.lock      held by the one process that delivers
    outbox.db.bad-<n>   set aside because of damage; three are kept
    files/              attachments of requests, and what was handed over with them: see `depot`

    meta          `schema` (repeats user_version), `time` (see `ages`), `corrupt` and `set_aside` (counts), and `obeyed`
                  (when the user's last no was said that was carried out here)
    destinations  one row each: description (JSON), books (running sums, so that a ledger costs no counting), health
    drops         records lost, by destination and reason
    requests      one row a pending request; gone when it is settled
    bodies        bodies above 2 KiB
    journals      how far each journal has been read, committed together with the rows that came from it
    runs          runs that began and have not ended, as the journal reader wants them back
    projects      names and uses seen
    refusals      the last 20
    rules         drop rules that hold, or held lately (since version 2)
    held          requests that wait to be joined with others (`runs`; since version 3)
    files         names of the files that belong to requests (`depot`; since version 3)
    parcels       what was handed over with files, and what became of it, until nobody asks any more (since version 3)
    ballast       empty but for the moment in which the file grows

In `requests`, `due` alone says when a row can be leased: enqueued at tick t, due at t; leased, due when the lease
lapses; to be retried, due then; behind another row of its order key, `BLOCKED`. One index finds the oldest due.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from footfall.errors import OutboxNewerError
from footfall.outbox.failures import DamageError

APPLICATION_ID: Final = 0x46_4F_4F_54
"""In the file header, so that tools (and we) can tell an outbox from another program's database."""

BLOCKED: Final = 2**62
"""`due` of a row that waits for an earlier one with the same order key."""

BEHIND: Final = (
    "(order_key IS NOT NULL AND EXISTS (SELECT 1 FROM requests AS older"
    " WHERE older.destination = requests.destination AND older.order_key = requests.order_key"
    " AND older.order_key IS NOT NULL AND older.id < requests.id))"
)
"""SQL for rows of `requests` that an earlier one of their order key stands before."""

MIGRATIONS: Final = (
    """
    CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
    CREATE TABLE destinations (
        id INTEGER PRIMARY KEY,
        key TEXT NOT NULL UNIQUE,
        description BLOB NOT NULL,
        accepted INTEGER NOT NULL DEFAULT 0,
        delivered INTEGER NOT NULL DEFAULT 0,
        pending INTEGER NOT NULL DEFAULT 0,
        pending_bytes INTEGER NOT NULL DEFAULT 0,
        duplicates INTEGER NOT NULL DEFAULT 0,
        paused_until INTEGER NOT NULL DEFAULT 0,
        pause_reason TEXT NOT NULL DEFAULT '',
        failures INTEGER NOT NULL DEFAULT 0,
        answered INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE drops (
        destination INTEGER NOT NULL,
        reason TEXT NOT NULL,
        records INTEGER NOT NULL,
        PRIMARY KEY (destination, reason)
    ) WITHOUT ROWID;
    CREATE TABLE requests (
        id INTEGER PRIMARY KEY,
        destination INTEGER NOT NULL,
        due INTEGER NOT NULL,
        created INTEGER NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        in_doubt INTEGER NOT NULL DEFAULT 0,
        lease TEXT,
        digest INTEGER NOT NULL,
        order_key TEXT,
        project INTEGER,
        records INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        checksum INTEGER NOT NULL,
        envelope BLOB NOT NULL
    );
    CREATE UNIQUE INDEX requests_digest ON requests (digest);
    CREATE INDEX requests_due ON requests (destination, due);
    CREATE INDEX requests_order ON requests (destination, order_key, id) WHERE order_key IS NOT NULL;
    CREATE INDEX requests_lease ON requests (lease) WHERE lease IS NOT NULL;
    CREATE TABLE bodies (id INTEGER PRIMARY KEY, body BLOB NOT NULL);
    CREATE TABLE journals (name TEXT PRIMARY KEY, read_to INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE runs (key TEXT PRIMARY KEY, description BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE projects (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, uses INTEGER NOT NULL DEFAULT 0);
    CREATE TABLE refusals (
        id INTEGER PRIMARY KEY,
        destination INTEGER NOT NULL,
        at INTEGER NOT NULL,
        status INTEGER NOT NULL,
        path TEXT NOT NULL,
        detail TEXT NOT NULL
    );
    CREATE TABLE ballast (id INTEGER PRIMARY KEY, zeros BLOB NOT NULL);
    """,
    """
    CREATE TABLE rules (
        id INTEGER PRIMARY KEY,
        destination INTEGER NOT NULL,
        labels TEXT NOT NULL,
        until INTEGER NOT NULL,
        dropped INTEGER NOT NULL DEFAULT 0,
        UNIQUE (destination, labels)
    );
    """,
    """
    CREATE TABLE held (id INTEGER PRIMARY KEY, destination INTEGER NOT NULL);
    CREATE TABLE files (
        id INTEGER PRIMARY KEY,
        parcel TEXT NOT NULL,
        name TEXT NOT NULL UNIQUE,
        bytes INTEGER NOT NULL
    );
    CREATE INDEX files_parcel ON files (parcel);
    CREATE TABLE parcels (
        key TEXT PRIMARY KEY,
        reason TEXT NOT NULL DEFAULT '',
        detail TEXT NOT NULL DEFAULT ''
    ) WITHOUT ROWID;
    """,
)
"""One script a version, never changed once released; a new version is a new script at the end."""

VERSION: Final = len(MIGRATIONS)


def configure(connection: sqlite3.Connection, *, network: bool) -> None:
    """Set up a fresh *connection*, before anything is read through it.

    ``locking_mode`` comes first: set before the first access it spares the shared-memory file, which network file
    systems cannot have, and which a fork child could spoil.
    """
    for pragma in (
        "locking_mode = EXCLUSIVE",
        "auto_vacuum = INCREMENTAL",
        "trusted_schema = OFF",
        "cell_size_check = ON",
        # Freed pages are overwritten where that costs no extra write; ON would write whole bodies again on a full disk.
        "secure_delete = FAST",
        "cache_size = -4096",
        f"journal_mode = {'DELETE' if network else 'WAL'}",
        "synchronous = FULL",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables to `VERSION`, in one transaction.

    Raises:
        OutboxNewerError: Written by a newer footfall; nothing but its version was read.
        DamageError: This is no outbox, or not all of one.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if version == 0 and application == 0 and not _objects(connection):
        _run(connection, 0)
        return
    if application != APPLICATION_ID or version < 1:
        msg = f"application id {application:#x} and version {version} are not an outbox's"
        raise DamageError(msg)
    # One flipped bit in the header must not pass for a newer version, which would stop delivery for good.
    row = connection.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone()
    if row is None or row[0] != version:
        msg = f"version {version} in the header, {row} in the tables"
        raise DamageError(msg)
    if version > VERSION:
        msg = f"the outbox has layout {version}, this footfall knows {VERSION}; the newer one delivers"
        raise OutboxNewerError(msg)
    if version < VERSION:
        _run(connection, version)
    if set(_objects(connection)) != set(_expected()):
        msg = "tables or indexes are not those of this version"
        raise DamageError(msg)


def _run(connection: sqlite3.Connection, version: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for script in MIGRATIONS[version:]:
        for statement in script.split(";\n"):
            if statement.strip():
                connection.execute(statement)
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('schema', ?)", (VERSION,))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def _objects(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    return connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()


def _expected() -> list[tuple[str, str]]:
    model = sqlite3.connect(":memory:", isolation_level=None)
    try:
        for script in MIGRATIONS:
            model.executescript(script)
        return _objects(model)
    finally:
        model.close()
