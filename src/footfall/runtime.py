"""The one place where the parts are put together: start, drain, fork, exit.

A process has at most one `Runtime`, made at the first `instrument`, `register`, `track` or `event`. While footfall is
off it holds nothing: no wrapper, no file, no thread. The background thread starts with the first record, keeps this
process's journal in order, and delivers when no other process does.
"""

from __future__ import annotations

import functools
import os
import threading
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from footfall import lifecycle
from footfall import settings as settings_module
from footfall.background import Background
from footfall.consent import choice as user_choice
from footfall.consent import runner
from footfall.consent.switches import Decision, decide, refusal
from footfall.errors import guard, trouble
from footfall.instrumentation.host_spans import HostSpans
from footfall.instrumentation.instrumentor import Instrumentor
from footfall.instrumentation.recorder import ProjectState, Recorder, Subject, Use
from footfall.instrumentation.run import ExitStatus, Run
from footfall.journal.writer import Identity, Journal
from footfall.ledger import Ledger
from footfall.places import Places, config_directory, find, process_start
from footfall.registry.model import Entry, Registry, merge
from footfall.resource import ci, container, session
from footfall.resource.collect import collect
from footfall.resource.installation import installation_id
from footfall.settings import Mode, Settings
from footfall.usage import Kind, Usage
from footfall.version import VERSION

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider
    from opentelemetry.trace import TracerProvider

    from footfall.journal.lines import AnyRecord

FORK_EXIT_BUDGET_SECONDS: Final = 0.0
"""Nothing in a fork child waits at exit: what it accepted is in its journal (reliability.md section 3.5)."""


class Instrumented(msgspec.Struct, kw_only=True, eq=False):
    """One project of this process."""

    registry: Registry
    decision: Decision
    state: ProjectState
    instrumentor: Instrumentor
    packages: frozenset[str] = frozenset()
    subjects: dict[tuple[str, bool, str, str], Subject] = msgspec.field(
        default_factory=dict[tuple[str, bool, str, str], Subject]
    )


