"""Bare names: where they are looked for, what is left alone, and how all is put back."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Iterator

import pytest
from insthelp import Observation

from footfall.instrumentation.instrumentor import BARE, Instrumentor
from footfall.instrumentation.looks import imported_by
from footfall.instrumentation.namespace import Names
from footfall.registry.model import Capture, Entry


@pytest.fixture
def names(observation: Observation) -> Iterator[Names]:
    """One that looks for the names of the observation's instrumentor."""
    made = Names()
    observation.instrumentor.look_with(made)
    yield made
    observation.instrumentor.uninstrument()
    assert made not in sys.meta_path


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """Return a user's module, which a shell puts there as well."""
    made = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", made)
    return made


def seek(observation: Observation, *bare: str, service: str = "s") -> None:
    """Register bare names."""
    observation.instrumentor.instrument([Entry(module="", qualname=name, service=service) for name in bare])


def states(instrumentor: Instrumentor) -> list[tuple[str, str]]:
    """Return name and state of each watched place."""
    return [(each.subject.name, each.state) for each in instrumentor.watched]


def told(observation: Observation) -> list[tuple[str, str]]:
    """Return name and service of each use."""
    return [(each.name, each.service) for each in observation.usages()]


def test_every_class_of_the_name_counts_in_the_module_that_defines_it(observation: Observation, names: Names):
    """Loaded before or imported later; a module that only imports the class, or has no such method, does not count."""
    early = observation.module("class StoreOfTest:\n  def get(self): return 1")
    seek(observation, "StoreOfTest.get")
    late = observation.module(
        f"from {early.__name__} import StoreOfTest as Early\nclass StoreOfTest:\n  def get(self): return 2"
    )
    other = observation.module("class StoreOfTest: pass")
    third = observation.module(f"from {early.__name__} import StoreOfTest")
    assert (early.StoreOfTest().get(), late.StoreOfTest().get(), late.Early().get(), third.StoreOfTest().get()) == (
        1,
        2,
        1,
        1,
    )
    first, second = f"{early.__name__}:StoreOfTest.get", f"{late.__name__}:StoreOfTest.get"
    assert told(observation) == [(first, "s"), (second, "s"), (first, "s"), (first, "s")]
    assert vars(other.StoreOfTest).get("get") is None
    assert states(observation.instrumentor) == [(first, "wrapped"), (second, "wrapped")]


def test_an_inherited_method_is_told_once_as_that_of_the_class(observation: Observation, names: Names):
    """In whatever order the classes are met; each service is told, and other layers stay."""
    seek(observation, "Sub.get", "Base.get", "Sub.size", "Base.size")
    seek(observation, "Base.get", service="second")
    module = observation.module(
        "class Base:\n  def get(self): return 1\n  @property\n  def size(self): return 3\nclass Sub(Base): pass"
    )
    assert (module.Sub().get(), module.Sub().size) == (1, 3)
    sub = [(name.partition(":")[2], service) for name, service in told(observation)]
    assert sorted(sub) == [("Base.get", "second"), ("Sub.get", "s"), ("Sub.size", "s")]
    assert (module.Base().get(), module.Base().size) == (1, 3)
    base = [(name.partition(":")[2], service) for name, service in told(observation)[3:]]
    assert sorted(base) == [("Base.get", "s"), ("Base.get", "second"), ("Base.size", "s")]


def test_undo_puts_the_very_objects_back(observation: Observation, names: Names, main: types.ModuleType):
    """Methods, inherited ones, functions, aliases, lazily made objects; the names wait again."""
    module = observation.module(
        """
        class Base:
            def get(self): pass
        class Sub(Base): pass
        def work(): pass
        class Entries:
            def __getattr__(self, name): return name
        def __getattr__(name):
            if name != "cat":
                raise AttributeError(name)
            globals()["cat"] = Entries()
            return globals()["cat"]
        """
    )
    own = module.__name__
    before = {**vars(module)}, {**vars(module.Base)}, {**vars(module.Sub)}, {**vars(module.Entries)}
    vars(main)["work"] = module.work
    seek(observation, "Base.get", "Sub.get", "work", f"{own}.cat.entry", f"{own}.other.entry")
    names.before_cell(main)
    assert module.cat.entry == "entry"
    module.work()
    assert [name.partition(":")[2] for name, _ in told(observation)] == ["cat.entry", "work"]
    assert [state for _, state in states(observation.instrumentor)] == ["wrapped"] * 4 + ["waiting"]
    observation.instrumentor.look_with(None)
    after = {**vars(module)}, {**vars(module.Base)}, {**vars(module.Sub)}, {**vars(module.Entries)}
    after[0].pop("cat")
    assert [list(each) for each in after] == [list(each) for each in before]
    assert all(new[key] is old[key] for new, old in zip(after, before, strict=True) for key in old)
    assert {each.reason for each in observation.instrumentor.watched} == {BARE}
    observation.instrumentor.look_with(names)
    names.before_cell(main)
    assert module.cat.entry == "entry"
    assert len(told(observation)) == 3


