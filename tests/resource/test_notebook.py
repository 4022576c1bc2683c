"""The notebook detector inside real IPython and a real kernel, and beside objects that must not be touched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import pytest

from footfall.resource import notebook

TELL = """
import json
from footfall.resource.collect import collect
found = collect()
print("found", json.dumps({key: found.get(key) for key in ("footfall.notebook", "process.interactive")}))
"""


def run(*command: str, folder: Path, typed: str = "") -> dict[str, Any]:
    """Return what `TELL` says at the end of *command*, *typed* at its prompt."""
    environ = {**os.environ, "IPYTHONDIR": str(folder), "JUPYTER_RUNTIME_DIR": str(folder), "NO_COLOR": "1"}
    for name in ("JPY_PARENT_PID", "VSCODE_PID", *(name for names in notebook.SERVICES.values() for name in names)):
        environ.pop(name, None)
    done = subprocess.run(
        [sys.executable, *command], input=typed, capture_output=True, text=True, timeout=120, env=environ, check=False
    )
    told = [line.partition("found ")[2] for line in done.stdout.splitlines() if "found {" in line]
    assert told, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(told[-1])
    return found


def told(word: str | None, *, typed: bool) -> dict[str, Any]:
    return {"footfall.notebook": word, "process.interactive": typed}


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "script.py"
    path.write_text(TELL)
    return str(path)


def test_ipython_at_its_prompt(tmp_path: Path, script: str) -> None:
    """A person types."""
    typed = f"exec(open({script!r}).read())\n"
    found = run("-m", "IPython", "--simple-prompt", "--no-banner", folder=tmp_path, typed=typed)
    assert found == told("ipython", typed=True)


def test_ipython_with_a_script(tmp_path: Path, script: str) -> None:
    """It is IPython, but nobody types, although it sets `sys.ps1`."""
    assert run("-m", "IPython", script, folder=tmp_path) == told("ipython", typed=False)


def test_a_program_that_imports_ipython(tmp_path: Path) -> None:
    """Is a program."""
    assert run("-c", f"import IPython\n{TELL}", folder=tmp_path) == told(None, typed=False)


KERNEL = """
import sys
from jupyter_client.manager import start_new_kernel
manager, client = start_new_kernel(kernel_name="python3", startup_timeout=60)
def show(message):
    print(message["content"].get("text", ""))
try:
    reply = client.execute_interactive(sys.argv[1], timeout=60, output_hook=show)
    assert reply["content"]["status"] == "ok", reply
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
"""


def test_a_kernel(tmp_path: Path) -> None:
    """A notebook's cell, run by Jupyter's own client."""
    assert run("-c", KERNEL, TELL, folder=tmp_path) == told("jupyter", typed=True)


def test_what_a_kernel_starts(tmp_path: Path, script: str) -> None:
    """Workers and scripts belong to the notebook; nobody types into them."""
    cell = f"import subprocess, sys\nprint(subprocess.check_output([sys.executable, {script!r}], text=True))"
    assert run("-c", KERNEL, cell, folder=tmp_path) == told("jupyter", typed=False)


class Untouchable(type):
    """A class of which, and of whose objects, nothing may be asked."""

    def __getattribute__(cls, name: str) -> NoReturn:
        raise AssertionError(f"asked for {name}")


class Lazy(ModuleType):
    """A module that loads itself at the first look."""

    def __getattribute__(self, name: str) -> NoReturn:
        raise AssertionError(f"loaded for {name}")


class Mocked:
    """What documentation tools put in the place of modules."""

    def __getattr__(self, name: str) -> NoReturn:
        raise AssertionError(f"asked for {name}")


SHELL = "IPython.core.interactiveshell"


def module_with(**names: object) -> ModuleType:
    made = ModuleType(SHELL)
    vars(made).update(names)
    return made


def refuse(name: str) -> NoReturn:
    raise AssertionError(f"asked for {name}")


@pytest.mark.parametrize(
    "modules",
    [
        {SHELL: Lazy(SHELL)},
        {SHELL: Mocked()},
        {SHELL: None},
        {SHELL: module_with()},
        {SHELL: module_with(__getattr__=refuse)},
        {SHELL: module_with(InteractiveShell=Mocked())},
        {SHELL: module_with(InteractiveShell=property(refuse))},
        {SHELL: module_with(InteractiveShell=type("InteractiveShell", (), {"_instance": None}))},
        {"IPython": Lazy("IPython"), "traitlets.config.application": Lazy("traitlets.config.application")},
        {"user": Untouchable("Something", (), {})},
    ],
)
def test_nothing_of_the_users_runs(modules: Mapping[str, object]) -> None:
    """S6: no attribute is computed, no module is loaded, and what is no shell is none."""
    assert notebook.detect({}, modules) == {}


def test_a_shell_is_looked_at_from_outside() -> None:
    """Its class is enough; the traits of the application are read where traitlets keeps them."""

    class TerminalInteractiveShell:
        def __getattribute__(self, name: str) -> NoReturn:
            raise AssertionError(f"asked for {name}")

    kind = type("InteractiveShell", (), {"_instance": TerminalInteractiveShell()})
    assert notebook.detect({}, {SHELL: module_with(InteractiveShell=kind)}) == told("ipython", typed=True)