class Runtime:
    """footfall in this process.

    Args:
        settings: Default: of the environment.
        environ: Default: this process's.
    """

    def __init__(self, settings: Settings | None = None, environ: Mapping[str, str] | None = None) -> None:
        self.environ = os.environ if environ is None else environ
        self.settings = settings or settings_module.read_or_default(self.environ)
        self.projects: dict[str, Instrumented] = {}
        self.session = session.begin(self.settings.session_id, self.settings.previous_session_id)
        self.places: Places | None = None
        self.exit_status = ExitStatus()
        self.pid = os.getpid()
        self._mode: Mode = "on"
        self._located = False
        self._lock = threading.RLock()
        self._is_fork_child = False
        self._unclaimed: weakref.WeakSet[Run] = weakref.WeakSet()
        self._plain_runs: list[Run] = []
        self._unbound: list[tuple[Instrumentor, str, str | None]] = []
        self.journal = Journal(
            self._journal_directory,
            identity=self._identity,
            resource=self._resource,
            max_bytes=self.settings.journal_max_bytes,
            total_max_bytes=self.settings.journals_max_bytes,
            durability=self.settings.durability,
        )
        self.recorder = Recorder(self.journal, first_record=self._first_record, forked=self.after_fork)
        self.background = Background(self)

    # -- projects ---------------------------------------------------------------------------------------------------

    def refusal(self, project: str = "") -> str:
        """Return why nothing at all may be done for *project*, or ""."""
        return refusal(self.environ, self._choice(), project)

    def instrument(
        self,
        registry: Registry,
        *,
        packages: frozenset[str] = frozenset(),
        tracer_provider: TracerProvider | None = None,
        logger_provider: LoggerProvider | None = None,
    ) -> Decision:
        """Observe what *registry* names; return what its project may do and why.

        A project that is instrumented already is instrumented anew with both registries merged: later fields win.
        """
        with self._lock:
            known = self.projects.get(registry.project)
            if known is not None:
                registry = merge(known.registry, registry)
                packages |= known.packages
            decision = self._decide(registry)
            if known is not None:
                known.instrumentor.uninstrument()
                del self.projects[registry.project]
            if not decision.records:
                return decision
            self._mode = decision.mode
            names = packages | {entry.module.partition(".")[0] for entry in registry.entries if entry.module}
            host = HostSpans(VERSION, tracer_provider=tracer_provider, logger_provider=logger_provider)
            state = ProjectState(
                project=registry.project,
                version=registry.version,
                find_version=functools.partial(self._installed_version, registry.project, names),
                send_to=registry.send_to,
                extra=registry.extra,
                host=host,
            )
            instrumentor = Instrumentor(state, self.recorder, default_rate_per_second=self.settings.rate_per_second)
            self.projects[registry.project] = Instrumented(
                registry=registry,
                decision=decision,
                state=state,
                instrumentor=instrumentor,
                packages=names,
            )
            lifecycle.watch(lambda: _current)
            instrumentor.instrument(registry.entries)
            self._bind_decorated()
        return decision

    def uninstrument(self, project: str | None = None) -> None:
        """Undo `instrument` for *project*, or for all: the wrapped names hold their original objects again."""
        with self._lock:
            names = list(self.projects) if project is None else [project]
            for name in names:
                known = self.projects.pop(name, None)
                if known is not None:
                    known.instrumentor.uninstrument()
            self.recorder.flush_counts()

    def wrap_decorated(self, function: Any, entry: Entry, project: str | None) -> Any:
        """Return what stands for a decorated *function*: observed at once, or as soon as its project is there."""
        with self._lock:
            if self.refusal(project or ""):
                return function
            state = ProjectState(project=project or "", host=HostSpans(VERSION))
            instrumentor = Instrumentor(state, self.recorder, default_rate_per_second=self.settings.rate_per_second)
            wrapped = instrumentor.wrap(function, entry)
            for watched in instrumentor.watched:
                watched.switch.clear()
            self._unbound.append((instrumentor, entry.module.partition(".")[0], project))
            self._bind_decorated()
            return wrapped

    def _bind_decorated(self) -> None:
        """Switch on the decorated functions whose project is instrumented by now."""
        waiting: list[tuple[Instrumentor, str, str | None]] = []
        for instrumentor, package, project in self._unbound:
            known = self.projects.get(project) if project else self.project_of(package)
            if known is None:
                waiting.append((instrumentor, package, project))
                continue
            state, theirs = instrumentor.project, known.state
            state.project, state.version, state.send_to = theirs.project, theirs.version, theirs.send_to
            state.extra, state.find_version = theirs.extra, theirs.find_version
            state.host.take_from(theirs.host)
            for watched in instrumentor.watched:
                if watched.state == "wrapped":
                    watched.switch.append(True)
            known.instrumentor.watched.extend(instrumentor.watched)
        self._unbound = waiting

    def project_of(self, package: str) -> Instrumented | None:
        """Return the project that code of the top-level *package* belongs to, or None where that is not clear."""
        if len(self.projects) == 1:
            return next(iter(self.projects.values()))
        found = [
            known
            for name, known in self.projects.items()
            if package in known.packages or name.partition("/")[2].replace("-", "_").lower() == package.lower()
        ]
        return found[0] if len(found) == 1 else None

    # -- runs and events --------------------------------------------------------------------------------------------

    def track(self, project: str, version: str, extra: Mapping[str, Any]) -> Run:
        """Return a run of *project*; one that does nothing where the project is off or not instrumented."""
        known = self.projects.get(project)

        def begin() -> Use | None:
            if known is None or self.projects.get(project) is None:
                return None
            return self.recorder.begin(self._subject(known, project, start=True, version=version), extra=extra)

        run = Run(begin, self._rest_of_process)
        if known is None:
            run.start()  # claims it: nothing will begin
        else:
            with self._lock:
                self._unclaimed.add(run)
            self._first_record()
        return run

    def event(self, known: Instrumented, name: str, fields: Mapping[str, Any]) -> None:
        """Record that *name* happened now."""
        with guard("event"):
            self.recorder.event(self._subject(known, name, start=False), fields)

    def record(self, usage: Usage, as_record: Callable[..., AnyRecord]) -> bool:
        """Write what came as a span or a log record; return whether its project is one of ours.

        Args:
            usage: What came.
            as_record: `footfall.export.records.as_record`, which loads what only exporters need.
        """
        known = self.projects.get(usage.project)
        if known is None:
            if not self.refusal(usage.project):
                trouble.note("export", "footfall: what came names project %r, which is not instrumented", usage.project)
            return False
        subject = self._subject(
            known,
            usage.name,
            start=usage.kind in {Kind.START, Kind.END},  # an end by this door may be that of a start by it
            version=usage.project_version,
            service=usage.service,
            is_function=usage.kind is not Kind.EVENT,
        )
        number = self.recorder.number(subject)
        return self.recorder.write_record(subject, as_record(usage, function=number, bits=self.recorder.bits))

    def _subject(
        self,
        known: Instrumented,
        name: str,
        *,
        start: bool,
        version: str = "",
        service: str = "",
        is_function: bool = False,
    ) -> Subject:
        """Return what records of that name are about: the same object each time."""
        with self._lock:
            key = (name, start, version, service)
            subject = known.subjects.get(key)
            if subject is None:
                state = known.state
                if version and version != state.version:
                    state = msgspec.structs.replace(state, version=version, number=0)
                fields = {
                    "project": state,
                    "name": name,
                    "service": service,
                    "start": start,
                    "is_function": is_function,
                }
                subject = self.recorder.subject(fields, rate_per_second=0)
                known.subjects[key] = subject
            return subject

    def _rest_of_process(self, run: Run) -> None:
        self.exit_status.watch()
        run.start()
        self._plain_runs.append(run)

    def claim_plain_runs(self) -> None:
        """Begin the runs that turned out to be plain calls; the background thread asks every turn."""
        with self._lock:
            waiting, self._unclaimed = self._unclaimed, weakref.WeakSet()
        for run in tuple(waiting):
            if not run.claimed:
                self._rest_of_process(run)

    # -- delivery, exit, fork ---------------------------------------------------------------------------------------

    def drain(self, timeout_seconds: float) -> Ledger:
        """Deliver what is pending, for at most *timeout_seconds*; return the books."""
        self.recorder.flush_counts()
        self.journal.retry_kept()
        places = self._find_places()
        if places is None or self.refusal() or not any(known.decision.sends for known in self.projects.values()):
            return Ledger()
        return self.background.drain(places, timeout_seconds)

    def shutdown(self) -> None:
        """End in good order: called at exit. Waits only while a destination answers."""
        for run in self._plain_runs:
            run.end(self.exit_status.exception())
        self.claim_plain_runs()
        self.recorder.flush_counts()
        self.journal.retry_kept()
        self.journal.close()
        # Whoever pressed Ctrl-C does not wait. Nor may anything be imported for delivery then: Python forgets that it
        # was Ctrl-C when code is compiled during the exit, as some imports do, and the exit status would be another.
        pressed = isinstance(self.exit_status.exception(), KeyboardInterrupt)
        self.background.finish(0.0 if pressed else self._exit_budget_seconds())

    def flush_counts(self) -> int:
        """Write what was only counted; return how many uses that were."""
        return self.recorder.flush_counts()

    def before_fork(self) -> Callable[[], None] | None:
        """Wait until no module of ours is being loaded; return what lets the next one be."""
        return self.background.loading.release if self.background.before_fork() else None

    def after_fork(self) -> None:
        """In a fork child: begin anew in everything that belonged to the parent."""
        self.pid = os.getpid()
        self._is_fork_child = True
        self._lock = threading.RLock()
        trouble.after_fork()
        self.session = session.after_fork(self.session)
        self.journal.after_fork()
        self.recorder.after_fork()
        self.background.after_fork()
        self._plain_runs = []

    def stop(self) -> None:
        """Undo everything; for tests and `footfall.testing`."""
        self.claim_plain_runs()
        self.uninstrument()
        self.exit_status.unwatch()
        self.journal.close()
        self.background.finish(0.0)

    def _exit_budget_seconds(self) -> float:
        if self._is_fork_child:
            return FORK_EXIT_BUDGET_SECONDS
        if self.settings.exit_budget_seconds is not None:
            return self.settings.exit_budget_seconds
        return 5.0 if self.disk_vanishes() else 0.5

    def disk_vanishes(self) -> bool:
        """Whether this machine's disk is likely gone after the process: CI and containers (design.md section 4)."""
        return bool(ci.detect(self.environ) or container.detect(Path("/"), self.environ))

    # -- what the journal asks for ----------------------------------------------------------------------------------
    # With the first record. Whatever is imported on the way, be it a codec of the standard library, is imported under
    # the lock that forks wait for: a child was seen to hang at `encodings.ascii`.

    def _find_places(self) -> Places | None:
        if not self._located:
            # In this order: a fork between the two lets the child look again, instead of believing there is no place.
            self.places = find(self.settings.directory, self.environ)
            self._located = True
        return self.places

    def _journal_directory(self) -> Path | None:
        with self.background.loading:
            places = self._find_places()
        return places.journal if places is not None else None

    def _identity(self) -> Identity:
        config = self.places.config if self.places is not None else None
        with self.background.loading:
            return Identity(
                process=os.urandom(16).hex(),
                pid=os.getpid(),
                started=process_start(os.getpid()),
                mode=self._mode,
                session_id=self.session.id,
                previous_session_id=self.session.previous_id,
                installation_id=installation_id(config) if config is not None else "",
            )

    def _resource(self) -> dict[str, object]:
        with self.background.loading:
            return dict(collect(self.environ, version=VERSION))

    def _installed_version(self, project: str, packages: frozenset[str]) -> str:
        """Return the version of the distribution named like the repository, else of one that provides a package."""
        with self.background.loading:
            from footfall.registry.entry_points import installed_version  # noqa: PLC0415  with the first record only

            names = (project.partition("/")[2], *sorted(packages))
            return next((version for name in names if (version := installed_version(name))), "")

    def _first_record(self) -> None:
        self.background.start()

    # -- consent ----------------------------------------------------------------------------------------------------

    def _choice(self) -> user_choice.Choice:
        directory = config_directory(self.environ)
        return user_choice.read(directory) if directory is not None else user_choice.Choice()

    def _decide(self, registry: Registry) -> Decision:
        return decide(
            self.environ,
            runner=runner.detect(self.environ),
            project=registry.project,
            choice=self._choice(),
            consent=registry.consent,
            ci_system=str(ci.detect(self.environ).get("footfall.cicd.system", "")),
            ci=registry.ci,
        )


_current: Runtime | None = None


def current() -> Runtime:
    """Return this process's runtime, made now where there is none."""
    global _current  # noqa: PLW0603  the one instance of a process
    if _current is None:
        _current = Runtime()
    return _current


def replace(runtime: Runtime | None) -> Runtime | None:
    """Put *runtime* in the place of the current one, which is returned; for tests."""
    global _current
    previous, _current = _current, runtime
    return previous
