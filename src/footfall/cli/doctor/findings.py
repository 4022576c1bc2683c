"""What `footfall doctor` finds out, as values: for its text, its JSON, and between its two processes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from footfall.consent.switches import Decision
from footfall.outbox.rows import Refusal
from footfall.registry.model import Registry

State = Literal["wrapped", "missed", "cannot", "unseen"]
"""wrapped: all calls are observed. missed: some or all are not, for a reason that can be mended in the registry or the
code. cannot: nothing can stand in its place, or its module cannot be imported. unseen: there, and not looked into."""


class Function(msgspec.Struct, frozen=True, kw_only=True):
    """A registered function.

    Attributes:
        project: ``owner/name``.
        name: As registered, ``module:qualname`` or a bare name.
        service: Its group, or "".
        state: See `State`.
        reason: Why it is not wrapped or is missed, and what to do; "" when all is well.
        elsewhere: Names by which others still reach the original.
        source: File or decorator that registers it.
        line: There, or 0.
        modules: In which it is looked for.
    """

    project: str
    name: str
    service: str = ""
    state: State
    reason: str = ""
    elsewhere: tuple[str, ...] = ()
    source: str = ""
    line: int = 0
    modules: tuple[str, ...] = ()


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What the inspecting process is asked to do.

    Attributes:
        registries: What to instrument.
        directory: For all files that it might write; removed afterwards.
        skip: Modules not to import, since they ended an earlier process, and how.
    """

    registries: tuple[Registry, ...]
    directory: str
    skip: Mapping[str, str] = {}


class Importing(msgspec.Struct, frozen=True, tag=True):
    """The inspecting process is about to import *module*, number *done* + 1 of *total*; "" when it is through."""

    module: str
    done: int
    total: int


class Inspected(msgspec.Struct, frozen=True, tag=True):
    """All that the inspecting process found."""

    functions: tuple[Function, ...]


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A server of a project.

    Attributes:
        key: As the books name it.
        endpoint: Base URL.
        credentials: The reference, never the value; "" for none.
        problem: Why nothing can be sent there, or "".
    """

    key: str
    endpoint: str
    credentials: str = ""
    problem: str = ""


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """A project that would be instrumented here."""

    project: str
    version: str
    source: str
    consent: str
    ci: str
    decision: Decision
    targets: tuple[Target, ...] = ()
    functions: tuple[Function, ...] = ()
    warnings: tuple[str, ...] = ()


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """How a destination of the outbox fares.

    Attributes:
        key: As the books name it.
        pending: Records that wait.
        failures: In a row, since it last answered.
        last_answer_ns: UTC, or 0.
        paused_until_ns: UTC, or 0.
        pause_reason: Why, or "".
    """

    key: str
    pending: int
    failures: int
    last_answer_ns: int
    paused_until_ns: int
    pause_reason: str

    @property
    def halted(self) -> bool:
        """Whether it waits for somebody to mend something: credentials, an address, TLS."""
        return self.pause_reason.startswith("halted")


class Files(msgspec.Struct, frozen=True, kw_only=True):
    """Where the files are.

    Attributes:
        directory: The state directory.
        kind: Of its file system, such as ``ext4``, or "".
        network: Whether other machines may share it.
        why: Why it is there.
    """

    directory: str
    kind: str
    network: bool
    why: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of it.

    Attributes:
        decision: What may be done as a whole.
        says_no: Every switch that says no, a sentence each.
        files: None where there are none.
        delivers: Who delivers.
        servers: Of the outbox; empty where it could not be looked into, see *delivers*.
        refusals: The last ones, oldest first.
        trouble: Hidden errors of the process that last delivered, by kind.
        projects: That would be instrumented.
        imported: Whether their modules were imported to look at the functions.
        problems: What is to be mended, a sentence each; the exit status is 1 when there is one.
    """

    decision: Decision
    says_no: tuple[str, ...]
    files: Files | None
    delivers: str
    servers: tuple[Server, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    trouble: Mapping[str, int] = {}
    projects: tuple[Project, ...] = ()
    imported: bool = False
    problems: tuple[str, ...] = ()
