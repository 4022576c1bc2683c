"""What marks a function as a collector, or as one that yields slices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from footfall.collect.registered import mark

F = TypeVar("F", bound=Callable[..., Any])


def register(  # noqa: PLR0917  as the original has them
    key: str,
    version: str,
    description: str | None = None,
    format: str = "json",  # noqa: A002  the original's word
    config: bool = False,
    fnc_slicing: Callable[..., Any] | None = None,
    shipping_group: str = "default",
    full_sync_interval_days: float | None = None,
) -> Callable[[F], F]:
    """Return a decorator that registers a collector and returns it unchanged.

    Args:
        key: Of what it collects.
        version: Of its format.
        description: For people.
        format: ``json``: it returns what `json.dumps` takes. ``csv``: paths of files, or rows.
        config: Whether its result goes into every package.
        fnc_slicing: Called as ``(key, last_gather, since=, until=)`` or ``(key, last_gather, full_sync_enabled=True)``;
            yields the intervals to ask for.
        shipping_group: Only collectors of one group share packages.
        full_sync_interval_days: Everything is gathered anew when that many days have passed.
    """

    def decorate(function: F) -> F:
        return mark(
            function,
            key=key,
            version=version,
            description=description,
            type=format,
            config=config,
            fnc_slicing=fnc_slicing,
            shipping_group=shipping_group,
            full_sync_interval_days=full_sync_interval_days,
        )

    return decorate


def slicing(default: bool = False) -> Callable[[F], F]:
    """Return a decorator that names a slicing function and returns it unchanged."""

    def decorate(function: F) -> F:
        named: Any = function
        named.__insights_analytics_slicing_name__ = named.__name__
        named.__insights_analytics_slicing_default__ = default
        return function

    return decorate
