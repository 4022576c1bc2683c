"""The reading side of a journal: bytes to `Usage`, from any offset, as often as one likes.

A reader keeps a file's definitions, so that reading on is cheap; a new reader for an old offset reads the head again.
It never changes a file. `finished` tells whether the file's writer is gone for good.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from footfall.destination import Destination
from footfall.journal import lines
from footfall.journal.writer import SUFFIX
from footfall.locks import try_lock
from footfall.usage import Kind, Outcome, Usage

CHUNK_BYTES: Final = 2**20
"""Read at most this much at a time: a courier's memory stays small however long it was away."""


HEAD_BYTES: Final = 4096
"""Holds the first line, and mostly not much more."""


class Observed(msgspec.Struct, frozen=True):
    """One record of a journal and where it goes.

    Attributes:
        usage: The record.
        send_to: Destinations of its project, as that process had them.
        starts: Whether its kind of use has a start of its own.
    """

    usage: Usage
    send_to: tuple[Destination, ...]
    starts: bool = False


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """What one reading found.

    Attributes:
        observed: In the order of writing.
        offset: Where the next reading begins.
        corrupt: Whole lines that did not parse or referred to nothing.
        at_end: No further whole line was there.
    """

    observed: list[Observed]
    offset: int
    corrupt: int = 0
    at_end: bool = True


class _Function(msgspec.Struct, frozen=True):
    line: lines.FunctionLine
    project: lines.ProjectLine
    extra: Mapping[str, Any]


class JournalReader:
    """Reads one file.

    Args:
        path: The file.
        max_line_bytes: A longer line is taken for damage.

    Attributes:
        opened: The first line, once it was read; None when the file does not begin with one of a version we know.
        closed: Whether a `Closed` line was seen: the process ended in good order.
        sealed: Whether a `Sealed` line was seen: the process went on in another file.
    """

    def __init__(self, path: Path, *, max_line_bytes: int = lines.MAX_LINE_BYTES) -> None:
        self.path = path
        self._max_line_bytes = max_line_bytes
        self.opened: lines.Opened | None = None
        self.closed = False
        self.sealed = False
        self._position = 0
        self._resource: dict[str, Any] = {}
        self._projects: dict[int, lines.ProjectLine] = {}
        self._functions: dict[int, _Function] = {}

    def read(self, offset: int = 0) -> Chunk:
        """Return the records from byte *offset* on, as many as fit `CHUNK_BYTES`.

        Definitions before *offset* are read again where this reader has not seen them.

        Raises:
            OSError: The file cannot be read (any more).
        """
        with self.path.open("rb", buffering=0) as file:
            while self._position < offset:
                data = self._whole_lines(file, self._position, offset - self._position)
                if not data:
                    break
                self._take(data)
                self._position += len(data)
            data = self._whole_lines(file, offset, CHUNK_BYTES)
            observed, corrupt = self._take(data)
            end = offset + len(data)
            self._position = max(self._position, end)
            more = self._whole_lines(file, end, lines.MAX_LINE_BYTES) if data else b""
        return Chunk(observed=observed, offset=end, corrupt=corrupt, at_end=not more)

    def look(self) -> None:
        """Read who writes the file, where that is not known yet.

        Raises:
            OSError: The file cannot be read (any more).
        """
        if self.opened is None:
            with self.path.open("rb", buffering=0) as file:
                self._take(self._whole_lines(file, 0, HEAD_BYTES))

    def _whole_lines(self, file: Any, start: int, at_most: int) -> bytes:
        """Return whole lines from *start*: up to *at_most* bytes, or one line where that alone is longer."""
        file.seek(start)
        data: bytes = file.read(at_most)
        end = data.rfind(b"\n") + 1
        if not end and len(data) == at_most and at_most <= CHUNK_BYTES:
            pieces = [data]
            size = len(data)
            while not end and size <= self._max_line_bytes:
                piece: bytes = file.read(max(lines.MAX_LINE_BYTES, size))
                if not piece:
                    break
                found = piece.rfind(b"\n") + 1
                end = size + found if found else 0
                pieces.append(piece)
                size += len(piece)
            data = b"".join(pieces)
            if not end and size > self._max_line_bytes:
                return data  # no line is that long: damaged, and counted once
        return data[:end]

    def _take(self, data: bytes) -> tuple[list[Observed], int]:
        observed: list[Observed] = []
        corrupt = 0
        decode = lines.decoder.decode
        for text in data.split(b"\n"):
            if not text or text.endswith(lines.TORN):
                continue
            try:
                line = decode(text)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                corrupt += 1
                continue
            if isinstance(line, lines.Record):
                function = self._functions.get(line.function)
                if function is None or self.opened is None:
                    corrupt += 1
                else:
                    usage = self._usage(line, function)
                    observed.append(Observed(usage, function.project.send_to, function.line.starts))
            else:
                corrupt += self._define(line)
        return observed, corrupt

    def _define(self, line: lines.AnyLine) -> int:
        """Remember a definition; return 1 when it refers to nothing."""
        if isinstance(line, lines.Opened):
            self.opened = line if line.version <= lines.VERSION else None
        elif isinstance(line, lines.ResourceLine):
            self._resource = line.attributes
        elif isinstance(line, lines.ProjectLine):
            self._projects[line.n] = line
        elif isinstance(line, lines.FunctionLine):
            project = self._projects.get(line.project)
            if project is None:
                return 1
            self._functions[line.n] = _Function(line, project, {**project.extra, **line.extra})
        elif isinstance(line, lines.Sealed):
            self.sealed = True
        elif isinstance(line, lines.Closed):
            self.closed = True
        return 0

    def _usage(self, line: lines.Record, function: _Function) -> Usage:
        opened = self.opened
        assert opened is not None  # noqa: S101  the caller looked
        definition, project = function.line, function.project
        common: dict[str, Any] = {
            "project": project.project,
            "project_version": project.version,
            "service": definition.service,
            "name": definition.name,
            "trace_id": line.ids[:32],
            "span_id": line.ids[32:48],
            "parent_span_id": line.parent,
            "time_ns": line.time_ns,
            "arguments": line.arguments,
            "extra": {**function.extra, **line.extra} if line.extra else function.extra,
            "drop": definition.drop,
            "parameters": definition.parameters,
            "resource": self._resource,
            "session_id": opened.session_id,
            "previous_session_id": opened.previous_session_id,
            "installation_id": opened.installation_id,
        }
        if isinstance(line, lines.End):
            return Usage(
                kind=Kind.END,
                duration_ns=line.duration_ns,
                outcome=line.outcome,
                error_type=line.error_type,
                message=line.message,
                count=line.count,
                items=line.items,
                **common,
            )
        if isinstance(line, lines.Event):
            return Usage(
                kind=Kind.EVENT,
                outcome=line.outcome,
                error_type=line.error_type,
                message=line.message,
                count=line.count,
                **common,
            )
        if isinstance(line, lines.Count):
            return Usage(kind=Kind.COUNT, count=line.count, **common)
        return Usage(kind=Kind.START, **common)


