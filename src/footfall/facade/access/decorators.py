"""`register_func` and `ipy_register_func`: a decorated function tells of each of its calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from footfall import runtime
from footfall.errors import guard
from footfall.facade.access.pipeline import Observed, instrumented, project_of
from footfall.facade.access.registry import TelemetryRegister
from footfall.facade.access.state import state
from footfall.registry.decorator import place_of
from footfall.registry.model import Entry

__all__ = ["ipy_register_func", "register_func"]

F = TypeVar("F", bound=Callable[..., Any])


def register_func(
    service: str,
    extra_fields: Mapping[str, Any] | Iterable[Mapping[str, Any]] | None = None,
    pop_fields: Iterable[str] | None = None,
) -> Callable[[F], F]:
    """Return a decorator: each call of the function becomes one record, with its arguments, scrubbed.

    What the function is stays: name, signature, coroutine, generator. While the user has opted out it stays the very
    object. The record is written when the call is over, or when whoever delivers next finds that its process did not
    survive the call.

    Args:
        service: One that has an endpoint.
        extra_fields: A mapping, or several, added to those of the service.
        pop_fields: Fields that records of the service go without, besides those left out already.

    Raises:
        KeyError: The service has no endpoint.
    """
    state.check(service)
    if extra_fields is not None:
        state.add_fields(service, extra_fields)
    if pop_fields is not None:
        state.drop_fields(service, pop_fields)

    def decorate(function: F) -> F:
        module, qualname, line = place_of(function)
        name = str(getattr(function, "__name__", qualname.rpartition(".")[2]))
        TelemetryRegister(service).decorated(name)
        observed = function
        with guard("register_func"):
            if instrumented(service) is not None:
                entry = Entry(
                    module=module,
                    qualname=qualname,
                    service=service,
                    start=True,
                    rate=0,
                    source="decorator",
                    line=line,
                    per_call=Observed(name, name),
                )
                observed = runtime.current().decorated.wrap(function, entry, project_of(state.endpoints[service]))
        return observed

    return decorate


def ipy_register_func(
    service: str,
    extra_fields: Mapping[str, Any] | Iterable[Mapping[str, Any]] | None = None,
    pop_fields: Iterable[str] | None = None,
) -> Callable[[F], F]:
    """Return `register_func`'s decorator: in a notebook the function is observed in the same way as elsewhere.

    Args:
        service: One that has an endpoint.
        extra_fields: As in `register_func`.
        pop_fields: As in `register_func`.

    Raises:
        KeyError: The service has no endpoint.
    """
    return register_func(service, extra_fields, pop_fields)
