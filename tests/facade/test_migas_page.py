"""The migration page says what there is, and the original's own README runs with its import changed."""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.metadata
import inspect
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from footfall.facade import migas
from tests.process.harness import GUARD_SECONDS, Observation

PAGE = Path(__file__).parents[2] / "docs" / "migas.md"
ROWS = dict(re.findall(r"^\| `(migas\.[\w.]+)` \| (same|repaired|not offered) \|", PAGE.read_text(), re.MULTILINE))
MODULES = ("", ".config", ".operations", ".api", ".helpers", ".tracker", ".error", ".error.nipype")


# In a process of its own: importing the original installs a handler that writes (defect D12).
LIST = """
import importlib, inspect, json, migas, pkgutil
defined = []
for found in pkgutil.walk_packages(migas.__path__, "migas."):
    if "test" in found.name:  # its own suite, and the helper that this suite has
        continue
    # Inner modules of a package that exports their names are known by the package's name.
    home = found.name.removesuffix(".base")
    for name, value in vars(importlib.import_module(found.name)).items():
        if getattr(value, "__module__", "") == found.name and not name.startswith("_"):
            defined.append(f"{home}.{name}")
def told(parameter):
    return parameter.name, parameter.kind.name, parameter.default is parameter.empty
functions = {name: value for name in migas.__all__ if callable(value := getattr(migas, name))}
signatures = {
    name: [told(each) for each in inspect.signature(value).parameters.values()] for name, value in functions.items()
}
print(json.dumps({"exported": migas.__all__, "defined": defined, "signatures": signatures}))
"""


@pytest.fixture(scope="module")
def original() -> dict[str, Any]:
    """What the installed release defines."""
    done = subprocess.run([sys.executable, "-c", LIST], capture_output=True, text=True, check=True)
    listed: dict[str, Any] = json.loads(done.stdout)
    return listed


def facade_module(name: str) -> ModuleType:
    return importlib.import_module("footfall.facade.migas" + name)


def resolved(name: str) -> Any:
    module, _, attribute = name.removeprefix("migas").rpartition(".")
    return getattr(facade_module(module), attribute)


@pytest.mark.parametrize("name", ROWS)
def test_every_name_of_the_page_is_what_it_says(name: str) -> None:
    """Offered names are there, and those not offered are not."""
    if ROWS[name] == "not offered":
        with pytest.raises((AttributeError, ModuleNotFoundError)):
            resolved(name)
    else:
        assert resolved(name) is not None


def test_every_name_of_the_original_is_on_the_page(original: dict[str, Any]) -> None:
    """Each function and class of the release, and what its package exports."""
    names = {f"migas.{name}" for name in original["exported"]} | set(original["defined"])
    assert len(names) > 20
    assert names - ROWS.keys() == set()


def test_every_public_name_of_the_facade_is_on_the_page(original: dict[str, Any]) -> None:
    """Nothing is offered in silence."""
    for module in MODULES:
        for name in getattr(facade_module(module), "__all__", ()):
            assert ROWS.get(f"migas{module}.{name}", "not offered") != "not offered", (module, name)
    assert set(original["exported"]) <= set(migas.__all__)


@pytest.mark.parametrize(
    "name", ["add_breadcrumb", "check_project", "get_usage", "print_config", "setup", "track_exit"]
)
def test_signatures_take_what_the_original_takes(name: str, original: dict[str, Any]) -> None:
    """Each parameter of the original, at its place, and no new one that must be given."""
    theirs = {each: (kind, required) for each, kind, required in original["signatures"][name]}
    parameters = inspect.signature(getattr(migas, name)).parameters.values()
    ours = {each.name: (each.kind.name, each.default is each.empty) for each in parameters}
    named = [each for each, (kind, _) in theirs.items() if kind != "VAR_KEYWORD"]
    assert {each: ours[each] for each in named} == {each: theirs[each] for each in named}
    assert [each for each in ours if each in named] == named
    takes_more = [kind for kind, _ in ours.values()].count("VAR_KEYWORD")
    assert [kind for kind, _ in theirs.values()].count("VAR_KEYWORD") <= takes_more
    assert not [each for each, (kind, needed) in ours.items() if needed and kind != "VAR_KEYWORD" and each not in named]


def test_the_version_compares_with_the_originals() -> None:
    """As the release it stands in for, and recognisable."""
    assert migas.__version__.partition("+")[0] == importlib.metadata.version("migas")
    assert "footfall" in migas.__version__


README = str(importlib.metadata.metadata("migas").get_payload())


def test_the_originals_readme_runs(observation: Observation) -> None:
    """Its examples, whole and in order, with the import changed and the sink in place of 'your-endpoint'."""
    examples = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(examples) >= 5
    program = ["import json", "from footfall.facade.migas import *", "answers = []"]
    for example in examples:
        for line in example.splitlines():
            if line.startswith("import migas"):
                program.append(line.replace("import migas;", "from footfall.facade import migas;"))
            elif line.startswith(">>> ") and line[4:].strip():
                program.append(f"answers.append({line[4:]})")
    program.append("print(json.dumps(answers))")
    text = "\n".join(program).replace("your-endpoint", observation.sink.url + "/graphql")
    assert text.count("setup(") == 2
    observation.sink.set_project("nipreps/migas-py", latest="0.4.0")
    before = len(observation.sink.requests())
    done = subprocess.run(
        [sys.executable, "-c", text],
        env=observation.environment(),
        capture_output=True,
        text=True,
        timeout=GUARD_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    observation.send_everything()
    # By key: where a program ends while its crumb is under way, the next one sends it again.
    (crumb,) = {each.key: each.crumb for each in observation.sink.requests()[before:] if each.records}.values()
    assert (crumb["project"], crumb["proc"]) == (
        "nipreps/migas-py",
        {"status": "R", "status_desc": "Finished long step"},
    )
    answers = json.loads(done.stdout)
    sent, checked, used = (ast.literal_eval(line) for line in README.splitlines() if line.startswith("{'"))
    assert answers[:2] == [sent, checked]
    assert answers[2].keys() == used.keys()


def test_importing_the_facade_is_light() -> None:
    """No HTTP client, no SQLite, no OpenTelemetry SDK, until something is delivered or asked."""
    heavy = "{'requests', 'urllib3', 'sqlite3', 'opentelemetry.sdk', 'yaml'}"
    code = f"import sys; from footfall.facade import migas; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_readme_promises_what_the_page_lists() -> None:
    """Each function in a heading of the original's README is a row."""
    for name in re.findall(r"\[migas\.(\w+)\]", README):
        assert ROWS[f"migas.{name}"] != "not offered"


def test_nothing_is_printed_by_importing() -> None:
    """Nor by setting up."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as error:
        migas.setup()
    assert (out.getvalue(), error.getvalue()) == ("", "")
