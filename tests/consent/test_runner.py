"""Test runners are known by running, not by being imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from footfall.consent import runner

SAY = "from footfall.consent import runner; import os; print('says', repr(runner.loaded()))"


def run(*arguments: str, cwd: Path) -> str:
    """Run Python without the variables of the pytest that runs us; return what the program says."""
    environ = {name: value for name, value in os.environ.items() if name not in runner.VARIABLES}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environ, check=True, capture_output=True, text=True, timeout=120
    )
    return next(line for line in (done.stdout + done.stderr).splitlines() if "says" in line).partition("says ")[2]


def test_this_very_process_is_a_test() -> None:
    """We are run by pytest: by the environment and by what is loaded (an xdist worker has another main program)."""
    assert runner.from_environment(os.environ).startswith("pytest (PYTEST_")
    assert runner.loaded() == "pytest"
    assert runner.detect({}) == "pytest"


@pytest.mark.parametrize(("variable", "name"), list(runner.VARIABLES.items()))
def test_variables(variable: str, name: str) -> None:
    """Set is a runner, empty is not; and children inherit it."""
    assert runner.from_environment({variable: "x"}) == f"{name} ({variable} is set)"
    assert runner.from_environment({variable: ""}) == ""
    assert runner.from_environment({"PATH": "/bin"}) == ""


def test_pytest_is_seen_while_it_collects(tmp_path: Path) -> None:
    """Libraries are imported, and instrumented, before the first test has a name."""
    (tmp_path / "test_x.py").write_text(SAY + "\ndef test_nothing(): pass\n")
    for command in (["-m", "pytest"], ["-c", "import pytest; raise SystemExit(pytest.main(['-s', '-q']))"]):
        options = ["-s", "-q", "-p", "no:cacheprovider"] if command[0] == "-m" else []
        assert run(*command, *options, cwd=tmp_path) == "'pytest'"


@pytest.mark.parametrize(
    "script",
    [
        "import unittest\n{say}\nclass T(unittest.TestCase):\n    def test(self): pass\nunittest.main()\n",
        "from unittest import TestCase, main\n{say}\nclass T(TestCase):\n    def test(self): pass\nmain()\n",
    ],
)
def test_unittest(tmp_path: Path, script: str) -> None:
    """As a program with `-m`, and as a script that ends in `main()`."""
    (tmp_path / "test_y.py").write_text(script.format(say=SAY))
    assert run("test_y.py", cwd=tmp_path) == "'unittest'"
    (tmp_path / "test_z.py").write_text(
        f"{SAY}\nimport unittest\nclass T(unittest.TestCase):\n    def test(self): pass\n"
    )
    assert run("-m", "unittest", "test_z", cwd=tmp_path) == "'unittest'"


@pytest.mark.parametrize(
    "library", ["import pytest", "import unittest.mock", "from unittest import mock", "import this"]
)
def test_importing_is_not_running(tmp_path: Path, library: str) -> None:
    """A program whose libraries import a test framework is in use."""
    (tmp_path / "library.py").write_text(library)
    (tmp_path / "program.py").write_text("import library\n" + SAY)
    assert run("program.py", cwd=tmp_path) == "''"


def test_commands() -> None:
    """A runner's command is known by its name; a program without one is none."""
    main = ModuleType("__main__")
    assert runner.loaded({"__main__": main}, ["/usr/bin/stestr"]) == "stestr"
    assert runner.loaded({"__main__": main}, ["/usr/bin/fmriprep", "pytest"]) == ""
    assert runner.loaded({}, []) == ""
    assert runner.loaded({"__main__": main}, [""]) == ""
