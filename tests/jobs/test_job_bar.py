"""The progress bar: on a terminal, by points, on stderr alone, and never in the way."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from tests.terminal import run_python

GUARD_SECONDS = 60.0

PROGRAM = """\
import os, sys, threading
if "norich" in sys.argv:
    sys.modules["rich"] = None
import footfall
from jobrun import JOBS
footfall.instrument("demo/bar", version="1", jobs=JOBS, send_to=[footfall.Tracker("http://127.0.0.1:9", customer_id=1)])
streams = sys.stdout, sys.stderr
wanted = "silent" not in sys.argv
with footfall.job("my_job", progress=wanted) as job:
    threads = {each.name for each in threading.enumerate()} - {"footfall"}
    job.step_done("say_hello")
    with footfall.job("my_job", progress=wanted) as inner:
        inner.step_done("say_bye")
    pid = os.fork()
    if pid == 0:
        job.step_done("random_number")
        os._exit(0)
    os.waitpid(pid, 0)
    if "fail" in sys.argv:
        raise SystemExit(3)
    with job.step("say_bye"):
        print("printed")
assert streams == (sys.stdout, sys.stderr)
assert threads == {"MainThread"}, threads
"""


def run(*words: str, terminal: bool = True, **environ: str) -> tuple[int, str, str]:
    """Run the program with a terminal on stderr, or a pipe; return status, stdout, and what stderr got."""
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    variables = {**os.environ, "PYTHONPATH": path, "TERM": "xterm", "COLUMNS": "100", **environ}
    arguments = ["-W", "error", "-c", PROGRAM, *words]
    return run_python(arguments, variables, timeout_seconds=GUARD_SECONDS, terminal=terminal)


def drawn(text: str) -> list[str]:
    """Return what was drawn one over the other, without colours and the bar itself."""
    lines = text.replace("\r\n", "\n").split("\r\x1b[2K")
    return [" ".join(re.sub(r"\x1b\[[0-9;]*m|[━╸╺]", "", line).split()) for line in lines if line]


@pytest.mark.parametrize("mode", ["local", "off"])
def test_a_bar_by_points(mode: str):
    """Drawn when a step begins and ends, also where footfall is off; of one job at a time, children's points count."""
    status, printed, shown = run(FOOTFALL=mode)
    assert (status, printed) == (0, "printed\n"), shown
    lines = drawn(shown)
    assert lines[0] == "My Job 0%"
    assert "My Job 29% Say Hello" in lines
    assert lines[-1] == "My Job 100%"
    assert "My Job 71% Say Bye" in lines
    assert shown.endswith("\r\n")
    assert "\x1b[?25l" not in shown  # no cursor is hidden that a kill would leave so


def test_a_bar_that_stops():
    """It stays where the job failed, with what ended it, and the next line is free."""
    status, _, shown = run("fail", FOOTFALL="local")
    assert status == 3
    assert drawn(shown)[-1] == "My Job 71% SystemExit"


@pytest.mark.parametrize(
    ("words", "terminal", "environ"),
    [
        (("silent",), True, {}),
        (("norich",), True, {}),
        ((), False, {}),
        ((), True, {"TERM": "dumb"}),
    ],
    ids=["silenced", "without rich", "no terminal", "dumb terminal"],
)
def test_no_bar(words: tuple[str, ...], terminal: bool, environ: dict[str, str]):
    """And no error, and not a byte."""
    assert run(*words, terminal=terminal, FOOTFALL="local", **environ) == (0, "printed\n", "")
