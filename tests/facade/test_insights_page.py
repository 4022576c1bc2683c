"""The migration page lists what there is, no more and no less."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from footfall.facade import insights
from tests.originals.suites import SUITES

PAGE = (Path(__file__).parents[2] / "docs" / "insights.md").read_text()
ROWS = dict(re.findall(r"^\| `([A-Za-z]+(?:\.\w+)?)` \| (same|repaired|not offered) \|", PAGE, re.MULTILINE))

# In a process of its own: the original loads Django.
LIST = """
import inspect, json
import insights_analytics_collector as original
found = {}
for name in original.__all__:
    value = getattr(original, name)
    members = vars(value).items() if inspect.isclass(value) else ()
    found[name] = [
        each for each, it in members
        if not each.startswith("_") and (inspect.isfunction(it) or isinstance(it, (classmethod, staticmethod)))
    ]
    found[name + "()"] = [each for each in inspect.signature(value).parameters if each not in ("args", "kwargs")]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def original() -> dict[str, list[str]]:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", LIST], capture_output=True, text=True, check=True)
    listed: dict[str, list[str]] = json.loads(done.stdout)
    return listed


def resolved(name: str) -> Any:
    found: Any = insights
    for part in name.split("."):
        found = getattr(found, part)
    return found


@pytest.mark.parametrize("name", ROWS)
def test_every_name_of_the_page_is_what_it_says(name: str) -> None:
    """Offered names are there, and those not offered are not."""
    if ROWS[name] == "not offered":
        with pytest.raises(AttributeError):
            resolved(name)
    else:
        assert resolved(name) is not None


def test_every_name_of_the_original_is_on_the_page(original: dict[str, list[str]]) -> None:
    """Each public name and each public method of its classes."""
    names = {name for name in original if not name.endswith("()")}
    assert names | {f"{name}.{member}" for name in names for member in original[name]} == set(ROWS)
    assert names == set(insights.__all__)


def test_calls_fit_as_before(original: dict[str, list[str]]) -> None:
    """The original's arguments keep their names and their order."""
    for name in ("register", "slicing", "Collector", "Package", "CsvFileSplitter"):
        parameters = list(inspect.signature(resolved(name)).parameters)
        assert parameters[: len(original[f"{name}()"])] == original[f"{name}()"]
    assert list(inspect.signature(insights.Collector.gather).parameters)[1:] == ["dest", "subset", "since", "until"]


def test_the_page_names_the_tests_that_assert_a_defect() -> None:
    """What the runner expects to fail is explained."""
    (suite,) = (suite for suite in SUITES if suite.name == "insights")
    assert all(name in PAGE for name in suite.defects)
    assert ("No test asserts a defect" in PAGE) == (not suite.defects)


def test_every_defect_of_the_description_has_its_place() -> None:
    """19 of them are listed where the wire is described."""
    assert {int(number) for each in re.findall(r"\((\d+(?:, \d+)*)\)", PAGE) for number in each.split(", ")} == set(
        range(1, 20)
    )
