"""Finding what an entry names, and saying why something cannot be wrapped. Nothing here changes anything.

`locate` walks from a module to the object, looking into the ``__dict__`` of classes, so that descriptors are found as
they are stored and can be put back as the same object.
"""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Mapping
from types import ModuleType
from typing import Any, Final

import msgspec

MISSING: Final = object()
"""The owner's own ``__dict__`` does not hold the name: undoing means deleting ours."""


class Target(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A place where a wrapper can stand.

    Attributes:
        owner: Module or class whose attribute is replaced.
        name: Of the attribute.
        stored: What the owner's ``__dict__`` holds, or `MISSING` for something inherited or lazily made.
        found: The descriptor or object as its defining class stores it.
        qualname: As the registry has it.
    """

    owner: Any
    name: str
    stored: Any
    found: Any
    qualname: str

    def now(self) -> Any:
        """Return what the owner's own ``__dict__`` holds by now, or `MISSING`."""
        names: Mapping[str, Any] = self.owner.__dict__
        return names.get(self.name, MISSING)


class CannotWrapError(Exception):
    """The target is not there, or nothing can stand in its place; the text says why and what to do."""


def locate(module: ModuleType | type, qualname: str) -> Target:
    """Return the target that *qualname* names in *module*, which may be a class as well.

    A class stands for its construction: the target is its ``__init__``.

    Raises:
        CannotWrapError: Nothing of that name is there (the nearest name is suggested), or it is no place for a wrapper.
    """
    owner: Any = module
    *parents, name = qualname.split(".")
    for parent in parents:
        owner = _attribute(owner, parent, module)
        if not isinstance(owner, (type, ModuleType)):
            msg = f"{parent!r} in {qualname!r} is {_article(owner)}, not a class; name the class it is made of"
            raise CannotWrapError(msg)
    value = _attribute(owner, name, module)
    if isinstance(value, type):
        return construction(value, qualname)
    stored = vars(owner).get(name, MISSING)
    found = stored
    if stored is MISSING:
        found = inspect.getattr_static(owner, name, value) if isinstance(owner, type) else value
    _refuse_what_cannot_be_replaced(owner, name, found)
    return Target(owner=owner, name=name, stored=stored, found=found, qualname=qualname)


def callable_of(found: Any) -> Any:
    """Return the function inside the descriptor *found*: of a method, a property, or the object itself.

    Raises:
        CannotWrapError: It is nothing that is called.
    """
    if _is_descriptor_of_function(found):
        return found.__func__
    if isinstance(found, property):
        if found.fget is None:
            msg = "the property has no getter"
            raise CannotWrapError(msg)
        return found.fget
    if isinstance(found, functools.cached_property):
        return found.func
    if not callable(found):
        msg = f"it is {_article(found)}, which nobody calls; name a function, method, property or class"
        raise CannotWrapError(msg)
    return found


def _is_descriptor_of_function(found: Any) -> bool:
    return isinstance(found, (staticmethod, classmethod))


def construction(cls: type, qualname: str) -> Target:
    """Return the target that stands for making objects of *cls*: its ``__init__``, else a ``__new__`` of its own.

    Raises:
        CannotWrapError: Neither is written in Python.
    """
    for base in cls.__mro__:
        found = vars(base).get("__init__")
        if found is None:
            continue
        if not inspect.isfunction(found):
            break
        stored = vars(cls).get("__init__", MISSING)
        return Target(owner=cls, name="__init__", stored=stored, found=found, qualname=qualname)
    stored = vars(cls).get("__new__")  # named tuples; an inherited one could not be taken out again without a trace
    if isinstance(stored, staticmethod):
        return Target(owner=cls, name="__new__", stored=stored, found=stored, qualname=qualname)
    msg = "the class has no __init__ written in Python; name the function that makes its objects"
    raise CannotWrapError(msg)


def _attribute(owner: Any, name: str, module: ModuleType | type) -> Any:
    try:
        # In a class without binding: a descriptor would run the user's code (reliability.md S6).
        return inspect.getattr_static(owner, name) if isinstance(owner, type) else getattr(owner, name)
    except AttributeError:
        near = difflib.get_close_matches(name, dir(owner), n=1)
        where = f"module {module.__name__!r}" if owner is module else f"{owner.__name__!r}"
        msg = f"{name!r} is not in {where}" + (f"; did you mean {near[0]!r}?" if near else "")
        raise CannotWrapError(msg) from None


def _refuse_what_cannot_be_replaced(owner: Any, name: str, found: Any) -> None:
    if isinstance(owner, type) and not owner.__flags__ & (1 << 9):  # Py_TPFLAGS_HEAPTYPE: made by a class statement
        msg = f"{owner.__name__} is written in C and its attributes cannot be replaced; name what calls it"
        raise CannotWrapError(msg)
    if isinstance(owner, type) and name in {"__new__", "__init_subclass__", "__class_getitem__"}:
        msg = f"{name} is special to Python and cannot be wrapped; name __init__, or the class itself"
        raise CannotWrapError(msg)
    callable_of(found)


def _article(value: object) -> str:
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
