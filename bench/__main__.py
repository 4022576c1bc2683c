"""``python -m bench``: every figure of design.md section 6, one line each; exit status 1 when one is missed.

Lines marked ``info`` have no target; they say what a figure is made of. State goes to a private temporary directory
(``TMPDIR`` chooses the file system; one in memory makes every sync free and the comparison with SQLite meaningless).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

from bench.measure import Figure

FIGURES = {
    "calls": "bench.calls:costs",
    "off": "bench.calls:off",
    "scale": "bench.scale:figures",
    "waiting": "bench.waiting:figures",
    "intake": "bench.intake:figures",
    "courier": "bench.courier:figures",
    "insights": "bench.insights:figures",
    "ramen": "bench.ramen:figures",
    "gateway": "bench.gateway:figures",
    "starting": "bench.starting:figures",
    "exiting": "bench.exiting:figures",
    "jobs": "bench.jobs:figures",
    "space": "bench.space:figures",
    "notebook": "bench.notebook:figures",
}
"""What ``--only`` takes, and the function that gives its figures."""


def main() -> int:
    """Measure, print, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", metavar="NAME", choices=FIGURES, action="append", help=", ".join(FIGURES))
    asked = parser.parse_args().only or list(FIGURES)
    missed = 0
    begin = time.monotonic()
    print(f"{'figure':<42} {'target':>10} {'measured':>10}  {'spread':<17} {'':<7} 10th percentiles")
    for name in asked:
        module, _, function = FIGURES[name].partition(":")
        figures: Callable[[Path], Iterator[Figure]] = getattr(import_module(module), function)
        with tempfile.TemporaryDirectory(prefix="footfall-bench-", ignore_cleanup_errors=True) as directory:
            for figure in figures(Path(directory)):
                missed += figure.missed
                print(figure.line(), flush=True)
    print(f"{missed or 'none'} missed; {time.monotonic() - begin:.0f} s on CPython {sys.version.split()[0]}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
