"""What the tests of running jobs share: a job of three steps, and what the wire `tracker` makes of a journal."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import footfall
from footfall.testing.captured import Captured
from footfall.usage import Usage
from footfall.wire.tracker import TrackerWire

PROJECT = "demo/job"
SERVER = footfall.Tracker("http://127.0.0.1:9")
JOBS: dict[str, Any] = {
    "job_configs": [
        {
            "tag": "my_job",
            "name": "My Job",
            "version": "1.0.0",
            "step_configurations": [
                {"tag": "say_hello", "name": "Say Hello", "points": 10},
                {"tag": "random_number", "name": "Generate Random Number", "points": 15},
                {"tag": "say_bye", "name": "Say Bye", "points": 10},
            ],
        }
    ]
}
STEPS = ("say_hello", "random_number", "say_bye")


def instrument(**given: Any) -> str:
    """Instrument the project with its jobs, and a server that nobody will ask."""
    return footfall.instrument(PROJECT, **{"version": "2.0", "jobs": JOBS, "send_to": [SERVER], **given})


def told(usages: Iterable[Usage]) -> list[tuple[str, dict[str, Any]]]:
    """Return path and body of what the server is told, in order."""
    requests = TrackerWire().translate(list(usages))
    return [(request.path, json.loads(request.body)) for request in requests]


def words(captured: Captured) -> list[str]:
    """Return it in words: a path, or of an event its kind and step."""
    return [
        f"{body['kind']} {body['tag'] or ''}".strip() if path == "/events" else path[1:]
        for path, body in told(captured.usages)
    ]


WHOLE = ["job_configurations", "jobs", *(f"step {tag}" for tag in STEPS), "complete"]
"""Of a job that did all its steps."""
