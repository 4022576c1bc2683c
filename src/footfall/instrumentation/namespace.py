"""Bare names, such as ``esm_datastore.search``, in a notebook: what they mean is found out while it runs.

A name is looked for in two ways, and in no other, since half of all modules have a function ``run``:

- **As modules are imported**, also in the cell that calls in its next line. A class whose name is the first part counts
  in the module that defines it; a module whose name is the first part, with what the other parts lead to.
- **Before a cell runs**, in the user's namespace: functions and classes under their names there, and the classes of
  the objects there. A function that the cell itself imports is not there yet. So the cell's text is searched for
  ``from module import name``, and that function of that module is taken. The text is read, never run, parsed or kept.

Looking never asks the user's objects anything: only the dictionaries of modules, classes and the namespace are read.
"""

from __future__ import annotations

import functools
import importlib
import sys
import threading
from collections.abc import Iterable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Final

import msgspec

from footfall.errors import ConfigurationError, guard
from footfall.instrumentation.aliases import rebind
from footfall.instrumentation.import_hooks import SpecUnderWay
from footfall.instrumentation.instrumentor import Instrumentor, Watched
from footfall.instrumentation.layers import is_defined_as, layers, wears
from footfall.instrumentation.lazy import GETATTR, About, Doorway
from footfall.instrumentation.looks import (
    dict_of_class,
    dict_of_module,
    held_by_class,
    home_of,
    imported_by,
    is_class,
    is_function,
    is_module,
    lacking,
    mro,
    name_of_class,
    own_dict,
    type_of,
)
from footfall.instrumentation.targets import MISSING, CannotWrapError, Target, locate

NOT_MET: Final = "nothing of that name has been met in this notebook yet"


class _Sought(msgspec.Struct, eq=False):
    """A bare name that a project registers.

    Attributes:
        instrumentor: Of the project.
        watched: The entry, and the first place where it was found.
        parts: Of the name.
        places: All places where it was found so far.
        refused: Where it was found and nothing can stand, as id and qualname: not to be tried at each cell.
    """

    instrumentor: Instrumentor
    watched: Watched
    parts: tuple[str, ...]
    places: list[Watched] = msgspec.field(default_factory=list[Watched])
    refused: set[tuple[int, str]] = msgspec.field(default_factory=set[tuple[int, str]])

    @property
    def text(self) -> str:
        return ".".join(self.parts)


