"""A real job beside every kind of backend: same output, same exit status, and the whole progress afterwards, in order.

The job is the program in ``examples/translations``, in a process of its own; the backend is a sink in another one.
Run times are compared by ``python -m bench --only jobs``.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from jobfiles import ROOT

from footfall.clock import SystemClock
from footfall.delivery import OUTBOX_NAME
from footfall.outbox.store import Outbox
from footfall.places import find
from footfall.testing.sink import Sink

GUARD_SECONDS = 120.0
EXAMPLE = ROOT / "examples" / "translations"
STEPS = ("find", "read", "parse", "count", "placeholders", "plurals", "compiled", "rank", "table", "report")
NOTED = [*STEPS[:7], "info", *STEPS[7:]]
KEY = "x-api_key: canary-7"


class Place:
    """Where one test's program, files and backend are."""

    def __init__(self, directory: Path, sink: Sink) -> None:
        self.sink = sink
        self.program = directory / "translations"
        shutil.copytree(EXAMPLE, self.program, ignore=shutil.ignore_patterns("__pycache__"))
        self.output = directory / "output"
        self.output.mkdir()
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PYTEST"))},
            "FOOTFALL": "on",
            "FOOTFALL_EXIT_BUDGET_SECONDS": "0.2",
            "TRACKER_URL": sink.url,
            "TRACKER_KEY": KEY,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }

    def command(self, *arguments: str) -> list[str]:
        """Return what runs a script of the example."""
        return [sys.executable, "-W", "error", *arguments]

    def run(self, *arguments: str, **environ: str) -> tuple[int, str, str]:
        """Run it to its end; return status, and what it printed."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.program,
            env=self.environ | environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=GUARD_SECONDS,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def tracked(self, job_id: str, **environ: str) -> tuple[int, str, str]:
        """Run the program that says what it does."""
        return self.run("tracked.py", str(self.output), job_id, **environ)

    def send(self) -> None:
        """Deliver what waits, as a job's epilogue would."""
        status, printed, said = self.run("-m", "footfall", "send", "--deadline", "60")
        assert status == 0, printed + said

    def resume(self) -> None:
        """Let a destination that was paused for its answers be asked again, as when the pause is over."""
        found = find(os.environ["FOOTFALL_DIR"], os.environ)
        assert found is not None
        outbox = Outbox.open(found.outbox / OUTBOX_NAME, clock=SystemClock(), max_bytes=2**26, max_age_seconds=86400.0)
        try:
            for each in outbox.destinations():
                outbox.resume(each.id)
        finally:
            outbox.close()

    def progress(self, job_id: str) -> list[str]:
        """Return what the backend took of the job, in its order: paths, and of events their step or kind."""
        found: list[str] = []
        for request in self.sink.requests():
            fields = request.records[0]["fields"] if request.records else {}
            if (
                request.accepted
                and fields.get("provider_job_id", job_id) == job_id
                and request.path != "/api-keys/protected"
            ):
                found.append((fields["tag"] or fields["kind"]) if request.path == "/events" else request.path[1:])
        return found


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with Sink(tmp_path / "sink") as sink:
        yield Place(tmp_path, sink)


def expected(place: Place) -> tuple[int, str, str]:
    """Return what the program does by itself."""
    status, printed, said = place.run("run.py", str(place.output), FOOTFALL="off")
    assert (status, said) == (0, "")
    assert "languages are complete" in printed
    return status, printed, said


WHOLE = ["job_configurations", "jobs", *NOTED, "complete"]


@pytest.mark.parametrize("mode", ["ok", "refuse", "hang", "half500", "status:403", "status:503", "portal"])
def test_the_job_does_not_notice(place: Place, mode: str):
    """The backend may be up, down, silent, failing or refusing for the whole job; later it has all of it, in order."""
    alone = expected(place)
    place.sink.set_mode(mode)
    assert place.tracked("job-1") == alone
    place.sink.set_mode("ok")
    place.resume()
    place.send()
    assert place.progress("job-1") == WHOLE


