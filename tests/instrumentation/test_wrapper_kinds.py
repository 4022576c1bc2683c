"""Every kind of target of otel.md section 3: observed, and otherwise as if nothing stood in its place."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import math
import traceback
import weakref
from types import ModuleType
from typing import Any

import pytest
from insthelp import Observation

from footfall.registry.model import Capture
from footfall.usage import Kind

SOURCE = '''
import functools, collections, abc, typing

def f(x, y=2):
    """Adds."""
    return x + y

def fails(error):
    raise error

@functools.lru_cache
def cached(x): return x * 2

@functools.singledispatch
def dispatched(x): return "object"

@dispatched.register
def _(x: int): return "int"

part = functools.partial(f, 10)

Point = collections.namedtuple("Point", "x y")
root = __import__("math").sqrt

class Base:
    def __init__(self, x=0): self.x = x
    def m(self, y): return self.x + y
    def __getitem__(self, key): return key * 2
    def __call__(self, a): return -a
    @classmethod
    def c(cls, y): return cls.__name__, y
    @staticmethod
    def s(y): return y + 1
    @property
    def p(self):
        """Is documented."""
        return self.x
    @p.setter
    def p(self, value): self.x = value
    @p.deleter
    def p(self): self.x = None
    @functools.cached_property
    def cp(self): return self.x * 100
    @functools.lru_cache
    def lm(self, y): return y

class Sub(Base): pass
class Other(Base): pass

class Outer:
    class Inner:
        def m(self): return "inner"

async def co(x):
    """Awaits."""
    return x + 1

def gen(n):
    """Yields."""
    got = []
    try:
        for i in range(n):
            try:
                got.append((yield i))
            except KeyError as e:
                got.append("thrown")
    finally:
        closed.append("gen")
    return got

closed = []

async def agen(n):
    try:
        for i in range(n):
            try:
                closed.append((yield i))
            except KeyError:
                closed.append("thrown")
    finally:
        closed.append("agen")
'''


@pytest.fixture
def lib(observation: Observation) -> ModuleType:
    """Return a module with every kind of target."""
    return observation.module(SOURCE)


def one(observation: Observation, name: str, outcome: str = "ok", error_type: str = "") -> None:
    """Exactly one use was recorded, of *name*."""
    assert observation.uses() == [(name, outcome, error_type)]


# -- plain kinds -------------------------------------------------------------------------------------------------------

CALLS: dict[str, tuple[str, Any, Any]] = {
    "function": ("f", lambda lib: lib.f(1, y=4), 5),
    "method": ("Base.m", lambda lib: lib.Base(3).m(4), 7),
    "method of the class": ("Base.m", lambda lib: lib.Base.m(lib.Base(3), 4), 7),
    "__init__": ("Base.__init__", lambda lib: lib.Base(5).x, 5),
    "__getitem__": ("Base.__getitem__", lambda lib: lib.Base()[4], 8),
    "__call__": ("Base.__call__", lambda lib: lib.Base()(4), -4),
    "classmethod": ("Base.c", lambda lib: lib.Base.c(1), ("Base", 1)),
    "classmethod of a subclass": ("Base.c", lambda lib: lib.Sub.c(1), ("Sub", 1)),
    "classmethod of an object": ("Base.c", lambda lib: lib.Sub().c(1), ("Sub", 1)),
    "staticmethod": ("Base.s", lambda lib: lib.Base.s(1), 2),
    "staticmethod of an object": ("Base.s", lambda lib: lib.Sub().s(1), 2),
    "property": ("Base.p", lambda lib: lib.Base(6).p, 6),
    "cached_property": ("Base.cp", lambda lib: lib.Base(6).cp, 600),
    "inherited method": ("Sub.m", lambda lib: lib.Sub(3).m(4), 7),
    "inherited property": ("Sub.p", lambda lib: lib.Sub(3).p, 3),
    "inherited cached_property": ("Sub.cp", lambda lib: lib.Sub(3).cp, 300),
    "lru_cache": ("cached", lambda lib: lib.cached(4), 8),
    "lru_cache method": ("Base.lm", lambda lib: lib.Base().lm(4), 4),
    "singledispatch": ("dispatched", lambda lib: lib.dispatched(4), "int"),
    "partial": ("part", lambda lib: lib.part(1), 11),
    "module-level builtin": ("root", lambda lib: lib.root(4.0), 2.0),
    "nested class": ("Outer.Inner.m", lambda lib: lib.Outer.Inner().m(), "inner"),
    "coroutine": ("co", lambda lib: asyncio.run(lib.co(1)), 2),
    "generator": ("gen", lambda lib: list(lib.gen(3)), [0, 1, 2]),
    "class": ("Base", lambda lib: lib.Base(5).x, 5),
    "class made by a subclass": ("Base", lambda lib: lib.Sub(5).x, 5),
    "class without an __init__ of its own": ("Sub", lambda lib: lib.Sub(5).x, 5),
    "namedtuple": ("Point", lambda lib: lib.Point(1, y=2), (1, 2)),
}


@pytest.mark.parametrize("kind", CALLS)
def test_a_call_has_its_result_and_is_one_use(observation: Observation, lib: ModuleType, kind: str):
    """Each kind of target gives what it gave, and the journal has one line more."""
    name, call, result = CALLS[kind]
    observation.wrapped(lib, name)
    assert call(lib) == result
    one(observation, name)


@pytest.mark.parametrize("name", ["Sub.m", "Sub.p", "Sub.cp", "Sub"])
def test_what_is_inherited_is_observed_in_the_subclass_only(observation: Observation, lib: ModuleType, name: str):
    """The base class and its other children stay as they are."""
    observation.wrapped(lib, name)
    assert (lib.Base(1).m(2), lib.Base(1).p, lib.Base(1).cp) == (3, 1, 100)
    assert (lib.Other(1).m(2), lib.Other(1).p, lib.Other(1).cp) == (3, 1, 100)
    assert observation.uses() == []


def test_a_property_keeps_setter_deleter_and_text(observation: Observation, lib: ModuleType):
    """Only reading it is a use."""
    observation.wrapped(lib, "Base.p")
    made = lib.Base(1)
    made.p = 5
    assert made.x == 5
    del made.p
    assert made.x is None
    assert observation.uses() == []
    assert lib.Base.p.__doc__ == "Is documented."
    assert inspect.getdoc(lib.Base.p) == "Is documented."


def test_a_cached_property_is_computed_once(observation: Observation, lib: ModuleType):
    """The value is stored under its own name, as without us."""
    observation.wrapped(lib, "Base.cp")
    made = lib.Base(2)
    assert (made.cp, made.cp, vars(made)["cp"]) == (200, 200, 200)
    one(observation, "Base.cp")


def test_a_caches_tools_stay_at_hand(observation: Observation, lib: ModuleType):
    """``cache_info``, ``register``, ``__getitem__`` of what is wrapped work as before."""
    observation.wrapped(lib, "cached", "dispatched", "part")
    lib.cached(1)
    lib.cached(1)
    assert lib.cached.cache_info().hits == 1
    lib.cached.cache_clear()

    @lib.dispatched.register
    def _(x: str) -> str:
        return "text"

    assert lib.dispatched("a") == "text"
    assert (lib.part.func, lib.part.args) == (lib.f, (10,))
    assert observation.count("cached") == 2


def test_named_tuples_stay_what_they_are(observation: Observation, lib: ModuleType):
    """Fields, making, replacing, and the class itself."""
    observation.wrapped(lib, "Point")
    point = lib.Point._make([1, 2])._replace(x=3)
    assert (point, point._fields, type(point)) == ((3, 2), ("x", "y"), lib.Point)


# -- what it looks like from outside -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["f", "co", "gen", "agen", "cached", "root"])
def test_a_wrapped_function_looks_like_itself(observation: Observation, lib: ModuleType, name: str):
    """Name, text, signature, source and kind are the function's."""
    original = getattr(lib, name)
    looks = (
        lambda x: x.__name__,
        lambda x: x.__qualname__,
        lambda x: x.__module__,
        lambda x: x.__doc__,
        inspect.signature,
        inspect.iscoroutinefunction,
        inspect.isgeneratorfunction,
        inspect.isasyncgenfunction,
        inspect.isroutine,
        callable,
        lambda x: isinstance(x, type(original)),
        lambda x: x == original,
        hash,
        inspect.unwrap if name == "root" else lambda x: inspect.getsource(inspect.unwrap(x)),
    )
    before = [look(original) for look in looks]
    observation.wrapped(lib, name)
    wrapped = getattr(lib, name)
    assert wrapped is not original
    assert [look(wrapped) for look in looks] == before


