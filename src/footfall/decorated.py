"""Functions that ``@footfall.register`` decorated: observed as soon as their project is instrumented, or left alone.

A decorator may run before or after `footfall.instrument`. Until its project is there the wrapper only passes calls
through; where the project is off by then, the function stays the very object it was (design.md section 5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from footfall.instrumentation.host_spans import HostSpans
from footfall.instrumentation.instrumentor import Instrumentor
from footfall.instrumentation.recorder import ProjectState
from footfall.registry.model import Entry, Registry
from footfall.version import VERSION

if TYPE_CHECKING:
    from footfall.runtime import Runtime


class Decorated:
    """The decorated functions of a `Runtime`."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._waiting: list[tuple[Instrumentor, str, str | None]] = []
        self._declined: dict[str, frozenset[str]] = {}

    def wrap(self, function: Any, entry: Entry, project: str | None) -> Any:
        """Return what stands for *function*: observed at once, or as soon as its project is there."""
        runtime = self._runtime
        package = entry.module.partition(".")[0]
        with runtime.lock:
            if self._stays(package, project):
                return function
            state = ProjectState(project=project or "", host=HostSpans(VERSION))
            rate = runtime.settings.rate_per_second
            instrumentor = Instrumentor(state, runtime.recorder, default_rate_per_second=rate)
            wrapped = instrumentor.wrap(function, entry)
            for watched in instrumentor.watched:
                watched.switch.clear()
            self._waiting.append((instrumentor, package, project))
            self.bind()
            return wrapped

    def bind(self) -> None:
        """Switch on the functions whose project is instrumented by now."""
        waiting: list[tuple[Instrumentor, str, str | None]] = []
        for instrumentor, package, project in self._waiting:
            known = self._runtime.projects.get(project) if project else self._runtime.project_of(package)
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
        self._waiting = waiting

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
