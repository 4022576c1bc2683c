"""The writing side of a journal: one `write` in the calling thread, no lock, no queue.

Promises, each with a test in ``tests/journal/test_writer.py``:

- What `Journal.write` accepted survives SIGKILL, ``os._exit`` and fork: the bytes are the operating system's.
- One record is one ``os.write`` to a file opened with ``O_APPEND``, so threads never mix their lines.
- The descriptor keeps its number for the life of the process: a full file is exchanged *under* it with ``dup2``, which
  is atomic, so a thread on its way into ``os.write`` never meets a closed or reused descriptor. After `Journal.close`
  the number leads to a place that refuses writes.
- The file is locked (``flock``) as long as somebody may write to it. The kernel drops the lock with the last writer,
  also in the middle of a ``write``, so a file that can be locked by a reader is complete.
- A fork child never writes to its parent's file, and lets go of its parent's lock.
- What `Journal.synced` returned for survives loss of power as well; threads share one ``fsync`` (`syncing`).
- A disk that is full, read-only or gone costs the caller nothing but the failed call; what it refused is kept in
  memory, up to 1 000 records or 1 MiB, and tried again from the courier's thread (reliability.md P11). Beyond that,
  and beyond the size limit of all journals, `write` says no and the caller counts: counts stay exact, detail is not.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

import msgspec

from footfall.errors import UnsafeFileError, trouble
from footfall.journal import lines
from footfall.journal.files import create, size_of
from footfall.journal.syncing import GroupSync
from footfall.locks import try_lock
from footfall.places import sync_directory

SUFFIX: Final = ".jsonl"
KEPT_RECORDS: Final = 1000
KEPT_BYTES: Final = 2**20
RETRY_SECONDS: Final = 5.0
"""After a failed opening nobody tries again before that: no storm of system calls on a dead mount."""

Definition = lines.ResourceLine | lines.ProjectLine | lines.FunctionLine


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who writes: repeated in the first line of every file."""

    process: str
    pid: int
    started: str = ""
    mode: str = "on"
    session_id: str = ""
    previous_session_id: str = ""
    installation_id: str = ""