def test_methods_look_like_themselves(observation: Observation, lib: ModuleType):
    """Bound and unbound, equal to each other, usable as keys."""
    observation.wrapped(lib, "Base.m", "Base.c", "Base.s")
    made = lib.Base(1)
    assert made.m == made.m
    assert hash(made.m) == hash(made.m)
    assert made.m.__self__ is made
    assert inspect.ismethod(made.m)
    assert list(inspect.signature(made.m).parameters) == ["y"]
    assert list(inspect.signature(lib.Base.m).parameters) == ["self", "y"]
    assert inspect.ismethod(lib.Sub.c)
    assert lib.Sub.c.__self__ is lib.Sub


def test_objects_keep_no_trace_and_die_as_before(observation: Observation, lib: ModuleType):
    """A call leaves no reference behind: arguments and results go when the caller lets go of them."""
    observation.wrapped(lib, "Base.m", "f", "Base")
    made = lib.Base(1)
    made.m(2)
    gone = weakref.ref(made)
    gc.disable()
    try:
        del made
        assert gone() is None
    finally:
        gc.enable()


# -- exceptions --------------------------------------------------------------------------------------------------------

ENDS = [
    (ValueError("secret"), "error", "ValueError"),
    (SystemExit(), "ok", ""),
    (SystemExit(0), "ok", ""),
    (SystemExit(False), "ok", ""),
    (SystemExit(pytest.ExitCode.OK), "ok", ""),
    (SystemExit(3), "error", "SystemExit"),
    (SystemExit("bye"), "error", "SystemExit"),
    (SystemExit(0.0), "error", "SystemExit"),
    (KeyboardInterrupt(), "interrupted", "KeyboardInterrupt"),
    (asyncio.CancelledError(), "interrupted", "CancelledError"),
    (GeneratorExit(), "ok", ""),
]


