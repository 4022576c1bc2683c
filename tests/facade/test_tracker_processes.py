"""Programs that use the trackerapi facade and are killed, start again, fork or exit: each event is told, in order."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from footfall.testing.sink.client import Sink
from tests.process.harness import GUARD_SECONDS, Observation

HEAD = """
import multiprocessing, os, signal, sys, threading
from footfall.facade.tracker import JobConfig, JobConfigManager, StepConfig, TrackerApi, TrackerJobApi
JobConfigManager([JobConfig("My Job", "my_job", [StepConfig("A", "a", 1), StepConfig("B", "b", 1)], "1.0.0")])
tracker = TrackerApi("canary-1", {url!r})
kill = lambda: os.kill(os.getpid(), signal.SIGKILL)
job = lambda: tracker.create_job("job-1", 142, "my_job")
"""

DELIVER = "import footfall; footfall.drain(40)"
"""Of a run with the key, which nobody else has."""


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    """One for each test: jobs have ids for ever."""
    with Sink(tmp_path / "sink") as running:
        yield running


def run(observation: Observation, text: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", HEAD.format(url=observation.sink.url) + text],
        env=observation.environment(**environment),
        capture_output=True,
        text=True,
        timeout=GUARD_SECONDS,
        check=False,
    )


def told(observation: Observation) -> list[tuple[str, Any]]:
    """What the server took, in its order: jobs by their id, events by their step; and deliver the rest first."""
    done = run(observation, DELIVER)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    found: list[tuple[str, Any]] = []
    for each in observation.sink.requests():
        if each.accepted and each.method == "POST" and each.path != "/job_configurations":
            body = json.loads(each.body)
            found.append((each.path, body["provider_job_id"] if each.path == "/jobs" else body["tag"]))
    assert observation.ledger()["balanced"]
    return found


FORK = """
j = job()
j.send_event("step", "a")
if os.fork() == 0:
    j.send_event("step", "b")
    os._exit(0)
os.wait()
"""

FORK_FIRST = """
if os.fork() == 0:
    job().send_event("step", "a")
    os._exit(0)
os.wait()
"""

POOL = """
j = job()
with multiprocessing.get_context("fork").Pool(1, initializer=j.send_event, initargs=("step", "a")) as pool:
    pool.apply(os.getpid)
"""

THREADS = """
j = job()
threads = [threading.Thread(target=j.send_event, args=("step", "a")) for _ in range(20)]
[t.start() for t in threads]
[t.join() for t in threads]
"""

ONE = "job().send_event('step', 'a')\n"

PROGRAMS: dict[str, tuple[str, int, list[str]]] = {
    "falls off": (ONE, 0, ["a"]),
    "sys.exit": (ONE + "sys.exit(3)", 3, ["a"]),
    "os._exit": (ONE + "os._exit(3)", 3, ["a"]),
    "killed": (ONE + "kill()", -9, ["a"]),
    "raises": (ONE + "1 / 0", 1, ["a"]),
    "fork": (FORK, 0, ["a", "b"]),
    "a job in a fork child": (FORK_FIRST, 0, ["a"]),
    "a pool that is terminated": (POOL, 0, ["a"]),
    "threads": (THREADS, 0, ["a"] * 20),
}
"""The rest of each program, its exit status, and the steps that the server hears of."""

CASES = [*((name, mode) for name in PROGRAMS for mode in ("ok", "refuse")), ("falls off", "hang"), ("fork", "hang")]


@pytest.mark.parametrize(("name", "mode"), CASES)
def test_each_event_is_told_once(name: str, mode: str, observation: Observation) -> None:
    """However the program ends, and whether the server was up; it prints nothing, and its status is its own."""
    text, status, steps = PROGRAMS[name]
    observation.sink.set_mode(mode)
    done = run(observation, text)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr == "" or "ZeroDivisionError" in done.stderr
    observation.sink.set_mode("ok")
    found = told(observation)
    assert found[0] == ("/jobs", "job-1")
    assert sorted(found[1:]) == [("/events", step) for step in steps]
    files = [path for path in (observation.directory / "state").rglob("*") if path.is_file()]
    assert not [path for path in files if b"canary" in path.read_bytes()]


def test_a_job_goes_on_after_it_was_killed(observation: Observation) -> None:
    """Killed between the job and its event, started again with the same id: the backend's 500 does not stop it."""
    assert run(observation, "job()\nkill()").returncode == -9
    done = run(observation, "j = job()\nj.send_event('step', 'a')\nj.send_event('complete', 'b')")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert told(observation) == [("/jobs", "job-1"), ("/events", "a"), ("/events", "b")]
    repeated = [each for each in observation.sink.requests() if each.path == "/jobs" and not each.accepted]
    # The backend cannot say whether it failed or has the job: asked at once, and a few times more (section 6).
    assert 2 <= len([each for each in repeated if each.answer == 500]) <= 6


def test_a_job_that_nobody_heard_of_goes_on(observation: Observation) -> None:
    """The same while the server was away: one job, and the events of both runs in their order."""
    observation.sink.set_mode("refuse")
    run(observation, "j = job()\nj.send_event('step', 'a')\nkill()")
    run(observation, "j = job()\nj.send_event('step', 'b')\nkill()")
    observation.sink.set_mode("ok")
    assert told(observation) == [("/jobs", "job-1"), ("/events", "a"), ("/events", "b")]


def test_a_job_object_in_a_new_interpreter(observation: Observation) -> None:
    """A worker that was spawned makes its own `TrackerApi`: keys are in no pickle."""
    text = "job()\nTrackerJobApi(TrackerApi('canary-1', {url!r}, skip_verify=True), 'job-1').send_event('step', 'a')"
    assert run(observation, text.format(url=observation.sink.url)).returncode == 0
    assert told(observation) == [("/jobs", "job-1"), ("/events", "a")]


@pytest.mark.parametrize("switch", [{"FOOTFALL": "off"}, {"DO_NOT_TRACK": "1"}, {"OTEL_SDK_DISABLED": "true"}])
def test_off_means_off(observation: Observation, switch: dict[str, str]) -> None:
    """No file, thread or socket; the program runs as before, fork children as well."""
    text = FORK + (
        "tracker.verify_api_key()\nassert j.provider_job_id == 'job-1'\nassert threading.active_count() == 1\n"
        "assert not {'urllib3', 'requests', 'sqlite3', 'ssl'} & set(sys.modules)"
    )
    done = run(observation, text, **{"FOOTFALL": "on", **switch})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert observation.sink.requests() == []
    assert not (observation.directory / "state").exists()
    assert not (observation.directory / "config").exists()


def test_importing_the_facade_is_light() -> None:
    """No HTTP client, SQLite, YAML or OpenTelemetry SDK, until something is asked, loaded or delivered."""
    heavy = "{'requests', 'urllib3', 'sqlite3', 'opentelemetry.sdk', 'yaml', 'wrapt', 'pydantic'}"
    code = f"import sys, footfall.facade.tracker; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
