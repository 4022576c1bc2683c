"""The status file: what the delivering process last said of itself, for everybody who does not deliver.

Light to import: a process about to exit reads it to learn whether somebody answers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from footfall.errors import OutboxError
from footfall.journal.reader import JournalReader, journals
from footfall.ledger import Ledger
from footfall.outbox.handover import unread_parcels
from footfall.outbox.rows import KnownRule
from footfall.places import Places


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What the delivering process last said of itself; the file that others read.

    Attributes:
        time_ns: UTC, when it was written.
        pid: Who delivers, or last delivered.
        ledger: The books at that time.
        observed: Uses by project, counted ones included.
        offsets: How far each journal had been read.
        answering: Whether some destination with something to send had answered when last asked.
        trouble: Hidden errors of the delivering process, by kind.
        rules: Drop rules of servers that were in force.
        file_bytes: Size of the files that waited beside the outbox.
    """

    time_ns: int
    pid: int
    ledger: Ledger
    observed: Mapping[str, int] = {}
    offsets: Mapping[str, int] = {}
    answering: bool = False
    trouble: Mapping[str, int] = {}
    rules: tuple[KnownRule, ...] = ()
    file_bytes: int = 0


def read_status(places: Places) -> Status | None:
    """Return the last status that a delivering process wrote, or None."""
    try:
        return msgspec.json.decode(places.status.read_bytes(), type=Status)
    except (OSError, msgspec.DecodeError):
        return None


def last_status(places: Places) -> Status:
    """Return the last status that a delivering process wrote, with what journals hold beyond it; never raises."""
    last = read_status(places) or Status(time_ns=0, pid=0, ledger=Ledger())
    unread = 0
    with contextlib.suppress(OutboxError):
        unread = unread_records(places.journal, last.offsets) + unread_parcels(places.files)
    return msgspec.structs.replace(last, ledger=msgspec.structs.replace(last.ledger, unread=unread))


def unread_records(directory: Path, offsets: Mapping[str, int]) -> int:
    """Return how many records the sendable journals of *directory* hold beyond *offsets*.

    Raises:
        OutboxError: The directory cannot be listed.
    """
    unread = 0
    try:
        found = journals(directory)
    except OSError as error:
        msg = f"journals in {directory} cannot be listed: {error.strerror or type(error).__name__}"
        raise OutboxError(msg) from error
    for path in found:
        with contextlib.suppress(OSError):
            offset = offsets.get(path.name, 0)
            if path.stat().st_size <= offset:
                continue
            reader = JournalReader(path)
            while True:
                chunk = reader.read(offset)
                if reader.opened is None or reader.opened.mode != "on":
                    break
                unread += len(chunk.observed)
                if chunk.at_end or chunk.offset == offset:
                    break
                offset = chunk.offset
    return unread


def to_json(status: Status) -> dict[str, Any]:
    """Return *status* as plain data for ``footfall status --json``, with the sums that the books leave out."""
    data: dict[str, Any] = msgspec.to_builtins(status)
    data["ledger"]["balanced"] = status.ledger.balanced
    data["ledger"]["pending"] = status.ledger.pending
    return data