@pytest.mark.parametrize("start", [False, True])
@pytest.mark.parametrize(("error", "outcome", "error_type"), ENDS, ids=[repr(end[0]) for end in ENDS])
def test_exceptions_pass_as_the_same_object(
    observation: Observation, lib: ModuleType, error: BaseException, outcome: str, error_type: str, start: bool
):
    """With their traceback and context, on the short way and on the full one; the record has the class only."""
    observation.wrapped(lib, "fails", start=start)
    error.__traceback__ = None
    with pytest.raises(type(error)) as caught:
        lib.fails(error)
    assert caught.value is error
    assert traceback.extract_tb(error.__traceback__)[-1].name == "fails"
    assert (error.__context__, error.__cause__) == (None, None)
    one(observation, "fails", outcome, error_type)
    assert b"secret" not in b"".join(path.read_bytes() for path in observation.directory.iterdir())


def test_nothing_of_an_exception_is_called(observation: Observation, lib: ModuleType):
    """Not its text, its attributes, its comparison, nor what its class says it is called (reliability.md S6)."""

    class Loud(type):
        @property
        def __name__(cls) -> str:
            raise AssertionError

    class Error(SystemExit, metaclass=Loud):
        def __str__(self) -> str:
            raise AssertionError

        __repr__ = __eq__ = __hash__ = __bool__ = __str__  # type: ignore[assignment]

        @property
        def code(self) -> Any:
            raise AssertionError

    observation.wrapped(lib, "fails")
    with pytest.raises(Error):
        lib.fails(Error())
    one(observation, "fails")


