"""The migration page says what there is, and the original's own README runs with its import changed."""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.metadata
import inspect
import io
import json
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import migas as original
import pytest

from footfall.facade import migas
from tests.process.harness import GUARD_SECONDS, Observation

PAGE = Path(__file__).parents[2] / "docs" / "migas.md"
ROWS = dict(re.findall(r"^\| `(migas\.[\w.]+)` \| (same|repaired|not offered) \|", PAGE.read_text(), re.MULTILINE))
MODULES = ("", ".config", ".operations", ".api", ".helpers", ".tracker", ".error", ".error.nipype")


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


def test_every_name_of_the_original_is_on_the_page() -> None:
    """Each function and class of the release, and what its package exports."""
    names = {f"migas.{name}" for name in original.__all__}
    for found in pkgutil.walk_packages(original.__path__, "migas."):
        if "test" in found.name:  # its own suite, and the helper that this suite has
            continue
        module = importlib.import_module(found.name)
        public = [name for name, value in vars(module).items() if getattr(value, "__module__", "") == found.name]
        # Internal modules of a package whose names it exports are known by the package's name.
        home = found.name.removesuffix(".base")
        names |= {f"{home}.{name}" for name in public if not name.startswith("_")}
    assert names - ROWS.keys() == set()


def test_every_public_name_of_the_facade_is_on_the_page() -> None:
    """Nothing is offered in silence."""
    for module in MODULES:
        for name in getattr(facade_module(module), "__all__", ()):
            assert ROWS.get(f"migas{module}.{name}", "not offered") != "not offered", (module, name)
    assert set(original.__all__) <= set(migas.__all__)


@pytest.mark.parametrize(
    "name", ["add_breadcrumb", "check_project", "get_usage", "print_config", "setup", "track_exit"]
)
def test_signatures_take_what_the_original_takes(name: str) -> None:
    """Each parameter of the original, at its place, and no new one that must be given."""
    theirs = inspect.signature(getattr(original, name)).parameters
    ours = inspect.signature(getattr(migas, name)).parameters
    named = [each for each, parameter in theirs.items() if parameter.kind is not parameter.VAR_KEYWORD]
    assert [ours[each].kind for each in named] == [theirs[each].kind for each in named]
    assert [each for each in ours if each in named] == named
    keywords = inspect.Parameter.VAR_KEYWORD in {parameter.kind for parameter in theirs.values()}
    assert keywords <= (inspect.Parameter.VAR_KEYWORD in {parameter.kind for parameter in ours.values()})
    required = [
        each
        for each, parameter in ours.items()
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
    ]
    assert required == [each for each in named if theirs[each].default is inspect.Parameter.empty]


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
    (crumb,) = [request.crumb for request in observation.sink.requests()[before:] if request.records]
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
