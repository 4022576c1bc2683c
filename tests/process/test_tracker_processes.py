"""Jobs of whole programs at a tracker backend: opened at the start, in order, and killed ones end as errors."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.process.harness import GUARD_SECONDS, Observation

PROGRAM = """
import footfall, os, sys

footfall.instrument("tests/observed", version="24.1rc1", send_to=[
    footfall.Tracker({url!r}, customer_id=142, job="my_job", steps="hello,bye", credentials="env:TRACKER")])
words = {{"tracker.provider_job_id": "job-1"}}
steps = [{{"tag": tag, "points": 5, "name": tag}} for tag in ("hello", "bye")]
footfall.event("configuration", **words, **{{"tracker.configuration": {{
    "tag": "my_job", "name": "My Job", "version": "24.1rc1", "step_configurations": steps}}}})


with footfall.track("tests/observed", **words):
    footfall.event("hello", **words, **{{"tracker.kind": "step", "tracker.tag": "hello"}}, colour="red")
    {end}
"""


def run(observation: Observation, end: str) -> int:
    """Run the program; it says nothing, and ends as it would without telemetry."""
    script = observation.directory / "program.py"
    script.write_text(PROGRAM.format(url=observation.sink.url, end=end))
    environment = observation.environment(TRACKER="x-api_key: canary-7")
    environment.pop("PYTHONWARNINGS")
    done = subprocess.run(
        [sys.executable, str(script)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=GUARD_SECONDS,
        check=False,
    )
    assert (done.stdout, done.stderr.partition("Traceback")[0]) == ("", "")
    return done.returncode


def told(observation: Observation) -> list[dict[str, Any]]:
    """Deliver the rest; return the bodies that the backend took, in its order."""
    done = observation.send(TRACKER="x-api_key: canary-7")
    assert done.returncode == 0, (done.stdout, done.stderr)
    return [json.loads(each.body) for each in observation.sink.requests() if each.accepted]


@pytest.mark.parametrize(
    ("end", "status", "last"),
    [
        ("pass", 0, ("complete", {})),
        ("sys.exit(3)", 3, ("error", {"exception.type": "SystemExit"})),
        ("raise ValueError('secret words')", 1, ("error", {"exception.type": "ValueError"})),
        ("os._exit(1)", 1, ("error", {"exception.type": "ProcessKilled"})),
        ("os.kill(os.getpid(), 9)", -9, ("error", {"exception.type": "ProcessKilled"})),
    ],
)
@pytest.mark.parametrize("mode", ["ok", "refuse"])
def test_a_job_and_how_it_ended(observation: Observation, mode: str, end: str, status: int, last: Any) -> None:
    """The backend hears the same whether it was up or down meanwhile, and the program's status is its own."""
    observation.sink.set_mode(mode)
    assert run(observation, end) == status
    observation.sink.set_mode("ok")
    configuration, job, step, ended = told(observation)
    assert configuration["version"] == "24.1.0-rc1"
    assert job == {"provider_job_id": "job-1", "customer_id": 142, "tag": "my_job"}
    assert (step["kind"], step["tag"], step["event_metadata"]) == ("step", "hello", {"colour": "red"})
    assert (ended["kind"], ended["event_metadata"]) == last
    assert ended["provider_job_id"] == "job-1"
    assert "secret words" not in str(observation.sink.requests())
    assert not [
        path
        for path in Path(observation.directory / "state").rglob("*")
        if path.is_file() and b"canary" in path.read_bytes()
    ]
