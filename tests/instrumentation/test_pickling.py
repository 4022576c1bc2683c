"""Whatever could be pickled, copied, or sent to another process can still be (otel.md section 3, "Pickling")."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from types import ModuleType

import cloudpickle
import pytest
from insthelp import Observation, journal_of, run_program

SOURCE = """
import functools
def f(x=1): return x + 1
async def co(): pass
def gen(): yield 1
part = functools.partial(pow, 2)
class C:
    def __init__(self, x=0):
        self.x = x
        self.callback = self.m
    def m(self, y=0): return self.x + y
    @classmethod
    def c(cls): return cls.__name__
    @staticmethod
    def s(): return "s"
    class Inner:
        def m(self): return "inner"
class Plain:
    def m(self): return "plain"
"""

NAMES = ("f", "co", "gen", "part", "C.m", "C.c", "C.s", "C.Inner.m", "Plain.m")

THINGS = {
    "function": lambda lib: lib.f,
    "coroutine": lambda lib: lib.co,
    "generator": lambda lib: lib.gen,
    "partial": lambda lib: lib.part,
    "method": lambda lib: lib.C(3).m,
    "method of the class": lambda lib: lib.C.m,
    "classmethod": lambda lib: lib.C.c,
    "classmethod of an object": lambda lib: lib.C().c,
    "staticmethod": lambda lib: lib.C.s,
    "nested": lambda lib: lib.C.Inner().m,
    "object that holds its own method": lambda lib: lib.C(3),
    "list": lambda lib: [lib.f, {"m": lib.Plain().m}],
}

WAYS = {
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    "pickle 2": lambda x: pickle.loads(pickle.dumps(x, protocol=2)),
    "python pickle": lambda x: pickle._loads(pickle._dumps(x)),  # type: ignore[attr-defined]
    "cloudpickle": lambda x: pickle.loads(cloudpickle.dumps(x)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.fixture
def lib(observation: Observation) -> ModuleType:
    """Return a module with all of it wrapped."""
    module = observation.module(SOURCE)
    observation.wrapped(module, *NAMES)
    return module


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("thing", THINGS)
def test_a_copy_is_what_it_would_be_without_us(lib: ModuleType, thing: str, way: str):
    """Functions come back as themselves, methods bound to a copy of their object, and all of them still work."""
    original = THINGS[thing](lib)
    made = WAYS[way](original)
    if thing in {"function", "coroutine", "generator"}:
        assert made is original
    elif thing == "method":
        assert (made(1), made.__self__.x) == (4, 3)
        assert (made.__self__ is original.__self__) == (way == "copy")
    elif thing == "method of the class":
        assert made(lib.C(2), 1) == 3
    elif thing == "object that holds its own method":
        assert made is not original
        assert made.callback(1) == 4
        assert made.callback.__self__ is (original if way == "copy" else made)
    elif thing == "list":
        assert made[0] is original[0]
        assert made[1]["m"]() == "plain"
    elif thing == "partial":
        assert made(3) == 8
    else:
        assert made() == original()


def test_a_copied_method_is_still_observed(observation: Observation, lib: ModuleType):
    """A deep copy calls the wrapper, not the bare function."""
    copy.deepcopy(lib.C(3)).callback(1)
    pickle.loads(pickle.dumps(lib.Plain().m))()
    assert (observation.count("C.m"), observation.count("Plain.m")) == (1, 1)


def test_what_could_not_be_pickled_still_cannot(observation: Observation, lib: ModuleType):
    """A function inside a function has no name to be found by."""
    entry = observation.entry(lib.__name__, "g")

    def local() -> None:
        pass

    wrapped = observation.instrumentor.wrap(local, entry)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(wrapped)
    assert pickle.loads(cloudpickle.dumps(wrapped))() is None


PROGRAM = """
import multiprocessing, sys
import footfall
import work

def main(method):
    footfall.instrument("demo/work", registry={"registry": {"work": ["work:f", "work:C.m"]}})
    context = multiprocessing.get_context(method)
    process = context.Process(target=work.f, args=(1,))
    process.start()
    process.join()
    assert process.exitcode == 0
    with context.Pool(2) as pool:
        assert pool.map(work.f, range(4)) == [1, 2, 3, 4]
        assert pool.map(work.C(5).m, range(2)) == [5, 6]
        pool.close()
        pool.join()
    work.f(1)

if __name__ == "__main__":
    main(sys.argv[1])
"""

WORK = """
def f(x): return x + 1
class C:
    def __init__(self, x): self.x = x
    def m(self, y): return self.x + y
"""


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_multiprocessing_takes_wrapped_functions(tmp_path: Path, method: str):
    """As the target of a process and in a pool; children made by fork record their uses in files of their own."""
    (tmp_path / "work.py").write_text(WORK)
    assert run_program(PROGRAM, tmp_path, method) == ""
    found = journal_of(tmp_path)
    if method == "fork":
        assert sum(each.count for each in found if each.name == "work:f") == 6
        assert sum(each.count for each in found if each.name == "work:C.m") == 2
        assert len({each.session_id for each in found}) >= 3
    else:
        assert sum(each.count for each in found if each.name == "work:f") == 1