@pytest.mark.parametrize("name", ["f", "co", "gen", "agen"])
def test_wrong_arguments_raise_at_the_call(observation: Observation, lib: ModuleType, name: str):
    """Not later, at the first ``await`` or ``next``."""
    observation.wrapped(lib, name)
    with pytest.raises(TypeError, match="argument"):
        getattr(lib, name)(1, 2, 3, 4)


# -- coroutines --------------------------------------------------------------------------------------------------------


def test_a_coroutine_is_measured_until_it_returns(observation: Observation):
    """Not only its creation; its name, its closing and its cancelling are as before."""
    lib = observation.module(
        """
        import asyncio
        async def slow(): await asyncio.sleep(0.02)
        async def for_ever(): await asyncio.Event().wait()
        async def fails(): raise LookupError("secret")
        """
    )
    observation.wrapped(lib, "slow", "for_ever", "fails")

    async def main() -> None:
        coroutine = lib.slow()
        assert (coroutine.__name__, coroutine.__qualname__) == ("slow", "slow")
        await coroutine
        task = asyncio.create_task(lib.for_ever())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(LookupError):
            await lib.fails()

    asyncio.run(main())
    assert observation.uses() == [
        ("slow", "ok", ""),
        ("for_ever", "interrupted", "CancelledError"),
        ("fails", "error", "LookupError"),
    ]
    assert observation.usages()[0].duration_ns > 15_000_000


def test_concurrent_coroutines_do_not_enclose_each_other(observation: Observation):
    """Each task has uses of its own; nested calls in one task have the outer as parent."""
    lib = observation.module(
        """
        import asyncio
        async def inner(): await asyncio.sleep(0)
        async def outer():
            await asyncio.sleep(0)
            await inner()
            await asyncio.sleep(0)
        """
    )
    observation.wrapped(lib, "inner", "outer")

    async def main() -> None:
        await asyncio.gather(lib.outer(), lib.outer(), lib.outer())

    asyncio.run(main())
    found = observation.usages()
    outer = {each.span_id: each for each in found if each.name.endswith("outer")}
    inner = [each for each in found if each.name.endswith("inner")]
    assert len({each.trace_id for each in outer.values()}) == 3
    assert [outer[each.parent_span_id].trace_id for each in inner] == [each.trace_id for each in inner]
    assert {each.parent_span_id for each in outer.values()} == {""}


def test_awaitables_that_are_no_coroutines_count_as_calls(observation: Observation):
    """What claims to be a coroutine function and returns something else is handed through untouched."""
    lib = observation.module(
        """
        import functools
        async def co(x): return x
        class Later:
            def __await__(self): return iter(())
        async def template(): pass
        def later(): return Later()
        later = functools.wraps(template)(functools.partial(later))
        """
    )
    lib.later = functools.partial(lib.co, 1)
    observation.wrapped(lib, "later")
    assert asyncio.run(lib.later()) == 1
    assert observation.count("later") == 1


# -- generators --------------------------------------------------------------------------------------------------------


def test_a_generator_gives_takes_throws_and_returns(observation: Observation, lib: ModuleType):
    """``send``, ``throw`` that the body catches, and the return value; one use, with its items."""
    observation.wrapped(lib, "gen")
    generator = lib.gen(3)
    assert (generator.__name__, inspect.isgenerator(generator)) == ("gen", True)
    assert next(generator) == 0
    assert generator.send("a") == 1
    assert generator.throw(KeyError("k")) == 2
    with pytest.raises(StopIteration) as stop:
        next(generator)
    assert stop.value.value == ["a", "thrown", None]
    one(observation, "gen")
    assert observation.usages()[0].items == 3


def test_a_generator_may_be_left_early(observation: Observation, lib: ModuleType):
    """Closed, dropped, or never begun: its ``finally`` runs at the same moment, and only a begun one is a use."""
    observation.wrapped(lib, "gen")
    generator = lib.gen(3)
    next(generator)
    generator.close()
    assert lib.closed == ["gen"]
    for _ in lib.gen(3):
        break
    assert lib.closed == ["gen", "gen"]
    lib.gen(3).close()
    assert observation.uses() == [("gen", "ok", "")] * 2
    assert [each.items for each in observation.usages()] == [1, 1]


