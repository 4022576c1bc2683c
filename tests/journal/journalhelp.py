"""A journal in a directory, and what a reader finds there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from footfall.journal import lines
from footfall.journal.reader import JournalReader, Observed, journals
from footfall.journal.writer import Identity, Journal

IDS = f"{1:048x}"
GUARD_SECONDS = 60.0


def open_journal(directory: Path, **options: Any) -> Journal:
    """Return a journal of this process that writes to *directory*."""
    directory.mkdir(mode=0o700, exist_ok=True)
    return Journal(
        lambda: directory,
        identity=lambda: Identity(process="p", pid=os.getpid(), session_id="s"),
        resource=lambda: {"os.type": "linux"},
        **options,
    )


def define(journal: Journal, n: int = 1, *, starts: bool = False) -> None:
    """Define project and function number *n*."""
    journal.define(lines.ProjectLine(n=n, project="demo/lib", version="1.0"))
    journal.define(lines.FunctionLine(n=n, project=n, name=f"lib:f{n}", starts=starts))


def event(number: int, *, pad: int = 0) -> bytes:
    """Return a record that carries *number*, about *pad* bytes long."""
    fields = {"pad": "x" * pad} if pad else {}
    return lines.encode(lines.Event(function=1, time_ns=number, ids=IDS, extra=fields))


def read_file(path: Path) -> tuple[list[Observed], int]:
    """Return the records of *path* and how many of its lines were corrupt."""
    reader, offset = JournalReader(path), 0
    observed: list[Observed] = []
    corrupt = 0
    while True:
        chunk = reader.read(offset)
        observed += chunk.observed
        corrupt += chunk.corrupt
        offset = chunk.offset
        if chunk.at_end:
            return observed, corrupt


def read_all(directory: Path) -> list[Observed]:
    """Return the records of all journals of *directory*; no line of them may be corrupt."""
    found = [read_file(path) for path in journals(directory)]
    assert sum(corrupt for _, corrupt in found) == 0
    return [record for observed, _ in found for record in observed]


def numbers(directory: Path) -> list[int]:
    """Return the numbers of all events, see `event`."""
    return [record.usage.time_ns for record in read_all(directory)]


CHILD_HEAD = """
import os, sys, signal, threading, time
from pathlib import Path
from journalhelp import define, event, open_journal
directory = Path(sys.argv[1])
"""


def child(script: str, directory: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start *script* as a process of its own, with a journal's parts at hand."""
    return subprocess.Popen(
        # -B: some limit the size of files, and Python 3.11 does not notice that it cut off a file of bytecode.
        [sys.executable, "-B", "-W", "error", "-c", CHILD_HEAD + script, str(directory), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])},
    )


def run(script: str, directory: Path, *arguments: str) -> str:
    """Run *script* to its end; it must succeed and say nothing on stderr. Return what it printed."""
    with child(script, directory, *arguments) as process:
        out, err = process.communicate(timeout=GUARD_SECONDS)
    assert (process.returncode, err) == (0, "")
    return out


def lines_of(process: subprocess.Popen[str]) -> Iterator[str]:
    """Return what *process* prints, a line at a time, until it ends."""
    assert process.stdout is not None
    return iter(process.stdout.readline, "")
