"""Functions that ``@footfall.register`` decorated: observed as soon as their project is instrumented, or left alone.

A decorator may run before or after `footfall.instrument`. Until its project is there the wrapper only passes calls
through; where the project is off by then, the function stays the very object it was (design.md section 5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import msgspec

from footfall.instrumentation.host_spans import HostSpans
from footfall.instrumentation.instrumentor import Instrumentor
from footfall.instrumentation.recorder import ProjectState
from footfall.registry.model import Entry, Registry
from footfall.version import VERSION

if TYPE_CHECKING:
    from footfall.runtime import Instrumented, Runtime


class _Decorated(msgspec.Struct, kw_only=True, eq=False):
    """A decorated function or class.

    Attributes:
        function: As the decorator found it.
        entry: What it was registered with.
        package: Top-level package it is in.
        project: The one that the decorator named.
        instrumentor: What wrapped it; None for a class whose own ``__init__`` was put back.
    """

    function: Any
    entry: Entry
    package: str
    project: str | None
    instrumentor: Instrumentor | None = None


class Decorated:
    """The decorated functions of a `Runtime`."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._waiting: list[_Decorated] = []
        self._bound: dict[str, list[_Decorated]] = {}
        self._declined: dict[str, frozenset[str]] = {}

    def wrap(self, function: Any, entry: Entry, project: str | None) -> Any:
        """Return what stands for *function*: observed at once, or as soon as its project is there."""
        with self._runtime.lock:
            package = entry.module.partition(".")[0]
            if self._stays(package, project):
                return function
            each = _Decorated(function=function, entry=entry, package=package, project=project)
            wrapped = self._wrap(each)
            if not self._bind(each):
                self._waiting.append(each)
            return wrapped

    def bind(self) -> None:
        """Switch on the functions whose project is instrumented by now."""
        self._waiting = [each for each in self._waiting if not self._bind(each)]

    def _bind(self, each: _Decorated) -> bool:
        """Give *each* to its project and return True, or return False where that is not there yet."""
        runtime, project = self._runtime, each.project
        known = runtime.projects.get(project) if project else runtime.project_of(each.package)
        if known is None:
            return False
        if each.instrumentor is None:
            self._wrap(each)
        instrumentor = cast("Instrumentor", each.instrumentor)
        state, theirs = instrumentor.project, known.state
        state.project, state.version, state.send_to = theirs.project, theirs.version, theirs.send_to
        state.extra, state.find_version, state.jobs = theirs.extra, theirs.find_version, theirs.jobs
        state.host.take_from(theirs.host)
        for watched in instrumentor.watched:
            if watched.state == "wrapped":
                watched.switch.append(True)
        known.instrumentor.watched.extend(instrumentor.watched)
        self._bound.setdefault(known.registry.project, []).append(each)
        return True

    def release(self, known: Instrumented) -> None:
        """Let the functions of a project wait again, before it is uninstrumented, or instrumented anew."""
        for each in self._bound.pop(known.registry.project, []):
            instrumentor, theirs = cast("Instrumentor", each.instrumentor), known.instrumentor.watched
            if any(watched.target is not None for watched in instrumentor.watched):
                each.instrumentor = None  # a class: its undoing is the project's
            else:
                theirs[:] = [other for other in theirs if other not in instrumentor.watched]
                instrumentor.project.number = 0
            for watched in instrumentor.watched:
                watched.switch.clear()
                watched.subject.meter.prefix = None  # with what the project says then, it is defined anew
            self._waiting.append(each)

    def _wrap(self, each: _Decorated) -> Any:
        """Return the wrapper of *each*, which passes calls through for the time being."""
        runtime = self._runtime
        state = ProjectState(project=each.project or "", host=HostSpans(VERSION))
        rate = runtime.settings.rate_per_second
        each.instrumentor = Instrumentor(state, runtime.recorder, default_rate_per_second=rate)
        wrapped = each.instrumentor.wrap(each.function, each.entry)
        for watched in each.instrumentor.watched:
            watched.switch.clear()
        return wrapped

    def decline(self, project: str, packages: frozenset[str]) -> None:
        """Remember that *project* is off in this process."""
        if project:
            self._declined[project] = packages

    def accept(self, project: str) -> None:
        """Remember that *project* is not off any more."""
        self._declined.pop(project, None)

    def _stays(self, package: str, project: str | None) -> bool:
        """Whether a function of *package* stays as it is: its project is off, or everything is."""
        runtime = self._runtime
        if project in self._declined or not runtime.decide(Registry(project=project or "")).records:
            return True
        if project or not self._declined:
            return False
        known = {**self._declined, **{name: each.packages for name, each in runtime.projects.items()}}
        found = [name for name, packages in known.items() if len(known) == 1 or is_of(package, name, packages)]
        return bool(found) and all(name in self._declined for name in found)


def is_of(package: str, project: str, packages: frozenset[str]) -> bool:
    """Whether code of the top-level *package* belongs to *project*: by its registry, or by its name."""
    return package in packages or project.partition("/")[2].replace("-", "_").lower() == package.lower()
