"""The extension in a real kernel: what cells use is recorded once, with its values, and nobody can see it."""

from __future__ import annotations

import os
from pathlib import Path

from kernels import ACCESS, GUARD_SECONDS, LATER, LOAD, Laboratory, values

CELLS = (
    # The cell that imports also calls, by all three ways of importing.
    """
    from esm_demo.core import open_esm_datastore, use_datastore as use
    cat = open_esm_datastore('a')
    cat.search(mode='r').search(require='q', path='a').to_dask(depth=3), use('b')[1]
    """,
    "s = cat.search\ns(mode='w').df",
    "cat[0], len(cat.df)",
    "import esm_demo.core as core\nsub = core.AliasedESMCatalog(cat.rows)\nsub.search(mode='r').df, list(sub.keys())",
    "await cat.load('tas')",
    "cat.broken()",
    "import asyncio\nawait asyncio.gather(cat.load('a'), cat.load('b'))",
    "%%capture caught\nprint(cat.to_dask())",
    "caught.stdout",
    "x = %sx echo hello\nx, cat.to_dask(depth=2)",
    "cat.search(",
    "def some_func(x):\n    return x * 2\nclass Local:\n    def method(self, x):\n        return x * 3",
    "some_func(1), Local().method(2), some_func",
    "def some_func(x):\n    return x * 5",
    "some_func(3), repr(Local.method.__name__)",
    "raise KeyError('mine')",
    "import subprocess\nfrom executor import *\nrun(7), subprocess.run(['true']).returncode",
    "use_datastore = None\nopen_esm_datastore('last').rows[0]",
    "%timeit -n 1 -r 1 -q cat.to_dask(depth=9)",
)

RECORDED = [
    ("esm_demo.core:open_esm_datastore", {"path": "a"}),
    ("esm_demo.core:esm_datastore.search", {"query": {"mode": "r"}}),
    ("esm_demo.core:esm_datastore.search", {"require": "q", "query": {"path": "a"}}),
    ("esm_demo.core:esm_datastore.to_dask", {"depth": 3}),
    ("esm_demo.core:use_datastore", {"path": "b"}),
    ("esm_demo.core:open_esm_datastore", {"path": "b"}),
    ("esm_demo.core:esm_datastore.__getitem__", {"key": 1}),
    ("esm_demo.core:esm_datastore.search", {"query": {"mode": "w"}}),
    ("esm_demo.core:esm_datastore.df", {}),
    ("esm_demo.core:esm_datastore.__getitem__", {"key": 0}),
    ("esm_demo.core:esm_datastore.df", {}),
    ("esm_demo.core:AliasedESMCatalog.search", {"query": {"mode": "r"}}),
    ("esm_demo.core:AliasedESMCatalog.df", {}),
    ("esm_demo.core:AliasedESMCatalog.keys", {}),
    ("esm_demo.core:esm_datastore.load", {"name": "tas"}),
    ("esm_demo.core:esm_datastore.broken", {}),
    ("esm_demo.core:esm_datastore.load", {"name": "a"}),
    ("esm_demo.core:esm_datastore.load", {"name": "b"}),
    ("esm_demo.core:esm_datastore.to_dask", {"depth": 1}),
    ("esm_demo.core:esm_datastore.to_dask", {"depth": 2}),
    ("__main__:some_func", {"x": 1}),
    ("__main__:Local.method", {"x": 2}),
    ("__main__:some_func", {"x": 3}),
    ("executor:run", {"x": 7}),
    ("esm_demo.core:open_esm_datastore", {"path": "last"}),
    ("esm_demo.core:esm_datastore.to_dask", {"depth": 9}),
]


def test_each_use_is_recorded_once_and_cells_show_the_same(laboratory: Laboratory):
    """Chains, aliases, subscripts, properties, subclasses, own functions, coroutines, magics and errors."""
    with_footfall = laboratory.run(LOAD, *CELLS)
    assert laboratory.uses() == RECORDED
    without = laboratory.run("1;", *CELLS)
    assert laboratory.uses() == RECORDED
    assert with_footfall[0] == []
    assert values(with_footfall[1:]) == values(without[1:])
    failures = [usage.error_type for usage in laboratory.usages() if usage.error_type]
    assert failures == ["LookupError"]


def test_a_startup_file_is_enough(laboratory: Laboratory):
    """Loaded before the first cell; what was observed is put back by ``%unload_ext``."""
    laboratory.startup("get_ipython().extension_manager.load_extension('footfall.ipython')")
    outputs = laboratory.run(
        """
        import sys
        from esm_demo.core import esm_datastore
        esm_datastore([]).search(mode='r').df
        """,
        """
        def some_func(x): return x
        before, finders = some_func, len(sys.meta_path)
        """,
        "some_func(1)",
        "%load_ext footfall.ipython",
        "some_func(2)",
        "%unload_ext footfall.ipython",
        """
        import types
        from footfall import runtime
        some_func(3), esm_datastore([{}]).search().df
        print(some_func is before, type(vars(esm_datastore).get('search')), type(vars(esm_datastore).get('df')))
        print(runtime.current().projects, len(sys.meta_path) - finders)
        print([callback for callback in get_ipython().events.callbacks['pre_run_cell'] if 'footfall' in repr(callback)])
        """,
        "%load_ext footfall.ipython",
        "some_func(4)",
    )
    assert outputs[3][0]["text"].startswith("The footfall.ipython extension is already loaded")
    assert outputs[6][0]["text"] == "True <class 'NoneType'> <class 'NoneType'>\n{} -1\n[]\n"
    assert [name.partition(":")[2] for name, _ in laboratory.uses()] == [
        "esm_datastore.search",
        "esm_datastore.df",
        "some_func",
        "some_func",
        "some_func",
    ]


