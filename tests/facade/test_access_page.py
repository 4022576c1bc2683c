"""The migration page says what there is, and the original's own README runs with its imports changed."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from footfall.facade import access
from tests.process.harness import GUARD_SECONDS, Observation

PAGE = Path(__file__).parents[2] / "docs" / "access.md"
ROWS = dict(re.findall(r"^\| `(access\.[\w.]+)` \| (same|repaired|not offered) \|", PAGE.read_text(), re.MULTILINE))
MODULES = ("", ".api", ".registry", ".decorators", ".cli")

# In a process of its own: importing the original loads IPython and half of the world (defect D12).
LIST = """
import importlib, inspect, json, pkgutil, typing, access_py_telemetry as package
defined, signatures = [name for name in ("ENDPOINTS", "REGISTRIES", "RegisterWarning", "SessionID",
                       "capture_registered_calls", "load_ipython_extension") if hasattr(package, name)], {}
def told(function):
    parameters = [each for each in inspect.signature(function).parameters.values() if each.name not in {"self", "cls"}]
    return [[each.name, each.kind.name, each.default is each.empty] for each in parameters]
for found in pkgutil.iter_modules(package.__path__):
    for name, value in vars(importlib.import_module(f"access_py_telemetry.{found.name}")).items():
        if getattr(value, "__module__", "") != f"access_py_telemetry.{found.name}" or name.startswith("_"):
            continue
        if found.name == "_version" or isinstance(value, typing.TypeVar):
            continue
        defined.append(f"{found.name}.{name}")
        if inspect.isclass(value) and found.name in {"api", "registry"}:
            members = {each: member for each, member in vars(value).items() if not each.startswith("_")}
            defined += [f"{found.name}.{name}.{each}" for each in members]
            for each, member in members.items():
                if inspect.isfunction(member):
                    signatures[f"{found.name}.{name}.{each}"] = told(member)
        elif inspect.isfunction(value):
            signatures[f"{found.name}.{name}"] = told(value)
print(json.dumps({"defined": defined, "signatures": signatures}))
"""


@pytest.fixture(scope="module")
def original() -> dict[str, Any]:
    """What the installed release defines."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", LIST], capture_output=True, text=True, check=True)
    listed: dict[str, Any] = json.loads(done.stdout)
    return listed


def facade_module(name: str) -> ModuleType:
    return importlib.import_module("footfall.facade.access" + name)


def resolved(name: str) -> Any:
    """What the page's *name* is in the facade; AttributeError or ModuleNotFoundError where it is not there."""
    first, *rest = name.removeprefix("access.").split(".")
    if f".{first}" in MODULES:
        found: Any = facade_module(f".{first}")
    elif rest:
        raise ModuleNotFoundError(name)
    else:
        found, rest = access, [first]
    for part in rest:
        found = inspect.getattr_static(found, part)
    return found


@pytest.mark.parametrize("name", ROWS)
def test_every_name_of_the_page_is_what_it_says(name: str) -> None:
    """Offered names are there, and those not offered are not."""
    if ROWS[name] == "not offered":
        with pytest.raises((AttributeError, ModuleNotFoundError)):
            resolved(name)
    else:
        assert resolved(name) is not None


def test_every_name_of_the_original_is_on_the_page(original: dict[str, Any]) -> None:
    """Each function and class of the release, and the public members of the classes that programs use."""
    names = {f"access.{name}" for name in original["defined"]}
    assert len(names) > 25
    assert names <= ROWS.keys()


def test_every_public_name_of_the_facade_is_on_the_page() -> None:
    """Nothing is offered in silence, but for what a facade needs for itself and says so."""
    for module in MODULES:
        for name in facade_module(module).__all__:
            assert ROWS.get(f"access{module}.{name}", "not offered") != "not offered", (module, name)
            value = getattr(facade_module(module), name)
            for member in vars(value) if inspect.isclass(value) and module in {".api", ".registry"} else ():
                if not member.startswith("_") and "not in the original" not in str(getattr(value, member).__doc__):
                    assert ROWS.get(f"access{module}.{name}.{member}", "not offered") != "not offered", (name, member)


def test_signatures_take_what_the_original_takes(original: dict[str, Any]) -> None:
    """Each parameter of the original, under its name and at its place, and no new one that must be given."""
    compared = 0
    for name, theirs in original["signatures"].items():
        if ROWS.get(f"access.{name}", "not offered") == "not offered":
            continue
        found = resolved(f"access.{name}")
        function = getattr(found, "__func__", found)
        if not inspect.isfunction(function):
            continue  # `pop_fields`, a property that can be called
        parameters = [each for each in inspect.signature(function).parameters.values() if each.name != "self"]
        ours = [[each.name, each.kind.name, each.default is each.empty] for each in parameters]
        if "VAR_POSITIONAL" not in {kind for _, kind, _ in theirs}:
            assert ours[: len(theirs)] == theirs, name
        assert not [each for each in ours[len(theirs) :] if each[2]], name
        compared += 1
    assert compared >= 10


