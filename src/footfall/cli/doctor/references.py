"""By which names others still reach a function that was wrapped: tables, aliases in classes, defaults, closures.

Where footfall comes late it binds module-level names to the wrapper (`footfall.instrumentation.aliases`), and nothing
else. What a module put elsewhere while its body ran still holds the original, and calls through it are not seen. Those
places are found here by identity, in the modules that are loaded: nothing is called, compared or asked for its
attributes but what CPython itself defines.
"""

from __future__ import annotations

import functools
import sys
import time
from types import FunctionType, MappingProxyType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

MAX_DEPTH: Final = 4
"""Containers inside containers: ``module.Class.TABLE["key"][0]`` is as deep as it gets."""

MAX_LOOKS: Final = 3_000_000
"""About five seconds' worth; 800 loaded modules (networkx, requests, rich, the SDK) took 110 000, in 0.2 s."""

MAX_SECONDS: Final = 10.0
MAX_NAMES: Final = 20
"""Of one function."""


def reached(originals: Collection[Any], *, first: Collection[str] = ()) -> dict[int, list[str]]:
    """Return the names by which each of *originals* is still reached, by the ``id`` of the original.

    Args:
        originals: Functions or descriptors that a wrapper has replaced.
        first: Top-level packages to look at before all others, in case there is too much to look at.
    """
    search = _Search(originals)
    modules = [(name, module) for name, module in sys.modules.items() if type(module) is ModuleType]
    for name, module in sorted(modules, key=lambda pair: pair[0].partition(".")[0] not in first):
        if name.partition(".")[0] not in {"footfall", "__main__"}:
            search.module(name, module)
    return search.found


class _Search:
    def __init__(self, originals: Collection[Any]) -> None:
        self.found: dict[int, list[str]] = {}
        self._wanted = {id(original): original for original in originals}
        self._seen: set[int] = set()
        self._looks = MAX_LOOKS
        self._deadline = time.monotonic() + MAX_SECONDS

    def module(self, name: str, module: ModuleType) -> None:
        """Look through everything that *module* holds."""
        for key, value in tuple(vars(module).items()):
            self._look(value, f"{name}.{key}", name, MAX_DEPTH)

    def _look(self, value: Any, path: str, module: str, depth: int) -> None:
        self._looks -= 1
        if self._looks < 0 or (self._looks % 4096 == 0 and time.monotonic() > self._deadline):
            self._looks = -1
            return
        if value is self._wanted.get(id(value), self):
            names = self.found.setdefault(id(value), [])
            if len(names) < MAX_NAMES:
                names.append(path)
        elif depth and id(value) not in self._seen:
            for inner, step in _inside(value, module):
                self._seen.add(id(value))
                self._look(inner, path + step, module, depth - 1)


def _inside(value: Any, module: str) -> Iterator[tuple[Any, str]]:
    """Yield what *value* holds, and how to write that after its own name. By exact type: no code of others runs."""
    kind = _type(value)
    if kind is FunctionType:
        yield from _of_function(value)
    elif kind in {dict, MappingProxyType}:
        yield from _of_mapping(value)
    elif kind in {list, tuple}:
        yield from ((item, f"[{index}]") for index, item in enumerate(tuple(value)))
    elif kind in {set, frozenset}:
        yield from ((item, "{...}") for item in tuple(value))
    elif kind in {staticmethod, classmethod, MethodType}:
        yield value.__func__, ""
    elif kind is property:
        yield from ((getter, "") for getter in (value.fget, value.fset, value.fdel))
    elif kind is functools.cached_property:
        yield value.func, ""
    elif kind is functools.partial:
        yield from ((inner, "(...)") for inner in (value.func, *value.args, *value.keywords.values()))
    elif issubclass(kind, type):
        # None for a type of C that nobody has used yet.
        names: Mapping[str, Any] = type.__dict__["__dict__"].__get__(value) or {}
        if names.get("__module__") == module:  # others are looked at where they are defined
            yield from ((inner, f".{name}") for name, inner in tuple(names.items()))


def _type(value: object) -> type[Any]:
    return type(value)


def _of_function(function: FunctionType) -> Iterator[tuple[Any, str]]:
    for inner in function.__defaults__ or ():
        yield inner, "(default argument)"
    for name, inner in (function.__kwdefaults__ or {}).items():
        yield inner, f"(default of {name})"
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        try:
            yield cell.cell_contents, f"(closure over {name})"
        except ValueError:  # noqa: PERF203  not assigned yet; a few cells
            continue


def _of_mapping(mapping: Mapping[Any, Any]) -> Iterator[tuple[Any, str]]:
    for key, inner in tuple(mapping.items()):
        yield inner, f"[{key!r}]" if type(key) is str else "[...]"
