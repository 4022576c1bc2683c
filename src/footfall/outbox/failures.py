"""What SQLite's errors mean for an outbox: no room, somebody else, damage, or plain trouble.

Pure: an exception goes in, its meaning comes out. SQLite reports ``ENOSPC`` as FULL, but a quota (``EDQUOT``) and a
file size limit (``EFBIG``) as a failed write, so both count as "no room". Only what proves that bytes in the file are
wrong counts as damage: setting a file aside because of a full disk would lose what it holds.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final

from footfall.errors import OutboxBusyError, OutboxError

if TYPE_CHECKING:
    from pathlib import Path


class OutboxFullError(OutboxError):
    """There is no room (disk, quota, file size limit); nothing was changed, journals must stay where they are."""


_FULL: Final = frozenset(
    {
        "SQLITE_FULL",
        "SQLITE_IOERR_WRITE",
        "SQLITE_IOERR_TRUNCATE",
        "SQLITE_IOERR_FSYNC",
        "SQLITE_IOERR_DIR_FSYNC",
        "SQLITE_IOERR_SHMSIZE",
    }
)
_BUSY: Final = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL")
_DAMAGE: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_IOERR_SHORT_READ", "SQLITE_IOERR_CORRUPTFS")

# Python 3.10 gives no error name, only SQLite's fixed English texts.
_DAMAGE_TEXTS: Final = (
    "malformed",
    "not a database",
    "no such table",
    "no such column",
    "no such index",
    "Could not decode",
)
_BUSY_TEXTS: Final = ("is locked", "locking protocol")
_FULL_TEXTS: Final = ("disk is full", "disk I/O error")


class DamageError(Exception):
    """Found by our own checks: rows and accounts, or the schema, do not fit together. Never leaves this folder."""


CAUGHT: Final = (sqlite3.Error, UnicodeDecodeError, DamageError)
"""What may come out of SQLite. Its messages quote the schema, and Python cannot decode one that quotes damage."""


def is_damage(error: BaseException) -> bool:
    """Whether *error* proves that the file's bytes are wrong."""
    if isinstance(error, (DamageError, UnicodeDecodeError)):
        return True
    if not isinstance(error, sqlite3.Error):
        return False
    if isinstance(error, sqlite3.IntegrityError):  # no constraint can fail but where rows and indexes disagree
        return True
    text = str(error)
    return _name(error).startswith(_DAMAGE) or any(part in text for part in _DAMAGE_TEXTS)


def is_full(error: BaseException) -> bool:
    """Whether *error* says that nothing more can be written."""
    if not isinstance(error, sqlite3.Error):
        return False
    name, text = _name(error), str(error)
    return name in _FULL or (not name.startswith("SQLITE_IOERR") and any(part in text for part in _FULL_TEXTS))


def translated(error: BaseException, *, doing: str, path: Path) -> OutboxError:
    """Return the error to raise in place of *error*, met while *doing* something with the outbox at *path*."""
    where = f"outbox {path.name}: {doing}"
    if is_full(error):
        return OutboxFullError(
            f"{where}: no room ({error}); nothing was changed, journals are kept; free disk space or raise the quota"
        )
    name, text = _name(error), str(error)
    if name.startswith(_BUSY) or any(part in text for part in _BUSY_TEXTS):
        return OutboxBusyError(f"{where}: {error}; another program holds the file, or the file system has no locks")
    return OutboxError(f"{where}: {type(error).__name__}: {error}; records stay where they are and are tried again")


def _name(error: BaseException) -> str:
    return str(getattr(error, "sqlite_errorname", ""))
