"""What the original client left: rows of ``<sender>_<system_serial>.db`` become requests of our outbox.

Rows are moved, oldest first, in batches: kept in the outbox together with the id of the last one, synced, then deleted
from the original file. Whoever is killed in between goes on behind that id, so nothing is lost and nothing taken twice.
The file stays where it is and is empty afterwards, as its own client would leave it: a program that still uses the
original client goes on writing to it, and what it writes is taken over as well.

A body is taken as it is, compressed. The request id is the one the original would send (ramen.md section 5): the row's,
else the row's number, so that a message whose answer was lost to the original is known to the server.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from footfall.errors import trouble
from footfall.facade.ramen import spool as spools
from footfall.places import current_uid
from footfall.wire import ramen_names as names
from footfall.wire.base import Request
from footfall.wire.ramen import CONTENT_TYPE, HEADERS

if TYPE_CHECKING:
    from footfall.outbox.store import Outbox
    from footfall.wire.ramen import RamenWire

BATCH_ROWS: Final = 200
BUSY_SECONDS: Final = 5.0
"""Wait for a program that uses the original client at this moment."""

PROGRESS: Final = "original.db"
"""Name in the outbox's list of journals under which the last row taken is kept."""

_SELECT: Final = "SELECT id, category, data_type, data_version, reqid, data FROM queue WHERE id > ? ORDER BY id LIMIT ?"


class Original:
    """The original's database beside one queue.

    Args:
        root: Folder of the queue.
        wire: Names the system.
    """

    def __init__(self, root: Path, wire: RamenWire) -> None:
        self.path = _path(root)
        self._wire = wire
        self._seen: tuple[tuple[int, int, int], ...] = ()

    @staticmethod
    def is_there(root: Path) -> bool:
        """Whether there is such a file at all."""
        return _path(root).exists()

    def take_over(self, outbox: Outbox, number: int) -> int:
        """Move all rows into *outbox* under the account *number*; return how many.

        Raises:
            sqlite3.Error: The file is damaged or held by somebody; nothing was lost, the next call goes on.
            OutboxError: The outbox cannot keep them.
        """
        seen = _look(self.path)
        if not seen or seen == self._seen or not _is_ours(self.path):
            return 0
        moved = 0
        with contextlib.closing(sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)) as original:
            if not original.execute("SELECT 1 FROM sqlite_master WHERE name = 'queue'").fetchone():
                return 0  # a crash in the original's set-up leaves it without its table
            last = self._resume(original, outbox)
            while rows := original.execute(_SELECT, (last, BATCH_ROWS)).fetchall():
                requests = [request for row in rows if (request := self._request(*row)) is not None]
                last = rows[-1][0]
                outbox.intake(
                    [(number, request) for request in requests],
                    offsets={PROGRESS: last},
                    now_ns=time.time_ns(),
                    untranslatable={number: len(rows) - len(requests)} if len(requests) < len(rows) else None,
                )
                original.execute("DELETE FROM queue WHERE id <= ?", (last,))
                moved += len(rows)
        outbox.forget_journal(PROGRESS)
        self._seen = _look(self.path)
        if moved:
            trouble.note("ramen takeover", "footfall: took over %d messages from %s", moved, self.path)
        return moved

    def _resume(self, original: sqlite3.Connection, outbox: Outbox) -> int:
        """Return the id behind which to go on; what is before it was taken and perhaps not deleted."""
        last = outbox.offsets().get(PROGRESS, 0)
        if last:
            # Ids never come again in one file, so a smaller count is another file under the same name.
            counted = original.execute("SELECT seq FROM sqlite_sequence WHERE name = 'queue'").fetchone()
            if counted is None or counted[0] < last:
                return 0
            original.execute("DELETE FROM queue WHERE id <= ?", (last,))
        return last

    def _request(  # noqa: PLR0917
        self, row: int, category: Any, data_type: Any, data_version: Any, reqid: Any, data: Any
    ) -> Request | None:
        """Return what the original would send for a row, or None for one that it could not have written."""
        found = {
            "category": names.name(_stripped(category)),
            "data_type": names.name(_stripped(data_type)),
            "data_version": names.data_version(_stripped(data_version)),
        }
        labels = {key: text for key, text in found.items() if text is not None}
        if len(labels) < len(found) or not isinstance(data, bytes):
            return None
        wire = self._wire
        labels.update(system_serial=wire.system_serial, sender=wire.sender, system_version=wire.system_version or "0")
        path = names.path(labels, str(reqid or row))
        return Request(
            path=path,
            body=data,
            content_type=CONTENT_TYPE,
            headers=HEADERS,
            idempotency_key=hashlib.sha256(f"ramen\n{path}".encode()).hexdigest()[:32],
            order_key=f"{labels['category']}/{labels['data_type']}",
        )


def _stripped(value: Any) -> Any:
    """Return *value* without the one line end that the original lets through (vector 009)."""
    return value.removesuffix("\n") if isinstance(value, str) else value


def _path(root: Path) -> Path:
    return root.with_name(root.name.removesuffix(spools.SUFFIX) + ".db")


def _look(path: Path) -> tuple[tuple[int, int, int], ...]:
    """Return what tells whether somebody wrote to the database or its WAL; nothing where there is none."""
    found: list[tuple[int, int, int]] = []
    for name in (path, path.with_name(path.name + "-wal")):
        with contextlib.suppress(OSError):
            status = name.lstat()
            found.append((status.st_ino, status.st_size, status.st_mtime_ns))
    return tuple(found) if path.exists() else ()


def _is_ours(path: Path) -> bool:
    status = path.lstat()
    if stat.S_ISREG(status.st_mode) and current_uid() in {None, status.st_uid}:
        return True
    trouble.note("ramen takeover", "footfall: %s is not a file of this user, and was left alone", path)
    return False
