"""Observing real modules in a directory of the test, and reading back what the journal says of them."""

from __future__ import annotations

import importlib
import itertools
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any

from footfall.instrumentation.host_spans import HostSpans
from footfall.instrumentation.instrumentor import Instrumentor, Watched
from footfall.instrumentation.recorder import ProjectState, Recorder, Subject
from footfall.journal.reader import JournalReader, journals
from footfall.journal.writer import Identity, Journal
from footfall.registry.model import Entry
from footfall.usage import Kind, Usage

GUARD_SECONDS = 60.0

_numbers = itertools.count()


class Observation:
    """A journal, a recorder and an instrumentor of this test, and modules made for it."""

    def __init__(self, directory: Path) -> None:
        self.library = directory / "lib"
        self.library.mkdir()
        self.directory = directory / "journal"
        self.directory.mkdir(mode=0o700)
        self.modules: list[str] = []
        self.journal = Journal(
            lambda: self.directory,
            identity=lambda: Identity(process=f"{os.getpid()}", pid=os.getpid()),
            resource=dict,
        )
        self.recorder = Recorder(self.journal, first_record=lambda: None, forked=self.after_fork)
        self.state = self.project("demo/lib")
        self.instrumentor = Instrumentor(self.state, self.recorder, default_rate_per_second=0)

    def project(self, name: str, **fields: Any) -> ProjectState:
        """Return a project of that name."""
        return ProjectState(**{"project": name, "version": "1", "host": HostSpans("0"), **fields})

    def subject(self, name: str, *, rate_per_second: float = 0, **fields: Any) -> Subject:
        """Return something to record that is no function."""
        return self.recorder.subject({"project": self.state, "name": name, **fields}, rate_per_second=rate_per_second)

    def after_fork(self) -> None:
        """Do what the runtime does in a fork child."""
        self.journal.after_fork()
        self.recorder.after_fork()

    def write_module(self, source: str, name: str = "") -> str:
        """Write a module and return its name, which no other test uses; ``a.b`` is written into package ``a``."""
        name = name or f"lib_{os.getpid()}_{next(_numbers)}"
        path = self.library.joinpath(*name.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        path.write_text(textwrap.dedent(source))
        self.modules.append(name)
        importlib.invalidate_caches()
        return name

    def module(self, source: str, name: str = "") -> ModuleType:
        """Write a module and import it."""
        return importlib.import_module(self.write_module(source, name))

    def entry(self, module: str, qualname: str, **fields: Any) -> Entry:
        """Return an entry of a registry."""
        return Entry(module=module, qualname=qualname, **fields)

    def watch(self, module: ModuleType | str, *qualnames: str, **fields: Any) -> list[Watched]:
        """Instrument *qualnames* of *module*; return what became of each."""
        name = module if isinstance(module, str) else module.__name__
        before = len(self.instrumentor.watched)
        self.instrumentor.instrument([self.entry(name, qualname, **fields) for qualname in qualnames])
        return self.instrumentor.watched[before:]

    def wrapped(self, module: ModuleType, *qualnames: str, **fields: Any) -> None:
        """Instrument as `watch` does; each must have been wrapped."""
        assert [(each.state, each.reason) for each in self.watch(module, *qualnames, **fields)] == [
            ("wrapped", "")
        ] * len(qualnames)

    def usages(self) -> list[Usage]:
        """Return every record of every process so far, in the order of files and lines."""
        return read_usages(self.directory)

    def uses(self) -> list[tuple[str, str, str]]:
        """Return name (without module), outcome and error type of each use."""
        return [
            (each.name.partition(":")[2], each.outcome.value if each.outcome else "", each.error_type)
            for each in self.usages()
            if each.kind is Kind.END
        ]

    def count(self, name: str) -> int:
        """Return how many uses the records of function *name* stand for."""
        return sum(
            each.count for each in self.usages() if each.name.endswith(f":{name}") and each.kind is not Kind.START
        )

    def close(self) -> None:
        """Undo everything."""
        self.instrumentor.uninstrument()
        self.journal.close()
        for name in self.modules:
            sys.modules.pop(name, None)


def read_usages(directory: Path) -> list[Usage]:
    """Return the records of all journals of *directory*; no line may be corrupt."""
    found: list[Usage] = []
    for path in journals(directory):
        reader, offset, at_end = JournalReader(path), 0, False
        while not at_end:
            chunk = reader.read(offset)
            assert chunk.corrupt == 0
            found += [record.usage for record in chunk.observed]
            offset, at_end = chunk.offset, chunk.at_end
    return found


def run_program(program: str, directory: Path, *arguments: str, status: int = 0, **environment: str) -> str:
    """Run *program* in a process of its own with footfall recording below *directory*; return what it printed."""
    path = directory / "program.py"
    path.write_text(textwrap.dedent(program))
    done = subprocess.run(
        [sys.executable, "-W", "error", str(path), *arguments],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "FOOTFALL": "local",
            "FOOTFALL_DIR": str(directory / "state"),
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)]),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=GUARD_SECONDS,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return done.stdout if status else done.stdout + done.stderr


def journal_of(directory: Path) -> list[Usage]:
    """Return what programs started by `run_program` recorded."""
    return read_usages(directory / "state" / "journal")
