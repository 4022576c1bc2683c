"""Which functions are observed because a `TelemetryRegister` names them.

A registered function object is replaced where it was defined, and wherever else it was imported to. A name is looked
for in the module that registers it and, in notebooks, in the user's namespace and in all that is imported. What a
register does not name any more is put back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from footfall import runtime
from footfall.errors import guard, trouble
from footfall.facade.access.pipeline import Observed, again, instrumented, project_of
from footfall.facade.access.state import state
from footfall.registry.decorator import place_of
from footfall.registry.model import Entry, is_dotted, quote

SOURCE: Final = "TelemetryRegister"
"""`Entry.source` of what came from here."""


def entry_of_name(service: str, name: str, modules: tuple[str, ...]) -> Entry | None:
    """Return what observes the function called *name*: ``Class.method``, a bare one, or ``module:qualname``.

    Args:
        service: Whose register names it.
        name: As registered.
        modules: Where to look for a bare name outside of notebooks, which are searched as a whole.
    """
    module, colon, qualname = name.rpartition(":")  # ``intake.cat.access_nri`` is a bare name too
    if not is_dotted(qualname) or (colon and not is_dotted(module)):
        trouble.note(
            "access register", "footfall: %s names no function; write Class.method or module:name", quote(name)
        )
        return None
    candidates = () if module or runtime.current().names is not None else modules
    return _entry(service, module, qualname, candidates, Observed(qualname))


def entry_of_function(service: str, function: Callable[..., Any]) -> Entry | None:
    """Return what observes *function*, or None, said in the log, where nobody can find it by its name."""
    module, qualname, _ = place_of(function)
    if "<" in qualname:
        trouble.note("access register", "footfall: %s is local to a function; decorate it with register_func", qualname)
        return None
    return _entry(service, module, qualname, (), Observed(qualname))


def observe(service: str, wanted: tuple[Entry, ...]) -> None:
    """Observe *wanted* for *service*, and of its register nothing else. Never raises."""
    with guard("access register"):
        if service not in state.endpoints:
            return  # until it has one
        here = runtime.current()
        with here.lock:
            known = here.projects.get(project_of(state.endpoints[service]))
            there = () if known is None else tuple(each for each in known.registry.entries if _is_ours(each, service))
            if known is not None and not set(_keys(there)) <= set(_keys(wanted)):
                again(known, entries=tuple(each for each in known.registry.entries if not _is_ours(each, service)))
                there = ()
            keys = set(_keys(there))
            new = tuple(entry for entry in wanted if entry.key not in keys)
            if new:
                instrumented(service, new)


def _entry(service: str, module: str, qualname: str, candidates: tuple[str, ...], tell: Observed) -> Entry:
    return Entry(
        module=module,
        qualname=qualname,
        service=service,
        start=True,  # a call that its process does not survive is told all the same, as by the original
        outermost=True,  # what the user wrote counts, not what the library does inside
        rate=0,
        source=SOURCE,
        candidates=candidates,
        per_call=tell,
    )


def _is_ours(entry: Entry, service: str) -> bool:
    return entry.source == SOURCE and entry.service == service


def _keys(entries: tuple[Entry, ...]) -> list[tuple[str, str, tuple[str, ...]]]:
    return [entry.key for entry in entries]
