"""``from module import function`` done before we came: the name leads to the wrapper, and back on undo."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

import pytest
from insthelp import Observation

from footfall.instrumentation.instrumentor import Instrumentor


@pytest.fixture
def lib(observation: Observation) -> ModuleType:
    """Return a module whose functions others have."""
    return observation.module("def f(x=0): return x\ndef g(): pass\nsame = f\nclass C:\n  def m(self): pass")


@pytest.fixture
def user(observation: Observation, lib: ModuleType) -> ModuleType:
    """Return a module that took functions of *lib* before they were wrapped."""
    return observation.module(
        f"from {lib.__name__} import f, f as renamed, g, C\ntable = {{'f': f}}\nclass K: f = staticmethod(f)"
    )


def test_names_of_other_modules_lead_to_the_wrapper(observation: Observation, lib: ModuleType, user: ModuleType):
    """Also renamed ones, and a second name in the module itself."""
    observation.wrapped(lib, "f")
    assert user.f is user.renamed is lib.same is lib.f
    user.f()
    user.renamed()
    lib.same()
    assert observation.count("f") == 3


def test_undo_binds_every_name_back(observation: Observation, lib: ModuleType, user: ModuleType):
    """To the same object, except where somebody has bound the name to something else since."""
    original, other = lib.f, lib.g
    observation.wrapped(lib, "f", "g")
    user.renamed = print
    observation.instrumentor.uninstrument()
    assert user.f is lib.f is lib.same is original
    assert user.g is lib.g is other
    assert user.renamed is print


def test_what_is_in_containers_and_classes_stays(observation: Observation, lib: ModuleType, user: ModuleType):
    """Dictionaries and class attributes hold the original: nobody's data are changed."""
    original = lib.f
    observation.wrapped(lib, "f", "C.m")
    assert user.table["f"] is original
    assert vars(user.K)["f"].__func__ is original
    assert user.C is lib.C


def test_a_module_imported_later_needs_no_alias(observation: Observation):
    """Hooked before its first import, everybody gets the wrapper from the beginning."""
    name = observation.write_module("def f(): pass")
    (watched,) = observation.watch(name, "f")
    user = observation.module(f"from {name} import f")
    assert (watched.state, watched.aliases) == ("wrapped", ())
    user.f()
    assert observation.count("f") == 1


def test_a_function_of_two_services_counts_for_both_under_every_name(
    observation: Observation, lib: ModuleType, user: ModuleType
):
    """An alias leads to the outermost wrapper."""
    original = lib.f
    module = lib.__name__
    entries = [observation.entry(module, "f", service=service) for service in ("one", "two")]
    observation.instrumentor.instrument(entries)
    user.f()
    assert sorted(each.service for each in observation.usages()) == ["one", "two"]
    observation.instrumentor.uninstrument()
    assert user.f is lib.f is original


@pytest.mark.parametrize("first_out", [0, 1])
def test_two_projects_share_an_alias(observation: Observation, lib: ModuleType, user: ModuleType, first_out: int):
    """Whichever project goes first, in the end the alias is the original."""
    original = lib.f
    other = Instrumentor(observation.project("demo/other"), observation.recorder, default_rate_per_second=0)
    observation.wrapped(lib, "f")
    other.instrument([observation.entry(lib.__name__, "f")])
    user.f()
    assert sorted(each.project for each in observation.usages()) == ["demo/lib", "demo/other"]
    both = [observation.instrumentor, other]
    both[first_out].uninstrument()
    both[1 - first_out].uninstrument()
    assert user.f is lib.f is lib.same is original


def test_modules_that_run_code_when_looked_into_are_left_alone(observation: Observation, lib: ModuleType):
    """Lazy modules and proxies in ``sys.modules`` are not touched."""

    class Lazy(ModuleType):
        def __getattribute__(self, name: str) -> Any:
            if name == "__dict__":
                raise AssertionError
            return super().__getattribute__(name)

    sys.modules["lib_lazy"] = Lazy("lib_lazy")
    sys.modules["lib_object"] = object()  # type: ignore[assignment]
    try:
        observation.wrapped(lib, "f")
    finally:
        del sys.modules["lib_lazy"], sys.modules["lib_object"]
    assert importlib.import_module(lib.__name__) is lib
