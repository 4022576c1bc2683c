"""``@footfall.register``: a function at hand belongs to its package's project, whichever came first."""

from __future__ import annotations

import asyncio
import copy
import functools
import pickle
from pathlib import Path
from typing import Any

import pytest
from insthelp import Observation, read_usages

import footfall
from footfall import runtime
from footfall.errors import RegistryError
from footfall.usage import Usage


def recorded() -> list[Usage]:
    """Return every record of this process."""
    directory = runtime.current().journal.directory
    return [] if directory is None else read_usages(directory)


def names() -> list[tuple[str, str]]:
    """Return project and qualified name of each use."""
    return [(each.project, each.name.partition(":")[2].rpartition(".")[2]) for each in recorded()]


def make(service: str = "", **options: Any) -> Any:
    """Return a function registered under *options*."""

    @footfall.register(service, **options)
    def search(kind: str = "a") -> str:
        """Searches."""
        return kind

    return search


def test_registered_before_instrumenting():
    """Uses count from `instrument` on, and the function is the same object throughout."""
    search = make("catalog", extra={"fs": "lustre"})
    assert search("x") == "x"
    assert recorded() == []
    footfall.instrument("demo/lib", version="3.0", extra={"site": "s"})
    assert search("x") == "x"
    (use,) = recorded()
    assert (use.project, use.project_version, use.service, dict(use.extra)) == (
        "demo/lib",
        "3.0",
        "catalog",
        {"site": "s", "fs": "lustre"},
    )
    assert use.name == f"{__name__}:make.<locals>.search"


def test_a_project_that_is_instrumented_again_keeps_its_decorated_functions():
    """As where a package instruments itself under ``opentelemetry-instrument``; what was added is on later uses."""
    search = make("catalog")
    footfall.instrument("demo/lib", version="1")
    search()
    footfall.instrument("demo/lib", extra={"site": "s"})
    search()
    footfall.uninstrument()
    search()
    footfall.instrument("demo/lib", extra={"site": "t"})
    search()
    assert [dict(use.extra) for use in recorded()] == [{}, {"site": "s"}, {"site": "t"}]


def test_registered_after_instrumenting():
    """Observed at once, with captured arguments."""
    footfall.instrument("demo/lib")
    search = make(capture={"kind": {"choice": ["a", "b"]}}, start=True)
    assert [search("b"), search.__doc__] == ["b", "Searches."]
    start, end = recorded()
    assert (start.kind.value, end.kind.value, end.arguments) == ("start", "end", {"kind": "b"})


def test_each_kind_of_thing_can_be_decorated(observation: Observation):
    """Methods in class bodies, above and below other decorators, coroutines, and whole classes."""
    footfall.instrument("demo/lib")

    class C:
        @footfall.register()
        def __init__(self, x: int = 1) -> None:
            self.x = x

        @footfall.register()
        def m(self) -> int:
            return self.x

        @classmethod
        @footfall.register()
        def c_below(cls) -> str:
            return cls.__name__

        @footfall.register()
        @classmethod
        def c_above(cls) -> str:
            return cls.__name__

        @footfall.register()
        @staticmethod
        def s(x: int) -> int:
            return x

        @footfall.register()
        @property
        def p(self) -> int:
            """Documented."""
            return self.x

        @p.setter
        def p(self, value: int) -> None:
            self.x = value

        @footfall.register()
        @functools.cached_property
        def cp(self) -> int:
            return self.x * 2

    made = C(4)
    assert (made.m(), C.c_below(), C.c_above(), made.s(3), made.p, made.cp, made.cp) == (4, "C", "C", 3, 4, 8, 8)
    made.p = 5
    assert (made.x, type(made.x), type(made.cp)) == (5, int, int)
    assert [name for _, name in names()] == ["__init__", "m", "c_below", "c_above", "s", "p", "cp"]

    @footfall.register()
    async def co() -> int:
        return 1

    assert asyncio.run(co()) == 1
    assert names()[-1] == ("demo/lib", "co")


@footfall.register()
class Registered:
    """A class of this module, for pickling; footfall is off while it is made."""

    def __init__(self, x: int) -> None:
        self.x = x


def test_a_decorated_class_stays_the_class():
    """Its construction is observed; subclasses, checks, pickling and copying are as before; undo takes it out."""
    original = vars(Registered)["__init__"]
    footfall.instrument("demo/lib")
    assert footfall.register()(Registered) is Registered
    made = Registered(3)

    class Sub(Registered):
        pass

    assert isinstance(Sub(1), Registered)
    assert (pickle.loads(pickle.dumps(made)).x, copy.deepcopy(made).x, type(made)) == (3, 3, Registered)
    assert len(recorded()) == 2
    footfall.instrument("demo/lib", extra={"site": "s"})
    Registered(4)
    assert [dict(use.extra) for use in recorded()] == [{}, {}, {"site": "s"}]
    footfall.uninstrument()
    assert vars(Registered)["__init__"] is original


def test_two_projects(observation: Observation):
    """A function belongs to the project it names, else to the one that was instrumented for its package."""
    first = observation.module("import footfall\ndef go(): footfall.instrument('demo/first')")
    first.go()
    footfall.instrument("demo/second")
    named, own = make(project="demo/first"), make()
    in_first = observation.module("def f(): pass", first.__name__ + "_other")
    named()
    own()
    assert names() == [("demo/first", "search"), ("demo/second", "search")]
    assert in_first is not None


def test_a_function_of_no_project_waits(observation: Observation):
    """With two projects instrumented and neither its own, it is not observed; its own may come later."""
    module = observation.module("import footfall\n@footfall.register(project='demo/late')\ndef f(): return 1")
    footfall.instrument("demo/first")
    footfall.instrument("demo/second")
    assert module.f() == 1
    assert recorded() == []
    footfall.instrument("demo/late")
    module.f()
    assert names() == [("demo/late", "f")]


def test_uninstrumenting_makes_it_a_pass_through():
    """The wrapper is in people's hands and cannot be taken back; it only passes calls through."""
    footfall.instrument("demo/lib")
    search = make()
    search()
    footfall.uninstrument("demo/lib")
    assert search("z") == "z"
    assert len(recorded()) == 1


def test_while_the_user_has_opted_out_the_function_is_the_same_object(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """No wrapper, no file (design.md section 5)."""
    monkeypatch.setenv("DO_NOT_TRACK", "1")

    def search() -> None:
        pass

    assert footfall.register("x")(search) is search
    assert "DO_NOT_TRACK" in footfall.instrument("demo/lib")
    assert footfall.register("x")(search) is search
    footfall.event("nothing")
    assert not (tmp_path / "footfall-state").exists()


def test_wrong_registrations_say_so():
    """At decoration, with what would be right."""
    with pytest.raises(RegistryError, match="rate"):
        footfall.register(rate=-1)
    with pytest.raises(RegistryError, match="service"):
        footfall.register("no good")


def test_a_parameter_that_is_not_there_leaves_the_function_alone():
    """What cannot be observed as asked is remembered with its reason; the function is untouched."""
    footfall.instrument("demo/lib")

    def search(kind: str) -> str:
        return kind

    assert footfall.register(capture={"knd": "len"})(search) is search
    (watched,) = runtime.current().projects["demo/lib"].instrumentor.watched
    assert watched.state == "cannot"
    assert "did you mean 'kind'?" in watched.reason