def test_what_leaves_a_generator_is_its_end(observation: Observation, lib: ModuleType):
    """An exception thrown in that the body does not catch comes out as the same object."""
    observation.wrapped(lib, "gen")
    generator = lib.gen(3)
    next(generator)
    error = LookupError()
    with pytest.raises(LookupError) as caught:
        generator.throw(error)
    assert caught.value is error
    one(observation, "gen", "error", "LookupError")


STUBBORN = """
def stubborn(answer):
    while True:
        try:
            yield 1
        except GeneratorExit:
            if answer == "return": return "left"
            if answer == "raise": raise ValueError
            if answer == "pass": raise
            answer = "pass"
"""


@pytest.mark.parametrize("answer", ["return", "raise", "pass", "yield"])
@pytest.mark.parametrize("how", ["close", "throw"])
def test_closing_does_what_it_does_without_us(observation: Observation, answer: str, how: str):
    """Also where the body answers ``GeneratorExit`` with a value, an exception, or one more item."""
    lib = observation.module(STUBBORN)

    def outcome() -> tuple[str, Any]:
        generator = lib.stubborn(answer)
        next(generator)
        try:
            result = generator.close() if how == "close" else generator.throw(GeneratorExit())
        except BaseException as error:
            return type(error).__name__, getattr(error, "value", str(error))
        return "gave", result

    before = outcome()
    observation.wrapped(lib, "stubborn")
    assert outcome() == before
    assert observation.count("stubborn") == 1


def test_delegation_goes_through(observation: Observation, lib: ModuleType):
    """``yield from`` a wrapped generator gives its items and its value."""
    observation.wrapped(lib, "gen")

    def outer() -> Any:
        return (yield from lib.gen(2))

    generator = outer()
    assert (next(generator), generator.send(1)) == (0, 1)
    with pytest.raises(StopIteration) as stop:
        generator.send(2)
    assert stop.value.value == [1, 2]


def test_between_items_the_consumer_is_not_inside(observation: Observation):
    """A use by the consumer has no generator as parent; a use by the body has."""
    lib = observation.module("def inner(): pass\ndef gen():\n  inner(); yield 1\n  inner(); yield 2")
    observation.wrapped(lib, "inner", "gen")
    for _ in lib.gen():
        lib.inner()
    found = observation.usages()
    (generator,) = (each for each in found if each.name.endswith(":gen"))
    parents = [each.parent_span_id for each in found if each.name.endswith(":inner")]
    assert parents == [generator.span_id, "", generator.span_id, ""]


def test_an_asynchronous_generator_gives_takes_throws_and_closes(observation: Observation, lib: ModuleType):
    """``asend``, ``athrow``, ``aclose`` and leaving early."""
    observation.wrapped(lib, "agen")

    async def main() -> None:
        generator = lib.agen(3)
        assert (generator.__name__, inspect.isasyncgen(generator)) == ("agen", True)
        assert await generator.__anext__() == 0
        assert await generator.asend("a") == 1
        assert await generator.athrow(KeyError()) == 2
        with pytest.raises(StopAsyncIteration):
            await generator.__anext__()
        assert lib.closed == ["a", "thrown", None, "agen"]
        lib.closed.clear()
        left = lib.agen(3)
        await left.__anext__()
        await left.aclose()
        assert lib.closed == ["agen"]
        failing = lib.agen(3)
        await failing.__anext__()
        with pytest.raises(LookupError):
            await failing.athrow(LookupError())
        assert [item async for item in lib.agen(2)] == [0, 1]
        async for _ in lib.agen(3):
            break
        await asyncio.sleep(0)  # the event loop closes it

    asyncio.run(main())
    uses = observation.usages()
    assert [each.items for each in uses] == [3, 1, 1, 2, 1]
    assert [each.error_type for each in uses] == ["", "", "LookupError", "", ""]


