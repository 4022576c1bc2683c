"""Wraps what a registry names, remembers what it could not and why, and undoes exactly what it did.

Undo restores the very objects: the descriptor as the class stored it, inherited names by deleting ours. Where somebody
has wrapped on top of us in the meantime, our wrapper stays and only passes calls through.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, Final, Literal, Protocol

import msgspec

from footfall.errors import ConfigurationError, trouble
from footfall.instrumentation.aliases import Alias, LeftBehind, left_behind, rebind
from footfall.instrumentation.import_hooks import ImportHooks
from footfall.instrumentation.layers import Applies, observe_where, without
from footfall.instrumentation.recorder import ProjectState, Recorder, Subject
from footfall.instrumentation.targets import MISSING, CannotWrapError, Target, callable_of, construction, locate
from footfall.registry.model import Entry

State = Literal["waiting", "wrapped", "cannot", "undone"]
"""waiting: the module is not imported yet, or the bare name was not met yet. cannot: `Watched.reason` says why."""

BARE: Final = "a bare name, looked for in notebooks only (%load_ext footfall.ipython); write module:qualname, or where:"
"""Why a name without a module is not observed where no notebook is."""

TOLD_AS: Final = "access.function"
"""Extra field with the registered text, where the function's own name is another."""


class Switch(list[bool]):
    """Turns an observer that cannot be taken out into one that only passes calls through.

    A list, because wrapt asks for its truth on every call and a list answers without running Python: a wrapper that is
    off costs 1.3 times the bare call, with a `__bool__` of our own 3.5 times.
    """

    __slots__ = ("subject",)

    subject: Subject
    """Whom the observer tells: this is how a wrapper is recognised from outside."""

    def __init__(self) -> None:
        super().__init__((True,))


class Watched(msgspec.Struct, kw_only=True, eq=False, gc=False):
    """One entry and what became of it; `footfall doctor` lists these.

    There may be thousands, and none is part of a cycle, so the garbage collector need not know them.
    """

    entry: Entry
    subject: Subject
    state: State = "waiting"
    reason: str = ""
    target: Target | None = None
    replacement: Any = None
    switch: Switch = msgspec.field(default_factory=Switch)
    aliases: tuple[Alias, ...] = ()
    only: Applies | None = None
    is_further: bool = False

    def __post_init__(self) -> None:
        self.switch.subject = self.subject


class Finder(Protocol):
    """Who looks for bare names: `footfall.instrumentation.namespace.Names`, where a notebook asked for it."""

    def watch(self, instrumentor: Instrumentor, watched: Sequence[Watched]) -> None:
        """Look for the names of *watched* from now on, and have *instrumentor* wrap what is found."""
        ...

    def forget(self, instrumentor: Instrumentor) -> list[Watched]:
        """Look for none of its names any more; return what was found."""
        ...


