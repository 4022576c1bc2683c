"""The writing side of a queue: one folder, one journal a process, one `write` a message.

    <queue_dir>/<sender>_<system_serial>.footfall/journal/   what was pushed, one file a process (`footfall.journal`)
                                                  outbox/    what a reader has taken in
                                                  status.json  what the reading process last said of itself
                                                  dropped.jsonl  what went unread because the queue was full

All of it has mode 0700, since payloads may be personal. All writers and readers of one queue in a process share one
`Spool`. A push is durable against the death of the process when it returns, and against loss of power when it was asked
to be; nobody waits for another process. Whether the user said no is asked once a second.
"""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import struct
import threading
import time
import weakref
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from footfall import forks, settings
from footfall.consent.choice import Watch
from footfall.consent.switches import refusal
from footfall.destination import Destination
from footfall.errors import ConfigurationError, trouble
from footfall.facade.ramen.config import QueueWriterConfig
from footfall.facade.ramen.errors import NotSyncedError
from footfall.journal import lines
from footfall.journal.files import size_of
from footfall.journal.reader import JournalReader, finished, journals
from footfall.journal.writer import Identity, Journal
from footfall.ledger import Reason
from footfall.locks import try_lock
from footfall.places import Places, config_directory, is_alive, private_directory, process_start, sync_directory
from footfall.places import mounts as file_systems
from footfall.status import read_status

SUFFIX: Final = ".footfall"
LOCK_NAME: Final = "outbox/outbox.db.lock"
DROPPED_NAME: Final = "dropped.jsonl"

LARGEST_FILE_BYTES: Final = 2**20
LEAST_FILE_BYTES: Final = 4096
"""A journal ends between these; a queue with a small limit has small ones, since they are dropped as a whole."""

MAX_LINE_BYTES: Final = 256 * 2**20
"""Of a message in a journal. The original's bound is SQLite's, 1 GB."""

LOOK_NS: Final = 10**9
"""Consent and the folder are looked at this often while messages are pushed."""

HERE: Final = Destination(wire="ramen", endpoint="https://queue.invalid")
"""Account of a queue. Where it goes, and with which token, is the reader's to say at each sending, so that messages
pushed before a change of either are not left behind."""

MAX_KINDS: Final = 1000
"""Kinds of messages (category, data type, data version) that a journal defines once; more of them are spelt out in each
line, so that a program that makes up versions does not grow its memory and every file's head."""

_EVENT: Final = b'{"kind":"event"'
PLAIN: Final = _EVENT + b',"function":%d,"time_ns":%d,"ids":"%b","extra":{"ramen.data":%b}}\n'
"""The line of a message that is text and has no request id of its own, as `lines.encode` writes it."""

escaped: Final = msgspec.json.Encoder().encode

IDS_AT_ONCE: Final = 128
_IDS_BYTES: Final = 24
_apart: Final = struct.Struct(f"{2 * _IDS_BYTES}s" * IDS_AT_ONCE).unpack


