"""The JSON Schema of files of job configurations, made from the structs that they become."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from footfall.jobs.model import JobConfig
from footfall.semver import PATTERN

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


class _File(msgspec.Struct):
    """Jobs, each with its own tag."""

    job_configs: Annotated[list[JobConfig], Meta(description="Jobs, each with its own tag.")]


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a file that `footfall.jobs.load` reads.

    It accepts what `load` accepts, and refuses what it refuses but for what no schema can say: two tags that are the
    same, ``10.0`` for a whole number, and how a version that is a number was written.
    """
    _, components = msgspec.json.schema_components([_File], ref_template="#/$defs/{name}")
    definitions = {name: _short(shape) for name, shape in components.items()}
    file = definitions.pop("_File")
    job, step = definitions["JobConfig"], definitions["StepConfig"]
    job["properties"]["version"] = {
        "description": "SemVer, or what PEP 440 makes of it. Another list of steps is another version.",
        "anyOf": [{"type": "string", "pattern": PATTERN}, {"type": "number", "minimum": 0}],
    }
    # Tags must differ; that much of it a schema can say.
    for lists in (file["properties"]["job_configs"], job["properties"]["step_configurations"]):
        lists["uniqueItems"] = True
    metadata = step["properties"]["metadata_configurations"]
    step["properties"]["metadata_configurations"] = {
        "description": "Values that the step reports.",
        "anyOf": [{key: value for key, value in metadata.items() if key != "default"}, {"type": "null"}],
        "default": [],
    }
    return {
        "$schema": DIALECT,
        "title": "JobConfigs",
        **{key: value for key, value in file.items() if key != "title"},
        "$defs": definitions,
    }


def text() -> str:
    """Return the schema as the text of a file."""
    return json.dumps(json_schema(), indent=2) + "\n"


def _short(shape: dict[str, Any]) -> dict[str, Any]:
    """Return *shape* with the first paragraph of the docstring that is its description."""
    return {**shape, "description": shape["description"].partition("\n\n")[0]} if "description" in shape else shape
