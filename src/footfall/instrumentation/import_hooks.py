"""Call something right after a module was executed, without importing it and without being seen.

wrapt offers this too, but importing wrapt costs a process about 95 ms (it pulls in asyncio), and a process that never
imports a registered module should not pay for it. Nothing else of an import changes: once the module body runs,
``__loader__`` and ``__spec__.loader`` are the original objects again.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Protocol, cast

from footfall.errors import guard

Hook = Callable[[ModuleType], None]
"""Called with the module, once, right after its body ran; what it raises is hidden (otel.md section 3)."""


class ImportHooks:
    """A finder that finds nothing by itself and lets the others find, then arranges for the hooks to be called.

    It has the shape of a `MetaPathFinder` without being one: importing `importlib.abc` takes 4 ms.
    """

    def __init__(self) -> None:
        self._hooks: dict[str, list[Hook]] = {}
        self._searching = threading.local()

    def when_imported(self, name: str, hook: Hook) -> None:
        """Call *hook* with module *name* after its next import, or at once where it is loaded already."""
        module = sys.modules.get(name)
        if module is not None and not _half_way(module):
            with guard("import hook"):
                hook(module)
            return
        self._hooks.setdefault(name, []).append(hook)
        if module is not None:
            SpecUnderWay.watch(module.__spec__, name, self)
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def remove(self) -> None:
        """Forget every hook and leave `sys.meta_path`."""
        self._hooks.clear()
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the other finders' spec with a loader that calls the hooks, or None for modules nobody waits for."""
        del path, target  # `importlib.util.find_spec` asks the parent package itself
        if fullname not in self._hooks:
            return None
        searching: set[str] = self._searching.__dict__.setdefault("names", set())
        if fullname in searching:
            return None
        searching.add(fullname)
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            searching.discard(fullname)
        if spec is not None and spec.loader is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = cast("Any", _HookedLoader(spec.loader, self, fullname))
        return spec

    def fire(self, name: str) -> None:
        """Call and forget the hooks of module *name*: of what stands in `sys.modules`, which its body may have set."""
        module = sys.modules.get(name)
        if not isinstance(module, ModuleType):
            return
        for hook in self._hooks.pop(name, ()):
            with guard("import hook"):
                hook(module)


class _HookedLoader:
    """Stands in for a loader until the module's body runs."""

    def __init__(self, loader: Any, hooks: ImportHooks, name: str) -> None:
        self._loader = loader
        self._hooks = hooks
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        spec.loader = self._loader  # extension loaders look at it
        try:
            module: ModuleType | None = self._loader.create_module(spec)
        finally:
            spec.loader = cast("Any", self)
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._hooks.fire(self._name)


class Fired(Protocol):
    """What is told of the end of an import."""

    def fire(self, name: str) -> None:
        """Module *name* was imported, or its import failed."""
        ...


class SpecUnderWay(ModuleSpec):
    """The spec of a module whose import somebody waits for without a loader of his own.

    As where a package instruments itself while its body runs: no finder is asked for it any more. The import system
    marks the end of every import on the spec, in all versions from 3.10 to 3.13, and that is seen here; then the spec
    is an ordinary one again.
    """

    _waiting: list[tuple[str, Fired]]

    @classmethod
    def watch(cls, spec: Any, name: str, hooks: Fired) -> None:
        """Call ``hooks.fire(name)`` when the import of *spec* ends; a spec of a class of its own is left alone."""
        if type(spec) is ModuleSpec:
            spec.__dict__["_waiting"] = []
            spec.__class__ = cls
        if type(spec) is cls:
            spec._waiting.append((name, hooks))  # noqa: SLF001  ours

    def __setattr__(self, attribute: str, value: Any) -> None:
        object.__setattr__(self, attribute, value)
        if attribute == "_initializing" and not value:
            waiting: list[tuple[str, Fired]] = self.__dict__.pop("_waiting", [])
            object.__setattr__(self, "__class__", ModuleSpec)
            for name, hooks in waiting:
                hooks.fire(name)


def _half_way(module: ModuleType) -> bool:
    """Whether *module* is just being imported: its body has not run to the end, names may be missing."""
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))
