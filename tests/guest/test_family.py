"""Consent in a parent and all its children: fork, spawn, and processes started anew (reliability.md S15, P15)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from footfall.consent import choice
from footfall.testing.sink.client import Sink
from tests.process.harness import GUARD_SECONDS, ROOT, Observation

ROLES = {"parent", "fork", "spawn", "subprocess"}

OFF: dict[str, dict[str, str]] = {
    "FOOTFALL=off": {"FOOTFALL": "off"},
    "FOOTFALL=0": {"FOOTFALL": "0"},
    "DO_NOT_TRACK": {"FOOTFALL": "on", "DO_NOT_TRACK": "true"},
    "OTEL_SDK_DISABLED": {"FOOTFALL": "on", "OTEL_SDK_DISABLED": "true"},
    "MIGAS_OPTOUT": {"FOOTFALL": "", "MIGAS_OPTOUT": "1"},
    "tox": {"FOOTFALL": "", "TOX_ENV_NAME": "py311"},
}


@pytest.fixture
def observation(tmp_path: Path) -> Iterator[Observation]:
    with Sink(tmp_path / "sink") as sink:
        yield Observation(tmp_path, sink)


def family(observation: Observation, **extra: str) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.guest.family", observation.sink.url],
        env=observation.environment(**extra),
        capture_output=True,
        text=True,
        timeout=GUARD_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    roles: dict[str, int] = json.loads(done.stdout)
    assert roles.keys() == ROLES
    return roles


def first_lines(observation: Observation) -> list[dict[str, Any]]:
    files = (observation.directory / "state" / "journal").glob("*.jsonl")
    return [json.loads(path.read_bytes().split(b"\n", 1)[0]) for path in files]


@pytest.mark.parametrize("switch", OFF)
def test_a_no_holds_in_every_child(observation: Observation, switch: str) -> None:
    """Not one of the four leaves a file or sends a request."""
    family(observation, **OFF[switch])
    assert not (observation.directory / "state").exists()
    assert not (observation.directory / "config").exists()
    assert observation.sink.requests() == []


def test_a_recorded_no_holds_where_the_environment_is_another(observation: Observation) -> None:
    """`footfall off` is a file, so a child without the parent's variables obeys it too."""
    choice.turn_off(observation.directory / "config" / "footfall")
    family(observation, FOOTFALL="on")
    assert not (observation.directory / "state").exists()
    assert [path.name for path in (observation.directory / "config" / "footfall").iterdir()] == ["choice.json"]
    assert observation.sink.requests() == []


def test_local_keeps_all_of_them_on_the_machine(observation: Observation) -> None:
    """Four journals, each its own process and session, none of which anybody sends."""
    roles = family(observation, FOOTFALL="local")
    lines = first_lines(observation)
    assert {line["pid"] for line in lines} == set(roles.values())
    assert {line["mode"] for line in lines} == {"local"}
    assert len({line["session_id"] for line in lines}) == 4
    assert observation.send().returncode == 0
    assert observation.sink.requests() == []
    assert len(first_lines(observation)) == 4


@pytest.mark.parametrize("said", ["environment", "recorded"])
def test_a_yes_holds_in_every_child(observation: Observation, said: str) -> None:
    """Four uses arrive, from four sessions of one installation; the fork child's knows its parent's."""
    if said == "recorded":
        choice.turn_on(observation.directory / "config" / "footfall", "tests/observed")
    family(observation, FOOTFALL="on" if said == "environment" else "")
    observation.send_everything()
    contexts = [crumb["ctx"] for crumb in observation.crumbs()]
    assert len({context["session_id"] for context in contexts}) == 4
    assert len({context["user_id"] for context in contexts}) == 1
    observation.assert_balanced()


LOGGED = """
import multiprocessing, os, sys, footfall
footfall.instrument("tests/observed", version="1", send_to=[footfall.Migas({url!r}), footfall.Otlp({url!r})])
def say(word):
    footfall.event(word)
say("parent")
if os.fork() == 0:
    say("forked")
    sys.exit()
os.wait()
process = multiprocessing.get_context("fork").Process(target=say, args=("worker",))
process.start()
process.join()
print("result")
"""