class Names:
    """Looks for the bare names of all projects of a process.

    It is a finder of modules that finds nothing by itself: it marks the spec that the others found, so as to hear of
    the end of the import. Loaders, modules and what becomes of them are as they would be without it.
    """

    def __init__(self) -> None:
        self._sought: list[_Sought] = []
        self._classes: dict[str, list[_Sought]] = {}
        self._functions: dict[str, list[_Sought]] = {}
        self._modules: dict[str, list[tuple[_Sought, tuple[str, ...]]]] = {}
        self._awaited: dict[str, set[str]] = {}
        self._seen: set[str] = set()
        self._doorways: dict[str, Doorway] = {}
        self._met: dict[int, tuple[type, list[_Sought]]] = {}
        self._replaced: dict[int, tuple[Any, Any, Watched]] = {}
        self._searching = threading.local()
        self._lock = threading.RLock()

    # -- projects ---------------------------------------------------------------------------------------------------

    def watch(self, instrumentor: Instrumentor, watched: Sequence[Watched]) -> None:
        """Look for the names of *watched*: in all modules that are loaded, and from now on."""
        if not watched:
            return
        # Now, and not when something is found: then a lock is held that a thread in the midst of this import may want.
        for module in ("arguments", "wrapper"):
            importlib.import_module(f"footfall.instrumentation.{module}")

        with self._lock:
            for each in watched:
                each.reason = NOT_MET
                self._sought.append(_Sought(instrumentor, each, tuple(each.entry.qualname.split("."))))
            self._index()
            self._seen.clear()
            self._look_at_new_modules()
            self._finish()

    def forget(self, instrumentor: Instrumentor) -> list[Watched]:
        """Look for no names of *instrumentor* any more; return the places where some were found."""
        with self._lock:
            gone = [each for each in self._sought if each.instrumentor is instrumentor]
            self._sought = [each for each in self._sought if each.instrumentor is not instrumentor]
            self._index()
            for name, doorway in tuple(self._doorways.items()):
                wanted = {rest[0] for _, rest in self._modules.get(name, ())} | self._functions.keys()
                if not wanted & doorway.wanted:
                    self._doorways.pop(name).leave()
        return [place for each in gone for place in each.places]

    def after_fork(self) -> None:
        """In a fork child: another thread may have held the lock."""
        self._lock = threading.RLock()

    def _index(self) -> None:
        self._classes, self._functions, self._modules = {}, {}, {}
        for each in self._sought:
            first, *others = each.parts
            (self._classes if others else self._functions).setdefault(first, []).append(each)
            for cut in range(1, len(each.parts)):
                self._modules.setdefault(".".join(each.parts[:cut]), []).append((each, each.parts[cut:]))
        if self._sought and self not in sys.meta_path:
            sys.meta_path.insert(0, self)
        elif not self._sought and self in sys.meta_path:
            sys.meta_path.remove(self)

    # -- imports ----------------------------------------------------------------------------------------------------

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return what the finders after this one find, marked; None for what they leave to the import system."""
        searching: set[str] = self._searching.__dict__.setdefault("names", set())
        if fullname in searching:
            return None
        searching.add(fullname)
        try:
            after = False
            for finder in tuple(sys.meta_path):
                if not after:
                    after = finder is self
                    continue
                find: Any = getattr(finder, "find_spec", None)
                if find is None:
                    return None
                spec: ModuleSpec | None = find(fullname, path, target)
                if spec is not None:
                    SpecUnderWay.watch(spec, fullname, self)
                    return spec
        finally:
            searching.discard(fullname)
        return None

    def fire(self, name: str) -> None:
        """Look at module *name*, whose import has come to its end."""
        with guard("look for names"), self._lock:
            self._look_at(name)
            self._finish()

    def _look_at_new_modules(self) -> None:
        for name in sys.modules.keys() - self._seen:
            self._look_at(name)

    def _look_at(self, name: str) -> None:
        module = sys.modules.get(name)
        if not is_module(module):
            self._seen.add(name)
            return
        names = dict_of_module(module)
        spec = names.get("__spec__")
        if type(spec) in {ModuleSpec, SpecUnderWay} and spec.__dict__.get("_initializing"):
            SpecUnderWay.watch(spec, name, self)
            return
        if type(module) is ModuleType:  # one that loads itself later is looked at before each cell
            self._seen.add(name)
        own = names.get("__name__")
        for first, sought in self._classes.items():
            value = names.get(first)
            if value is not None and is_class(value) and dict_of_class(value).get("__module__") == own:
                self._meet(value, sought)
        for each, rest in self._modules.get(name, ()):
            self._in_module(each, module, rest)
        for function in self._awaited.pop(name, ()):
            self._imported(module, function)

    # -- cells ------------------------------------------------------------------------------------------------------

    def before_cell(self, main: ModuleType, text: str = "") -> None:
        """Look at the namespace of the user, right before a cell runs.

        Args:
            main: The module whose names are the user's.
            text: The cell.
        """
        if not self._sought:
            return
        with guard("look for names"), self._lock:
            self._look_at_new_modules()
            self._look_again()
            names = dict_of_module(main)
            for first, sought in self._classes.items():
                value = names.get(first)
                if value is None:
                    continue
                if is_class(value):
                    self._meet(value, sought)
                elif is_module(value):
                    for each in sought:
                        self._in_module(each, value, each.parts[1:])
            kinds = {id(kind): kind for kind in map(type, tuple(names.values()))}
            for kind in kinds.values():
                for base in mro(kind):
                    self._meet(base, self._classes.get(name_of_class(base), ()))
            for name, sought in self._functions.items():
                for each in sought:
                    self._function(each, main, name, names.get(name, MISSING))
            self._read(text)
            self._finish()

    def _read(self, text: str) -> None:
        for module_name, names in imported_by(text, self._functions.keys()):
            module = sys.modules.get(module_name)
            if module_name in self._seen and is_module(module):
                for name in names:
                    self._imported(module, name)
            else:
                self._awaited.setdefault(module_name, set()).update(names)

    def _imported(self, module: ModuleType, name: str) -> None:
        value = dict_of_module(module).get(name, MISSING)
        for each in self._functions.get(name, ()):
            if value is MISSING:
                self._wait_at(module, name)
            else:
                self._function(each, module, name, value)

    def _look_again(self) -> None:
        """Find what was defined anew where it was observed: by running a cell again, or by reloading a module."""
        for each in self._sought:
            for place in tuple(each.places):
                target = place.target
                if target is None or place.only is not None or target.now() is place.replacement:
                    continue
                with guard("look for names"):
                    self._place(each, target.owner, target.name, place.subject.name)
        owners = [place.target.owner for each in self._sought for place in each.places if place.target is not None]
        for name in {dict_of_class(owner).get("__module__") for owner in owners if is_class(owner)}:
            module = sys.modules.get(name) if type(name) is str else None
            names = dict_of_module(module) if is_module(module) else {}
            for first, sought in self._classes.items():
                value = names.get(first)
                if is_class(value) and dict_of_class(value).get("__module__") == name:
                    self._meet(value, sought)

    # -- what was found ---------------------------------------------------------------------------------------------

    def _meet(self, cls: type, sought: Iterable[_Sought]) -> None:
        """Remember that *cls* is one of those that *sought* may mean."""
        for each in sought:
            _, meant = self._met.setdefault(id(cls), (cls, []))
            if each not in meant:
                meant.append(each)

    def _in_class(self, cls: type, sought: Iterable[_Sought]) -> None:
        home = dict_of_class(cls).get("__module__")
        for each in sought:
            if not _stands_in(each, cls):
                self._place(each, cls, ".".join(each.parts[1:]), f"{home if type(home) is str else ''}:{each.text}")

    def _in_module(self, each: _Sought, module: ModuleType, rest: tuple[str, ...]) -> None:
        value = dict_of_module(module).get(rest[0], MISSING)
        if value is MISSING:
            self._wait_at(module, rest[0])
        else:
            self._in_value(each, module, rest, value)

    def _wait_at(self, module: ModuleType, name: str) -> None:
        own = dict_of_module(module).get("__name__")
        if type(own) is not str:
            return
        doorway = self._doorways.get(own)
        if doorway is None or not doorway.stands_in(module):
            if not Doorway.fits(module):
                return
            doorway = self._doorways[own] = Doorway(module, self._made)
        doorway.wanted.add(name)

    def _made(self, module: ModuleType, name: str, value: Any) -> Any:
        """Look at *value*, which *module* made as its attribute *name*; return what stands for it by now."""
        with self._lock:
            own = str(dict_of_module(module).get("__name__"))
            for each, rest in self._modules.get(own, ()):
                if rest[0] == name:
                    self._in_value(each, module, rest, value)
            for each in self._functions.get(name, ()):
                self._function(each, module, name, value)
            _, found, _ = self._replaced.get(id(value), (value, value, None))
            self._finish()
            doorway = self._doorways.get(own)
            if doorway is not None and name in dict_of_module(module):
                doorway.wanted.discard(name)
                if not doorway.wanted:
                    self._doorways.pop(own).leave()
        return found

    def _in_value(self, each: _Sought, module: ModuleType, rest: tuple[str, ...], value: Any) -> None:
        kind = type_of(value)
        own = dict_of_module(module).get("__name__")
        name = f"{own}:{'.'.join(rest)}"
        if issubclass(kind, ModuleType):
            if len(rest) > 1:
                self._in_module(each, value, rest[1:])
        elif issubclass(kind, type):
            self._place(each, module, ".".join(rest), name)
        elif len(rest) == 1:
            self._function(each, module, rest[0], value)
        elif len(rest) == 2 and not is_function(value):
            self._on_object(each, value, rest[1], name)
        else:
            _say(each, f"{rest[0]!r} in {each.text!r} is a {name_of_class(kind)}; name what is called")

    def _function(self, each: _Sought, module: ModuleType, name: str, value: Any) -> None:
        """Take *value*, bound as *name* in *module*, where it is something that is called."""
        if not is_function(value):
            if value is not MISSING:
                _say(each, f"{name!r} is of class {name_of_class(type_of(value))}, and no function")
            return
        *_, inner = layers(value)
        home = sys.modules.get(home_of(inner))
        if not is_module(home) or dict_of_module(home).get(name) is not value:
            home = module
        if dict_of_module(home).get(name) is value:
            self._place(each, home, name, f"{dict_of_module(home).get('__name__')}:{name}")

    def _on_object(self, each: _Sought, thing: Any, attribute: str, name: str) -> None:
        """Observe *attribute* of *thing*, and of no other object of its class."""
        kind = type_of(thing)
        found = held_by_class(kind, attribute)
        if type(found) in {property, functools.cached_property} or (is_function(found) and not is_class(found)):
            self._place(each, kind, attribute, name, only=About(), thing=thing)
        elif found is not MISSING or attribute in own_dict(thing):
            self._place(each, kind, "__getattribute__", name, only=About(attribute), thing=thing)
        elif held_by_class(kind, GETATTR) is not MISSING:
            self._place(each, kind, GETATTR, name, only=About(attribute), thing=thing)
        else:
            _say(each, f"the {name_of_class(kind)} that is {each.text.rpartition('.')[0]} has no {attribute!r}")

    def _place(
        self,
        each: _Sought,
        owner: ModuleType | type,
        qualname: str,
        name: str,
        *,
        only: About | None = None,
        thing: Any = None,
    ) -> None:
        """Wrap what *qualname* leads to from *owner*, unless it is wrapped already."""
        if (id(owner), qualname) in each.refused:
            return
        if missing := lacking(owner, qualname):
            _say(each, missing)
            return
        try:
            target = locate(owner, qualname)
            place = _standing(each, target, only)
            if place is None:
                self._put(each, target, name, only, thing)
                return
            if isinstance(place.only, About):
                place.only.add(thing)
            if is_defined_as(target.found, target.name) and not wears(target.found, place.switch):
                self._wrap(each, place, target, name)
        except (CannotWrapError, ConfigurationError) as error:
            each.refused.add((id(owner), qualname))
            if each.watched.state == "waiting":
                each.instrumentor.refuse(each.watched, str(error))

    def _put(self, each: _Sought, target: Target, name: str, only: About | None, thing: Any) -> None:
        """Wrap *target*, where nothing of ours stands yet."""
        place = each.instrumentor.further(each.watched) if each.places else each.watched
        place.only = only
        if only is not None:
            only.add(thing)
        if target.name in {GETATTR, "__getattribute__"}:  # whose argument is no argument of the use
            place.entry = msgspec.structs.replace(place.entry, capture=())
        try:
            self._wrap(each, place, target, name)
        except (CannotWrapError, ConfigurationError):
            if place is not each.watched:
                each.instrumentor.watched.remove(place)
            raise
        each.places.append(place)

    def _wrap(self, each: _Sought, place: Watched, target: Target, name: str) -> None:
        original, replacement = each.instrumentor.place(place, target, name=name)
        if isinstance(target.owner, ModuleType):
            self._replaced[id(original)] = (original, replacement, place)

    def _finish(self) -> None:
        """Wrap in the classes that were met, and bind other names of functions that were wrapped.

        Base classes come first: a wrapper of an inherited method stands around what it inherits at that moment.
        """
        met, self._met = self._met, {}
        for cls, sought in sorted(met.values(), key=lambda each: len(mro(each[0]))):
            self._in_class(cls, sought)
        if self._replaced:
            rebind(self._replaced)
            self._replaced = {}


def _standing(each: _Sought, target: Target, only: About | None) -> Watched | None:
    for place in each.places:
        known = place.target
        same = known is not None and known.owner is target.owner and known.name == target.name
        if same and (place.only is None) is (only is None):
            return place
    return None


def _stands_in(each: _Sought, cls: type) -> bool:
    """Whether it is observed in *cls* already, as nearly always: asked of each name and each class before each cell."""
    return len(each.parts) == 2 and any(
        place.target is not None
        and place.target.owner is cls
        and place.only is None
        and place.target.now() is place.replacement
        for place in each.places
    )


def _say(each: _Sought, reason: str) -> None:
    if each.watched.state == "waiting":
        each.watched.reason = reason
