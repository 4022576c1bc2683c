"""Runs the checks of whole pipelines: ``python -m tests.pipeline``, with ``SPANS=2000`` for a quick look.

They are no part of ``make test``: they need Go for a Collector, and Java and Maven for Kafka, and take minutes. What a
machine has no tools for is left out, and the last line says so by name.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.pipeline import tools

HERE = Path(__file__).parent
WITH_COLLECTOR = ("configurations", "doors", "pipeline")
ALL = (*WITH_COLLECTOR, "kafka")
CHECK_SECONDS = 2400
"""Longest time of one check: what hangs fails under its name."""


def main(wanted: list[str]) -> int:
    """Run the *wanted* checks, or all; return the exit status of pytest."""
    run, skipped = [], []
    missing = _missing()
    for name in wanted or ALL:
        if missing.get(name):
            skipped.append(f"{name} ({missing[name]})")
        else:
            run.append(str(HERE / f"check_{name}.py"))
    status = 0
    if run:
        options = [
            "-n0",
            "-p",
            "no:randomly",
            "-o",
            "python_files=check_*.py",
            "-o",
            "python_functions=check_*",
            "-o",
            "addopts=--strict-markers",
            "-o",
            f"timeout={CHECK_SECONDS}",
        ]
        status = int(pytest.main([*options, *run]))
    print("pipeline:", f"skipped {', '.join(skipped)}" if skipped else "nothing skipped")
    return status


def _missing() -> dict[str, str]:
    """Return what each check cannot have here; find or make the rest, and say where it is."""
    try:
        os.environ["PIPELINE_COLLECTOR"] = str(tools.collector())
    except tools.MissingError as error:
        return dict.fromkeys(ALL, str(error))
    try:
        os.environ["PIPELINE_KAFKA"] = str(tools.kafka())
    except tools.MissingError as error:
        return {"kafka": str(error)}
    return {}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
