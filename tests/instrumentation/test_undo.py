"""Undo restores the very objects, whoever else has wrapped in the meantime."""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

import pytest
from insthelp import Observation
from test_wrapper_kinds import SOURCE

from footfall.instrumentation.instrumentor import Instrumentor

NAMES = [
    "f", "cached", "dispatched", "part", "root", "co", "gen", "agen", "Point", "Base", "Sub",
    "Base.m", "Base.__init__", "Base.__getitem__", "Base.c", "Base.s", "Base.p", "Base.cp", "Base.lm",
    "Sub.m", "Sub.c", "Sub.s", "Sub.p", "Sub.cp", "Sub.__init__", "Outer.Inner.m",
]  # fmt: skip


@pytest.fixture
def lib(observation: Observation) -> ModuleType:
    """Return a module with every kind of target."""
    return observation.module(SOURCE)


def contents(lib: ModuleType) -> dict[tuple[str, str], Any]:
    """Return every object in the module and its classes, by place."""
    places: dict[str, Any] = {"": lib, **{name: getattr(lib, name) for name in ("Base", "Sub", "Other", "Point")}}
    places["Inner"] = lib.Outer.Inner
    kept = {
        (place, name): value
        for place, owner in places.items()
        for name, value in vars(owner).items()
        if name not in {"__dict__", "__weakref__", "__abstractmethods__", "_abc_impl"}
    }
    kept["cp", "func"] = vars(lib.Base)["cp"].func
    return kept


def assert_same(before: dict[tuple[str, str], Any], after: dict[tuple[str, str], Any]) -> None:
    """Hold every place to the identical object."""
    assert before.keys() == after.keys()
    assert [place for place, value in before.items() if after[place] is not value] == []


@pytest.mark.parametrize("name", NAMES)
def test_each_kind_comes_back_as_the_same_object(observation: Observation, lib: ModuleType, name: str):
    """Descriptors as their class stored them; what was inherited is inherited again."""
    before = contents(lib)
    observation.wrapped(lib, name)
    assert contents(lib).keys() >= before.keys()
    observation.instrumentor.uninstrument()
    assert_same(before, contents(lib))
    (watched,) = observation.instrumentor.watched
    assert watched.state == "undone"


def test_all_at_once_and_twice(observation: Observation, lib: ModuleType):
    """Every target of a module, some for two services; instrumented, undone, and the same again."""
    before = contents(lib)
    for _ in range(2):
        observation.wrapped(lib, *NAMES)
        observation.wrapped(lib, *NAMES, service="second")
        assert lib.Base(1).m(2) == 3
        observation.instrumentor.uninstrument()
        assert_same(before, contents(lib))
    assert lib.f(1) == 3
    assert observation.count("f") == 0


def test_a_wrapper_that_somebody_wrapped_only_passes_through(observation: Observation, lib: ModuleType):
    """Theirs stays in its place, ours below it is silent, and `watched` says why."""
    observation.wrapped(lib, "f", "Base.m", "Base.p", "Base.cp")
    ours = lib.f

    @functools.wraps(ours)
    def theirs(*args: Any, **kwargs: Any) -> Any:
        return ("theirs", ours(*args, **kwargs))

    lib.f = theirs
    method = lib.Base.__dict__["m"]
    lib.Base.m = lambda self, y: method.__get__(self, type(self))(y)
    reader = lib.Base.__dict__["p"]
    lib.Base.p = property(lambda self: reader.fget(self) + 0)
    cached = lib.Base.__dict__["cp"]
    inner = cached.func
    cached.func = lambda self: inner(self) + 0
    assert (lib.f(1), lib.Base(1).m(2), lib.Base(1).p, lib.Base(1).cp) == (("theirs", 3), 3, 1, 100)
    observation.instrumentor.uninstrument()
    assert lib.f is theirs
    assert (lib.f(1), lib.Base(1).m(2), lib.Base(1).p, lib.Base(1).cp) == (("theirs", 3), 3, 1, 100)
    assert [observation.count(name) for name in ("f", "Base.m", "Base.p", "Base.cp")] == [1] * 4
    assert "wrapped it after us" in observation.instrumentor.watched[0].reason


def test_whoever_holds_the_wrapper_itself_holds_a_pass_through(observation: Observation, lib: ModuleType):
    """A reference taken while it was observed goes on working, and records nothing more."""
    observation.wrapped(lib, "f", "gen")
    held, generator = lib.f, lib.gen
    observation.instrumentor.uninstrument()
    assert (held(1), list(generator(2))) == (3, [0, 1])
    assert observation.uses() == []


@pytest.mark.parametrize("order", ["first in, last out", "first in, first out"])
def test_two_projects_on_one_function(observation: Observation, lib: ModuleType, order: str):
    """Each records its own; whichever goes first, in the end the original objects are back."""
    before = contents(lib)
    other = Instrumentor(observation.project("demo/other"), observation.recorder, default_rate_per_second=0)
    names = ["f", "Base.m", "Base.p", "Base.c", "Sub.m", "Base.cp"]
    observation.wrapped(lib, *names)
    other.instrument([observation.entry(lib.__name__, name) for name in names])
    lib.f(1)
    assert sorted(each.project for each in observation.usages()) == ["demo/lib", "demo/other"]
    first, second = observation.instrumentor, other
    if order == "first in, last out":
        first, second = second, first
    first.uninstrument()
    lib.f(1)
    assert len(observation.usages()) == 3
    second.uninstrument()
    assert_same(before, contents(lib))


def test_a_name_that_was_bound_anew_is_left_alone(observation: Observation, lib: ModuleType):
    """Somebody put something else there: undo does not bring back what they replaced."""
    observation.wrapped(lib, "f", "Base.m")
    lib.f = lib.Base.m = replacement = print
    observation.instrumentor.uninstrument()
    assert (lib.f, lib.Base.__dict__["m"]) == (replacement, replacement)
