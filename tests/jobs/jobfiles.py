"""What the tests of job configurations share: the manual's example in both forms, and the recorded vectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from tests import vectors

UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Of every property: the machine may be busy."""

MANUAL: dict[str, Any] = {
    "$schema": "./job-configurations-schema.generated.json",
    "job_configs": [
        {
            "name": "My Job",
            "tag": "my_job",
            "version": "1.0.0",
            "step_configurations": [
                {"name": "Say Hello", "tag": "say_hello", "points": 10},
                {"name": "Generate Random Number", "tag": "random_number", "points": 15},
                {"name": "Say Bye", "tag": "say_bye", "points": 10},
            ],
        }
    ],
}
"""The example of trackerapi's manual, and the version that it lacks."""

YAML = """\
job_configs:
  - tag: my_job
    name: My Job
    version: 1.10
    step_configurations:
      - tag: say_hello
        name: Say Hello
        points: 10
        metadata_configurations:
          - {name: Duration, kind: number, units: s}
          - name: Report
            kind: link
      - {tag: say_bye, name: Say Bye, points: -5}
"""


def write(directory: Path, name: str, content: object) -> Path:
    """Write a file: text as it is, anything else as JSON with a line for each value."""
    path = directory / name
    path.write_text(content if isinstance(content, str) else json.dumps(content, indent=2), encoding="utf-8")
    return path


def file_of(*jobs: dict[str, Any]) -> dict[str, Any]:
    return {"job_configs": list(jobs)}


def job(tag: str = "j", *steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"tag": tag, "name": "J", "version": "1.0.0", "step_configurations": list(steps), **fields}


def step(tag: str = "s", **fields: Any) -> dict[str, Any]:
    return {"tag": tag, "name": "S", "points": 1, **fields}


ROOT = Path(__file__).resolve().parents[2]


def vector(number: int) -> dict[str, Any]:
    """Return a recorded call of trackerapi, or exchange with its server."""
    (content,) = vectors.by_name("tracker", f"{number:03}-*.json").values()
    return content
