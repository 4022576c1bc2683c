"""What stands around a function: descriptors, decorators that say so, and wrappers of ours.

Only types are asked and slots are read: nothing here runs a line of the user's code (reliability.md S6).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any, Final, cast

from footfall.instrumentation.looks import type_of
from footfall.instrumentation.recorder import Subject

Applies = Callable[[Any, "tuple[Any, ...]"], bool]
"""Takes the instance and the arguments of a call; tells whether it is one that is observed."""

MAX_LAYERS: Final = 32
"""More than anybody stacks, and an end where a ``__wrapped__`` leads in a circle."""


def layers(found: Any) -> Iterator[Any]:
    """Yield *found* and what is below it, the function itself last."""
    for _ in range(MAX_LAYERS):
        yield found
        found = _beneath(found)
        if found is None:
            return


def _beneath(found: Any) -> Any:
    from footfall.instrumentation.wrapper import UsageWrapper  # noqa: PLC0415  wrapt is loaded where there are targets

    kind = type_of(found)  # and not `isinstance`, which believes what a proxy says
    if issubclass(kind, UsageWrapper):
        return found.__wrapped__
    if issubclass(kind, property):
        return found.fget
    if issubclass(kind, functools.cached_property):
        return found.func
    if issubclass(kind, (staticmethod, classmethod)):
        return found.__func__
    return found.__dict__.get("__wrapped__") if kind is FunctionType else None


def wears(found: Any, switch: Any) -> bool:
    """Whether the wrapper that *switch* belongs to is among the layers of *found*."""
    from footfall.instrumentation.wrapper import UsageWrapper  # noqa: PLC0415  as above

    return any(issubclass(type(layer), UsageWrapper) and _switch(layer) is switch for layer in layers(found))


def _switch(layer: Any) -> Any:
    return layer._self_enabled  # noqa: SLF001  wrapt has no other name for it


def is_defined_as(found: Any, name: str) -> bool:
    """Whether *found* is what ``def name`` leaves behind, and not what a decorator made of something else."""
    *_, function = layers(found)
    return type(function) is FunctionType and function.__name__ == name


def without(found: Any, subject: Subject) -> Any:
    """Return *found*, an inherited attribute, without the wrappers that tell the service of *subject* of it.

    Where ``Base.search`` and ``Sub.search`` are registered and are one function, a call is one use: that of the
    object's class. Wrappers for other projects and services stay, in their order.
    """
    if type(found) is property:
        getter = _without(found.fget, subject)
        return found if getter is found.fget else property(getter, found.fset, found.fdel, found.__doc__)
    if type(found) is functools.cached_property:
        cached = cast("Any", found)
        function = _without(cached.func, subject)
        if function is cached.func:
            return cached
        made: Any = functools.cached_property(function)
        made.__doc__ = cached.__doc__
        return made
    return _without(found, subject)


def _without(found: Any, subject: Subject) -> Any:
    from footfall.instrumentation.wrapper import UsageWrapper  # noqa: PLC0415  as above

    kept: list[Any] = []
    inner, same = found, False
    while issubclass(type(inner), UsageWrapper):
        other = getattr(_switch(inner), "subject", None)
        if other is not None and other.project.project == subject.project.project and other.service == subject.service:
            same = True
        else:
            kept.append(inner)
        inner = inner.__wrapped__
    if not same:
        return found
    for layer in reversed(kept):
        inner = UsageWrapper(inner, layer._self_wrapper, _switch(layer))  # noqa: SLF001  wrapt has no other name for it
    return inner


def observe_where(applies: Applies, observe: Callable[..., Any]) -> Callable[..., Any]:
    """Return an observer that passes calls through which are not meant."""

    def choose(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if applies(instance, args):
            return observe(wrapped, instance, args, kwargs)
        return wrapped(*args, **kwargs)

    return choose