class Instrumentor:
    """The wrappers of one project.

    Args:
        project: Whose records they write.
        recorder: The process's.
        default_rate_per_second: For entries that name no rate.
        names: Who looks for bare names, if anybody does.
    """

    def __init__(
        self, project: ProjectState, recorder: Recorder, *, default_rate_per_second: float, names: Finder | None = None
    ) -> None:
        self.project = project
        self._names = names
        self.watched: list[Watched] = []
        self._recorder = recorder
        self._default_rate = default_rate_per_second
        self._hooks = ImportHooks()

    def instrument(self, entries: Sequence[Entry]) -> None:
        """Wrap what *entries* name: now where the module is loaded, else right after its import.

        Never imports a target. What cannot be wrapped is remembered in `watched` with its reason, and counted.
        """
        modules: dict[str, list[Watched]] = {}
        bare: list[Watched] = []
        for entry in entries:
            watched = Watched(entry=entry, subject=self._subject(entry))
            self.watched.append(watched)
            for name in entry.modules:
                modules.setdefault(name, []).append(watched)
            if not entry.modules:
                watched.reason = BARE
                bare.append(watched)
        if self._names is not None:
            self._names.watch(self, bare)
        for name, group in modules.items():
            loaded = name in sys.modules
            self._hooks.when_imported(name, self._on_import(group, rebind_aliases=loaded))

    def wrap(self, function: Callable[..., Any], entry: Entry) -> Callable[..., Any]:
        """Return *function* observed under *entry*: the decorator's way, nothing is replaced anywhere.

        A class comes back as itself, with its construction observed: a proxy in its place could not be pickled.
        """
        watched = Watched(entry=entry, subject=self._subject(entry))
        self.watched.append(watched)
        try:
            if isinstance(function, type):
                self._put(watched, construction(function, entry.qualname))
                return function
            replacement = self._replacement(watched, function)
        except (CannotWrapError, ConfigurationError) as error:
            self._cannot(watched, str(error))
            return function
        watched.state = "wrapped"
        return replacement  # type: ignore[no-any-return]  # a proxy of the same type

    def look_with(self, names: Finder | None) -> None:
        """Have bare names looked for by *names*, or, with None, undo what was found so."""
        if self._names is not None:
            found = self._names.forget(self)
            for watched in reversed(found):
                _undo(watched)
                watched.state, watched.target = "waiting", None
                watched.switch.append(True)
            further = {id(watched) for watched in found if watched.is_further}
            self.watched[:] = [watched for watched in self.watched if id(watched) not in further]
            for watched in self._bare():
                watched.state, watched.reason = "waiting", BARE
        self._names = names
        if names is not None:
            names.watch(self, self._bare())

    def refuse(self, watched: Watched, reason: str) -> None:
        """Remember why nothing can stand where the bare name of *watched* was found, and say so once."""
        self._cannot(watched, reason)

    def further(self, watched: Watched) -> Watched:
        """Return one more place for the entry of *watched*: a bare name may be that of several functions."""
        entry = watched.entry
        another = Watched(entry=entry, subject=self._subject(entry), is_further=True)
        self.watched.append(another)
        return another

    def place(self, watched: Watched, target: Target, *, name: str) -> tuple[Any, Any]:
        """Wrap *target*, found for the bare name of *watched*; return original and replacement.

        Args:
            watched: May have stood in this place before: a function that was defined anew is observed anew.
            target: What was found.
            name: ``module:qualname`` that uses are told under.

        Raises:
            CannotWrapError, ConfigurationError: Nothing can stand there.
        """
        subject, text = watched.subject, watched.entry.qualname
        if subject.meter.prefix is None:  # else the journal has it already, under the same name
            subject.name = name
            if name.partition(":")[2] != text:
                subject.extra = {TOLD_AS: text, **subject.extra}
        return self._put(watched, target)

    def uninstrument(self) -> None:
        """Put everything back as it was, last wrapped first."""
        self._hooks.remove()
        if self._names is not None:
            self._names.forget(self)
        for watched in reversed(self.watched):
            if watched.state == "wrapped":
                _undo(watched)
            watched.state = "undone"

    # -- within ---------------------------------------------------------------------------------------------------

    def _bare(self) -> list[Watched]:
        return [each for each in self.watched if not each.entry.modules and each.state in {"waiting", "cannot"}]

    def _subject(self, entry: Entry) -> Subject:
        rate, begin = self._default_rate if entry.rate is None else entry.rate, None
        if entry.job or entry.step:
            from footfall.instrumentation.job_calls import beginner  # noqa: PLC0415  most registries name none

            rate, begin = 0.0, beginner(job=entry.job, step=entry.step)  # a step that is only counted is no progress
        return self._recorder.subject(
            {
                "project": self.project,
                "name": entry.name,
                "service": entry.service,
                "extra": entry.extra,
                "drop": entry.drop,
                "start": entry.start or bool(entry.job),
                "outermost": entry.outermost,
                "per_call": entry.per_call,
                "begin": begin,
            },
            rate_per_second=rate,
        )

    def _on_import(self, group: list[Watched], *, rebind_aliases: bool) -> Callable[[ModuleType], None]:
        def hook(module: ModuleType) -> None:
            replaced: dict[int, tuple[Any, Any, Watched]] = {}
            for watched in group:
                if watched.state == "wrapped":
                    continue
                try:
                    original, replacement = self._replace(watched, module)
                except (CannotWrapError, ConfigurationError) as error:
                    self._cannot(watched, str(error), module.__name__)
                except Exception as error:  # noqa: BLE001  an exception here would break the user's import
                    self._cannot(watched, f"wrapping failed with {type(error).__name__}")
                    trouble.hidden("wrap", error)
                else:
                    if isinstance(watched.target and watched.target.owner, ModuleType):
                        replaced[id(original)] = (original, replacement, watched)
            if rebind_aliases and replaced:
                rebind(replaced)

        return hook

    def _replace(self, watched: Watched, module: ModuleType) -> tuple[Any, Any]:
        target = locate(module, watched.entry.qualname)
        if not watched.entry.module:
            watched.subject.name = f"{module.__name__}:{watched.entry.qualname}"
        return self._put(watched, target)

    def _put(self, watched: Watched, target: Target) -> tuple[Any, Any]:
        found: Any = target.found
        if _is_cached_property(found) and target.stored is not MISSING:
            # The descriptor stays, since it knows its name and others may hold it; only its function changes.
            watched.target, watched.replacement = target, self._wrapper(watched, found.func)
            found.func = watched.replacement
            watched.state, watched.reason = "wrapped", ""
            return found, found
        replacement: Any = self._replacement(watched, _of_the_class_itself(watched, target))
        if _is_cached_property(replacement):
            replacement.__set_name__(target.owner, target.name)
        try:
            setattr(target.owner, target.name, replacement)
        except (AttributeError, TypeError) as error:
            msg = f"its place cannot be written to ({type(error).__name__}); name what calls it"
            raise CannotWrapError(msg) from None
        watched.target, watched.replacement, watched.state, watched.reason = target, replacement, "wrapped", ""
        return found, replacement

    def _replacement(self, watched: Watched, found: Any) -> Any:
        """Return what stands for *found*: a descriptor of the same class around a wrapper, or the wrapper."""
        if isinstance(found, property):
            if found.fget is None:
                callable_of(found)
            return type(found)(self._wrapper(watched, found.fget), found.fset, found.fdel, found.__doc__)
        if _is_cached_property(found):
            made: Any = type(found)(self._wrapper(watched, found.func))
            made.__doc__ = found.__doc__
            return made
        return self._wrapper(watched, found)

    def _wrapper(self, watched: Watched, found: Any) -> Any:
        # Here and not at the top: wrapt costs a process about 95 ms, and one without targets should not pay for it.
        from footfall.instrumentation.arguments import compile_capture, passed  # noqa: PLC0415
        from footfall.instrumentation.wrapper import UsageWrapper, observer  # noqa: PLC0415

        function = callable_of(found)
        # The descriptor and not its function: only it tells whether the wrapper gets the first argument.
        entry, capture = watched.entry, None
        if entry.capture:
            capture = compile_capture(found, entry.capture)
            watched.subject.parameters = passed(found, entry.capture, name=entry.qualname.rpartition(".")[2])
        observe = observer(function, self._recorder, watched.subject, capture)
        if watched.only is not None:
            observe = observe_where(watched.only, observe)
        enabled: Any = watched.switch
        return UsageWrapper(found, observe, enabled)

    def _cannot(self, watched: Watched, reason: str, module: str = "") -> None:
        entry = watched.entry
        watched.state, watched.reason = "cannot", reason
        if any(name not in sys.modules for name in entry.candidates if name != module):
            watched.state = "waiting"  # a bare name may be in a candidate that is not imported yet
            return
        place = f"{entry.source}:{entry.line}: " if entry.source and entry.line else ""
        trouble.note("cannot wrap", "footfall: %s%s is not observed: %s", place, entry.name, reason)


