"""`TelemetryRegister`: the functions that a service is told of."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from footfall.facade.access import watching
from footfall.facade.access.defaults import FUNCTIONS
from footfall.facade.access.state import state
from footfall.registry.decorator import place_of
from footfall.registry.model import Entry

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["RegisterWarning", "TelemetryRegister"]

Function: TypeAlias = "str | Callable[..., Any]"


class RegisterWarning(UserWarning):
    """Kept for programs that filter it; footfall gives no warnings."""


class _Item(msgspec.Struct, eq=False):
    """One registered name.

    Attributes:
        function: Name or object to observe; None where a decorator does so by itself.
        modules: Where to look for a bare name.
        is_default: It came with the service, and is observed in notebooks only.
    """

    function: Function | None = None
    modules: tuple[str, ...] = ()
    is_default: bool = False


class TelemetryRegister:
    """The functions that *service* is told of; one register for each service, however often it is asked for.

    A service without endpoint may have a register: its functions are observed as soon as it has one.

    Args:
        service: Such as ``intake_catalog``.
    """

    _registers: Final[dict[str, TelemetryRegister]] = {}
    _observes_defaults = False

    service: str
    _items: dict[str, _Item]
    _decorated: set[str]

    def __new__(cls, service: str) -> Self:
        """Return the one register of *service*."""
        found: Any = cls._registers.get(service)
        if found is None:
            found = super().__new__(cls)
            found.service = service
            found._items = {name: _Item(name, is_default=True) for name in FUNCTIONS.get(service, ())}
            found._decorated = set()
            cls._registers[service] = found
        return found  # type: ignore[no-any-return]  # of this class

    def __repr__(self) -> str:
        return json.dumps(list(self._items), ensure_ascii=False)

    def __contains__(self, function: object) -> bool:
        return (function if isinstance(function, str) else self._name(function)) in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._items))

    def register(self, *functions: Function) -> None:
        """Observe *functions* from now on.

        Args:
            *functions: Functions, or their names: ``Class.method``, ``function``, or ``module:name``. A name is looked
                for in the module that registers it and, in notebooks, in the user's namespace.

        Raises:
            TypeError: Something is neither a function nor a name.
        """
        modules = _calling_module()
        for function in functions:
            name = self._checked(function)
            state.silent.discard((self.service, name))
            known = self._items.get(name)
            if known is not None and not known.is_default:
                continue
            # A decorated one has its own wrapper, which tells of it.
            self._items[name] = _Item() if name in self._decorated else _Item(function, modules)
        self.observe()

    def deregister(self, *functions: Function) -> None:
        """Observe *functions* no more, and put the originals back.

        Raises:
            KeyError: One is not registered; the others are not touched then.
            TypeError: Something is neither a function nor a name.
        """
        names = [self._checked(function) for function in functions]
        for name in names:
            if name not in self._items:
                raise KeyError(name)
        for name in names:
            self._items.pop(name, None)
            state.silent.add((self.service, name))
        self.observe()

    def decorated(self, name: str) -> None:
        """List *name*, of a function that a decorator observes by itself; not in the original."""
        state.silent.discard((self.service, name))
        known = self._items.get(name)
        self._decorated.add(name)
        self._items[name] = _Item()
        if known is not None and known.function is not None:
            self.observe()

    @classmethod
    def observe_all(cls) -> None:
        """Observe what the registers of all services name and do not observe yet; not in the original."""
        for register in tuple(cls._registers.values()):
            register.observe()

    @classmethod
    def observe_defaults(cls) -> None:
        """As `observe_all`, and from now on also the names that came with the services; not in the original."""
        cls._observes_defaults = True
        for service in FUNCTIONS:
            cls(service)
        cls.observe_all()

    @classmethod
    def forget(cls) -> None:
        """Be as at the start; for tests, not in the original."""
        cls._registers.clear()
        cls._observes_defaults = False

    def _checked(self, function: object) -> str:
        if isinstance(function, str):
            return function
        if not callable(function):
            msg = f"register functions or their names, such as 'Class.method', not {type(function).__name__}"
            raise TypeError(msg)
        return self._name(function)

    def _name(self, function: object) -> str:
        """Return the name under which a function is listed: as its decorator had it, else ``Class.method``."""
        qualname = place_of(function)[1].rpartition("<locals>.")[2]
        bare = qualname.rpartition(".")[2]
        return bare if bare in self._decorated and qualname not in self._items else qualname

    def observe(self) -> None:
        """Observe what is named and not observed yet, and nothing else; not in the original."""
        wanted: list[Entry] = []
        for item in tuple(self._items.values()):
            if item.function is None or (item.is_default and not self._observes_defaults):
                continue
            if isinstance(item.function, str):
                entry = watching.entry_of_name(self.service, item.function, item.modules)
            else:
                entry = watching.entry_of_function(self.service, item.function)
            if entry is not None:
                wanted.append(entry)
        watching.observe(self.service, tuple(wanted))


state.listeners.append(TelemetryRegister.observe_all)


def _calling_module() -> tuple[str, ...]:
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__") == __name__:
        frame = frame.f_back
    name = frame.f_globals.get("__name__") if frame is not None else None
    return (name,) if isinstance(name, str) else ()
