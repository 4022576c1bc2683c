"""Handing files over to whoever delivers, and learning what became of them: from any process, without a lock.

Directory ``files`` beside the outbox, all names made of keys (32 hexadecimal digits):

    <key>.file        the bytes of an attachment: copied, synced, renamed into place
    <key>.batch       what was handed over in one call: destinations and requests. Its appearance is the moment in which
                      all of it is kept; without it, files are what a killed process left
    <key>.outcome     how a parcel stands, written by the delivering process (`depot`)
    <key>.forgotten   nobody will ask for this parcel any more
    <key>.part        a part of a file that was split; made by the delivering process alone
    *.new, .*.tmp     being written

A batch disappears only after an outcome says of each of its parcels that it is kept, so a parcel is known from the
moment `keep` returns until it is forgotten.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
import zlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec

from footfall.crash import crash_at
from footfall.destination import Destination
from footfall.errors import OutboxError
from footfall.places import open_private, private_directory, sync_directory, write_all, write_private
from footfall.wire.base import Request

FILE: Final = ".file"
BATCH: Final = ".batch"
OUTCOME: Final = ".outcome"
FORGOTTEN: Final = ".forgotten"
PART: Final = ".part"
NEW: Final = ".new"

VERSION: Final = 1
PIECE_BYTES: Final = 1024 * 1024

_KEY: Final = re.compile(r"[0-9a-f]{32}")

State = Literal["pending", "delivered", "dropped"]


class Handed(msgspec.Struct, frozen=True):
    """One parcel: where it goes, and the request with its attachment."""

    destination: Destination
    request: Request


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What was handed over at once.

    Attributes:
        version: Of this layout.
        kept_ns: UTC, when it was handed over.
        project: Whom it speaks for, ``owner/name`` or "".
        handed: The parcels.
    """

    version: int = VERSION
    kept_ns: int
    project: str = ""
    handed: tuple[Handed, ...]


class _Versioned(msgspec.Struct):
    version: int


class Standing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a parcel stands.

    Attributes:
        state: ``pending`` until it was delivered or dropped.
        reason: Why it was dropped, a value of `footfall.ledger.Reason`.
        detail: What the server last said; begins with the status, or is `parcels.NO_ANSWER`.
        attempts: That have ended, of what is pending.
    """

    state: State
    reason: str = ""
    detail: str = ""
    attempts: int = 0


PENDING: Final = Standing(state="pending")


def keep(directory: Path, parcels: Sequence[tuple[Handed, Path]], *, project: str = "") -> None:
    """Keep *parcels*, each with the file that its attachment stands for: all or none, synced. Known ones are skipped.

    Size and checksum of each attachment are filled in here.

    Raises:
        OSError: They could not be kept; none was.
        OutboxError: A key is none.
    """
    for handed, _ in parcels:
        if not _KEY.fullmatch(handed.request.idempotency_key) or handed.request.attachment is None:
            msg = f"parcel {handed.request.idempotency_key!r:.40}: its key must be 32 hexadecimal digits"
            raise OutboxError(msg)
    private_directory(directory)
    known = standings(directory, [handed.request.idempotency_key for handed, _ in parcels])
    new = [each for each in parcels if each[0].request.idempotency_key not in known]
    if not new:
        return
    written: list[Path] = []
    try:
        kept = tuple(_kept(directory, handed, source, written) for handed, source in new)
        crash_at("after_files")
        sync_directory(directory)
        batch = Batch(kept_ns=time.time_ns(), project=project, handed=kept)
        first = kept[0].request.idempotency_key
        write_private(directory / f"{first}{BATCH}", msgspec.json.encode(batch), synced=True)
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise
    crash_at("after_batch")
    sync_directory(directory)


def standings(directory: Path, keys: Collection[str]) -> dict[str, Standing]:
    """Return how those of *keys* stand that were kept and not forgotten."""
    found = _outcomes(directory, keys)
    missing = set(keys) - found.keys()
    if missing:
        waiting = {
            handed.request.idempotency_key for _, batch in batches(directory) if batch for handed in batch.handed
        }
        # Once more: between the two looks a batch may have been taken in, and then its outcomes are there.
        found |= dict.fromkeys(missing & waiting, PENDING) | _outcomes(directory, missing)
    return {key: found[key] for key in keys if key in found and not (directory / f"{key}{FORGOTTEN}").exists()}


def forget(directory: Path, keys: Collection[str]) -> None:
    """Let go of what is known of those of *keys* that are settled."""
    for key, standing in _outcomes(directory, keys).items():
        if standing.state != "pending":
            with contextlib.suppress(FileExistsError):
                os.close(open_private(directory / f"{key}{FORGOTTEN}"))


def batches(directory: Path) -> Iterator[tuple[Path, Batch | None]]:
    """Yield the batches that nobody has taken in; None for one that does not parse. A newer layout is left out."""
    for path in sorted(directory.glob(f"*{BATCH}")):
        try:
            text = path.read_bytes()
            if msgspec.json.decode(text, type=_Versioned).version > VERSION:
                continue
            batch = msgspec.json.decode(text, type=Batch)
        except FileNotFoundError:  # taken in meanwhile
            continue
        except (OSError, msgspec.MsgspecError, ValueError):
            yield path, None
        else:
            yield path, batch


def unread_parcels(directory: Path) -> int:
    """Return how many parcels wait to be taken in."""
    return sum(len(batch.handed) for _, batch in batches(directory) if batch)


def _outcomes(directory: Path, keys: Collection[str]) -> dict[str, Standing]:
    found: dict[str, Standing] = {}
    for key in keys:
        if _KEY.fullmatch(key):
            with contextlib.suppress(OSError, msgspec.MsgspecError):
                found[key] = msgspec.json.decode((directory / f"{key}{OUTCOME}").read_bytes(), type=Standing)
    return found


def _kept(directory: Path, handed: Handed, source: Path, written: list[Path]) -> Handed:
    """Copy *source* into *directory* and return *handed* with what was found out about it."""
    key, attachment = handed.request.idempotency_key, handed.request.attachment
    assert attachment is not None  # noqa: S101  `keep` has looked
    target = directory / f"{key}{FILE}"
    written.append(target.with_suffix(NEW))
    size, checksum = copied(source, written[-1])
    written[-1].replace(target)
    written[-1] = target
    attachment = msgspec.structs.replace(attachment, name=target.name, size=size, crc32=checksum, parcel=key)
    return Handed(handed.destination, msgspec.structs.replace(handed.request, attachment=attachment))


def copied(source: Path, target: Path) -> tuple[int, int]:
    """Copy *source* to the new file *target*, synced; return its size and checksum. An old *target* is replaced."""
    target.unlink(missing_ok=True)
    size = checksum = 0
    fd = open_private(target)
    try:
        with source.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                write_all(fd, piece)
                size, checksum = size + len(piece), zlib.crc32(piece, checksum)
        os.fsync(fd)
    finally:
        os.close(fd)
    return size, checksum