# -- targets that cannot be, and arguments -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "qualname", "reason"),
    [
        ("builtins", "str.upper", "written in C"),
        ("datetime", "datetime.now", "written in C"),
        ("math", "pi", "nobody calls"),
        ("math", "sqr", "did you mean 'sqrt'?"),
        ("math", "sqrt.real", "not a class"),
    ],
)
def test_what_cannot_be_wrapped_is_remembered_with_its_reason(
    observation: Observation, module: str, qualname: str, reason: str
):
    """Nothing is replaced, nothing raised, and the message says what to do."""
    (watched,) = observation.watch(module, qualname)
    assert watched.state == "cannot"
    assert reason in watched.reason


def test_special_methods_that_python_finds_elsewhere_are_refused(observation: Observation):
    """``__new__`` by name, ``__init_subclass__``, a property without getter, a partialmethod."""
    lib = observation.module(
        """
        import functools
        class C:
            def __new__(cls): return super().__new__(cls)
            def __init_subclass__(cls): pass
            w = property(None, lambda self, value: None)
            pm = functools.partialmethod(print)
        class Bare: pass
        """
    )
    states = observation.watch(lib, "C.__new__", "C.__init_subclass__", "C.w", "C.pm", "Bare")
    assert [each.state for each in states] == ["cannot"] * 5
    assert all(each.reason for each in states)


def test_looking_for_a_target_runs_nothing(observation: Observation):
    """A descriptor in a class is found as it is stored (reliability.md S6)."""
    lib = observation.module(
        """
        class Loud:
            def __get__(self, instance, owner): raise AssertionError
            def __call__(self): pass
        class C:
            loud = Loud()
        """
    )
    original = vars(lib.C)["loud"]
    observation.watch(lib, "C.loud", "C.none")
    observation.instrumentor.uninstrument()
    assert vars(lib.C)["loud"] is original


@pytest.mark.parametrize(
    ("qualname", "call"),
    [
        ("f", lambda lib: lib.f("a", y="b")),
        ("C.m", lambda lib: lib.C().m("a", "b")),
        ("C.m", lambda lib: lib.C.m(lib.C(), "a", y="b")),
        ("C.c", lambda lib: lib.C.c("a", "b")),
        ("C.s", lambda lib: lib.C.s("a", "b")),
        ("C.s", lambda lib: lib.C().s("a", "b")),
        ("P", lambda lib: lib.P("a", "b")),
        ("co", lambda lib: asyncio.run(lib.co("a", "b"))),
        ("gen", lambda lib: list(lib.gen("a", "b"))),
    ],
)
def test_captured_arguments_are_those_of_the_call(observation: Observation, qualname: str, call: Any):
    """The first parameter is never taken for ``self`` where none is passed, nor the other way round."""
    lib = observation.module(
        """
        import collections
        def f(x, y): pass
        class C:
            def m(self, x, y): pass
            @classmethod
            def c(cls, x, y): pass
            @staticmethod
            def s(x, y): pass
        P = collections.namedtuple("P", "x y")
        async def co(x, y): pass
        def gen(x, y): yield
        """
    )
    captures = tuple(Capture(parameter=name, form="choice", choices=("a", "b")) for name in ("x", "y"))
    observation.wrapped(lib, qualname, capture=captures)
    call(lib)
    assert [each.arguments for each in observation.usages()] == [{"x": "a", "y": "b"}]


def test_a_start_is_written_before_the_call(observation: Observation):
    """Start and end share ids; a use that never ends leaves its start."""
    lib = observation.module("def f(look): return look()")
    observation.wrapped(lib, "f", start=True)
    during = lib.f(observation.usages)
    start, end = observation.usages()
    assert during == [start]
    assert (start.kind, end.kind) == (Kind.START, Kind.END)
    assert (start.trace_id, start.span_id, start.time_ns) == (end.trace_id, end.span_id, end.time_ns)


