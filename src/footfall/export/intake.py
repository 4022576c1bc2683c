"""Journals to outbox: read what is new, translate it, keep it; once, whatever dies in between.

The offset of a journal and the requests made of its lines are committed together, so a line is either behind the offset
and in the outbox, or neither. A journal is removed after its last line was committed, and only when nobody can write to
it any more. Runs that began in a journal whose process died without a word end here, as killed (design.md section 3).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec

from footfall.consent.choice import Choice
from footfall.crash import crash_at
from footfall.destination import Destination, takers
from footfall.errors import OutboxError, guard, trouble
from footfall.export.translation import NOWHERE, Translation
from footfall.journal.lines import MAX_LINE_BYTES
from footfall.journal.reader import JournalReader, Observed, finished, journals, killed
from footfall.usage import Kind, Usage
from footfall.wire.base import Request, Wire

KEEP_UNREADABLE_SECONDS: Final = 14 * 86400.0
"""A journal of a newer format or without a first line is left for somebody who can read it, but not for ever."""


class Keeper(Protocol):
    """What intake needs of an outbox."""

    def destination(self, destination: Destination) -> int:
        """Return the number of *destination*."""
        ...

    def intake(
        self,
        requests: Sequence[tuple[int, Request]],
        *,
        offsets: Mapping[str, int],
        now_ns: int,
        untranslatable: Mapping[int, int] | None = None,
        homeless: Mapping[int, int] | None = None,
        opted_out: Mapping[int, int] | None = None,
        corrupt: int = 0,
        open_runs: Mapping[str, bytes | None] | None = None,
        observed: Mapping[str, int] | None = None,
        projects: Sequence[str] = (),
    ) -> int:
        """Keep *requests* and everything else in one transaction."""
        ...

    def offsets(self) -> dict[str, int]:
        """Return how far each journal was read."""
        ...

    def open_runs(self, prefix: str) -> dict[str, bytes]:
        """Return the runs without an end whose key begins with *prefix*."""
        ...

    def forget_journal(self, name: str) -> None:
        """Forget the offset of a journal that is gone."""
        ...


class _OpenRun(msgspec.Struct, frozen=True):
    usage: Usage
    send_to: tuple[Destination, ...]


UNFINISHED_SECONDS: Final = 3600.0
"""Age at which a journal that never got its name is what a killed process left; it holds no record."""

_run_encoder = msgspec.json.Encoder()
_run_decoder = msgspec.json.Decoder(_OpenRun)


class Intake:
    """Empties journals into an outbox.

    Args:
        directory: Of the journals.
        keeper: The outbox, owned by this process.
        wires: Gives the wire of a destination; may raise for one that is not installed.
        is_alive: Says whether a process id with that start time lives on this machine.
        choice: What the user said for good; a record it does not allow is counted `opted_out`, and no request is made
            of it (reliability.md S15).
        keep_seconds: How long nothing must have been written to a finished journal before it is removed, and the runs
            that it leaves open count as killed.
        max_line_bytes: A longer line is taken for damage.
    """

    def __init__(
        self,
        directory: Path,
        keeper: Keeper,
        *,
        wires: Callable[[Destination], Wire],
        is_alive: Callable[[int, str], bool],
        choice: Callable[[], Choice] = Choice,
        keep_seconds: float = 0.0,
        max_line_bytes: int = MAX_LINE_BYTES,
    ) -> None:
        self._max_line_bytes = max_line_bytes
        self._directory = directory
        self._keeper = keeper
        self._wires = wires
        self._is_alive = is_alive
        self._choice = choice
        self._keep_seconds = keep_seconds
        self._readers: dict[str, JournalReader] = {}
        self._all_read = True

    def run(self, *, keep_going: Callable[[], bool] = lambda: True) -> int:
        """Take in everything that is new; return how many records that was.

        Args:
            keep_going: Asked between two chunks; False leaves the rest for the next time.

        Raises:
            OutboxError: The outbox could not keep them; the journals are untouched.
        """
        taken = 0
        try:
            present = journals(self._directory)
        except OSError as error:
            # Nothing may be concluded: a journal whose offset is forgotten would be taken in again, under other keys.
            msg = f"journals in {self._directory} cannot be listed: {error.strerror or type(error).__name__}"
            raise OutboxError(msg) from error
        offsets = self._keeper.offsets()
        for name in offsets.keys() - {path.name for path in present}:
            self._keeper.forget_journal(name)
            self._readers.pop(name, None)
        self._all_read = True
        for path in present:
            if not keep_going():
                break
            taken += self._take_file(path, offsets.get(path.name, 0), keep_going)
        else:
            if self._all_read:  # else a run may belong to a journal that could not be read just now
                self._end_runs_without_journal(present)
            remove_unfinished(self._directory)
        return taken

    def _take_file(self, path: Path, offset: int, keep_going: Callable[[], bool]) -> int:
        reader = self._readers.get(path.name)
        if reader is None:
            reader = self._readers[path.name] = JournalReader(path, max_line_bytes=self._max_line_bytes)
        taken = 0
        try:
            while True:
                # Asked before reading: what is found finished now is complete when it is read after. Where there are no
                # locks, only its first line tells whose it is.
                reader.look()
                done = finished(path, reader.opened, is_alive=self._is_alive)
                chunk = reader.read(offset)
                if reader.opened is None or reader.opened.mode != "on":
                    self._leave(path, done=done, empty=chunk.offset == 0)
                    return taken
                self._keep(path, reader, chunk.observed, offset=chunk.offset, corrupt=chunk.corrupt, moved=offset)
                taken += len(chunk.observed)
                offset = chunk.offset
                if chunk.at_end or not keep_going():
                    break
            if done and chunk.at_end and time.time() - path.stat().st_mtime >= self._keep_seconds:
                self._finish(path, reader, offset)
        except OSError as error:
            trouble.hidden("read journal", error)
            self._readers.pop(path.name, None)
            self._all_read = False
        return taken

    def _keep(
        self, path: Path, reader: JournalReader, observed: list[Observed], *, offset: int, corrupt: int, moved: int
    ) -> None:
        if offset == moved and not observed and not corrupt:
            return
        process = reader.opened.process if reader.opened is not None else path.name
        batch = _Batch(self._choice())
        for record in observed:
            batch.add(record, process)
        batch.keep(self._keeper, self._wires, offsets={path.name: offset}, corrupt=corrupt)

    def _finish(self, path: Path, reader: JournalReader, offset: int) -> None:
        """Settle what a finished journal leaves open, then remove it."""
        opened = reader.opened
        if opened is not None and not reader.sealed:
            open_runs = self._keeper.open_runs(opened.process + "/")
            if open_runs:
                last_seen_ns = int(path.stat().st_mtime * 1e9)
                self._end_runs(open_runs, {path.name: offset}, last_seen_ns, closed=reader.closed)
        crash_at("before_unlink")
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        crash_at("after_unlink")
        self._keeper.forget_journal(path.name)
        self._readers.pop(path.name, None)

    def _end_runs_without_journal(self, present: Collection[Path]) -> None:
        """End the runs of processes that left no journal at all.

        A process names its next journal before it seals the one before. So a journal that was sealed while this round
        read it goes on in one that is not among those *present* at its beginning: then the next round decides.
        """
        open_runs = self._keeper.open_runs("")
        if open_runs and not self._has_new(present):
            alive = {reader.opened.process for reader in self._readers.values() if reader.opened is not None}
            orphans = {key: text for key, text in open_runs.items() if key.partition("/")[0] not in alive}
            if orphans:
                self._end_runs(orphans, {}, 0, closed=False)

    def _has_new(self, present: Collection[Path]) -> bool:
        """Whether there may be journals besides those *present*."""
        try:
            return not set(journals(self._directory)) <= set(present)
        except OSError:
            return True

    def _end_runs(
        self, open_runs: Mapping[str, bytes], offsets: Mapping[str, int], last_seen_ns: int, *, closed: bool
    ) -> None:
        batch = _Batch(self._choice())
        for key, text in open_runs.items():
            batch.open_runs[key] = None
            if closed:  # an exit in good order: the run was given up, not killed, and its start was told
                continue
            with guard("open run"):
                run = _run_decoder.decode(text)
                batch.add(Observed(killed(run.usage, last_seen_ns=last_seen_ns), run.send_to), "")
        batch.keep(self._keeper, self._wires, offsets=offsets)

    def _leave(self, path: Path, *, done: bool, empty: bool) -> None:
        """Deal with a journal that is not ours to send: local ones stay, remains of nothing go."""
        self._readers.pop(path.name, None)
        if not done:
            return
        with contextlib.suppress(OSError):
            age_seconds = time.time() - path.stat().st_mtime
            if (empty and age_seconds > 60) or age_seconds > KEEP_UNREADABLE_SECONDS:
                path.unlink()


def remove_unfinished(directory: Path) -> None:
    """Remove what processes left that were killed while they opened a journal."""
    limit = time.time() - UNFINISHED_SECONDS
    for path in directory.glob("*.new"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < limit:
                path.unlink()


class _Batch:
    """What one transaction will hold."""

    def __init__(self, choice: Choice) -> None:
        self.opted_out: dict[int, int] = {}
        self._choice = choice
        self._choice_made = bool(choice.everything or choice.projects or choice.refused_ns)
        self._refused: list[tuple[Destination, ...]] = []
        self.open_runs: dict[str, bytes | None] = {}
        self.uses: dict[str, int] = {}
        # By identity: records of one project line share the very tuple, and comparing it for each would cost more.
        self._takers: dict[tuple[int, str], tuple[tuple[Destination, ...], tuple[Destination, ...]]] = {}
        self._groups: dict[tuple[str, int], tuple[tuple[Destination, ...], list[Usage]]] = {}

    def add(self, record: Observed, process: str) -> None:
        usage = record.usage
        known = self._takers.get((id(record.send_to), usage.service))
        if known is None:
            # With the tuple itself, which keeps its identity from being given to another one.
            known = record.send_to, takers(record.send_to, usage.service)
            self._takers[id(record.send_to), usage.service] = known
        send_to = known[1]
        if self._choice_made and not self._choice.allows(usage.project, usage.time_ns):
            self._refused.append(send_to)
            return
        self._groups.setdefault((usage.project, id(send_to)), (send_to, []))[1].append(usage)
        if usage.kind is Kind.START:
            self.open_runs[f"{process}/{usage.span_id}"] = _run_encoder.encode(_OpenRun(usage, send_to))
            return
        self.uses[usage.project] = self.uses.get(usage.project, 0) + usage.count
        if usage.kind is Kind.END and record.starts and process:
            self.open_runs[f"{process}/{usage.span_id}"] = None

    def keep(
        self,
        keeper: Keeper,
        wires: Callable[[Destination], Wire],
        *,
        offsets: Mapping[str, int],
        corrupt: int = 0,
    ) -> None:
        """Translate what was added and commit all of it."""
        told = self._translate_all(keeper, wires)
        crash_at("before_intake")
        keeper.intake(
            told.requests,
            offsets=offsets,
            now_ns=time.time_ns(),
            untranslatable=told.untranslatable,
            homeless=told.homeless,
            opted_out=self.opted_out,
            corrupt=corrupt,
            open_runs=self.open_runs,
            observed=self.uses,
            projects=told.projects,
        )
        crash_at("after_intake")

    def _translate_all(self, keeper: Keeper, wires: Callable[[Destination], Wire]) -> Translation:
        translation = Translation(keeper.destination, wires)
        for send_to in self._refused:
            for destination in send_to or (NOWHERE,):
                number = keeper.destination(destination)
                self.opted_out[number] = self.opted_out.get(number, 0) + 1
        for send_to, usages in self._groups.values():
            translation.add(send_to, usages)
        return translation