class Dropped(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of ``dropped.jsonl``: messages that nobody has read, and why they went."""

    time_ns: int
    reason: Reason
    records: int
    journal: str = ""


class Spool:
    """The writing side of one queue in this process. Get it with `spool_of`.

    Args:
        root: Folder of the queue; made here.
        config: Of whoever asked first.

    Attributes:
        root: Folder of the queue.
        project: Under which the user may say no to it.
        limit: Bytes, by the config that was used last.
        mode: ``on``, ``local`` (kept and never sent) or ``off``.
        looked_ns: When the user's choice and the folder were last looked at, UTC.
        look_ns: When they are to be looked at again.
        mark: Of this process (`footfall.forks`).
        ids: For messages to come.
        numbers: Of the kinds that the journal has defined.
    """

    def __init__(self, root: Path, config: QueueWriterConfig) -> None:
        self.root = root
        self.project = f"ramen/{config.sender}"
        self.limit = 0
        self.mode: settings.Mode = "off"
        self._watch = Watch(config_directory(os.environ))
        self._version = config.system_version
        self.numbers: dict[tuple[str, str, str | int], int] = {}
        self.ids: list[bytes] = []
        self.mark = forks.mark()
        self._lock = threading.Lock()
        self.looked_ns = self.look_ns = 0
        self._folder: tuple[int, int] | None = None
        self.journal = self._new_journal()
        self.bound(config)
        self.look()

    def bound(self, config: QueueWriterConfig) -> None:
        """Obey the size limit of *config*."""
        self.limit = int(config.effective("max_queue_size"))
        most = min(max(self.limit // 20, LEAST_FILE_BYTES), LARGEST_FILE_BYTES)
        self.journal.bound(max_bytes=most, total_max_bytes=max(self.limit - most, most))

    def places(self) -> Places:
        """Return where everything is, in the form that delivery takes it."""
        root = self.root
        return Places(
            state=root,
            journal=root / "journal",
            outbox=root / "outbox",
            status=root / "status.json",
            config=config_directory(os.environ),
            network=file_systems.is_network(root, file_systems.table(), root.stat().st_dev),
            host="",
        )

    # -- the caller's thread --------------------------------------------------------------------------------------

    def synced(self) -> None:
        """Return when all that this thread has pushed survives loss of power.

        Raises:
            NotSyncedError: It does not.
        """
        try:
            self.journal.synced()
        except OSError as error:
            msg = f"{self.root}: the message is not on the disk ({error.strerror}); it is tried again"
            raise NotSyncedError(error.errno, msg) from error

    def note_refused(self) -> None:
        """Count a message that could not be kept."""
        trouble.note("ramen push", "footfall: a message could not be kept: the disk refuses it and memory is full")

    def look(self) -> None:
        """Ask whether the user said no, and see that the folder is there."""
        self.looked_ns = time.time_ns()
        self.look_ns = self.looked_ns + LOOK_NS
        self.mode = self._asked()
        if self.mode == "off":
            return
        if self._folder is None or self._folder != _identity(self.root):
            self._make_folder()
        self.journal.retry_kept()
        self.journal.check()

    def sends(self) -> bool:
        """Whether anything may leave the machine now."""
        return self._asked() == "on"

    def is_ours(self) -> bool:
        """Whether the folder is still the one that this process made or found."""
        return self._folder is not None and _identity(self.root) == self._folder

    def adopt_folder(self) -> None:
        """Take the folder that is there now for ours."""
        self._folder = _identity(self.root)

    def after_fork(self) -> None:
        """In a fork child: a journal of its own, with the first push."""
        self._lock = threading.Lock()
        self.mark = forks.mark()
        self.journal.after_fork()
        self.numbers = {}
        self.ids = []  # the parent's: two messages with the same ids are one

    # -- within ---------------------------------------------------------------------------------------------------

    def _asked(self) -> settings.Mode:
        if refusal(os.environ, self._watch(), self.project):
            return "off"
        with contextlib.suppress(ConfigurationError):
            return "local" if settings.read().mode in {"local", "log"} else "on"
        return "on"

    def _new_journal(self) -> Journal:
        return Journal(
            lambda: self.root / "journal",
            identity=lambda: Identity(
                process=secrets.token_hex(8),
                pid=os.getpid(),
                started=process_start(os.getpid()),
                mode="local" if self.mode == "local" else "on",
            ),
            resource=dict,
            make_room=self._make_room,
        )

    def _make_folder(self) -> None:
        private_directory(self.root)
        for name in ("journal", "outbox"):
            private_directory(self.root / name)
        for directory in (self.root, self.root.parent):
            with contextlib.suppress(OSError):
                sync_directory(directory)
        self._folder = _identity(self.root)

    def line(
        self, kind: tuple[str, str, str | int], number: int, ids: bytes, body: str | bytes, reqid: str | None
    ) -> bytes:
        """Return the line of any message; *number* is 0 for a kind that is not defined."""
        extra: dict[str, Any] = {}
        if not number:
            number = self.define(("", "", ""))
            extra = _labels(kind)
        try:
            extra["ramen.data"] = body if isinstance(body, str) else body.decode()
        except UnicodeDecodeError:
            extra["ramen.data_base64"] = base64.b64encode(cast("bytes", body)).decode("ascii")
        if reqid is not None:
            extra["ramen.reqid"] = reqid
        return lines.encode(lines.Event(function=number, time_ns=time.time_ns(), ids=ids.decode(), extra=extra))

    def more_ids(self) -> bytes:
        """Draw ids for messages to come, and one: asking the system for them one by one takes eight times as long."""
        ids: list[bytes] = list(_apart(os.urandom(_IDS_BYTES * IDS_AT_ONCE).hex().encode()))
        found = ids.pop()
        self.ids = ids
        return found

    def define(self, kind: tuple[str, str, str | int]) -> int:
        """Return the number of *kind* in the journal; 0 where there are too many already."""
        with self._lock:
            number = self.numbers.get(kind)
            if number is None:
                if len(self.numbers) >= MAX_KINDS and kind != ("", "", ""):
                    return 0
                if not self.numbers:
                    version = {"ramen.system_version": self._version}
                    self.journal.define(lines.ProjectLine(n=1, project=self.project, send_to=(HERE,), extra=version))
                number = len(self.numbers) + 1
                labels = _labels(kind) if kind[0] else {}
                self.journal.define(lines.FunctionLine(n=number, project=1, name=kind[1] or "message", extra=labels))
                self.numbers[kind] = number
            return number

    def _make_room(self, directory: Path) -> None:
        """Drop the oldest journals that nobody writes to, and count what nobody had read of them.

        Not while somebody reads: then the outbox drops its oldest, and journals are short.
        """
        with self._reading_alone() as alone:
            if not alone:
                return
            status = read_status(self.places())
            offsets: Mapping[str, int] = status.offsets if status is not None else {}
            wanted = self.limit * 9 // 10
            total = size_of(directory)
            for path in journals(directory):
                if total <= wanted:
                    break
                reader = JournalReader(path)
                with contextlib.suppress(OSError):
                    reader.look()
                    if not finished(path, reader.opened, is_alive=is_alive):
                        continue
                    records, size = count_events(path, offsets.get(path.name, 0)), path.stat().st_size
                    path.unlink()
                    total -= size
                    self._note_dropped(records, path.name)

    def _note_dropped(self, records: int, name: str) -> None:
        line = msgspec.json.encode(
            Dropped(time_ns=time.time_ns(), reason=Reason.OVER_SIZE, records=records, journal=name)
        )
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        fd = os.open(self.root / DROPPED_NAME, flags, 0o600)
        try:
            os.write(fd, line + b"\n")
        finally:
            os.close(fd)
        trouble.note(
            "ramen queue full", "footfall: the queue in %s is full: %d old messages dropped", self.root, records
        )

    @contextlib.contextmanager
    def _reading_alone(self) -> Generator[bool]:
        """Hold the outbox's lock for a moment; give False where a reader holds it."""
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        fd = os.open(self.root / LOCK_NAME, flags, 0o600)
        try:
            yield try_lock(fd) is True
        finally:
            os.close(fd)


_spools: weakref.WeakValueDictionary[Path, Spool] = weakref.WeakValueDictionary()
_spools_lock = threading.Lock()


def spool_of(config: QueueWriterConfig) -> Spool:
    """Return the spool of this process for the queue of *config*, made where there is none.

    A queue whose folder was removed gets a new one: readers of the old one do not follow at once, so that they do not
    take what is meant for others (`engine.FOLLOW_SECONDS`).
    """
    name = f"{config.sender}_{config.system_serial}{SUFFIX}"
    root = Path(os.path.abspath(os.path.join(config.effective("queue_dir"), name)))  # noqa: PTH100, PTH118  no links resolved
    with _spools_lock:
        spool = _spools.get(root)
        if spool is None or not spool.is_ours():
            spool = _spools[root] = Spool(root, config)
        else:
            spool.bound(config)
        return spool


def _after_fork() -> None:
    global _spools_lock  # noqa: PLW0603  another thread of the parent may have held it
    _spools_lock = threading.Lock()
    for spool in list(_spools.values()):
        spool.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def dropped(root: Path) -> int:
    """Return how many messages of the queue in *root* were dropped unread because it was full."""
    total = 0
    with contextlib.suppress(OSError):
        for line in (root / DROPPED_NAME).read_bytes().splitlines():
            with contextlib.suppress(msgspec.DecodeError):
                total += msgspec.json.decode(line, type=Dropped).records
    return total


def count_events(path: Path, offset: int) -> int:
    """Return how many messages the journal *path* holds from byte *offset* on, without reading what they say."""
    found = 0
    with path.open("rb") as file:
        file.seek(offset)
        for line in file:
            found += line.startswith(_EVENT) and line.endswith(b"\n") and not line.endswith(lines.TORN + b"\n")
    return found


def unread(root: Path, offsets: Mapping[str, int]) -> int:
    """Return how many messages the journals of the queue in *root* hold beyond *offsets*."""
    total = 0
    for path in journals(root / "journal"):
        with contextlib.suppress(OSError):
            total += count_events(path, offsets.get(path.name, 0))
    return total


def _labels(kind: tuple[str, str, str | int]) -> dict[str, Any]:
    category, data_type, data_version = kind
    return {"ramen.category": category, "ramen.data_type": data_type, "ramen.data_version": data_version}


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