def _is_cached_property(found: Any) -> bool:
    return isinstance(found, functools.cached_property)


def _of_the_class_itself(watched: Watched, target: Target) -> Any:
    """Return what a wrapper of *watched* stands around: an inherited method is told of once, as that of the class."""
    inherited = target.stored is MISSING and isinstance(target.owner, type) and watched.only is None
    return without(target.found, watched.subject) if inherited else target.found


def _undo(watched: Watched) -> None:
    target = watched.target
    watched.switch.clear()  # for those who hold our wrapper itself, or have wrapped it
    for alias in reversed(watched.aliases):
        alias.restore()
    if target is None:
        return
    found: Any = target.found
    if _is_cached_property(found) and target.stored is not MISSING:
        if found.func is watched.replacement:
            found.func = left_behind.under(watched.replacement.__wrapped__)
        else:
            left_behind.add(LeftBehind(watched.replacement, watched.replacement.__wrapped__))
        return
    if target.now() is not watched.replacement:
        watched.reason = "somebody wrapped it after us; ours stays and passes calls through"
        left_behind.add(LeftBehind(watched.replacement, target.stored))
        return
    stored = left_behind.under(target.stored)
    if stored is MISSING:
        delattr(target.owner, target.name)
    else:
        setattr(target.owner, target.name, stored)