class Journal:
    """The journal of one process.

    Args:
        locate: Called once, in the thread of the first record; returns the directory for the files, which must exist
            with mode 0700, or None where there is none: then records stay in memory.
        identity: Called once in each process that writes (again in fork children), in the thread of the first record.
        resource: Called like *identity*; where the process runs.
        max_bytes: Size at which a file is sealed and the next one begun.
        total_max_bytes: Size of all journals there beyond which nothing is accepted, only counted.
        durability: ``power`` syncs every record (reliability.md section 2).
        make_room: Called with the directory before a file is begun while all journals there exceed *total_max_bytes*;
            may remove some, and what is left does not matter. Default: nobody does, and new records are only counted.
    """

    def __init__(
        self,
        locate: Callable[[], Path | None],
        *,
        identity: Callable[[], Identity],
        resource: Callable[[], dict[str, object]],
        max_bytes: int = 2**20,
        total_max_bytes: int = 64 * 2**20,
        durability: Literal["process", "power"] = "process",
        make_room: Callable[[Path], None] | None = None,
    ) -> None:
        self.directory: Path | None = None
        self.fd = -1
        self.path: Path | None = None
        self.opened_at = 0.0
        self._locate = locate
        self._identity = identity
        self._resource = resource
        self._max_bytes = max_bytes
        self._total_max_bytes = total_max_bytes
        self._make_room = make_room
        self._group = GroupSync(self._sync_all)
        self._named = True
        self._left: list[int] = []  # descriptors of files that were sealed since the last sync, where somebody syncs
        self._syncs = durability == "power"
        self._sync = durability == "power"
        self._who: Identity | None = None
        self._sequence = 0
        self._size = 0
        self._definitions: list[bytes] = []
        # Re-entrant, and `_within` says so: a finalizer or a signal handler of the host may call a wrapped function in
        # the very thread that holds the lock, and so may whoever looks at the machine for `identity` or `resource`.
        self._lock = threading.RLock()
        self._within = False
        self._number = -1
        self._kept: deque[bytes] = deque()
        self._kept_bytes = 0
        self._not_before = 0.0
        self._torn = False
        self._undefined: list[bytes] = []
        self._behind = False
        self._full = False
        self._complaint: tuple[str, str] | None = None
        self._silent = False

    def __del__(self) -> None:
        if getattr(self, "_number", -1) >= 0:
            with contextlib.suppress(OSError):
                os.close(self._number)

    @property
    def process(self) -> str:
        """The random name of this process in its files; "" before the first."""
        return self._who.process if self._who is not None else ""

    # -- the caller's thread --------------------------------------------------------------------------------------

    def write(self, line: bytes) -> bool:
        """Append *line* (one record with its line end); return whether it was accepted.

        Never raises for anything the disk does. False means: count it, it is not written.
        """
        fd = self.fd
        if fd < 0 or self._size > self._max_bytes or self._behind:
            if not self._ready():
                return self._keep(line)
            fd = self.fd
        try:
            written = os.write(fd, line)
            self._size += written
            if written != len(line):
                self._torn = True
                return self._keep(line)
            if self._sync:
                self._group.wait()
        except OSError:
            return self._keep(line)
        return True

    def synced(self) -> None:
        """Return when everything that this thread has written is on the disk; threads share one ``fsync``.

        Raises:
            OSError: It is not, or the disk refused a record that is still kept in memory.
        """
        self._syncs = True
        if self.fd < 0 or self._behind:
            raise OSError(errno.EIO, "the journal cannot be written to")
        self._group.wait()

    def bound(self, *, max_bytes: int, total_max_bytes: int) -> None:
        """Set the sizes anew, from the next file on."""
        self._max_bytes, self._total_max_bytes = max_bytes, total_max_bytes

    def define(self, definition: Definition) -> None:
        """Write *definition* now, and again at the head of every further file of this process."""
        line = lines.encode(definition)
        with self._lock:
            self._definitions.append(line)
            if self.fd < 0:
                return
            written = 0
            if not self._behind:
                with contextlib.suppress(OSError):
                    written = os.write(self.fd, line)
            self._size += written
            if written != len(line):  # records must not come before what they refer to
                self._torn = self._torn or written > 0
                self._undefined.append(line)
                self._behind = True

    # -- the courier's thread, exit, fork -------------------------------------------------------------------------

    def retry_kept(self) -> int:
        """Write what the disk refused before; return how many records are still waiting in memory."""
        if self._kept:
            self._behind = True
            self._ready()
        return len(self._kept)

    def check(self) -> None:
        """Begin a new file when this one was removed, replaced or cut by somebody (reliability.md D3).

        Where none can be begun, let go of it all the same: what is written to a removed file is gone.
        """
        with self._lock:
            if self.fd < 0 or self.path is None:
                return
            try:
                here, there = os.fstat(self.fd), os.stat(self.path)  # noqa: PTH116  a pair with fstat
                intact = here.st_ino == there.st_ino and there.st_size >= self._size // 2
            except OSError:
                intact = False
            if not intact and not self._guarded(self._open):
                self._let_go()
        self._complain()

    def sync(self) -> None:
        """Ask the operating system to put everything accepted on the disk."""
        with contextlib.suppress(OSError):
            if self.fd >= 0:
                os.fsync(self.fd)

    def rotate(self) -> bool:
        """Seal the current file and begin the next; return whether there is one to write to."""
        with self._lock:
            opened = self._guarded(self._open)
        self._complain()
        return opened

    def close(self) -> None:
        """Say that the process ends in good order, and let go. A later `write` opens a new file."""
        self._not_before = 0.0  # the last chance of what waits in memory
        self.retry_kept()
        with self._lock:
            if self.fd >= 0:
                self._last_words(lines.Closed())
                self._let_go()

    def silence(self, *, silent: bool = True) -> None:
        """Accept nothing and open nothing from now on: the user said no while the process ran. Or take that back."""
        self._silent = silent

    def after_fork(self) -> None:
        """In a fork child: forget the parent's file without a word in it, and be ready to open one of our own."""
        self._lock = threading.RLock()
        self._within = False
        fd, self.fd, self._number = self._number, -1, -1
        if fd >= 0:
            # Shares the parent's lock: without this, a dead parent's file would look alive as long as we live.
            with contextlib.suppress(OSError):
                os.close(fd)
        self.path = None
        self._who = None
        self._sequence = 0
        self._size = 0
        self._kept.clear()
        self._kept_bytes = 0
        self._not_before = 0.0
        self._torn = self._full = self._behind = False
        self._group = GroupSync(self._sync_all)
        left, self._left = self._left, []
        for each in left:
            with contextlib.suppress(OSError):
                os.close(each)
        self._definitions = []
        self._undefined = []

    # -- within ---------------------------------------------------------------------------------------------------

    def _ready(self) -> bool:
        """Make the file fit to be written to: there, not too large, and holding what it should hold already."""
        if self._silent:
            return False
        with self._lock:
            if (self.fd < 0 or self._size > self._max_bytes) and time.monotonic() >= self._not_before:
                self._guarded(self._open)  # where it fails, the old file may still do
            ready = self.fd >= 0 and not self._full and (not self._behind or self._guarded(self._catch_up))
        self._complain()
        return ready

    def _guarded(self, step: Callable[[], bool]) -> bool:
        """Return *step*'s result, or False where this thread is within one already; the lock is held."""
        if self._within:
            return False
        self._within = True
        try:
            return step()
        finally:
            self._within = False

    def _catch_up(self) -> bool:
        """Write what the disk refused: the end of a fragment, definitions, then records in their order."""
        try:
            mending = (lines.TORN + b"\n" if self._torn else b"") + b"".join(self._undefined)
            if mending:
                self._torn = os.write(self.fd, mending) != len(mending)
                if self._torn:
                    return False
                self._undefined.clear()
            while self._kept:
                line = self._kept[0]
                self._torn = os.write(self.fd, line) != len(line)
                if self._torn:
                    return False
                self._kept.popleft()
                self._kept_bytes -= len(line)
                self._size += len(line)
            if self._sync:
                os.fsync(self.fd)
        except OSError:
            return False
        self._behind = False
        return True

    def _open(self) -> bool:
        """Open the next file and put it under the descriptor; the lock is held."""
        directory = self.directory = self.directory or self._locate()
        self._full = directory is not None and self._is_full(directory)
        if directory is None or self._full:
            self._not_before = time.monotonic() + RETRY_SECONDS
            if self._full:
                self._complaint = ("journals full", "reached their limit; uses are only counted")
            return False
        fd, unfinished = -1, directory
        try:
            who = self._who or self._identity()
            head = self._head(who)
            name = f"{time.time_ns():020d}-{who.pid}-{secrets.token_hex(4)}{SUFFIX}"
            path = directory / name
            # Under another name until it is locked and has its head: a reader that tries the lock of a file in the
            # making could win it, and would then take the file of a living process for an orphan.
            unfinished = path.with_suffix(".new")
            fd = create(unfinished)
            try_lock(fd)  # where there are no locks, pid and start time tell
            view = memoryview(head)
            while view:
                view = view[os.write(fd, view) :]
            unfinished.rename(path)
            if self._number >= 0:
                if self.fd >= 0:
                    self._last_words(lines.Sealed())
                    if self._syncs:  # a thread may have written to it and not synced yet
                        self._left.append(os.dup(self.fd))
                os.dup2(fd, self._number, inheritable=False)
                os.close(fd)
                self.fd = self._number
            else:
                self.fd = self._number = fd
        except (OSError, UnsafeFileError) as error:
            self._not_before = time.monotonic() + RETRY_SECONDS
            if fd >= 0:
                with contextlib.suppress(OSError):
                    os.close(fd)
                with contextlib.suppress(OSError):
                    unfinished.unlink()
            self._complaint = ("journal", f"cannot be written: {error.strerror or type(error).__name__}")
            return False
        self.path, self._size, self._torn, self._who = path, len(head), False, who
        self._named = False
        self._undefined.clear()
        self._behind = bool(self._kept)
        self.opened_at = time.monotonic()
        self._sequence += 1
        return True

    def _is_full(self, directory: Path) -> bool:
        if size_of(directory) <= self._total_max_bytes:
            return False
        if self._make_room is None:
            return True
        self._make_room(directory)
        return False

    def _sync_all(self) -> None:
        left, self._left = self._left, []
        try:
            for fd in (*left, self.fd):
                os.fsync(fd)
            if not self._named and self.directory is not None:
                self._named = True
                sync_directory(self.directory)
        finally:
            for fd in left:
                os.close(fd)

    def _head(self, who: Identity) -> bytes:
        opened = lines.Opened(
            process=who.process,
            sequence=self._sequence,
            pid=who.pid,
            started=who.started,
            mode=who.mode,
            time_ns=time.time_ns(),
            session_id=who.session_id,
            previous_session_id=who.previous_session_id,
            installation_id=who.installation_id,
        )
        resource = lines.ResourceLine(attributes=dict(self._resource()))
        return b"".join([lines.encode(opened), lines.encode(resource), *self._definitions])

    def _last_words(self, line: lines.Sealed | lines.Closed) -> None:
        fragment_ends = lines.TORN + b"\n" if self._torn else b""
        with contextlib.suppress(OSError):
            os.write(self.fd, fragment_ends + lines.encode(line))

    def _complain(self) -> None:
        """Log what went wrong, without the lock: a log handler of the host may call wrapped functions."""
        complaint, self._complaint = self._complaint, None
        if complaint is not None:
            trouble.note(complaint[0], "footfall: journals in %s: %s", self.directory, complaint[1])

    def _let_go(self) -> None:
        """Leave the file; a thread on its way into ``os.write`` gets an error, never somebody else's descriptor."""
        self.fd, self.path = -1, None
        try:
            nowhere = os.open(os.devnull, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
            os.dup2(nowhere, self._number, inheritable=False)
            os.close(nowhere)
        except OSError:  # no descriptor left for that: closing is all that can be done
            with contextlib.suppress(OSError):
                os.close(self._number)
            self._number = -1

    def _keep(self, line: bytes) -> bool:
        """Hold *line* in memory while there is room; return whether there was."""
        with self._lock:
            self._behind = True
            if (
                self._full
                or self._silent
                or len(self._kept) >= KEPT_RECORDS
                or self._kept_bytes + len(line) > KEPT_BYTES
            ):
                return False
            self._kept.append(line)
            self._kept_bytes += len(line)
            return True
