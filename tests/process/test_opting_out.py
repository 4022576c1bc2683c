"""A no deletes what was not sent yet, and stops programs that are running (reliability.md S15)."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from footfall.consent import choice
from footfall.delivery import Delivery, forget
from footfall.places import Places, find
from footfall.settings import Settings
from footfall.testing.sink.client import Sink
from tests.process.harness import GUARD_SECONDS, Observation, dropped

PROGRAM = """
import sys, threading, footfall
footfall.instrument("tests/observed", version="1", send_to=[footfall.Migas({url!r})],
                    registry={{"registry": {{"calls": ["tests.process.observed:work"]}}}})
footfall.instrument("tests/other", version="1", send_to=[footfall.Migas({url!r})],
                    registry={{"registry": {{"calls": ["tests.process.observed:fail"]}}}})
from tests.process import observed
wrapped = {{"work": observed.work, "fail": observed.fail}}
for line in sys.stdin:
    word = line.strip()
    if word == "work":
        observed.work(1)
    elif word == "fail":
        try:
            observed.fail(1)
        except ValueError:
            pass
    elif word == "state":
        names = [name for name in wrapped if getattr(observed, name) is wrapped[name]]
        print(*names, "threads", sum(thread.name == "footfall" for thread in threading.enumerate()), flush=True)
        continue
    elif word == "block":
        with footfall.track("tests/observed"):
            print("in", flush=True)
            sys.stdin.readline()
    print("done", flush=True)
