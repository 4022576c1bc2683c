"""A program under ``opentelemetry-instrument``: numbered calls at a steady pace, each one confirmed after it returned.

Usage: ``program.py CONFIRM_FILE GO_FILE CALLS SECONDS FUNCTION...``. Call *n* is of the function at ``n % 100``, and of
the last one beyond them. The number arrives at the servers as a captured argument. Where `tracker` is among the
functions, all calls are made in a job, which is opened before; they begin when GO_FILE is there.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path

import footfall
from tests.pipeline import watched

CALLS_AT_ONCE = 50
GO_SECONDS = 60.0
JOB = "job"
TRACKED = "pipeline/tracker"


def function_of(number: int, functions: list[str]) -> str:
    """Return which of *functions* call *number* is of."""
    return functions[min(number % 100, len(functions) - 1)]


def make_calls(descriptor: int, calls: int, seconds: float, functions: list[str]) -> None:
    work = {name: getattr(watched, name) for name in functions}
    began = time.monotonic()
    for number in range(calls):
        work[function_of(number, functions)](number)
        os.write(descriptor, b"%d\n" % number)
        if number % CALLS_AT_ONCE == 0:
            time.sleep(max(0.0, began + seconds * number / calls - time.monotonic()))


def main(confirm: str, go: str, calls: int, seconds: float, functions: list[str]) -> None:
    descriptor = os.open(confirm, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with contextlib.ExitStack() as job:
        if "tracker" in functions:
            steps = [{"tag": "tracker", "points": 1, "name": "tracker"}]
            configuration = {"tag": JOB, "name": "Job", "version": "1.0.0", "step_configurations": steps}
            footfall.event("configuration", project=TRACKED, **{"tracker.configuration": configuration})
            job.enter_context(footfall.track(TRACKED))
        limit = time.monotonic() + GO_SECONDS
        while not Path(go).exists():
            assert time.monotonic() < limit, "nobody said go"
            time.sleep(0.02)
        make_calls(descriptor, calls, seconds, functions)
    os.close(descriptor)
    print("done")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), sys.argv[5:])
