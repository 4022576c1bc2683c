"""Other names for a function that was wrapped late: ``from module import function`` done before.

Modules that did so hold the original and would be missed. Their module-level names are found by identity and bound to
the wrapper, and bound back on undo. Names in classes, dictionaries and closures stay as they are.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import msgspec


class Alias(msgspec.Struct, frozen=True):
    """A module-level name that was bound to a wrapper instead of the original."""

    module: ModuleType
    name: str
    original: Any
    replacement: Any

    def restore(self) -> None:
        """Bind the name to the original again, unless somebody has changed it since."""
        if vars(self.module).get(self.name) is self.replacement:
            setattr(self.module, self.name, left_behind.under(self.original))


class LeftBehind(msgspec.Struct, frozen=True):
    """A wrapper that could not be taken out, since another stands on it, and what it had replaced."""

    replacement: Any
    original: Any


class _AllLeftBehind:
    """Wrappers that only pass calls through, in all projects: whoever takes out one above takes them out as well."""

    def __init__(self) -> None:
        self._by_id: dict[int, LeftBehind] = {}

    def add(self, left: LeftBehind) -> None:
        """Remember *left*."""
        self._by_id[id(left.replacement)] = left

    def under(self, value: Any) -> Any:
        """Return what *value* had replaced where it is such a wrapper, else *value*."""
        while (left := self._by_id.get(id(value))) is not None:
            value = left.original
        return value


left_behind = _AllLeftBehind()
"""The one instance of this process."""


def rebind(replaced: dict[int, tuple[Any, Any, Any]]) -> None:
    """Bind every module-level name of a replaced function to its wrapper.

    One pass over all loaded modules, whatever the number of functions (about 5 ms for a process with numpy and pandas).

    Args:
        replaced: By ``id`` of the original: original, replacement, and an object with a tuple ``aliases`` to add to.
    """
    for module in tuple(sys.modules.values()):
        if type(module) is not ModuleType:  # proxies and lazy modules would run code when looked into
            continue
        for name, value in tuple(vars(module).items()):
            entry = replaced.get(id(value))
            if entry is not None and value is entry[0]:
                original, replacement, watched = entry
                while (further := replaced.get(id(replacement))) is not None:  # wrapped for another service as well
                    replacement = further[1]
                setattr(module, name, replacement)
                watched.aliases += (Alias(module, name, original, replacement),)
