"""Collector functions of a module: found by the marks that a decorator left on them (insights.md section 2)."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator
from types import ModuleType
from typing import Any, Final, TypeVar

import msgspec

F = TypeVar("F", bound=Callable[..., Any])

MARKS: Final = (
    *("key", "version", "description", "type", "config", "fnc_slicing"),
    *("shipping_group", "full_sync_interval_days", "header"),
)
"""Each is an attribute ``__insights_analytics_<mark>__`` of the function."""

FORMATS: Final = ("json", "csv")


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """One collector function.

    Attributes:
        name: Its name in the module, by which a run orders and selects.
        function: The function.
        key: Of what it collects: name of the member, and of the stored time.
        version: Of the member's format.
        description: For people.
        format: ``json`` or ``csv``.
        config: Whether its result goes into every package.
        slicing: Yields the intervals to ask for, or None for one interval.
        group: Only collectors of one group share packages.
        full_sync_interval_days: Everything is gathered anew when that many days have passed; 0 for never.
        header: Names of columns, for rows that do not tell.
    """

    name: str
    function: Callable[..., Any]
    key: str
    version: str
    description: str = ""
    format: str = "json"
    config: bool = False
    slicing: Callable[..., Any] | None = None
    group: str = "default"
    full_sync_interval_days: float = 0
    header: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """Tells two functions with one key apart."""
        return f"{self.key}:{self.name}"


def mark(function: F, **marks: Any) -> F:
    """Leave *marks*, of `MARKS`, on *function* and return it."""
    for name, value in marks.items():
        setattr(function, _attribute(name), value)
    return function


def read(name: str, function: Any) -> Registered | None:
    """Return what the marks on *function* say, or None where it has none."""
    if not inspect.isfunction(function) or not hasattr(function, _attribute("key")):
        return None
    marks: dict[str, Any] = {mark: getattr(function, _attribute(mark), None) for mark in MARKS}
    return Registered(
        name=name,
        function=function,
        key=marks["key"],
        version=marks["version"],
        description=marks["description"] or "",
        format=marks["type"] or "json",
        config=bool(marks["config"]),
        slicing=marks["fnc_slicing"],
        group=marks["shipping_group"] or "default",
        full_sync_interval_days=marks["full_sync_interval_days"] or 0,
        header=tuple(marks["header"] or ()),
    )


def registered(module: ModuleType, subset: Collection[str] | None = None) -> Iterator[Registered]:
    """Yield the collectors of *module* in the alphabetical order of their names in it.

    Args:
        module: Where they stand, defined there or imported.
        subset: Only these names; None or nothing: all.
    """
    for name, value in inspect.getmembers(module):
        if (not subset or name in subset) and (found := read(name, value)) is not None:
            yield found


def _attribute(mark: str) -> str:
    return f"__insights_analytics_{mark}__"