def killed(start: Usage, *, last_seen_ns: int) -> Usage:
    """Return the end of a run that *start* began and nobody finished: its process died without a word.

    Args:
        start: The START record.
        last_seen_ns: UTC time of the last sign of life, the best that is known of the end.
    """
    return msgspec.structs.replace(
        start,
        kind=Kind.END,
        duration_ns=max(0, last_seen_ns - start.time_ns),
        outcome=Outcome.KILLED,
        error_type="ProcessKilled",
    )


def journals(directory: Path) -> list[Path]:
    """Return the journal files of *directory*, oldest first. A directory that is not there holds none.

    Raises:
        OSError: It cannot be listed now (no descriptor left, a mount that does not answer), which says nothing of what
            is in it.
    """
    try:
        with os.scandir(directory) as entries:
            names = [entry.name for entry in entries if entry.name.endswith(SUFFIX)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [directory / name for name in sorted(names)]


def finished(path: Path, opened: lines.Opened | None, *, is_alive: Callable[[int, str], bool]) -> bool:
    """Whether nobody can write to *path* any more.

    The lock answers where the file system has locks: a writer holds it until its last write is through. Elsewhere the
    process id and start time of line one do.

    Args:
        path: A journal file.
        opened: Its first line, or None when that is not known.
        is_alive: Says whether a process id with that start time lives on this machine.
    """
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return False
    locked = try_lock(fd)
    with contextlib.suppress(OSError):
        os.close(fd)
    if locked is None:
        return opened is not None and not is_alive(opened.pid, opened.started)
    return locked
