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
from footfall.decorated import Decorated, is_of
from footfall.disclosure import Disclosure
from footfall.errors import guard, trouble
from footfall.instrumentation.host_spans import HostSpans
from footfall.instrumentation.instrumentor import Instrumentor
from footfall.instrumentation.recorder import ProjectState, Recorder, Subject, Use
from footfall.instrumentation.run import ExitStatus, Run
from footfall.journal.writer import Identity, Journal
from footfall.ledger import Ledger
from footfall.places import Places, config_directory, find, process_start
from footfall.registry.model import Registry, merge
from footfall.resource import ci, kernels, session
from footfall.resource.collect import collect
from footfall.resource.installation import installation_id
from footfall.resource.login import login_name
from footfall.settings import Mode, Settings
from footfall.tracking import Tracking
from footfall.usage import Kind, Usage
from footfall.version import VERSION

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider
    from opentelemetry.trace import TracerProvider

    from footfall.instrumentation.namespace import Names
    from footfall.journal.lines import AnyRecord

STOP_SECONDS: Final = 2.0
"""Longest wait of `Runtime.stop` for the background thread."""


class Instrumented(msgspec.Struct, kw_only=True, eq=False):
    """One project of this process."""

    registry: Registry
    decision: Decision
    state: ProjectState
    instrumentor: Instrumentor
    packages: frozenset[str] = frozenset()
    names_user: bool = False
    announced: bool = False
    subjects: dict[tuple[object, ...], Subject] = msgspec.field(default_factory=dict[tuple[object, ...], Subject])


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
        self.mode: Mode = "on"
        self._located = False
        self.lock = threading.RLock()
        self._is_fork_child = False
        self._unclaimed: weakref.WeakSet[Run] = weakref.WeakSet()
        self._plain_runs: list[Run] = []
        self.decorated, self.tracking = Decorated(self), Tracking(self)
        self.names: Names | None = None
        self.journal = Journal(
            self._journal_directory,
            identity=self._identity,
            resource=self._resource,
            max_bytes=self.settings.journal_max_bytes,
            total_max_bytes=self.settings.journals_max_bytes,
            durability=self.settings.durability,
        )
        self.recorder = Recorder(self.journal, first_record=self._first_record, forked=self.after_fork)
        self.choice = user_choice.Watch(config_directory(self.environ))
        self.disclosure = Disclosure(self)
        self.background = Background(self)

    # -- projects ---------------------------------------------------------------------------------------------------

    def refusal(self, project: str = "") -> str:
        """Return why nothing at all may be done for *project*, or ""."""
        return refusal(self.environ, self.choice(), project)

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
        with self.lock:
            known = self.projects.get(registry.project)
            if known is not None:
                registry = merge(known.registry, registry)
                packages |= known.packages
            decision = self.decide(registry)
            names = packages | {entry.module.partition(".")[0] for entry in registry.entries if entry.module}
            version = functools.partial(self._installed_version, registry.project, names)
            self.tracking.configure(registry, version, records=decision.records)
            if known is not None:
                self.decorated.release(known)
                known.instrumentor.uninstrument()
            if not decision.records:
                self.projects.pop(registry.project, None)
                self.decorated.decline(registry.project, packages)
                return decision
            self.decorated.accept(registry.project)
            self.mode = decision.mode
            self.journal.silence(silent=False)
            state = ProjectState(
                project=registry.project,
                version=registry.version,
                find_version=version,
                send_to=registry.send_to,
                extra=registry.extra_of_uses(lambda: login_name(self.environ)),
                host=HostSpans(VERSION, tracer_provider=tracer_provider, logger_provider=logger_provider),
                jobs=functools.partial(self.tracking.jobs_of, registry.project),
            )
            rate = self.settings.rate_per_second
            instrumentor = Instrumentor(state, self.recorder, default_rate_per_second=rate, names=self.names)
            self.projects[registry.project] = Instrumented(
                registry=registry,
                decision=decision,
                state=state,
                instrumentor=instrumentor,
                packages=names,
                names_user=registry.user_name,
            )
            lifecycle.watch(lambda: _current)
            instrumentor.instrument(registry.entries)
            self.decorated.bind()
        return decision

    def uninstrument(self, project: str | None = None) -> None:
        """Undo `instrument` for *project*, or for all: the wrapped names hold their original objects again."""
        with self.lock:
            names = list(self.projects) if project is None else [project]
            for name in names:
                known = self.projects.pop(name, None)
                self.tracking.withdraw(name)
                if known is not None:
                    self.decorated.release(known)
                    known.instrumentor.uninstrument()
            self.recorder.flush_counts()

    def project_of(self, package: str) -> Instrumented | None:
        """Return the project that code of the top-level *package* belongs to, or None where that is not clear."""
        if len(self.projects) == 1:
            return next(iter(self.projects.values()))
        found = [known for name, known in self.projects.items() if is_of(package, name, known.packages)]
        return found[0] if len(found) == 1 else None

    def look_for_names(self, *, wanted: bool = True) -> Names | None:
        """Look for the bare names of all projects, present and later, or undo it; return who looks: a notebook does."""
        from footfall.instrumentation.namespace import Names  # noqa: PLC0415  most processes are no notebook

        with self.lock:
            if (self.names is not None) is not wanted:
                self.names = Names() if wanted else None
                for known in self.projects.values():
                    known.instrumentor.look_with(self.names)
            return self.names

    def continue_session(self, kernel: str) -> None:
        """Be the session that comes after the last one of this notebook kernel, named by its connection file."""
        places = self.find_places() if self.projects else None
        if places is not None:
            previous = kernels.follow(places.state, kernel, self.session.id)
            if previous:
                self.session = msgspec.structs.replace(self.session, previous_id=previous)

    # -- runs and events --------------------------------------------------------------------------------------------

    def track(self, project: str, version: str, extra: Mapping[str, Any]) -> Run:
        """Return a run of *project*; one that does nothing where the project is off or not instrumented."""
        known = self.projects.get(project)

        def begin() -> Use | None:
            if known is None or self.projects.get(project) is None:
                return None
            return self.recorder.begin(self.subject(known, project, start=True, version=version), extra=extra)

        run = Run(begin, self.rest_of_process)
        if known is None:
            run.start()  # claims it: nothing will begin
        else:
            self.watch_run(run)
        return run

    def watch_run(self, run: Run) -> None:
        """Wait for *run* to become a block, a decorator, or the rest of the process."""
        with self.lock:
            self._unclaimed.add(run)
        self._first_record()

    def event(self, known: Instrumented, name: str, fields: Mapping[str, Any]) -> None:
        """Record that *name* happened now."""
        with guard("event"):
            self.recorder.event(self.subject(known, name, start=False), fields)

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
        subject = self.subject(
            known,
            usage.name,
            start=usage.kind in {Kind.START, Kind.END},  # an end by this door may be that of a start by it
            version=usage.project_version,
            service=usage.service,
            parameters=usage.parameters,
            is_function=usage.kind is not Kind.EVENT,
        )
        number = self.recorder.number(subject)
        return self.recorder.write_record(subject, as_record(usage, function=number, bits=self.recorder.bits))

    def subject(
        self,
        known: Instrumented,
        name: str,
        *,
        start: bool,
        version: str = "",
        service: str = "",
        parameters: tuple[str, ...] = (),
        is_function: bool = False,
    ) -> Subject:
        """Return what records of that name are about: the same object each time."""
        with self.lock:
            key = (name, start, version, service, parameters)
            subject = known.subjects.get(key)
            if subject is None:
                state = known.state
                if version and version != state.version:
                    state = msgspec.structs.replace(state, version=version, number=0)
                fields = {
                    "project": state,
                    "name": name,
                    "service": service,
                    "parameters": parameters,
                    "start": start,
                    "is_function": is_function,
                }
                subject = self.recorder.subject(fields, rate_per_second=0)
                known.subjects[key] = subject
            return subject

    def rest_of_process(self, run: Run) -> None:
        """Begin *run*, and end it when the process ends."""
        self.exit_status.watch()
        run.start()
        self._plain_runs.append(run)

    def claim_plain_runs(self) -> None:
        """Begin the runs that turned out to be plain calls; the background thread asks every turn."""
        with self.lock:
            waiting, self._unclaimed = self._unclaimed, weakref.WeakSet()
        for run in tuple(waiting):
            if not run.claimed:
                self.rest_of_process(run)

    # -- delivery, exit, fork ---------------------------------------------------------------------------------------

    def drain(self, timeout_seconds: float) -> Ledger:
        """Deliver what is pending, for at most *timeout_seconds*; return the books."""
        self.recorder.flush_counts()
        self.journal.retry_kept()
        sends = not self.refusal() and any(known.decision.sends for known in self.projects.values())
        places = self.find_places() if sends else None  # looking for places makes them
        return self.background.drain(places, timeout_seconds) if places is not None else Ledger()

    def shutdown(self) -> None:
        """End in good order: called at exit. Waits only while a destination answers."""
        for run in self._plain_runs:
            run.end(self.exit_status.exception())
        self.claim_plain_runs()
        self.recorder.flush_counts()
        self.journal.retry_kept()
        self.disclosure.print_payloads()
        self.journal.close()
        # Whoever pressed Ctrl-C does not wait. Nor may anything be imported for delivery then: Python forgets that it
        # was Ctrl-C when code is compiled during the exit, as some imports do, and the exit status would be another.
        pressed = isinstance(self.exit_status.exception(), KeyboardInterrupt)
        self.background.finish(
            0.0 if pressed else self.background.exit_budget_seconds(is_fork_child=self._is_fork_child)
        )

    def flush_counts(self) -> int:
        """Write what was only counted; return how many uses that were."""
        flushed = self.recorder.flush_counts()
        self.disclosure.print_payloads()
        return flushed

    def before_fork(self) -> Callable[[], None]:
        """Wait until nothing of ours is being loaded or printed; return what lets that go on."""
        return self.background.before_fork()

    def after_fork(self) -> None:
        """In a fork child: begin anew in everything that belonged to the parent."""
        self.pid = os.getpid()
        self._is_fork_child = True
        self.lock = threading.RLock()
        trouble.after_fork()
        self.session = session.after_fork(self.session)
        self.journal.after_fork()
        self.recorder.after_fork()
        if self.names is not None:
            self.names.after_fork()
        self.background.after_fork()
        self._plain_runs = []
        self.disclosure.after_fork()

    def stop(self) -> None:
        """Undo everything; for tests and `footfall.testing`."""
        self.claim_plain_runs()
        self.uninstrument()
        self.exit_status.unwatch()
        self.journal.close()
        self.background.finish(0.0, join_seconds=STOP_SECONDS)

    # -- what the journal asks for ----------------------------------------------------------------------------------
    # With the first record. Whatever is imported on the way, be it a codec of the standard library, is imported under
    # the lock that forks wait for: a child was seen to hang at `encodings.ascii`.

    def find_places(self) -> Places | None:
        """Return where the files of this process are, looked for once; None when there is no place."""
        if not self._located:
            # In this order: a fork between the two lets the child look again, instead of believing there is no place.
            self.places = find(self.settings.directory, self.environ)
            self._located = True
        return self.places

    def _journal_directory(self) -> Path | None:
        with self.background.loading:
            places = self.find_places()
        return places.journal if places is not None else None

    def _identity(self) -> Identity:
        config = self.places.config if self.places is not None else None
        with self.background.loading:
            return Identity(
                process=os.urandom(16).hex(),
                pid=os.getpid(),
                started=process_start(os.getpid()),
                mode=self.mode,
                session_id=self.session.id,
                previous_session_id=self.session.previous_id,
                installation_id=installation_id(config) if config is not None else "",
            )

    def _resource(self) -> dict[str, object]:
        with self.background.loading:
            return dict(collect(self.environ, version=VERSION))

    def _installed_version(self, project: str, packages: frozenset[str]) -> str:
        with self.background.loading:
            from footfall.registry.entry_points import version_of  # noqa: PLC0415  with the first record only

            return version_of(project, packages)

    def _first_record(self) -> None:
        with guard("notice"):
            self.disclosure.announce()
        self.background.start()

    # -- consent ----------------------------------------------------------------------------------------------------

    def obey(self) -> bool:
        """Stop what the user has said no to since; return whether nothing is observed any more. Asked every turn."""
        refused = [project for project in tuple(self.projects) if self.refusal(project)]
        for project in refused:
            self.uninstrument(project)
        if not refused or self.projects:
            return False
        self._plain_runs = []
        self.journal.silence()
        return True

    def decide(self, registry: Registry) -> Decision:
        """Return what the project of *registry* may do in this process, and why."""
        return decide(
            self.environ,
            runner=runner.detect(self.environ),
            project=registry.project,
            choice=self.choice(),
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
