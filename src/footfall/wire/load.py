"""Wires by name: ours from a table, others through entry point group ``footfall.wires``.

Ours come first and without a look at the installed packages, for three reasons: the look costs tens of milliseconds
where many packages are installed, a frozen application or a vendored copy has no metadata to look at, and no other
package can put itself in the place of a wire that ships with footfall. The same names stand in our own metadata, so
that whoever lists the group finds them.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final, cast

from footfall.errors import ConfigurationError, NotOfferedError

if TYPE_CHECKING:
    from footfall.wire.base import Wire

GROUP: Final = "footfall.wires"

OURS: Final[Mapping[str, str]] = {
    "access": "footfall.wire.access:AccessWire",
    "insights": "footfall.wire.insights:InsightsWire",
    "migas": "footfall.wire.migas:MigasWire",
    "otlp": "footfall.wire.otlp:OtlpWire",
    "ramen": "footfall.wire.ramen:RamenWire",
    "tracker": "footfall.wire.tracker:TrackerWire",
}

_MEMBERS: Final = ("name", "in_doubt", "batch_records", "base_url", "translate", "judge", "split")


def installed() -> list[str]:
    """Return the names of all wires, sorted."""
    return sorted({*OURS, *_theirs()})


class _Names(Collection[str]):
    """All names; whether one of ours is among them is answered without a look at the installed packages."""

    def __contains__(self, name: object) -> bool:
        return name in OURS or name in _theirs()

    def __iter__(self) -> Iterator[str]:
        return iter(installed())

    def __len__(self) -> int:
        return len(installed())


NAMES: Final[Collection[str]] = _Names()
"""The installed wires, for checking what a registry names."""


def load(name: str, options: Mapping[str, Any]) -> Wire:
    """Return wire *name*, made with *options*.

    Raises:
        NotOfferedError: No such wire, or one that cannot be imported; the message lists what is installed.
        ConfigurationError: An option that the wire does not have, or a value that it does not take.
    """
    factory = _factory(name)
    try:
        inspect.signature(factory).bind(**options)
    except TypeError:
        offered = ", ".join(inspect.signature(factory).parameters) or "none"
        given = ", ".join(repr(option) for option in options) or "none"
        msg = f"wire {name!r}: options {given} do not fit; it has: {offered}"
        raise ConfigurationError(msg) from None
    wire = factory(**options)
    missing = [member for member in _MEMBERS if not hasattr(wire, member)]
    if missing:
        msg = f"wire {name!r} is no wire: it lacks {', '.join(missing)}; footfall.wire.base.Wire lists what it needs"
        raise NotOfferedError(msg)
    return cast("Wire", wire)


def sample(name: str) -> Wire:
    """Return wire *name* as one looks at it without a server: for tables of fields, checks, and early imports.

    Options that have no default are taken from the wire's own ``sample_options``.

    Raises:
        NotOfferedError: As for `load`.
        ConfigurationError: It has options without a default, and names none.
    """
    return load(name, getattr(_factory(name), "sample_options", {}))


def forget() -> None:
    """Look at the installed packages again on the next question; for those who install while they run."""
    _theirs.cache_clear()
    _factory.cache_clear()


@cache
def _factory(name: str) -> Callable[..., object]:
    """Return what makes wire *name*: a class, or a function."""
    value = OURS.get(name) or _theirs().get(name)
    if value is None:
        names = installed()
        close = difflib.get_close_matches(name, names, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        msg = f"unknown wire {name!r}; installed: {', '.join(names)}{hint}"
        raise NotOfferedError(msg)
    module_name, _, attribute = value.partition(":")
    try:
        return cast("Callable[..., object]", getattr(importlib.import_module(module_name), attribute))
    except (ImportError, AttributeError) as error:
        msg = f"wire {name!r} cannot be loaded from {value!r} ({error}); is everything it needs installed?"
        raise NotOfferedError(msg) from error


@cache
def _theirs() -> Mapping[str, str]:
    """Return name and place of each wire that an installed package declares; the first of a name wins."""
    from importlib.metadata import entry_points  # noqa: PLC0415  costs 20 ms, and most programs never come here

    found: dict[str, str] = {}
    for entry_point in entry_points(group=GROUP):
        found.setdefault(entry_point.name, entry_point.value)
    return found
