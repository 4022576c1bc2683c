"""The migration page lists what there is, no more and no less."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.originals.suites import SUITES

PAGE = (Path(__file__).parents[2] / "docs" / "ramen.md").read_text()
ROWS = dict(
    re.findall(r"^\| `((?:config|queue|queue_reader|queue_writer|utils)\.[\w.]+)` \| ([\w ]+?) \|", PAGE, re.MULTILINE)
)

# In a process of its own: the original patches the standard library when it is imported.
LIST = """
import importlib, inspect, json
found = {}
for module in ("config", "queue", "queue_reader", "queue_writer", "utils"):
    loaded = importlib.import_module("infi.ramen_client." + module)
    for name, value in vars(loaded).items():
        if getattr(value, "__module__", "") == loaded.__name__ or name == "logger" and module == "utils":
            members = [
                each for each, it in vars(value).items() if inspect.isfunction(it) and not each.startswith("_")
            ] if inspect.isclass(value) and name in ("QueueWriter", "QueueReader") else []
            found[module + "." + name] = members
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def original() -> dict[str, list[str]]:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", LIST], capture_output=True, text=True, check=True)
    listed: dict[str, list[str]] = json.loads(done.stdout)
    return listed


def resolved(name: str) -> Any:
    module, _, path = name.partition(".")
    found: Any = importlib.import_module(f"footfall.facade.ramen.{module}")
    for part in path.split("."):
        found = getattr(found, part)
    return found


@pytest.mark.parametrize("name", ROWS)
def test_every_name_of_the_page_is_what_it_says(name: str) -> None:
    """Offered names are there, and those not offered are not."""
    assert ROWS[name] in {"same", "repaired", "not offered"}
    if ROWS[name] == "not offered":
        with pytest.raises(AttributeError):
            resolved(name)
    else:
        assert resolved(name) is not None


def test_every_name_of_the_original_is_on_the_page(original: dict[str, list[str]]) -> None:
    """Each class and function of its modules, and each method of the two ends."""
    names = set(original) | {f"{name}.{member}" for name, members in original.items() for member in members}
    assert names == set(ROWS)


def test_calls_fit_as_before() -> None:
    """The original's arguments keep their names and their order."""
    told = {
        "queue_writer.QueueWriter.push": ["self", "category", "data_type", "data_version", "data", "reqid"],
        "queue_reader.QueueReader.run": ["self", "blocking"],
        "utils.create_queue_reader_and_writer": ["config"],
    }
    for name, parameters in told.items():
        assert list(inspect.signature(resolved(name)).parameters)[: len(parameters)] == parameters


def test_the_page_names_the_tests_that_assert_a_defect() -> None:
    """What the runner expects to fail or to be skipped is explained."""
    (suite,) = (suite for suite in SUITES if suite.name == "ramen")
    assert all(name in PAGE for name in suite.defects)
    assert ("No test asserts a defect" in PAGE) == (not suite.defects)
    assert "tinyproxy" in PAGE
