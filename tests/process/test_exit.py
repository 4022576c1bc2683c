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


def started(observation: Observation, **extra: str) -> subprocess.Popen[str]:
    """Start the program, and return when its first event is delivered."""
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(url=observation.sink.url)],
        env=observation.environment(FOOTFALL_EXIT_BUDGET_SECONDS="20", **extra),
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
    return program


def test_who_delivered_before_delivers_at_exit_too(observation: Observation) -> None:
    """The last use of a process is sent by that process, whose connections are still good."""
    program = started(observation, FOOTFALL_DELIVERY_INTERVAL_SECONDS="600")
    out, err = program.communicate("another\n", timeout=GUARD_SECONDS)
    assert (program.returncode, out, err) == (0, "", "")
    assert len(observation.sink.requests()) == 2


def test_an_answer_that_is_on_its_way_is_waited_for(observation: Observation) -> None:
    """The server is known to answer and takes its time: no copy is sent by the next process."""
    program = started(observation, FOOTFALL_DELIVERY_INTERVAL_SECONDS="0.05")
    assert program.stdin is not None
    observation.sink.set_mode("drip:0.005")
    program.stdin.write("another\n")
    program.stdin.flush()
    observation.sink.wait_for(lambda requests: len(requests) == 2)
    _, err = program.communicate(timeout=GUARD_SECONDS)
    assert (program.returncode, err) == (0, "")
    observation.sink.set_mode("ok")
    observation.send_everything()
    assert [each.mode for each in observation.sink.requests()] == ["ok", "drip:0.005"]
    observation.assert_balanced()