@pytest.mark.parametrize("mode", ["ok", "refuse", "hang"])
def test_a_job_that_fails(place: Place, mode: str):
    """Ends with the same traceback and status as without footfall; its server hears of both, step and job."""
    place.output.rmdir()
    alone = place.tracked("job-1", FOOTFALL="off")
    assert (alone[0], alone[1]) == (1, "")
    place.sink.set_mode(mode)
    assert place.tracked("job-1") == alone
    place.sink.set_mode("ok")
    place.send()
    assert place.progress("job-1") == [*WHOLE[:11], "table", "error"]
    kinds = [each.records[0]["fields"]["kind"] for each in place.sink.requests() if each.path == "/events"]
    assert kinds[-2:] == ["error", "error"]


@pytest.mark.parametrize("mode", ["ok", "hang"])
def test_the_registry_alone(place: Place, mode: str):
    """No line of the program names footfall, and its job is told all the same: steps are what the registry says."""
    alone = expected(place)
    registry = place.program / "footfall.yaml"
    text = registry.read_text().replace("http://localhost:8000", place.sink.url)
    registry.write_text(text.replace("customer_id: 142", "customer_id: 142\n    in_doubt: retry"))
    registry.chmod(0o600)
    place.sink.set_mode(mode, "" if mode == "ok" else "/events")
    found = place.run(
        str(Path(sys.executable).with_name("opentelemetry-instrument")),
        *("--traces_exporter", "none", "--metrics_exporter", "none", "--logs_exporter", "none"),
        *(sys.executable, "run.py", str(place.output)),
        FOOTFALL_CONFIG=str(registry),
    )
    assert found == alone
    place.sink.set_mode("ok")
    place.send()
    (job,) = [each.records[0]["fields"] for each in place.sink.requests() if each.path == "/jobs" and each.accepted]
    assert (job["tag"], job["customer_id"]) == ("translations", 142)
    # With `in_doubt: retry` what was on its way when the process ended is sent again.
    told = list(dict.fromkeys(place.progress(job["provider_job_id"])))
    assert told == ["job_configurations", "jobs", *STEPS, "complete"]


KILLED = """\
import sys, time
import footfall
jobs = {"job_configs": [{"tag": "j", "name": "J", "version": "1", "step_configurations": [
    {"tag": tag, "name": tag, "points": 10} for tag in ("one", "two", "three")]}]}
footfall.instrument("demo/killed", version="1", jobs=jobs,
    send_to=[footfall.Tracker(sys.argv[1], customer_id=142, credentials="env:TRACKER_KEY")])
with footfall.job("j", provider_job_id="again") as job:
    print(job.points_done, flush=True)
    job.step_done("one")
    job.step_done("two")
    print(job.points_done, flush=True)
    if sys.argv[2] == "wait":
        time.sleep(600)
    job.step_done("three")
    print(job.points_done, flush=True)
"""


def test_killed_and_started_again(place: Place):
    """Whoever delivers next tells of the death; the next start goes on, and repeats no step."""
    (place.program / "killed.py").write_text(KILLED)
    process = subprocess.Popen(
        place.command("killed.py", place.sink.url, "wait"),
        cwd=place.program,
        env=place.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert [process.stdout.readline(), process.stdout.readline()] == ["0\n", "20\n"]
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=GUARD_SECONDS)
    place.send()
    killed = ["job_configurations", "jobs", "one", "two", "error"]
    assert place.progress("again") == killed
    last = place.sink.requests()[-1].records[0]["fields"]
    assert (last["kind"], last["event_metadata"]) == ("error", {"exception.type": "ProcessKilled"})
    assert place.run("killed.py", place.sink.url, "go on") == (0, "20\n20\n30\n", "")
    place.send()
    assert place.progress("again") == [*killed, "job_configurations", "three", "complete"]


def test_started_again_before_anything_was_sent(place: Place):
    """Both runs wait: the job is opened once, and no step is there twice."""
    place.sink.set_mode("refuse")
    (place.program / "killed.py").write_text(KILLED.replace('job.step_done("three")', "raise SystemExit(3)", 1))
    assert place.run("killed.py", place.sink.url, "go on") == (3, "0\n20\n", "")
    (place.program / "killed.py").write_text(KILLED)
    assert place.run("killed.py", place.sink.url, "go on") == (0, "20\n20\n30\n", "")
    place.sink.set_mode("ok")
    place.send()
    assert place.progress("again") == ["job_configurations", "jobs", "one", "two", "error", "three", "complete"]
