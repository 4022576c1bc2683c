"""Every single write of a journal fails once, in each way a disk can: nothing accepted is lost, torn or told twice.

The shim stands around `os.write` of the very module that writes; what is read back is what a courier would read.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from footfall.journal import lines, writer
from footfall.journal.reader import JournalReader, journals
from footfall.places import files, read_private, write_private

RECORDS = 8
KINDS = ("EIO", "ENOSPC", "EDQUOT", "EINTR", "EFBIG", "short", "one byte", "nothing")


class Shim:
    """`os`, but for the *first* to *last* call of `write`, which fail as *kind* says."""

    def __init__(self, kind: str, first: int, last: int) -> None:
        self.kind, self.first, self.last, self.calls = kind, first, last, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def write(self, fd: int, data: Any) -> int:
        self.calls += 1
        if not self.first <= self.calls <= self.last:
            return os.write(fd, data)
        if self.kind.startswith("E"):
            number = getattr(errno, self.kind)
            raise OSError(number, os.strerror(number))
        taken = {"short": len(data) // 2, "one byte": 1, "nothing": 0}[self.kind]
        return os.write(fd, bytes(data)[:taken])


def written(directory: Path, shim: Shim | None, monkeypatch: pytest.MonkeyPatch) -> int:
    """Write a journal of some files through *shim*; return how many records were accepted. It retries as a courier."""
    monkeypatch.setattr(writer, "os", shim or os)
    monkeypatch.setattr(writer, "RETRY_SECONDS", 0.0)
    directory.mkdir(mode=0o700, exist_ok=True)
    identity = writer.Identity(process="ab" * 16, pid=1, started="1")
    journal = writer.Journal(lambda: directory, identity=lambda: identity, resource=dict, max_bytes=900)
    accepted = 0
    try:
        journal.define(lines.ProjectLine(n=1, project="a/b", version="1"))
        for number in range(1, RECORDS + 1):
            if number == 4:
                journal.define(lines.FunctionLine(n=2, project=1, name="m:g"))
            if number == 1:
                journal.define(lines.FunctionLine(n=1, project=1, name="m:f"))
            function = 1 if number < 4 else 2
            record = lines.End(function=function, time_ns=number, ids=f"{number:048x}")
            accepted += journal.write(lines.encode(record))
        for _ in range(3):
            journal.retry_kept()
        journal.close()
    finally:
        monkeypatch.setattr(writer, "os", os)
    return accepted


def read_back(directory: Path) -> tuple[list[int], int]:
    """Return the records in the order of reading, and how many lines were damaged."""
    found: list[int] = []
    corrupt = 0
    for path in journals(directory):
        chunk = JournalReader(path).read()
        found += [observed.usage.time_ns for observed in chunk.observed]
        corrupt += chunk.corrupt
    return found, corrupt


def counted(tmp_path: Path, work: Callable[[Path, Shim], object]) -> int:
    """Return how many writes *work* makes when none fails."""
    shim = Shim("EIO", 0, 0)
    work(tmp_path / "whole", shim)
    return shim.calls


@pytest.mark.parametrize("kind", KINDS)
def test_no_failing_write_of_a_journal_loses_or_repeats_a_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The k-th write fails, and one, two or four after it: for every k."""
    writes = counted(tmp_path, lambda directory, shim: written(directory, shim, monkeypatch))
    assert writes > RECORDS
    for first in range(1, writes + 1):
        for more in (0, 1, 3):
            directory = tmp_path / f"{kind}-{first}-{more}"
            accepted = written(directory, Shim(kind, first, first + more), monkeypatch)
            found, corrupt = read_back(directory)
            where = f"{kind}, write {first} and {more} more"
            assert accepted == RECORDS, where
            assert found == list(range(1, RECORDS + 1)), where
            assert corrupt == 0, where
            assert not list(directory.glob("*.new")), where


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith("E")])
def test_a_failing_write_leaves_small_files_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Status, choice and identity: the old content or the new, and no rest of the attempt."""
    path = tmp_path / "status.json"
    write_private(path, b"old")
    shim = Shim(kind, 1, 1)
    monkeypatch.setattr(files, "os", shim)
    with pytest.raises(OSError, match=os.strerror(getattr(errno, kind))):
        write_private(path, b"new")
    assert (read_private(path), [each.name for each in tmp_path.iterdir()]) == (b"old", ["status.json"])
    write_private(path, b"new")
    assert read_private(path) == b"new"


def test_a_short_write_of_a_small_file_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "os", Shim("short", 1, 3))
    write_private(tmp_path / "a", b"0123456789")
    assert read_private(tmp_path / "a") == b"0123456789"
