"""The end of a process while a request is under way (reliability.md P3, P5)."""

from __future__ import annotations

import subprocess
import sys

from tests.process.harness import GUARD_SECONDS, Observation

PROGRAM = """
import sys, footfall
footfall.instrument("tests/observed", version="1", send_to=[footfall.Migas({url!r})])
for line in sys.stdin:
    footfall.event("step")
    if line == "drain\\n":
        footfall.drain(20)
        print("drained", flush=True)
"""


def test_an_answer_that_is_on_its_way_is_waited_for(observation: Observation) -> None:
    """The server is known to answer and takes its time: no copy is sent by the next process."""
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(url=observation.sink.url)],
        env=observation.environment(FOOTFALL_EXIT_BUDGET_SECONDS="20", FOOTFALL_DELIVERY_INTERVAL_SECONDS="0.05"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stdin is not None
    assert program.stdout is not None
    program.stdin.write("drain\n")
    program.stdin.flush()
    assert program.stdout.readline() == "drained\n"
    observation.sink.set_mode("drip:0.005")
    program.stdin.write("another\n")
    program.stdin.flush()
    observation.sink.wait_for(lambda requests: len(requests) == 2)
    _, err = program.communicate(timeout=GUARD_SECONDS)
    assert (program.returncode, err) == (0, "")
    observation.sink.set_mode("ok")
    observation.send_everything()
    assert len(observation.sink.requests()) == 2
    observation.assert_balanced()
