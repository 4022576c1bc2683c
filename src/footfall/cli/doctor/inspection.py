"""The inspecting process: imports the registered modules, instruments them for real, and tells what became of it.

It is a process of its own, so that a package that crashes, hangs, prints or leaves threads behind does no harm. Its
footfall works for nobody: recording only (mode ``local``) into a directory that is removed afterwards, with neither the
user's choice nor the user's installation id in sight. The environment of the imported packages stays as it is, but for
``FOOTFALL=off``: processes that they start are nobody's uses.

Reads a `Task` from stdin; writes `Importing` and then `Inspected`, a line of JSON each, to what was stdout.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

import msgspec

from footfall import runtime
from footfall.cli.doctor.findings import Function, Importing, Inspected, State, Task
from footfall.cli.doctor.modules import missing
from footfall.cli.doctor.references import reached
from footfall.consent import choice
from footfall.instrumentation.targets import MISSING
from footfall.settings import Settings

if TYPE_CHECKING:
    from footfall.instrumentation.instrumentor import Watched

MAX_TEXT: Final = 200
"""Characters kept of what a package says."""


class Trial:
    """One round of instrumenting and importing.

    Args:
        task: What to look at.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._failed: dict[str, str] = {}
        environ = {"FOOTFALL": "local", "HOME": task.directory, "XDG_CONFIG_HOME": task.directory}
        self._runtime = runtime.Runtime(Settings(mode="local", directory=task.directory), environ)
        self._runtime.choice = choice.Watch(None)  # nobody's: what is asked is what could be observed

    def instrument(self) -> list[str]:
        """Instrument all projects, before anything is imported, as at the start of a program; return the modules."""
        runtime.replace(self._runtime)
        for registry in self._task.registries:
            self._runtime.instrument(registry)
        entries = [entry for registry in self._task.registries for entry in registry.entries]
        return list(dict.fromkeys(name for entry in entries for name in entry.modules))

    def load(self, module: str) -> None:
        """Import *module*, and remember why it cannot be."""
        why = self._task.skip.get(module) or missing(module)
        if not why:
            try:
                importlib.import_module(module)
            except BaseException as error:  # noqa: BLE001  SystemExit too: a script without a guard
                why = f"importing {module!r} failed with {type(error).__name__}: {_text(error)}"
        if why:
            self._failed[module] = why

    def functions(self) -> tuple[Function, ...]:
        """Return what became of every function, also of those that the imported code registered by itself."""
        watched = [
            (name, each) for name, known in self._runtime.projects.items() for each in known.instrumentor.watched
        ]
        originals = {id(each): _originals(each) for _, each in watched if each.state == "wrapped"}
        packages = {name.partition(".")[0] for _, each in watched for name in each.entry.modules}
        elsewhere = reached([one for many in originals.values() for one in many], first=packages)
        return tuple(
            self._function(
                project, each, [name for one in originals.get(id(each), ()) for name in elsewhere.get(id(one), ())]
            )
            for project, each in watched
        )

    def _function(self, project: str, watched: Watched, elsewhere: list[str]) -> Function:
        entry = watched.entry
        state: State = "wrapped"
        reason = ""
        if watched.state != "wrapped":
            state, reason = self._why_not(watched)
        elif elsewhere:
            state = "missed"
            reason = "others still call the original; put @footfall.register where it is defined, or name what calls it"
        return Function(
            project=project,
            name=entry.name,
            service=entry.service,
            state=state,
            reason=reason,
            elsewhere=tuple(dict.fromkeys(elsewhere)),
            source=entry.source,
            line=entry.line,
            modules=entry.modules,
        )

    def _why_not(self, watched: Watched) -> tuple[State, str]:
        entry = watched.entry
        if not entry.modules and watched.state == "waiting":
            return "unseen", watched.reason
        failures = {name: self._failed[name] for name in entry.modules if name in self._failed}
        imported = [module for name in entry.modules if isinstance(module := sys.modules.get(name), ModuleType)]
        if any(_is_there(module, entry.qualname) for module in imported):
            return "cannot", watched.reason or "its module was not seen being imported; name what calls it"
        if failures:
            installed = any(not missing(name) for name in failures)
            return "cannot" if installed else "missed", "; ".join(failures.values())
        return ("missed" if imported else "cannot"), watched.reason


def _originals(watched: Watched) -> list[Any]:
    """Return what calls that are not observed would reach: the replaced object, and the function inside it."""
    target = watched.target
    if target is None or target.stored is MISSING:  # decorated, or inherited: the original belongs where it is
        return []
    wrapped: Any = getattr(watched.replacement, "__wrapped__", None)
    inner = getattr(target.found, "__func__", None) or getattr(target.found, "fget", None)
    # Of a cached property its own descriptor stays in place, and only its function was replaced.
    candidates = (wrapped,) if wrapped is not target.found and wrapped is not None else (target.found, inner)
    return [each for each in candidates if each is not None]


def _is_there(module: ModuleType, qualname: str) -> bool:
    owner: Any = module
    for name in qualname.split("."):
        try:
            # As `targets.locate` looks: in classes without running descriptors, in modules with their `__getattr__`.
            owner = inspect.getattr_static(owner, name) if isinstance(owner, type) else getattr(owner, name)
        except AttributeError:  # noqa: PERF203  a few names
            return False
    return True


def _text(error: BaseException) -> str:
    try:
        return str(error)[:MAX_TEXT]
    except Exception:  # noqa: BLE001  somebody else's exception
        return "..."


def main() -> None:
    """Do the task on stdin, and leave without the exit handlers of whatever was imported."""
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    # The descriptor is ours alone, and not inherited: what packages print, or start, goes nowhere.
    channel = os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    trial = Trial(task)
    modules = trial.instrument()
    for done, module in enumerate(modules):
        _say(channel, Importing(module, done, len(modules)))
        trial.load(module)
    _say(channel, Importing("", len(modules), len(modules)))
    _say(channel, Inspected(trial.functions()))
    os._exit(0)


def _say(channel: int, event: Importing | Inspected) -> None:
    data = memoryview(msgspec.json.encode(event) + b"\n")
    while data:
        data = data[os.write(channel, data) :]
