"""A hook runs right after the module's body, once, and the import is otherwise what it was."""

from __future__ import annotations

import importlib
import importlib.resources
import importlib.util
import inspect
import sys
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from insthelp import Observation

from footfall.instrumentation.import_hooks import ImportHooks


@pytest.fixture
def hooks() -> Iterator[ImportHooks]:
    """Hooks that are removed after the test."""
    made = ImportHooks()
    yield made
    made.remove()


def test_a_hook_runs_after_the_body(observation: Observation, hooks: ImportHooks):
    """It sees a whole module, and runs once however often the module is imported."""
    name = observation.write_module("early = 1\nlate = 2")
    seen: list[Any] = []
    hooks.when_imported(name, lambda module: seen.append((module.early, module.late, module)))
    assert seen == []
    module = importlib.import_module(name)
    importlib.import_module(name)
    assert seen == [(1, 2, module)]


def test_a_loaded_module_is_hooked_at_once(observation: Observation, hooks: ImportHooks):
    """Nothing is put into ``sys.meta_path`` for it."""
    module = observation.module("")
    seen: list[ModuleType] = []
    hooks.when_imported(module.__name__, seen.append)
    assert seen == [module]
    assert hooks not in sys.meta_path


def test_the_import_leaves_no_trace(observation: Observation, hooks: ImportHooks):
    """Spec, loader, origin, source and the module's own view of them, in the body and after it."""
    source = "loaders = (type(__loader__), type(__spec__.loader))\n"
    plain, hooked = observation.write_module(source), observation.write_module(source)
    hooks.when_imported(hooked, lambda _: None)
    first, second = importlib.import_module(plain), importlib.import_module(hooked)
    assert second.loaders == first.loaders
    for module in (first, second):
        assert module.__spec__ is not None
        assert module.__loader__ is module.__spec__.loader
    assert type(second.__spec__) is type(first.__spec__)
    assert type(second.__loader__) is type(first.__loader__)
    assert second.__spec__.origin == second.__file__ == inspect.getfile(second)
    assert inspect.getsource(second) == source
    assert vars(second).keys() == vars(first).keys()


def test_resources_of_a_hooked_package(observation: Observation, hooks: ImportHooks):
    """Files beside the module are found as before."""
    name = "lib_with_resources"
    package = observation.library / name
    package.mkdir()
    (package / "data.txt").write_text("data")
    observation.write_module("", name)
    hooks.when_imported(name, lambda _: None)
    importlib.import_module(name)
    assert importlib.resources.files(name).joinpath("data.txt").read_text() == "data"


def test_a_failing_hook_does_not_break_the_import(
    observation: Observation, hooks: ImportHooks, hidden_errors: list[tuple[str, BaseException]]
):
    """It is hidden and counted; the next hook runs all the same."""
    name = observation.write_module("x = 1")
    seen: list[ModuleType] = []

    def fails(module: ModuleType) -> None:
        raise ZeroDivisionError

    hooks.when_imported(name, fails)
    hooks.when_imported(name, seen.append)
    assert importlib.import_module(name).x == 1
    assert len(seen) == 1
    assert [(doing, type(error)) for doing, error in hidden_errors] == [("import hook", ZeroDivisionError)]


def test_a_module_that_fails_may_be_imported_again(observation: Observation, hooks: ImportHooks):
    """The user's exception passes; the hook waits for the import that succeeds."""
    name = observation.write_module("import sys\nif not getattr(sys, 'ready', False): raise LookupError('not ready')")
    seen: list[ModuleType] = []
    hooks.when_imported(name, seen.append)
    with pytest.raises(LookupError, match="not ready"):
        importlib.import_module(name)
    assert (seen, name in sys.modules) == ([], False)
    sys.ready = True  # type: ignore[attr-defined]
    try:
        module = importlib.import_module(name)
    finally:
        del sys.ready  # type: ignore[attr-defined]
    assert seen == [module]


def test_a_missing_module_is_missing(hooks: ImportHooks):
    """With the error it always had."""
    hooks.when_imported("lib_that_is_not_there", lambda _: None)
    with pytest.raises(ModuleNotFoundError, match="lib_that_is_not_there"):
        importlib.import_module("lib_that_is_not_there")
    assert importlib.util.find_spec("lib_that_is_not_there") is None