def test_log_prints_what_would_be_sent_and_sends_nothing(observation: Observation) -> None:
    """Each payload of each process on stderr, as its server would get it; results on stdout are untouched."""
    done = subprocess.run(
        [sys.executable, "-c", LOGGED.format(url=observation.sink.url)],
        env=observation.environment(FOOTFALL="log"),
        capture_output=True,
        text=True,
        timeout=GUARD_SECONDS,
        check=True,
    )
    assert done.stdout == "result\n"
    for word in ("parent", "forked", "worker"):
        assert done.stderr.count(f'"status_desc":"{word}"') == 1, done.stderr
        assert done.stderr.count(f'"eventName": "{word}"') == 1, done.stderr
    assert done.stderr.count(f"POST {observation.sink.url}/api/breadcrumb\n") == 3
    assert done.stderr.count(f"POST {observation.sink.url}/v1/logs\n") == 3
    assert observation.sink.requests() == []
    assert observation.send(FOOTFALL="on").returncode == 0
    assert observation.sink.requests() == []


SLOW_WIRE = """
import sys, time
from footfall.wire.migas import MigasWire
sys.modules["__main__"].importing.set()
time.sleep(0.5)
class SlowWire(MigasWire):
    name = "slow"
"""

LOGGED_WHILE_LOADING = """
import os, sys, threading, footfall
from footfall import background
from footfall.destination import Destination
background.LOAD_WAIT_SECONDS = float(sys.argv[1])
importing = threading.Event()
footfall.instrument("tests/observed", version="1", send_to=[Destination(wire="slow", endpoint="http://127.0.0.1:9")])
footfall.event("parent")
assert importing.wait(20)
pid = os.fork()
footfall.event("parent again" if pid else "forked")
if pid:
    os.waitpid(pid, 0)
"""


@pytest.fixture
def slow_wire(observation: Observation) -> str:
    """A place on the path with the wire of another package, which takes its time to be imported."""
    site = observation.directory / "site"
    metadata = site / "slow-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: slow\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[footfall.wires]\nslow = footfall_test_slow:SlowWire\n")
    (site / "footfall_test_slow.py").write_text(SLOW_WIRE)
    return str(site)


@pytest.mark.parametrize(("wait_seconds", "printed_by_the_child"), [(60.0, 1), (0.05, 0)])
def test_log_in_a_fork_while_a_wire_is_imported(
    observation: Observation, slow_wire: str, wait_seconds: float, printed_by_the_child: int
) -> None:
    """The child would never import what the background thread has half imported: the fork waits, or it does not try."""
    done = finish_family(
        [sys.executable, "-c", LOGGED_WHILE_LOADING, str(wait_seconds)],
        observation.environment(FOOTFALL="log", PYTHONPATH=f"{slow_wire}{os.pathsep}{ROOT}"),
    )
    for word, count in {"parent": 1, "parent again": 1, "forked": printed_by_the_child}.items():
        assert done.count(f'"status_desc":"{word}"') == count, done
    assert len(first_lines(observation)) == 2


LOGGED_WHILE_PRINTING = """
import os, sys, threading, time, footfall
printing = threading.Event()
class Stream:
    lock = threading.Lock()  # as the buffer of a file has one
    def write(self, text):
        with self.lock:
            printing.set()
            time.sleep(0.3)
            sys.__stderr__.write(text)
    def flush(self):
        pass
sys.stderr = Stream()
footfall.instrument("tests/observed", version="1", send_to=[footfall.Migas("http://127.0.0.1:9")])
footfall.event("parent")
assert printing.wait(20)
pid = os.fork()
footfall.event("parent again" if pid else "forked")
if pid:
    os.waitpid(pid, 0)
"""


def test_log_in_a_fork_while_the_thread_prints(observation: Observation) -> None:
    """The child would wait for ever for the stream, whose lock it was born with."""
    done = finish_family([sys.executable, "-c", LOGGED_WHILE_PRINTING], observation.environment(FOOTFALL="log"))
    for word in ("parent", "parent again", "forked"):
        assert done.count(f'"status_desc":"{word}"') == 1, done


LOGGED_AT_EXIT = """
import sys, threading, time, footfall
importing = threading.Event()
class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "footfall.export.payload_log":
            importing.set()
            time.sleep(0.5)
sys.meta_path.insert(0, Slow())
footfall.instrument("tests/observed", version="1", send_to=[footfall.Migas("http://127.0.0.1:9")])
footfall.event("parent")
assert importing.wait(20)
"""


def test_log_at_an_exit_while_the_thread_begins_to_print(observation: Observation) -> None:
    """Once: and nobody prints behind the exit's back, which Python would end with SIGABRT."""
    done = finish_family([sys.executable, "-c", LOGGED_AT_EXIT], observation.environment(FOOTFALL="log"))
    assert done.count('"status_desc":"parent"') == 1, done


def finish_family(command: list[str], environ: dict[str, str]) -> str:
    """Run *command*, which must succeed; return its stderr. What hangs is killed with its children."""
    process = subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        _, err = process.communicate(timeout=GUARD_SECONDS / 2)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    assert process.returncode == 0, err
    return err
