"""The migration page says what there is, no more and no less; `test_tracker_api.py` runs the original's manual.

The original is in no package index. What it has is told by its manual, by the recorded calls, and here by name.
"""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from footfall.facade import tracker
from footfall.facade.tracker import JobConfigManager, TrackerApi, TrackerEventApi, TrackerJobApi
from tests.wire.tracker_recorded import VECTORS

PAGE = (Path(__file__).parents[2] / "docs" / "tracker.md").read_text(encoding="utf-8")
MODULES = ("api", "helpers", "schemas", "generate_json_schemas")
ROWS = dict(re.findall(rf"^\| `((?:{'|'.join(MODULES)})\.[\w.]+)` \| ([\w ]+?) \|", PAGE, re.MULTILINE))

ORIGINAL: dict[str, list[str]] = {
    "api.TrackerApi": ["api_key", "base_url", "skip_verify"],
    "api.TrackerApi.verify_api_key": [],
    "api.TrackerApi.register_job_config": ["config"],
    "api.TrackerApi.create_job": ["provider_job_id", "customer_id", "tag"],
    "api.TrackerApi.send_event": ["kind", "tag", "provider_job_id", "metadata"],
    "api.TrackerJobApi": ["api", "provider_job_id"],
    "api.TrackerJobApi.send_event": ["kind", "tag", "metadata"],
    "api.TrackerEventApi": ["api", "event_id"],
    "api.ApiUrls": ["base_url"],
    "api.ApiUrls.set_base_url": ["base_url"],
    "api.ApiUrls.url": ["path"],
    "helpers.JobConfigManager": ["configs", "configurations_file"],
    "helpers.JobConfigManager.add_job_config": ["config", "allow_override"],
    "helpers.JobConfigManager.init_from_bulk_job_config_json": ["filepath"],
    "helpers.JobConfigManager.init_from_job_configs": ["configs"],
    "helpers.JobConfigManager.get_job_config": ["tag"],
    "helpers.load_job_configurations_from_json": ["filepath"],
    "helpers.load_job_configuration_from_json": ["filepath"],
    "schemas.JobConfig": ["name", "tag", "step_configurations", "version"],
    "schemas.StepConfig": ["name", "tag", "points"],
    "schemas.JobConfigs": ["job_configs"],
    "generate_json_schemas.generate_job_configs_json_schema": ["location", "filename"],
    "generate_json_schemas.parse_args": ["args"],
}
"""Callables of the original and their arguments, in order."""


def set_on_instances() -> set[str]:
    """What is no member of a class, but of the objects."""
    api = TrackerApi("key", skip_verify=True)
    made: dict[str, Any] = {
        "api.TrackerApi": api,
        "api.TrackerJobApi": TrackerJobApi(api, "job-1"),
        "api.TrackerEventApi": TrackerEventApi(api),
        "api.ApiUrls": api.urls,
        "helpers.JobConfigManager": JobConfigManager(),
    }
    return {f"{owner}.{name}" for owner, each in made.items() for name in vars(each) if not name.startswith("_")}


def resolved(name: str) -> Any:
    module, _, path = name.partition(".")
    found: Any = importlib.import_module(f"footfall.facade.tracker.{module}")
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
    elif name not in set_on_instances():
        assert resolved(name) is not None


def test_every_public_name_of_the_facade_is_on_the_page() -> None:
    """Nothing is offered in silence; and what a module lists is also where the manual imports it from."""
    for module in MODULES:
        loaded = importlib.import_module(f"footfall.facade.tracker.{module}")
        for name in loaded.__all__:
            if name == "main":  # of the command
                continue
            assert ROWS.get(f"{module}.{name}", "not offered") != "not offered", name
            if module != "generate_json_schemas" and name != "ApiUrls":
                assert getattr(tracker, name) is getattr(loaded, name)
                assert name in tracker.__all__
    assert set_on_instances() <= ROWS.keys()
    for owner in ("api.TrackerApi", "api.TrackerJobApi", "api.ApiUrls", "helpers.JobConfigManager"):
        for member, value in vars(resolved(owner)).items():
            if not member.startswith("_") and member != "account":  # which is footfall's own side of it
                assert ROWS.get(f"{owner}.{member}", "not offered") != "not offered", (owner, member, value)


@pytest.mark.parametrize("name", ORIGINAL)
def test_calls_fit_as_before(name: str) -> None:
    """The original's arguments keep their names and their order, and none that is new must be given."""
    parameters = [each for each in inspect.signature(resolved(name)).parameters.values() if each.name != "self"]
    names = [each.name for each in parameters]
    assert names[: len(ORIGINAL[name])] == ORIGINAL[name]
    loose = {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}
    assert not [
        each.name for each in parameters[len(ORIGINAL[name]) :] if each.default is each.empty and each.kind not in loose
    ]
    assert ROWS[name] in {"same", "repaired"}


def test_every_recorded_function_is_offered() -> None:
    """Whatever the recordings call is on the page."""
    called = {vector["call"]["function"] for vector in VECTORS.values() if vector["call"]} - {
        VECTORS[54]["call"]["function"]
    }
    names = {name.partition(".")[2] for name, offered in ROWS.items() if offered != "not offered"}
    assert len(called) >= 7
    assert called <= names


def test_every_defect_is_on_the_page() -> None:
    """One row each, D1 to D11, in order; and each is named by what repairs it."""
    defects = re.findall(r"^\| (D\d+) \|", PAGE, re.MULTILINE)
    assert defects == [f"D{number}" for number in range(1, 12)]
    names = PAGE.partition("\n## Names\n")[2].partition("\n## ")[0]
    assert {f"D{number}" for number in range(1, 12)} <= set(re.findall(r"D\d+", names))