"""


class Program:
    """A program that does what it is told, line by line."""

    def __init__(self, observation: Observation, **extra: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(url=observation.sink.url)],
            env=observation.environment(**{"FOOTFALL_DELIVERY_INTERVAL_SECONDS": "0.1", **extra}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def say(self, word: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()

    def end(self) -> None:
        _, err = self._process.communicate(timeout=GUARD_SECONDS)
        assert (self._process.returncode, err) == (0, "")

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate(timeout=GUARD_SECONDS)


@pytest.fixture
def observation(tmp_path: Path) -> Iterator[Observation]:
    with Sink(tmp_path / "sink") as sink:
        yield Observation(tmp_path, sink)


def wait_for(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.02)


def config(observation: Observation) -> Path:
    return observation.directory / "config" / "footfall"


def places(observation: Observation) -> Places:
    found = find(str(observation.directory / "state"), observation.environment())
    assert found is not None
    return found


def journals(observation: Observation) -> list[Path]:
    return list((observation.directory / "state" / "journal").iterdir())


@pytest.mark.parametrize("projects", [("",), ("tests/observed", "tests/other")], ids=["all", "each by name"])
def test_a_running_program_stops_within_a_turn_and_leaves_nothing(
    observation: Observation, projects: tuple[str, ...]
) -> None:
    """No wrapper, no thread, no journal; what waited is dropped and counted; what happens later leaves no trace."""
    observation.sink.set_mode("status:503")
    program = Program(observation)
    assert [program.say(word) for word in ("work", "fail", "state")] == ["done", "done", "work fail threads 1"]
    for project in projects:
        choice.turn_off(config(observation), project)
    wait_for(lambda: program.say("state") == "threads 0")
    wait_for(lambda: not journals(observation))
    observation.sink.set_mode("ok")
    asked = len(observation.sink.requests())
    assert [program.say(word) for word in ("work", "fail")] == ["done", "done"]
    program.end()
    assert journals(observation) == []
    assert len(observation.sink.requests()) == asked
    for project in projects:
        choice.turn_on(config(observation), project)
    observation.send_everything()
    assert observation.crumbs() == []
    ledger = observation.ledger()
    assert ledger["balanced"]
    assert dropped(ledger, "migas") == {"opted_out": 2}


def test_a_run_that_ends_after_the_no_says_nothing(observation: Observation) -> None:
    """The block was entered before; its end opens no new journal."""
    program = Program(observation)
    assert program.say("block") == "in"
    wait_for(lambda: len(observation.crumbs()) == 1)
    choice.turn_off(config(observation))
    wait_for(lambda: not journals(observation))
    assert program.say("") == "done"
    program.end()
    assert journals(observation) == []
    choice.turn_on(config(observation))
    observation.send_everything()
    assert [crumb["proc"]["status"] for crumb in observation.crumbs()] == ["R"]


def test_a_no_to_one_project_leaves_the_other_alone(observation: Observation) -> None:
    """Whoever delivers obeys, also for lines that were written before."""
    observation.sink.set_mode("status:503")
    program = Program(observation)
    assert [program.say(word) for word in ("work", "work", "fail")] == ["done"] * 3
    choice.turn_off(config(observation), "Tests/Observed")
    wait_for(lambda: program.say("state") == "fail threads 1")
    observation.sink.set_mode("ok")
    assert [program.say(word) for word in ("work", "fail")] == ["done"] * 2
    program.end()
    wait_for(lambda: observation.send(deadline_seconds=5).returncode == 0)
    assert {crumb["project"] for crumb in observation.crumbs()} == {"tests/other"}
    assert len(observation.crumbs()) == 2
    ledger = observation.ledger()
    assert ledger["balanced"]
    assert dropped(ledger, "migas") == {"opted_out": 2}


def test_a_no_in_the_middle_of_a_delivery_ends_it(observation: Observation) -> None:
    """Asked before each request: of 2000 that wait, those not sent at that moment never are."""
    at = places(observation)
    program = Program(observation, FOOTFALL_EXIT_BUDGET_SECONDS="0", FOOTFALL_DELIVERY_INTERVAL_SECONDS="600")
    for _ in range(2000):
        assert program.say("work") == "done"
    program.kill()
    delivery = Delivery(at, Settings())
    sender = threading.Thread(target=lambda: delivery.drain(timeout_seconds=GUARD_SECONDS))
    sender.start()
    observation.sink.wait_for(lambda requests: len(requests) >= 20)
    choice.turn_off(config(observation), "tests/observed")
    sender.join(GUARD_SECONDS)
    assert not sender.is_alive()
    books = delivery.ledger()
    delivery.close()
    (account,) = books.accounts
    assert (account.pending, account.balanced) == (0, True)
    assert 20 <= account.delivered < 2000
    assert account.dropped == {"opted_out": 2000 - account.delivered}


@pytest.mark.parametrize("taken_in", [False, True], ids=["in the journal", "in the outbox"])
def test_what_waited_before_a_no_is_not_sent_after_a_yes(observation: Observation, taken_in: bool) -> None:
    """Even where nobody deletes it in between: the moment of the no is kept."""
    observation.sink.set_mode("status:503")
    program = Program(observation, FOOTFALL_EXIT_BUDGET_SECONDS="0")
    assert [program.say(word) for word in ("work", "fail")] == ["done"] * 2
    program.kill()
    if taken_in:
        observation.send(deadline_seconds=1)
    choice.turn_off(config(observation), "tests/observed")
    choice.turn_on(config(observation), "tests/observed")
    observation.sink.set_mode("ok")
    later = Program(observation)
    assert later.say("work") == "done"
    later.end()
    wait_for(lambda: observation.send(deadline_seconds=5).returncode == 0)
    assert sorted(crumb["project"] for crumb in observation.crumbs()) == ["tests/observed", "tests/other"]
    ledger = observation.ledger()
    assert ledger["balanced"]
    assert dropped(ledger, "migas") == {"opted_out": 1}


def test_forget_deletes_at_once_or_leaves_it_to_who_delivers(observation: Observation) -> None:
    """What `footfall off` calls: the journals of dead processes go, the books say why; a held outbox is left alone."""
    program = Program(observation, FOOTFALL_EXIT_BUDGET_SECONDS="0", FOOTFALL_DELIVERY_INTERVAL_SECONDS="600")
    assert [program.say(word) for word in ("work", "fail")] == ["done"] * 2
    program.kill()
    assert len(journals(observation)) == 1
    at = places(observation)
    untouched = forget(at, Settings())
    assert untouched is not None
    assert (untouched.pending, journals(observation)) == (2, [])
    choice.turn_off(config(observation))
    holder = Delivery(at, Settings())
    try:
        assert forget(at, Settings()) is None
    finally:
        holder.close()
    books = forget(at, Settings())
    assert books is not None
    assert (books.pending, books.balanced) == (0, True)
    assert [account.lost for account in books.accounts] == [2]
    assert observation.sink.requests() == []


def test_a_no_that_cannot_be_read_deletes_nothing_and_sends_nothing(observation: Observation) -> None:
    """A damaged choice may be a no, so it stops all; it may be none, so nothing is thrown away."""
    program = Program(observation, FOOTFALL_EXIT_BUDGET_SECONDS="0", FOOTFALL_DELIVERY_INTERVAL_SECONDS="600")
    assert program.say("work") == "done"
    program.kill()
    (config(observation) / "choice.json").write_text("{")
    assert observation.send().stdout.startswith("nothing is sent: ")
    assert observation.sink.requests() == []
    choice.turn_on(config(observation))
    observation.send_everything()
    assert len(observation.crumbs()) == 1