def test_an_attribute_of_an_object_that_a_module_makes_when_asked(laboratory: Laboratory):
    """Each access is told once, under the registered name; footfall never makes the object."""
    outputs = laboratory.run(
        LOAD,
        LATER.format(text=ACCESS) + ";",
        "import demo_intake\nmade = list(demo_intake.made)\nfirst = demo_intake.cat.access_nri\nmade, first",
        "demo_intake.cat.access_nri, demo_intake.cat.other, type(demo_intake.cat)().access_nri",
        "from demo_intake import cat\ncat.access_nri, demo_intake.made",
        "demo_intake.nothing",
        "import executor; executor.run(3)",
        """
        import types
        print(type(demo_intake.__getattr__).__name__, demo_intake.__getattr__.__code__.co_filename[-14:])
        """,
        "%unload_ext footfall.ipython",
        "print(type(vars(type(cat))['__getattr__']) is types.FunctionType, cat.access_nri)",
    )
    assert values(outputs)[2:] == [
        [{"text/plain": "([], 'entry access_nri')"}],
        [{"text/plain": "('entry access_nri', 'entry other', 'entry access_nri')"}],
        [{"text/plain": "('entry access_nri', ['cat'])"}],
        [("AttributeError", "module 'demo_intake' has no attribute 'nothing'")],
        [{"text/plain": "4"}],
        ["function demo_intake.py\n"],
        [],
        ["True entry access_nri\n"],
    ]
    told = [(usage.name, dict(usage.extra)) for usage in laboratory.usages() if usage.project == "access/demo"]
    assert told == [("demo_intake:cat.access_nri", {"access.function": "demo_intake.cat.access_nri"})] * 3 + [
        ("executor:run", {"access.function": "executor.run"})
    ]


def test_what_is_not_found_says_why(laboratory: Laboratory):
    """As `footfall doctor` sees it: the state of each name, and the reason."""
    outputs = laboratory.run(
        LOAD,
        "class Missing:\n    pass\nrun = 5",
        """
        from footfall import runtime
        watched = runtime.current().projects['demo/notebook'].instrumentor.watched
        {each.entry.qualname: (each.state, each.reason) for each in watched if each.entry.qualname in
         ('Missing.search', 'run', 'use_datastore')}
        """,
    )
    never = "nothing of that name has been met in this notebook yet"
    assert eval(values(outputs)[2][0]["text/plain"]) == {
        "Missing.search": ("waiting", "'search' is not in 'Missing'"),
        "use_datastore": ("waiting", never),
        "run": ("waiting", "'run' is of class int, and no function"),
    }


def test_off_leaves_no_trace(laboratory: Laboratory):
    """No hook, no finder, no file, no wrapper; ``DO_NOT_TRACK`` likewise."""
    for variables in ({"FOOTFALL": "off"}, {"DO_NOT_TRACK": "1"}):
        outputs = laboratory.run(
            "import sys\nbefore = list(sys.meta_path)",
            LOAD,
            """
            from esm_demo.core import esm_datastore
            esm_datastore([]).search()
            print(sys.meta_path == before, type(vars(esm_datastore).get('search')))
            print([call for call in get_ipython().events.callbacks['pre_run_cell'] if 'footfall' in repr(call)])
            print('wrapt' in sys.modules)
            """,
            "%unload_ext footfall.ipython",
            **variables,
        )
        assert values(outputs) == [[], [], ["True <class 'NoneType'>\n[]\nFalse\n"], []]
    assert not (laboratory.directory / "state").exists()
    assert not (laboratory.directory / "config").exists()


def test_a_restarted_kernel_is_a_new_session_that_knows_the_one_before(laboratory: Laboratory):
    """Another kernel knows of neither; nothing of a path is kept."""
    code = f"{LOAD}\nfrom esm_demo.core import esm_datastore\nesm_datastore([]).search()"
    laboratory.startup("get_ipython().run_line_magic('load_ext', 'footfall.ipython')")
    with laboratory.kernel() as (manager, client):
        connection = Path(manager.connection_file)
        for _ in range(3):
            client.execute_interactive(code.partition("\n")[2], timeout=GUARD_SECONDS)
            manager.restart_kernel(now=True)
            client.wait_for_ready(timeout=GUARD_SECONDS)
    with laboratory.kernel() as (_, client):
        client.execute_interactive(code.partition("\n")[2], timeout=GUARD_SECONDS)
    sessions = [(usage.session_id, usage.previous_session_id) for usage in laboratory.usages()]
    assert len(sessions) == 4
    assert len({session for session, _ in sessions}) == 4
    assert [before for _, before in sessions] == ["", sessions[0][0], sessions[1][0], ""]
    kept = sorted((laboratory.directory / "state" / "kernels").iterdir())
    assert len(kept) == 2
    for path in kept:
        assert path.stat().st_mode & 0o777 == 0o600
        assert connection.stem not in path.name + path.read_text()
        assert os.fspath(connection.parent) not in path.read_text()