def test_nested_uses_share_a_trace(observation: Observation):
    """The inner use names the outer as its parent, on every path; siblings do not."""
    lib = observation.module("def inner(): pass\ndef outer():\n  inner()\n  inner()")
    observation.wrapped(lib, "inner", "outer")
    lib.outer()
    first, second, outer = observation.usages()
    assert {each.trace_id for each in (first, second, outer)} == {outer.trace_id}
    assert [each.parent_span_id for each in (first, second, outer)] == [outer.span_id, outer.span_id, ""]
    assert len({first.span_id, second.span_id, outer.span_id}) == 3


def test_recursion_is_a_use_each(observation: Observation, hidden_errors: list[tuple[str, BaseException]]):
    """A function that calls itself by its module's name is nested in itself; too deep a recursion fails as before."""
    lib = observation.module("def f(n): return n and f(n - 1)\ndef deep(): return deep()")
    observation.wrapped(lib, "f", "deep")
    assert lib.f(5) == 0
    assert observation.count("f") == 6
    with pytest.raises(RecursionError):
        lib.deep()
    assert {type(error) for _, error in hidden_errors} <= {RecursionError}


def test_what_is_not_sayable_costs_the_record_its_fields_only(
    observation: Observation, lib: ModuleType, hidden_errors: list[tuple[str, BaseException]]
):
    """Extra fields of a registration that JSON has no word for are left out; the use is still told."""
    observation.wrapped(lib, "f", extra={"bad": "\ud800"})
    assert lib.f(1) == 3
    assert lib.f(1) == 3
    assert [plain.extra for plain in observation.usages()] == [{}, {}]
    assert [doing for doing, _ in hidden_errors] == ["extra"]


def test_too_much_for_a_line_is_left_out_and_said(observation: Observation):
    """Arguments beyond 64 KiB go, the use stays, and says how large it would have been."""
    subject = observation.subject("lib:f")
    use = observation.recorder.begin(subject, {"text": "x" * 70_000})
    assert use is not None
    use.finish()
    odd = observation.recorder.begin(subject, {"text": "\ud800"})
    assert odd is not None
    odd.finish()
    first, second = observation.usages()
    assert (first.arguments, second.arguments) == ({}, {})
    assert first.extra["footfall.too_big"] > 70_000
    assert math.isclose(second.extra["footfall.too_big"], -1)


def test_a_provider_or_clock_of_the_host_may_fail(
    observation: Observation, lib: ModuleType, hidden_errors: list[tuple[str, BaseException]]
):
    """Nothing of ours reaches the caller: a tracer provider that raises is as good as none (P6)."""
    from footfall.instrumentation.host_spans import HostSpans

    class Broken:
        def get_tracer(self, *_args: Any, **_named: Any) -> Any:
            raise ZeroDivisionError

    broken: Any = Broken()
    observation.state.host.take_from(HostSpans("0", tracer_provider=broken))
    observation.wrapped(lib, "f")
    assert lib.f(1) == 3
    one(observation, "f")
    assert {type(error) for _, error in hidden_errors} == {ZeroDivisionError}


def test_a_use_says_how_its_arguments_were_passed(observation: Observation) -> None:
    """From the wrapper through the journal: a subscript by position, and any keywords."""
    module = observation.module(
        """
        class Catalog:
            def __getitem__(self, key): return key
            def search(self, require_all=False, /, **query): return query
            def unique(self): return 1
        """
    )
    captures = (Capture("require_all", "bool"), Capture("query", "json"))
    observation.wrapped(module, "Catalog.__getitem__", capture=(Capture("key", "text"),))
    observation.wrapped(module, "Catalog.search", capture=captures)
    observation.wrapped(module, "Catalog.unique")
    catalog = module.Catalog()
    assert catalog["tas"] == "tas"
    assert catalog.search(True, variable=["tas", "pr"])
    assert catalog.unique() == 1
    assert [(dict(each.arguments), each.parameters) for each in observation.usages()] == [
        ({"key": "tas"}, ("/key",)),
        ({"require_all": True, "query": {"variable": ["tas", "pr"]}}, ("/require_all", "**query")),
        ({}, ()),
    ]
