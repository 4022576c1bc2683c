"""The published schema accepts what `load` accepts and refuses what it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jobfiles import MANUAL, UNTIMED, YAML, file_of, job, step, vector
from jsonschema import Draft202012Validator

from footfall.errors import DuplicateJobError, RegistryError
from footfall.jobs import load_mapping, model, reading
from footfall.jobs.schema import json_schema
from footfall.registry.nodes import from_text

SCHEMA = json_schema()
VALIDATOR = Draft202012Validator(SCHEMA)

ANYTHING = st.sampled_from(
    [
        None,
        True,
        0,
        5,
        -1,
        1.5,
        2**31,
        -(2**31),
        "",
        "x",
        "a\0b",
        "1.0",
        "1.0.x",
        "text",
        "Text",
        [],
        {},
        ["x"],
        {"x": 1},
    ]
)


def odd(usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The usual value, and now and then anything."""
    return st.integers(0, 9).flatmap(lambda number: usual if number else ANYTHING)


def odd_map(required: dict[str, st.SearchStrategy[Any]], **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A map, now and then without what it needs, or with more than that."""
    whole = st.fixed_dictionaries(required, optional={**optional, "$schema": ANYTHING, "x": ANYTHING})
    parts = st.fixed_dictionaries({}, optional={**required, **optional})
    return odd(st.integers(0, 9).flatmap(lambda number: whole if number else parts))


WORDS = odd(st.sampled_from(["a", "b", "c", "ü😀", "e\nf"]))
METADATA = odd_map({"name": WORDS}, kind=odd(st.sampled_from(model.METADATA_KINDS)), units=WORDS | st.none())
STEPS = odd_map(
    {"tag": WORDS, "name": WORDS, "points": odd(st.integers(-(2**31), 2**31 - 1))},
    metadata_configurations=odd(st.lists(METADATA, max_size=2)),
)
VERSIONS = odd(st.sampled_from(["1.0.0", "24.1", "1.0rc1", "1.0.0-rc.1+b", "v1", "1.0.0.0", "1!1.0", 1, 1.5]))
JOBS = odd_map(
    {"tag": WORDS, "name": WORDS, "version": VERSIONS, "step_configurations": odd(st.lists(STEPS, max_size=2))}
)
FILES = odd_map({"job_configs": odd(st.lists(JOBS, max_size=2))})


@settings(UNTIMED, max_examples=600)
@given(FILES)
def test_the_schema_and_the_reader_agree(content: Any):
    """On files that are mostly right, whatever else is in them."""
    try:
        load_mapping(content)
        read = True
    except DuplicateJobError:
        return  # no schema can say that tags differ
    except RegistryError as error:
        if "tags must differ" in str(error):
            return
        read = False
    problems = [error.message for error in VALIDATOR.iter_errors(content)]
    assert (problems == []) is read, problems


@pytest.mark.parametrize(
    "content", [MANUAL, from_text(YAML, "f").plain(), vector(15)["call"]["kwargs"]["configurations_file"]]
)
def test_real_files_are_accepted(content: Any):
    VALIDATOR.validate(content)


@pytest.mark.parametrize("number", [61, 63, 64])
def test_what_the_server_refuses_the_schema_refuses(number: int):
    """But for a version that becomes SemVer."""
    content = file_of(vector(number)["request"]["body_json"])
    assert VALIDATOR.is_valid(content) is (number == 61)


def test_two_steps_that_are_the_same_are_refused():
    """That much of different tags a schema can say, as the original's does."""
    assert not VALIDATOR.is_valid(file_of(job("j", step(), step())))
    assert not VALIDATOR.is_valid(file_of(job(), job()))


def test_it_is_a_schema_and_names_exactly_what_is_read():
    """And like the original's it is called JobConfigs, requires the same keys, and allows others."""
    Draft202012Validator.check_schema(SCHEMA)
    parts = SCHEMA["$defs"]
    assert set(SCHEMA["properties"]) == reading.FILE_KEYS
    assert set(parts["JobConfig"]["properties"]) == reading.JOB_KEYS == set(parts["JobConfig"]["required"])
    assert set(parts["StepConfig"]["properties"]) == reading.STEP_KEYS
    assert set(parts["MetadataConfig"]["properties"]) == reading.METADATA_KEYS
    assert (parts["StepConfig"]["required"], parts["MetadataConfig"]["required"]) == (
        ["tag", "points", "name"],
        ["name"],
    )
    assert (SCHEMA["title"], SCHEMA["required"], set(parts)) == (
        "JobConfigs",
        ["job_configs"],
        {"JobConfig", "StepConfig", "MetadataConfig"},
    )
    assert "additionalProperties" not in json.dumps(SCHEMA)
    assert "Attributes" not in json.dumps(SCHEMA)
