"""The files around the database: its lock, its private creation, the place of its WAL, and files set aside.

The database itself is never opened here once SQLite has it: closing any descriptor of it would drop every lock that
SQLite holds on it (reliability.md 3.6). The WAL carries no locks (``locking_mode=EXCLUSIVE`` needs no shared memory),
so its size may be seen to from outside.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from footfall.errors import OutboxBusyError, OutboxError, UnsafeFileError
from footfall.locks import try_lock
from footfall.places import current_uid, local_directory, open_private

KEPT_ASIDE: Final = 3
"""Damaged files kept for whoever wants to look (reliability.md D5)."""

_SUFFIXES: Final = ("", "-wal", "-journal")
_FRAME_BYTES: Final = 4096 + 24
_WAL_HEADER_BYTES: Final = 32
_CHUNK: Final = bytes(2**16)


def take_lock(path: Path) -> int:
    """Return a descriptor that holds the lock file *path*; the kernel frees it with the process.

    Where the file system has no locks (Lustre without ``flock``, some FUSE), a file on one of this machine's own stands
    for it. That is enough: only processes of one machine open an outbox on a network file system (`places.adoption`).

    Raises:
        OutboxBusyError: Another process holds it.
        OutboxError: The file cannot be opened, or there are no locks anywhere.
    """
    fd, held = _try(path)
    if held is None and (stand_in := _stand_in(path)) is not None:
        os.close(fd)
        fd, held = _try(stand_in)
    if held:
        return fd
    os.close(fd)
    if held is None:
        msg = f"outbox lock {path.name}: no locks on this file system; set FOOTFALL_DIR to a directory on a local disk"
        raise OutboxError(msg)
    msg = f"outbox lock {path.name}: another process delivers; this one only appends to its journal"
    raise OutboxBusyError(msg)


def _stand_in(path: Path) -> Path | None:
    local = local_directory(os.environ)
    if local is None:
        return None
    return local / f"{hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:32]}.lock"


def _try(path: Path) -> tuple[int, bool | None]:
    """Open *path* and try to lock it; return the descriptor, and what `footfall.locks.try_lock` says."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        fd = os.open(path, flags, 0o600)
    except OSError as error:
        msg = f"outbox lock {path.name}: {error.strerror}; check the directory {path.parent}"
        raise OutboxError(msg) from error
    return fd, _lock(fd)


if sys.platform == "win32":
    import msvcrt

    def _lock(fd: int) -> bool | None:
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    _lock = try_lock


def drop_lock(fd: int) -> None:
    """Close *fd*. In a fork child this leaves the parent's lock alone: a lock goes with its last descriptor."""
    with suppress(OSError):
        os.close(fd)


def make_private(path: Path) -> bool:
    """Make *path* an empty file of mode 0600 unless it is there; return whether it was made.

    Raises:
        UnsafeFileError: What is there is no plain file of ours (reliability.md S1, S17).
        OutboxError: It cannot be made.
    """
    try:
        os.close(open_private(path))
    except FileExistsError:
        found = path.lstat()
    except OSError as error:
        msg = f"outbox {path.name}: {error.strerror}; check the directory {path.parent}"
        raise OutboxError(msg) from error
    else:
        return True
    if not stat.S_ISREG(found.st_mode) or current_uid() not in {None, found.st_uid}:
        msg = f"outbox {path.name} in {path.parent} is not a plain file of this user; remove it, or set FOOTFALL_DIR"
        raise UnsafeFileError(msg)
    return False


def identity(path: Path) -> tuple[int, int] | None:
    """Return what tells this file from one that replaced it, or None when it is gone."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def wal(path: Path) -> Path:
    """Return the name of the WAL of the database *path*."""
    return path.with_name(path.name + "-wal")


def reserve_wal(path: Path, frames: int) -> None:
    """Make the WAL of *path* at least *frames* pages long, on the disk and not only in name.

    SQLite overwrites a WAL from its start after each complete checkpoint and never shortens it, and what lies behind
    the last valid frame is ignored, so zeros there are room that nobody can take. The same holds for a WAL made of
    zeros only, which `close` leaves behind, because SQLite deletes its own when the last connection closes.

    Raises:
        OSError: No room; the file keeps its length or part of the zeros, both harmless.
    """
    fd = os.open(
        wal(path),
        os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0),
        0o600,
    )
    try:
        size = os.fstat(fd).st_size
        missing = _WAL_HEADER_BYTES + frames * _FRAME_BYTES - size
        if missing <= 0:
            return
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(fd, size, missing)
        else:
            os.lseek(fd, 0, os.SEEK_END)
            while missing > 0:
                missing -= os.write(fd, _CHUNK[:missing])
    finally:
        os.close(fd)


def set_aside(path: Path) -> Path:
    """Rename the database *path* and what belongs to it to ``<name>.bad-<n>``; return the new name."""
    numbers = [number for number, _ in aside(path)]
    target = path.with_name(f"{path.name}.bad-{max(numbers, default=0) + 1}")
    move(path, target)
    return target


def move(source: Path, target: Path) -> None:
    """Rename a database together with its WAL or rollback journal, which SQLite finds by name."""
    for suffix in _SUFFIXES:
        with suppress(FileNotFoundError):
            source.with_name(source.name + suffix).replace(target.with_name(target.name + suffix))


def remove(path: Path) -> None:
    """Delete a database together with its WAL or rollback journal."""
    for suffix in _SUFFIXES:
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def prune(path: Path) -> None:
    """Delete all but the newest `KEPT_ASIDE` files set aside."""
    for _, old in aside(path)[:-KEPT_ASIDE]:
        remove(old)


def aside(path: Path) -> list[tuple[int, Path]]:
    """Return number and name of each file set aside for *path*, oldest first."""
    pattern = re.compile(re.escape(path.name) + r"\.bad-(\d+)")
    found = ((pattern.fullmatch(entry.name), entry) for entry in path.parent.iterdir())
    return sorted((int(match[1]), entry) for match, entry in found if match)
