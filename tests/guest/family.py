"""A program that uses an observed function in itself and in each kind of child, and prints who did; never imported.

    python -m tests.guest.family SINK

The last line of stdout is JSON: role to process id, of every process in which the function was called.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys

import footfall
from tests.process import observed


def use(sink: str) -> int:
    """Call the observed function once, in a process that has instrumented itself; return its process id."""
    if not hasattr(observed.work, "__wrapped__"):
        footfall.instrument(
            "tests/observed",
            version="1",
            registry={"registry": {"calls": ["tests.process.observed:work"]}},
            send_to=[footfall.Migas(sink)],
        )
    observed.work(1)
    return os.getpid()


def main(sink: str) -> None:
    roles = {"parent": use(sink)}
    child = os.fork()
    if child == 0:
        use(sink)
        os._exit(0)
    os.waitpid(child, 0)
    roles["fork"] = child
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        roles["spawn"] = pool.apply(use, (sink,))
    command = [sys.executable, "-c", f"from tests.guest.family import use; print(use({sink!r}))"]
    roles["subprocess"] = int(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout)
    print(json.dumps(roles))


if __name__ == "__main__":
    main(sys.argv[1])
