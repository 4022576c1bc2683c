"""S6: no code of the user runs because we look at something, and nothing is evaluated, imported or read as source."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import footfall
from footfall import scrub
from footfall.instrumentation import arguments, recorder
from footfall.testing import capture
from tests.security import rules
from tests.security.rules import also_with, names_used, rule, without

touched: list[str] = []
DUNDERS = (
    *("__repr__", "__str__", "__hash__", "__eq__", "__ne__", "__lt__", "__iter__", "__len__", "__bool__"),
    *("__int__", "__index__", "__float__", "__complex__", "__bytes__", "__format__", "__fspath__", "__contains__"),
    *("__getitem__", "__call__", "__reduce__", "__reduce_ex__", "__sizeof__", "__dir__", "__getattr__"),
    *("__getattribute__", "__enter__", "__exit__", "__await__", "__aiter__", "__next__", "__copy__", "__deepcopy__"),
    *("__instancecheck__", "__subclasscheck__", "__length_hint__", "__reversed__", "__round__", "__get__", "__set__"),
)


def _noting(name: str) -> Any:
    def note(*_: Any, **__: Any) -> Any:
        touched.append(name)
        raise RuntimeError(name)

    return note


class Meta(type):
    pass


for _name in DUNDERS:
    if _name not in {"__call__", "__getattribute__", "__getattr__", "__get__", "__set__"}:
        setattr(Meta, _name, _noting(f"metaclass {_name}"))
noting = {name: _noting(name) for name in DUNDERS}
Hostile: Any = Meta("Hostile", (), {**noting, "__class__": property(_noting("__class__"))})
HostileText: Any = type("HostileText", (str,), noting)
HostileDict: Any = type("HostileDict", (dict,), {**noting, "items": _noting("items"), "keys": _noting("keys")})
HostileList: Any = type("HostileList", (list,), noting)
HostileError: Any = type("HostileError", (Exception,), dict(noting))


def things() -> list[Any]:
    return [
        object.__new__(Hostile),
        str.__new__(HostileText, "x"),
        dict.__new__(HostileDict),
        list.__new__(HostileList),
        Hostile,
    ]


def work(one, two=None, three=None, four=None, five=None, six=None, seven=None, eight=None):
    if type(one) is HostileError:
        raise one
    return one


def items(one):
    yield one


FORMS = {
    "one": "json", "two": {"choice": ["a"]}, "three": "int", "four": "float",
    "five": "bool", "six": "len", "seven": "hash", "eight": "text",
}  # fmt: skip
REGISTRY: Any = {
    "registry": {"calls": [{"function": f"{__name__}:work", "capture": FORMS}, f"{__name__}:items"]},
}


@rule(
    without(arguments, "_type", lambda value: value.__class__),
    without(scrub, "_type", lambda value: value.__class__),
    without(arguments, "_converter", lambda _: repr),
    without(recorder, "outcome_of", lambda error: (recorder.Outcome.OK, str(error))),
)
def test_no_method_of_the_users_objects_is_called(tmp_path: Path, hidden_errors: list[object]) -> None:
    """As argument of every form, as result, as item, in an exception that passes through, in fields of an event."""
    with capture(tmp_path / str(len(list(tmp_path.iterdir())))):
        footfall.instrument("owner/tool", registry=REGISTRY)
        del touched[:]
        for thing in things():
            work(*[thing] * 8)
            work([thing], {"a": thing})
            for _ in items(thing):
                pass
            footfall.event("step", project="owner/tool", field=thing)
        with suppress(Exception):
            work(BaseException.__new__(HostileError))
        found = list(touched)
    assert found == []


@contextmanager
def heard() -> Iterator[list[str]]:
    """Collect what this thread evaluates, compiles, imports, opens or starts meanwhile."""
    names, here = [], threading.get_ident()
    ears.append((here, names))
    try:
        yield names
    finally:
        ears.remove((here, names))


ears: list[tuple[int, list[str]]] = []
LOUD = ("exec", "compile", "import", "open", "subprocess.Popen", "socket.connect", "ctypes.dlopen", "marshal.loads")


def _hear(event: str, _: object) -> None:
    if ears and event in LOUD:
        for thread, names in ears:
            if thread == threading.get_ident():
                names.append(event)


sys.addaudithook(_hear)


@rule(without(recorder.Recorder, "write_record", lambda self, subject, record: bool(eval("1"))))
def test_a_use_evaluates_imports_and_opens_nothing(tmp_path: Path) -> None:
    """After the first one, which opens the journal: a use is a `write`, and the user's function ran once."""
    with capture(tmp_path / str(len(list(tmp_path.iterdir())))):
        footfall.instrument("owner/tool", registry=REGISTRY)
        work(1, "a", 2)
        with heard() as names:
            for _ in range(50):
                work(1, "a", 2)
                list(items(1))
        assert names == []


READING = frozenset(
    {"inspect.getsource", "inspect.getsourcelines", "linecache.getline", "linecache.getlines", "linecache"}
)


@rule(without(rules, "sources", also_with("import inspect\ninspect.getsource(print)")))
def test_no_module_reads_source() -> None:
    """Not of the user's functions, not of frames."""
    for name, tree in rules.sources():
        for used in names_used(tree):
            assert used not in READING, f"{name}: {used}"
