"""Attributes of one object, such as ``intake.cat.access_nri``, where the module makes the object when it is asked for.

footfall never asks for it: making a catalogue may read files and call servers. `Doorway` stands in for the module's
``__getattr__`` and sees the object go by when the program asks; `About` then tells that object from others of its
class, whose attribute access is what can be observed.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any, Final

from footfall.errors import guard
from footfall.instrumentation.looks import dict_of_module

GETATTR: Final = "__getattr__"


class Doorway:
    """Stands in for a module's ``__getattr__``, for all who wait for attributes of it.

    Args:
        module: Its ``__getattr__`` must be a function; see `fits`.
        made: Told name and value of a wanted attribute that goes by; returns what the program gets.
    """

    def __init__(self, module: ModuleType, made: Callable[[ModuleType, str, Any], Any]) -> None:
        self.module = module
        self.wanted: set[str] = set()
        self._made = made
        self._original = dict_of_module(module)[GETATTR]
        self._stands = functools.wraps(self._original)(self._answer_of())
        dict_of_module(module)[GETATTR] = self._stands

    @staticmethod
    def fits(module: ModuleType) -> bool:
        """Whether *module* makes attributes when it is asked for them."""
        return type(dict_of_module(module).get(GETATTR)) is FunctionType

    def stands_in(self, module: ModuleType) -> bool:
        """Whether this is where *module* is asked for attributes: it may have been reloaded."""
        return dict_of_module(module).get(GETATTR) is self._stands

    def leave(self) -> None:
        """Put the original back; where somebody stands in for us by now, we stay and only pass names through."""
        self.wanted.clear()
        names = dict_of_module(self.module)
        if names.get(GETATTR) is self._stands:
            names[GETATTR] = self._original

    def _answer_of(self) -> Callable[[str], Any]:
        original, wanted, made, module = self._original, self.wanted, self._made, self.module

        def answer(name: str) -> Any:
            value = original(name)
            if name in wanted:
                with guard("lazy attribute"):
                    return made(module, name, value)
            return value

        return answer


class About:
    """Whether an access is one to a named attribute of a known object.

    Args:
        attribute: Its name, where any attribute of the object may come; "" where only the one can.
    """

    def __init__(self, attribute: str = "") -> None:
        self._attribute = attribute
        self._known: dict[int, Callable[[], Any]] = {}

    def add(self, thing: Any) -> None:
        """Know *thing*, without keeping it alive where its class allows that."""
        number, known = id(thing), self._known
        try:
            known[number] = weakref.ref(thing, lambda _: known.pop(number, None))
        except TypeError:  # __slots__ without __weakref__
            known[number] = lambda: thing

    def __call__(self, instance: Any, args: tuple[Any, ...]) -> bool:
        """Answer for a call of a method or of a property's getter, as wrapt hands it over."""
        if self._attribute and (not args or args[-1] != self._attribute):
            return False
        thing = args[0] if instance is None and args else instance
        known = self._known.get(id(thing))
        return known is not None and known() is thing