def test_looking_is_not_importing(observation: Observation, hooks: ImportHooks):
    """``find_spec`` runs no hook; the loader it gives has what loaders have."""
    name = observation.write_module("x = 1")
    seen: list[ModuleType] = []
    hooks.when_imported(name, seen.append)
    spec = importlib.util.find_spec(name)
    assert spec is not None
    loader: Any = spec.loader
    assert loader.get_source(name) == "x = 1"
    assert (seen, name in sys.modules) == ([], False)
    importlib.import_module(name)
    assert len(seen) == 1


def test_two_finders_on_one_module(observation: Observation):
    """Two projects wait for the same module: both are called, and the loader is the original again."""
    name = observation.write_module("")
    first, second = ImportHooks(), ImportHooks()
    seen: list[str] = []
    first.when_imported(name, lambda _: seen.append("first"))
    second.when_imported(name, lambda _: seen.append("second"))
    try:
        module = importlib.import_module(name)
    finally:
        first.remove()
        second.remove()
    assert sorted(seen) == ["first", "second"]
    assert type(module.__loader__).__name__ == "SourceFileLoader"


def test_submodules_and_their_packages(observation: Observation, hooks: ImportHooks):
    """Importing ``a.b`` runs the hooks of both, the package's first."""
    (observation.library / "lib_package").mkdir()
    observation.write_module("", "lib_package")
    observation.write_module("", "lib_package.part")
    seen: list[str] = []
    hooks.when_imported("lib_package.part", lambda module: seen.append(module.__name__))
    hooks.when_imported("lib_package", lambda module: seen.append(module.__name__))
    importlib.import_module("lib_package.part")
    assert seen == ["lib_package", "lib_package.part"]


@pytest.mark.parametrize("at", ["top", "bottom"])
def test_a_module_may_ask_for_itself_while_its_body_runs(observation: Observation, hooks: ImportHooks, at: str):
    """A package that instruments itself: the hook runs at the end of its body, and the spec is as before."""
    seen: list[Any] = []
    sys.ask = lambda name: hooks.when_imported(name, lambda module: seen.append(module.late))  # type: ignore[attr-defined]
    ask = "import sys; sys.ask(__name__)"
    name = observation.write_module(f"{ask}\nlate = 2" if at == "top" else f"late = 2\n{ask}\nsys.ask(__name__)")
    try:
        module = importlib.import_module(name)
    finally:
        del sys.ask  # type: ignore[attr-defined]
    assert seen == ([2] if at == "top" else [2, 2])
    assert type(module.__spec__).__name__ == "ModuleSpec"
    assert "_waiting" not in vars(module.__spec__)


def test_a_module_that_replaces_itself(observation: Observation, hooks: ImportHooks):
    """The hook gets what ``sys.modules`` holds after the body, as the importer does."""
    name = observation.write_module("import sys, types\nsys.modules[__name__] = types.ModuleType('replaced')")
    seen: list[ModuleType] = []
    hooks.when_imported(name, seen.append)
    module = importlib.import_module(name)
    assert module.__name__ == "replaced"
    assert seen == [module]


def test_reloading_works_and_loses_the_wrapper(observation: Observation):
    """The new function is the module's own; undo does not bring the old one back."""
    module = observation.module("def f(): return 1")
    observation.wrapped(module, "f")
    importlib.reload(module)
    assert (module.f(), observation.count("f")) == (1, 0)
    fresh = module.f
    observation.instrumentor.uninstrument()
    assert module.f is fresh


def test_concurrent_imports_run_the_hook_once(observation: Observation, hooks: ImportHooks):
    """Eight threads import eight modules each, all at once: no deadlock, each hook once, before anybody goes on."""
    names = [observation.write_module("import time; time.sleep(0.001)\nx = 1") for _ in range(8)]
    hooked: list[str] = []

    def hook(module: ModuleType) -> None:
        hooked.append(module.__name__)
        module.x = 2  # type: ignore[attr-defined]

    for name in names:
        hooks.when_imported(name, hook)
    barrier = threading.Barrier(8)
    seen: list[int] = []

    def imports(shift: int) -> None:
        barrier.wait(30)
        seen.extend(importlib.import_module(name).x for name in names[shift:] + names[:shift])

    threads = [threading.Thread(target=imports, args=(shift,)) for shift in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert seen == [2] * 64
    assert sorted(hooked) == sorted(names)


def test_removed_hooks_do_nothing(observation: Observation, hooks: ImportHooks):
    """And the finder is gone from ``sys.meta_path``."""
    name = observation.write_module("")
    hooks.when_imported(name, lambda _: pytest.fail("removed"))
    assert sys.meta_path[0] is hooks
    hooks.remove()
    assert hooks not in sys.meta_path
    importlib.import_module(name)