def test_functions_are_taken_from_the_namespace_or_the_cell_only(
    observation: Observation, names: Names, main: types.ModuleType
):
    """A module's function of the name is nobody's until the user has it."""
    seek(observation, "run")
    mine, other = observation.module("def run(): return 1"), observation.module("def run(): return 2")
    later = observation.write_module("def run(): return 3")
    user = observation.module(f"from {mine.__name__} import run")
    mine.run()
    assert told(observation) == []
    vars(main)["run"] = mine.run
    names.before_cell(main)
    names.before_cell(main)
    assert (main.run(), mine.run(), user.run(), other.run()) == (1, 1, 1, 2)
    assert told(observation) == [(f"{mine.__name__}:run", "s")] * 3
    names.before_cell(main, f"from {later} import (run as go,  # that one\n  other)\ngo()")
    assert importlib.import_module(later).run() == 3
    assert told(observation)[3:] == [(f"{later}:run", "s")]


def test_what_is_defined_anew_is_observed_anew(observation: Observation, names: Names, main: types.ModuleType):
    """Once, however often the cell runs, and under the same number; what a decorator made of it is left alone."""
    seek(observation, "work", "Local.get")
    code = "def work(): return 1\nclass Local:\n  def get(self): return 2"
    for _ in range(3):
        exec(code, vars(main))
        names.before_cell(main)
        names.before_cell(main)
        assert (main.work(), main.Local().get()) == (1, 2)
    assert told(observation) == [("__main__:work", "s"), ("__main__:Local.get", "s")] * 3
    assert [name for name, _ in states(observation.instrumentor)].count("__main__:work") == 1
    exec(
        "import functools\n@functools.wraps(work)\ndef around(): return before()\nbefore, work = work, around",
        vars(main),
    )
    names.before_cell(main)
    assert main.work() == 1
    assert told(observation)[6:] == [("__main__:work", "s")]


def test_a_reloaded_module_is_observed_again(observation: Observation, names: Names, main: types.ModuleType):
    """Its classes are new objects."""
    seek(observation, "StoreOfTest.get")
    module = observation.module("class StoreOfTest:\n  def get(self): return 1")
    importlib.reload(module)
    names.before_cell(main)
    module.StoreOfTest().get()
    assert len(told(observation)) == 1


@pytest.mark.parametrize(
    "body",
    [
        "@property\n  def entry(self): return 1",
        "def __init__(self): self.entry = 1",
        "def __getattr__(self, name): return 1",
        "__slots__ = ('entry',)\n  def __init__(self): self.entry = 1",
    ],
)
def test_an_attribute_of_one_object_only(observation: Observation, names: Names, body: str):
    """However the object has it; accesses of other objects of the class, and of other attributes, are no uses."""
    name = observation.write_module(
        f"class ThingOfTest:\n  {body}\n  def other(self): return 2\ncat, dog = ThingOfTest(), ThingOfTest()"
    )
    seek(observation, f"{name}.cat.entry")
    module = importlib.import_module(name)
    assert (module.cat.entry, module.dog.entry, module.cat.other(), module.cat.entry) == (1, 1, 2, 1)
    assert told(observation) == [(f"{name}:cat.entry", "s")] * 2
    assert {dict(each.extra)["access.function"] for each in observation.usages()} == {f"{name}.cat.entry"}


def test_a_lazy_module_may_make_the_object_each_time(observation: Observation, names: Names):
    """Each is observed while it lives; functions that are made lazily are observed as well."""
    name = observation.write_module(
        """
        class ThingOfTest:
            def call(self): return 1
        def _work(): return 2
        _work.__name__ = "work"
        def __getattr__(name):
            if name == "cat": return ThingOfTest()
            if name == "work":
                globals()["work"] = _work
                return _work
            raise AttributeError(name)
        """
    )
    seek(observation, f"{name}.cat.call", f"{name}.work")
    module = importlib.import_module(name)
    first, second = module.cat, module.cat
    assert (first.call(), second.call(), module.ThingOfTest().call(), module.work(), module.work()) == (1, 1, 1, 2, 2)
    assert told(observation) == [(f"{name}:cat.call", "s")] * 2 + [(f"{name}:work", "s")] * 2
    with pytest.raises(AttributeError, match="nothing"):
        _ = module.nothing


