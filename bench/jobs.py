"""How long a real job takes beside a backend that is down, hangs, fails or refuses, against one that is up.

The job is ``examples/translations`` with its ten steps, a process a round from its start to its end; the backends are
sinks in processes of their own, one for each side. The one that is up costs the exit of this short job up to half a
second, in which what waits is delivered; the others cost it nothing. What the job costs with footfall off is given for
information.
"""

from __future__ import annotations

import contextlib
import itertools
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.measure import Figure, compare, cost, in_milliseconds, interleave
from bench.worker import ROOT, environment
from footfall.testing.sink import Sink

PROGRAM = ROOT / "examples" / "translations"
MODES = {"up": "ok", "down": "refuse", "hanging": "hang", "failing": "half500", "refusing": "status:403"}
ROUNDS = 15
AT_MOST = 1.05


def figures(directory: Path) -> Iterator[Figure]:
    """Each of the other backends against the one that is up; the job with footfall on against off."""
    numbers = itertools.count()
    with contextlib.ExitStack() as stack:
        urls = {
            name: stack.enter_context(Sink(directory / f"sink-{name}", mode=mode, max_seconds=3600)).url
            for name, mode in MODES.items()
        }

        def run(url: str, footfall: str = "on") -> float:
            place = directory / f"job{next(numbers)}"
            extra = {"FOOTFALL": footfall, "TRACKER_URL": url, "TRACKER_KEY": "x-api_key: bench"}
            environ = environment(place, extra)
            begin = time.perf_counter_ns()
            subprocess.run(
                [sys.executable, "tracked.py", str(place)],
                cwd=PROGRAM,
                env=environ,
                stdout=subprocess.DEVNULL,
                check=True,
            )
            return float(time.perf_counter_ns() - begin)

        sides = [lambda url=url: run(url) for url in urls.values()]
        up, *others, off = interleave(ROUNDS, *sides, lambda: run(urls["up"], "off"))
    for name, found in zip(list(MODES)[1:], others, strict=True):
        yield cost(f"job of ten steps, backend {name} / up", compare(found, up), AT_MOST, show=in_milliseconds)
    yield cost("job of ten steps, footfall on / off", compare(up, off), None, show=in_milliseconds)
