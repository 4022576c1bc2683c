"""D6 and D7: two versions of footfall on one state directory. Both record; what the older cannot read, the newer sends.

The newer version is this one with a migration and a journal format more. That an older outbox is migrated, and a newer
one is not read, is shown in tests/outbox/test_store.py; here whole programs meet.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.process.harness import GUARD_SECONDS, Observation

NEWER = """
import os, sys
from footfall.journal import lines
from footfall.outbox import schema
schema.MIGRATIONS = (*schema.MIGRATIONS, "CREATE TABLE of_the_future (x);")
schema.VERSION += 1
lines.VERSION += 1
"""
NEWER_JOURNAL = """
from functools import partial
lines.Opened = partial(lines.Opened, version=lines.VERSION)
"""
RECORD = """
from tests.process import driver
driver.instrument(os.environ["SINK"])
driver.calls(int(sys.argv[1]), 50)
"""
COMMAND = """
from footfall.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
OLDER = "import os, sys\n"
LEAVE = {"FOOTFALL_DELIVERY_INTERVAL_SECONDS": "3600", "FOOTFALL_EXIT_BUDGET_SECONDS": "0"}
TRY = {"FOOTFALL_DELIVERY_INTERVAL_SECONDS": "0.05"}


def run(observation: Observation, code: str, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    environ = observation.environment(SINK=observation.sink.url, CONFIRM=str(observation.confirm), **extra)
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=GUARD_SECONDS, check=False,
    )  # fmt: skip


def silent(done: subprocess.CompletedProcess[str]) -> None:
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("first", ["newer", "older"])
def test_both_record_and_the_newer_delivers(observation: Observation, first: str) -> None:
    """Whoever made the outbox: once the newer has had it, the older only appends, and nothing is lost or sent twice."""
    if first == "newer":
        done = run(observation, NEWER + COMMAND, "send", "--deadline", "20")
        assert done.returncode == 0, done.stderr
    silent(run(observation, OLDER + RECORD, "0", **(LEAVE if first == "newer" else TRY)))
    if first == "older":
        assert run(observation, OLDER + COMMAND, "send", "--deadline", "20").returncode == 0
        assert sorted(observation.numbers()) == list(range(50))
        assert run(observation, NEWER + COMMAND, "send", "--deadline", "20").returncode == 0
    silent(run(observation, NEWER + NEWER_JOURNAL + RECORD, "1000", **LEAVE))
    silent(run(observation, OLDER + RECORD, "2000", **TRY))
    before = len(observation.sink.requests())
    refused = run(observation, OLDER + COMMAND, "send", "--deadline", "5")
    assert refused.returncode == 1
    assert "newer" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert len(observation.sink.requests()) == before, "the older one sends nothing"
    done = run(observation, NEWER + COMMAND, "send", "--deadline", "20")
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert " NO " not in done.stdout
    assert sorted(observation.numbers()) == [*range(50), *range(1000, 1050), *range(2000, 2050)]
    observation.assert_nothing_lost()


def test_a_journal_of_the_future_waits_for_who_can_read_it(observation: Observation) -> None:
    """The older one's outbox is its own; a line format that it does not know stays where it is, untouched."""
    silent(run(observation, OLDER + RECORD, "0", **LEAVE))
    silent(run(observation, NEWER + NEWER_JOURNAL + RECORD, "1000", **LEAVE))
    assert run(observation, OLDER + COMMAND, "send", "--deadline", "20").returncode == 0
    assert sorted(observation.numbers()) == list(range(50))
    assert len(list((observation.directory / "state" / "journal").glob("*.jsonl"))) == 1
    assert run(observation, NEWER + COMMAND, "send", "--deadline", "20").returncode == 0
    assert sorted(observation.numbers()) == [*range(50), *range(1000, 1050)]
    observation.assert_nothing_lost()