def test_nothing_of_the_user_is_asked(observation: Observation, names: Names, main: types.ModuleType):
    """Objects, classes and modules with code in everything that could be looked at."""
    exec(
        """
asked = []
def trap(*args, **kwargs):
    asked.append(args[1:] or args)
    raise RuntimeError("asked")
class Meta(type):
    __getattribute__ = __dir__ = __hash__ = __eq__ = __instancecheck__ = __subclasscheck__ = trap
class Odd(metaclass=Meta):
    __getattribute__ = __getattr__ = __eq__ = __hash__ = __bool__ = __dir__ = __len__ = __repr__ = trap
    __class__ = property(trap)
    __dict__ = property(trap)
odd = object.__new__(Odd)
import types
class Mod(types.ModuleType):
    __getattribute__ = __getattr__ = trap
mod = Mod("mod")
""",
        vars(main),
    )
    sys.modules["odd_module_of_test"] = vars(main)["mod"]
    try:
        namespace = vars(main)
        namespace.update(run=namespace["odd"], StoreOfTest=namespace["odd"], ThingOfTest=namespace["Odd"])
        seek(
            observation,
            "run",
            "StoreOfTest.get",
            "ThingOfTest.nothing",
            "odd_module_of_test.run",
            "odd_module_of_test.cat.x",
        )
        names.before_cell(main, "from odd_module_of_test import run")
        names.before_cell(main)
    finally:
        del sys.modules["odd_module_of_test"]
    assert vars(main)["asked"] == []
    assert [state for _, state in states(observation.instrumentor)] == ["waiting"] * 5


def test_importing_is_as_without(observation: Observation, names: Names):
    """Loaders and specs are the originals; failed imports fail as ever, and may be tried again."""
    seek(observation, "StoreOfTest.get")
    module = observation.module("class StoreOfTest:\n  def get(self): pass")
    assert type(module.__spec__).__name__ == "ModuleSpec"
    assert type(module.__loader__).__name__ == type(module.__spec__.loader).__name__ == "SourceFileLoader"
    broken = observation.write_module("raise LookupError('broken')")
    with pytest.raises(LookupError, match="broken"):
        importlib.import_module(broken)
    with pytest.raises(ModuleNotFoundError, match="nosuchmodule77"):
        importlib.import_module("nosuchmodule77")
    observation.write_module("class StoreOfTest:\n  def get(self): pass", broken)
    importlib.import_module(broken).StoreOfTest().get()
    assert told(observation) == [(f"{broken}:StoreOfTest.get", "s")]


def test_a_wrong_capture_is_said_once(observation: Observation, names: Names, main: types.ModuleType):
    """Nothing can stand there, and no cell tries again."""
    observation.instrumentor.instrument([
        Entry(module="", qualname="StoreOfTest.get", capture=(Capture("nothing", "int"),)),
        Entry(module="", qualname="int.bit_length"),
    ])  # fmt: skip
    module = observation.module("class StoreOfTest:\n  def get(self): pass\nvalue = 3")
    before = vars(module.StoreOfTest)["get"]
    vars(main)["number"] = 3
    names.before_cell(main)
    assert vars(module.StoreOfTest)["get"] is before
    found = {each.entry.qualname: (each.state, each.reason) for each in observation.instrumentor.watched}
    assert found["StoreOfTest.get"][0] == "cannot"
    assert "has no parameter 'nothing'" in found["StoreOfTest.get"][1]
    assert found["int.bit_length"][0] == "cannot"
    assert "written in C" in found["int.bit_length"][1]


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("from a.b import run", [("a.b", {"run"})]),
        ("%time x\nif 1:\n    from a import (x,\n  run as y, # c\n go)", [("a", {"run", "go"})]),
        ("import a; from b import run; run()", [("b", {"run"})]),
        ("from a import x, \\\n  run", [("a", {"run"})]),
        ("from a import *\nx = 2 * 3", [("a", {"run", "go"})]),
        ("from a import runner, x as run", []),
        ("import a.run\na.run()", []),
        ("# from a import run", []),
        ("run('from a import x')", []),
    ],
)
def test_what_a_cell_imports_is_read_from_its_text(cell: str, found: list[tuple[str, set[str]]]):
    """The name as the module has it, whatever the user calls it."""
    assert list(imported_by(cell, {"run", "go"})) == found
