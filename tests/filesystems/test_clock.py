"""C1: the wall clock jumps by ten years, back and forth, under a running program: nothing is lost, nothing expires.

Waits and ages inside the outbox are covered in tests/outbox/test_store.py, those of the courier in tests/courier.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.process.harness import GUARD_SECONDS, Observation

PROGRAM = """
import os, sys, time
offset = 0
time_ns, seconds = time.time_ns, time.time
time.time_ns = lambda: time_ns() + offset * 10**9
time.time = lambda: seconds() + offset
import footfall
from tests.process import driver
driver.instrument(os.environ["SINK"])
for number, years in enumerate(sys.argv[1].split(",")):
    offset = int(years) * 365 * 86400
    driver.calls(number * 50, 50)
    ledger = footfall.drain(20)
    assert (ledger.pending, ledger.balanced) == (0, True), ledger
    assert not any(account.lost for account in ledger.accounts), ledger
driver.calls(1000, 50)
"""


@pytest.mark.parametrize("jumps", ["0,10,0", "0,-10,0", "10,-10,10,0", "0,10,-10"])
def test_jumps_lose_and_expire_nothing(observation: Observation, jumps: str) -> None:
    """Delivered at once whatever the clock says; and what was left at the last jump, by the next process."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, jumps],
        env=observation.environment(SINK=observation.sink.url, CONFIRM=str(observation.confirm)),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=GUARD_SECONDS, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    observation.send_everything()
    observation.assert_nothing_lost()
    observation.assert_balanced()