def test_every_defect_is_on_the_page() -> None:
    """One row each, D1 to D13, in order."""
    assert re.findall(r"^\| (D\d+) \|", PAGE.read_text(), re.MULTILINE) == [f"D{number}" for number in range(1, 14)]


def test_the_version_compares_with_the_originals() -> None:
    """As the release it stands in for, and recognisable."""
    assert access.__version__.partition("+")[0] == importlib.metadata.version("access-py-telemetry")
    assert "footfall" in access.__version__


README = str(importlib.metadata.metadata("access-py-telemetry").get_payload())

PREAMBLE = """
import sys, types
from footfall.facade.access.api import ApiHandler
ApiHandler().server_url = {url!r}
ApiHandler().endpoints.update({{"my_service": "my/service", "myservice": "my/other"}})  # once you have an endpoint
something, something_else, interesting_data, interesting_data_1, interesting_data2 = 1, [2], {{"x": 3}}, 4, 5
sys.modules["xyz"] = types.ModuleType("xyz")
sys.modules["xyz"].interesting_data = "xyz"
def some_func(): ...
def some_other_func(): ...
def another_func(): ...
"""

SHELL = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
failed = []
for cell in json.load(sys.stdin):
    result = shell.run_cell(cell)
    error = result.error_before_exec or result.error_in_exec
    if error:
        failed.append([cell, type(error).__name__, str(error)])
print(json.dumps(failed))
"""


def test_the_originals_readme_runs(observation: Observation) -> None:
    """Its examples, whole and in order, with the imports changed, in a shell; the one error is the one it shows."""
    examples = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(examples) == 20
    cells = [PREAMBLE.format(url=observation.sink.url + "/api/")]
    for example in examples:
        if example.lstrip().startswith("!") or "models.Model" in example:
            continue  # the command, and the server's side
        text = example.replace("access_py_telemetry", "footfall.facade.access")
        if ">>> " in text:
            text = "\n".join(line[4:] for line in text.splitlines() if line.startswith(">>> "))
        if text.startswith("registry.deregister"):
            cells.append("registry.register(some_func, some_other_func, another_func)")
        cells.append("\n".join(line for line in text.splitlines() if not line.startswith("> ")))
    shown = re.findall(r"^> (KeyError): (.*)$", README, re.MULTILINE)
    cells += [
        "api_handler.send_api_request('my_service', 'function_name', [], {'test': True, 'variable': 'search'})",
        "cli_execute()",
        "my_func()",
        "assert 'my_func' in my_registry and session_id == SessionID()",
    ]
    before = len(observation.sink.requests())
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SHELL],
        input=json.dumps(cells),
        env=observation.environment(IPYTHONDIR=str(observation.directory / "ipython"), LOGNAME="u1166368"),
        capture_output=True,
        text=True,
        timeout=GUARD_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    failed = json.loads(done.stdout.splitlines()[-1])
    assert [(kind, words.strip('"')) for _, kind, words in failed] == shown
    observation.send_everything()
    records = {each.key: each for each in observation.sink.requests()[before:] if each.accepted}
    told = sorted((json.loads(each.body) for each in records.values()), key=lambda record: str(record["function"]))
    assert [record["function"] for record in told] == ["cli_execute", "function_name", "my_func"]
    assert {each.path for each in records.values()} == {"/api/my/service/"}
    extra = {"interesting_data_1": 1, "interesting_data_2": [2], "interesting_data": "xyz", "cli_config": "<ellipsis>"}
    assert told[1] == {
        "name": "u1166368",
        "function": "function_name",
        "args": [],
        "kwargs": {"test": True, "variable": "search"},
        **extra,
    }


def test_importing_the_facade_is_light() -> None:
    """No IPython, parser or HTTP client (D12), no SQLite, no OpenTelemetry SDK, until something is delivered."""
    heavy = "{'httpx', 'pydantic', 'libcst', 'IPython', 'requests', 'sqlite3', 'opentelemetry.sdk', 'yaml', 'wrapt'}"
    modules = "footfall.facade.access.api, footfall.facade.access.decorators, footfall.facade.access.registry"
    code = f"import sys, {modules}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
