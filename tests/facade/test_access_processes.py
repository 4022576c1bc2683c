"""Programs that use the ACCESS-NRI facade and end at once, fork, or die: each call is told exactly once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from tests.process.harness import GUARD_SECONDS, Observation

HEAD = """
import asyncio, os, signal, sys
from concurrent.futures import ThreadPoolExecutor
from footfall.facade.access.api import ApiHandler, SessionID
from footfall.facade.access.decorators import register_func
handler = ApiHandler()
handler.server_url = {url!r}
send = lambda name: handler.send_api_request("intake_catalog", name, [1], {{"token": "canary"}})
@register_func("intake_cli")
def call(do=None):
    if do: do()
@register_func("intake_cli")
async def wait():
    await asyncio.sleep(0)
"""

PROGRAMS: dict[str, tuple[str, int, dict[str, int]]] = {
    "falls off": ("send('a')\ncall()", 0, {"a": 1, "call": 1}),
    "sys.exit": ("send('a')\ncall(sys.exit)", 0, {"a": 1, "call": 1}),
    "os._exit": ("send('a')\ncall()\nos._exit(3)", 3, {"a": 1, "call": 1}),
    "os._exit inside": ("send('a')\ncall(lambda: os._exit(3))", 3, {"a": 1, "call": 1}),
    "killed inside": (
        "call(lambda: os.kill(os.getpid(), signal.SIGKILL))",
        -9,
        {"call": 1},
    ),
    "raises": ("call(lambda: 1 / 0)", 1, {"call": 1}),
    "a loop that ends at once": (
        "async def main():\n    send('a')\n    call()\n    await wait()\nasyncio.run(main())",
        0,
        {"a": 1, "call": 1, "wait": 1},
    ),
    "a loop that is cancelled": (
        (
            "async def main():\n    task = asyncio.ensure_future(wait())\n    send('a')\n    await asyncio.sleep(0)\n"
            "    task.cancel()\nasyncio.run(main())"
        ),
        0,
        {"a": 1, "wait": 1},
    ),
    "fork": (
        "send('a')\nif os.fork() == 0:\n    send('b')\n    call()\n    os._exit(0)\nos.wait()\ncall()",
        0,
        {"a": 1, "b": 1, "call": 2},
    ),
    "fork inside": (
        "def both():\n    if os.fork() == 0:\n        send('b')\n        os._exit(0)\n    os.wait()\ncall(both)",
        0,
        {"b": 1, "call": 1},
    ),
    "thread pool": (
        "with ThreadPoolExecutor(8) as pool:\n    list(pool.map(lambda n: (send('a'), call()), range(50)))",
        0,
        {"a": 50, "call": 50},
    ),
}
"""The rest of each program, its exit status, and how often each function is told."""


def run(observation: Observation, text: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", HEAD.format(url=observation.sink.url + "/api") + text],
        env=observation.environment(LOGNAME="alice", **environment),
        capture_output=True,
        text=True,
        timeout=GUARD_SECONDS,
        check=False,
    )


def told(observation: Observation, before: int) -> list[dict[str, Any]]:
    """The records since then, each once: a process may end between an answer and the note of it."""
    by_key = {each.key: json.loads(each.body) for each in observation.sink.requests()[before:] if each.accepted}
    return list(by_key.values())


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_call_is_told_once(name: str, observation: Observation) -> None:
    """However the program ends (D2, D3, D4); it prints nothing but what is its own."""
    text, status, counts = PROGRAMS[name]
    before = len(observation.sink.requests())
    done = run(observation, text)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr == "" or "ZeroDivisionError" in done.stderr
    observation.send_everything()
    records = told(observation, before)
    assert Counter(record["function"] for record in records) == counts
    assert all(record["name"] == "alice" for record in records)
    assert "canary" not in json.dumps(records)


def test_a_fork_child_is_a_session_of_its_own(observation: Observation) -> None:
    """D13: the original's children share their parent's."""
    before = len(observation.sink.requests())
    run(observation, "send(SessionID())\nif os.fork() == 0:\n    send(SessionID())\n    os._exit(0)\nos.wait()")
    observation.send_everything()
    records = told(observation, before)
    assert len({record["session_id"] for record in records}) == 2
    assert all(record["function"] == record["session_id"] for record in records)


def test_a_token_waits_for_a_program_that_has_it(observation: Observation) -> None:
    """It is kept in memory alone, so what was not sent with it waits; the next run of the program delivers it."""
    before = len(observation.sink.requests())
    program = "handler.set_headers('intake_catalog', {'Authorization': 'Bearer canary-1'})\nsend(sys.argv[0])"
    run(observation, program, FOOTFALL_EXIT_BUDGET_SECONDS="0")
    observation.send(deadline_seconds=2.0)
    assert told(observation, before) == []
    assert observation.ledger()["pending"] == 1
    run(observation, program + "\nimport footfall\nfootfall.drain(20)")
    requests = observation.sink.requests()[before:]
    assert len(told(observation, before)) == 2
    assert all(each.auth_headers == ["authorization"] for each in requests)
    state = [path for path in (observation.directory / "state").rglob("*") if path.is_file()]
    assert not [path for path in state if b"canary" in path.read_bytes()]


def test_a_dead_server_holds_nobody_up(observation: Observation) -> None:
    """D2, D4: the original's caller waits 5 s for a silent server, and the record is lost."""
    before = len(observation.sink.requests())
    observation.sink.set_mode("hang")
    done = run(observation, "for _ in range(20): send('a')\nprint('returned')")
    assert (done.returncode, done.stdout) == (0, "returned\n")
    observation.sink.set_mode("ok")
    observation.send_everything()
    assert Counter(record["function"] for record in told(observation, before)) == {"a": 20}
