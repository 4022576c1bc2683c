"""``@footfall.register``: a function at hand becomes an entry.

This module only describes. Who wraps is injected into `hook` by the runtime; without one, that is while footfall is
off, the decorated function is returned as the same object (design.md section 5: off means no wrapping).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias, TypeVar

from footfall.errors import RegistryError
from footfall.registry.model import Capture, Entry, endpoint_of, service_of
from footfall.usage import ENDPOINT

F = TypeVar("F", bound=Callable[..., Any])

Wrap: TypeAlias = Callable[[Any, Entry, "str | None"], Any]
"""Takes the function, its entry, and the project it was decorated for (None: the one of its module); returns what
stands in its place."""


class Hook:
    """Where the runtime puts its wrapper.

    Attributes:
        wrap: None while footfall is off.
    """

    __slots__ = ("wrap",)

    def __init__(self) -> None:
        self.wrap: Wrap | None = None


hook = Hook()
"""The one instance of this process."""


def register(
    service: str = "",
    *,
    project: str | None = None,
    capture: Mapping[str, Any] | None = None,
    extra: Mapping[str, Any] | None = None,
    drop: Iterable[str] = (),
    start: bool = False,
    outermost: bool = False,
    rate: float | None = None,
    step: str = "",
) -> Callable[[F], F]:
    """Return a decorator that registers a function, method, or class.

    Args:
        service: Group of the registry, such as ``intake_catalog`` or ``intake/catalog``.
        project: ``owner/name``; None for the project that was instrumented for the function's package.
        capture: Parameters to report and in which form, as in the file: ``{"method": {"choice": ["a", "b"]}}``.
        extra: Further fields of each use.
        drop: Fields to take out again.
        start: Whether the start is reported too.
        outermost: Whether a use is left out that is inside one of another entry of the project that says so as well.
        rate: Uses reported each second before the rest is only counted; 0 for no limit.
        step: Tag of the step that a call is while a job is under way.

    Raises:
        RegistryError: The service or a capture is wrong.
    """
    captures = _captures(capture) if capture else ()
    name = service_of((service,), source="register()") if service else ""
    endpoint = endpoint_of((service,)) if "/" in service else ""  # without one, it is a service's name
    if rate is not None and not rate >= 0:
        msg = f"'rate' must be uses per second, 0 for no limit, not {rate!r}"
        raise RegistryError(msg, source="register()")

    def decorate(function: F) -> F:
        wrap = hook.wrap
        if wrap is None:
            return function
        module, qualname, line = place_of(function)
        entry = Entry(
            module=module,
            qualname=qualname,
            service=name,
            capture=captures,
            extra={**({ENDPOINT: endpoint} if endpoint else {}), **(extra or {})},
            drop=tuple(drop),
            start=start,
            outermost=outermost,
            rate=rate,
            step=step,
            source="decorator",
            line=line,
        )
        wrapped: F = wrap(function, entry, project)
        return wrapped

    return decorate


def _captures(capture: Mapping[str, Any]) -> tuple[Capture, ...]:
    # Both imports serve decorators with `capture` alone; the others should not pay for the grammar.
    from footfall.registry.nodes import from_python  # noqa: PLC0415
    from footfall.registry.reading import Reader  # noqa: PLC0415

    return Reader("register()", strict=True).captures(from_python(capture, "register()"))


def place_of(function: Any) -> tuple[str, str, int]:
    """Return module, qualname and line of *function*, which may be a class, static or class method, or property."""
    inner = getattr(function, "__func__", None) or getattr(function, "fget", None) or function
    if isinstance(inner, functools.cached_property):
        inner = inner.func
    code = getattr(inner, "__code__", None)
    module, qualname = getattr(inner, "__module__", None), getattr(inner, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(qualname, str):
        # A callable object such as functools.partial: its type has a name.
        module, qualname = type(inner).__module__, type(inner).__qualname__
    return module, qualname, getattr(code, "co_firstlineno", 0)
