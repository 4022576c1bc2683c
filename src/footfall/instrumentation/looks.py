"""Looking at the user's modules, classes, objects and cells without running a line of their code (reliability.md S6).

Types are asked with ``type``, since `isinstance` believes what an object says of itself, and dictionaries are taken
past every ``__getattribute__``.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from types import BuiltinFunctionType, FunctionType, GetSetDescriptorType, ModuleType
from typing import Any, Final, TypeGuard, cast

from footfall.instrumentation.targets import MISSING

dict_of_module: Callable[[ModuleType], dict[str, Any]] = vars(ModuleType)["__dict__"].__get__
"""A module's names, also of one that loads itself at the first look."""

dict_of_class: Callable[[type], Mapping[str, Any]] = type.__dict__["__dict__"].__get__
mro: Callable[[type], tuple[type, ...]] = type.__dict__["__mro__"].__get__
name_of_class: Callable[[type], str] = type.__dict__["__name__"].__get__

_CALLED: Final = (FunctionType, BuiltinFunctionType, functools.partial, type(functools.lru_cache(len)), type)

_IMPORT: Final = re.compile(
    r"(?:^|[;:])[ \t]*from[ \t]+([\w.]+)[ \t]+import[ \t]*(\([^)]*\)|\*|\w(?:[^\n;#\\]|\\\n)*)", re.MULTILINE
)
_IMPORTED: Final = re.compile(r"(?:^|,)\s*(\w+|\*)")
_NOISE: Final = re.compile(r"#[^\n]*|[()\\]")


def imported_by(cell: str, names: Collection[str]) -> Iterator[tuple[str, set[str]]]:
    """Yield module and those of *names* for each ``from module import name`` in the text of a cell.

    A regular expression, since a cell need not be Python: magics, shell lines and question marks are IPython's.
    """
    if not any(name in cell for name in names) and "*" not in cell:
        return
    for module, listed in _IMPORT.findall(cell):
        named = set(_IMPORTED.findall(_NOISE.sub("", listed)))
        wanted = set(names) if "*" in named else named & set(names)
        if wanted:
            yield module, wanted


def type_of(value: object) -> type[Any]:
    """Return the class of *value*, whatever it says of itself."""
    return type(value)


def is_module(value: object) -> TypeGuard[ModuleType]:
    """Whether *value* is a module."""
    return issubclass(type(value), ModuleType)


def lacking(owner: ModuleType | type, qualname: str) -> str:
    """Return what *owner* has not of *qualname*, or "".

    `locate` finds out as well, and looks for the nearest right name: milliseconds, which no cell should cost.
    """
    where = owner
    for part in qualname.split("."):
        found = _held(where, part)
        if found is MISSING:
            return f"{part!r} is not in {_name(where)!r}"
        if not is_class(found) and not is_module(found):
            break
        where = found
    return ""


def _held(owner: ModuleType | type, name: str) -> Any:
    if is_class(owner):
        return held_by_class(owner, name)
    return dict_of_module(cast("ModuleType", owner)).get(name, MISSING)


def _name(owner: ModuleType | type) -> object:
    return name_of_class(owner) if is_class(owner) else dict_of_module(cast("ModuleType", owner)).get("__name__")


def held_by_class(cls: type, name: str) -> Any:
    """Return attribute *name* of a class as the class that has it stores it, or `MISSING`."""
    return next((names[name] for names in map(dict_of_class, mro(cls)) if name in names), MISSING)


def is_class(value: object) -> TypeGuard[type]:
    """Whether *value* is a class."""
    return issubclass(type(value), type)


def is_function(value: Any) -> bool:
    """Whether *value* is of a kind that is called, and that tells where it comes from without running any code."""
    from footfall.instrumentation.wrapper import UsageWrapper  # noqa: PLC0415  loaded in `Names.watch`

    return issubclass(type(value), (*_CALLED, UsageWrapper))


def home_of(function: Any) -> str:
    """Return the module in which *function*, one without layers, says it was defined, or ""."""
    kind = type_of(function)
    if issubclass(kind, type):
        found = dict_of_class(function).get("__module__")
    else:
        found = function.__module__ if kind in {FunctionType, BuiltinFunctionType} else None
    return found if type(found) is str else ""


def own_dict(thing: Any) -> Mapping[str, Any]:
    """Return the attributes of *thing* itself, past any ``__getattribute__`` or ``__dict__`` of its class."""
    slot = held_by_class(type_of(thing), "__dict__")
    found: dict[str, Any] | None = slot.__get__(thing) if type(slot) is GetSetDescriptorType else None
    return {} if found is None else found
