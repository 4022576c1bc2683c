"""How runs end, in real processes, in both dialects; and that nothing of the host's is touched on the way.

All programs of a dialect share one state directory, and one delivery at the end tells of them all.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from footfall.testing.sink.client import Sink
from tests.process.harness import GUARD_SECONDS, Observation

HEAD = """
import os, signal, sys
from footfall.facade import migas
P, V = {project!r}, "1.0"
migas.setup(endpoint={endpoint!r})
"""

R = {"status": "R", "status_desc": "Started"}
C = {"status": "C", "status_desc": "Completed"}
S = {"status": "S", "status_desc": "Suspended"}
KILLED = {"status": "S", "status_desc": "Killed", "error_type": "ProcessKilled"}


def failed(error_type: str) -> dict[str, str]:
    return {"status": "F", "status_desc": "Errored", "error_type": error_type}


ENDS = {
    "falls-off": ("", 0, C),
    "exit-0": ("sys.exit(0)", 0, C),
    "exit-3": ("sys.exit(3)", 3, failed("SystemExit")),
    "exit-words": ("sys.exit('secret words')", 1, failed("SystemExit")),
    "raises": ("raise ValueError('secret words')", 1, failed("ValueError")),
    "handled": ("try:\n    1/0\nexcept ZeroDivisionError:\n    pass", 0, C),
    "interrupted": ("raise KeyboardInterrupt", -signal.SIGINT, S),
    "terminated": ("os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM, KILLED),
    "hung-up": ("os.kill(os.getpid(), signal.SIGHUP)", -signal.SIGHUP, KILLED),
    "killed": ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL, KILLED),
    "os-exit": ("os._exit(4)", 4, KILLED),
    "forked": ("if os.fork() == 0:\n    sys.exit(0)\nos.wait()", 0, C),
}
"""The rest of a program that is tracked as a whole, its exit status, and how it is told."""

HANDLER = """
def describe(kind, text, traceback):
    return {"status": "F", "status_desc": "node at /home/alice/x", "error_desc": text, "error_type": kind.__name__}
migas.track(P, V, error_handlers={Exception: describe})
raise ValueError("words of mine")
"""

WHOLE: dict[str, tuple[str, int, list[dict[str, str]]]] = {
    **{f"track-{name}": (f"migas.track(P, V)\n{rest}", status, [R, end]) for name, (rest, status, end) in ENDS.items()},
    **{
        f"only-{name}": (f"migas.track_exit(P, V)\n{rest}", status, [end]) for name, (rest, status, end) in ENDS.items()
    },
    "quiet": ("migas.track(P, V, init_ping=False)", 0, [C]),
    "twice": ("migas.track_exit(P, V)\nmigas.track_exit(P, V)", 0, [C]),
    "both": ("migas.track(P, V)\nmigas.track_exit(P, V)\nassert migas.track(P, V) is migas.track(P, V)", 0, [R, C]),
    "stopped": ("migas.track(P, V).stop()\nsys.exit(3)", 3, [R, C]),
    "stopped-badly": ("t = migas.track(P, V)\nt.stop(ValueError())\nt.stop()", 0, [R, failed("ValueError")]),
    "by-hand": ("t = migas.track(P, V)\nt.start()\nt.start()\nsys.exit(3)", 3, [R, failed("SystemExit")]),
    "block": ("with migas.track(P, V):\n    sys.exit(3)", 3, [R, failed("SystemExit")]),
    "block-exit-0": ("with migas.track(P, V):\n    sys.exit(0)", 0, [R, C]),
    "nested": (
        "with migas.track(P, V):\n    with migas.track(P, V):\n        pass\n    os._exit(1)",
        1,
        [R, KILLED],
    ),
    "block-in-whole": (
        "migas.track(P, V)\nwith migas.track(P, V):\n    pass\nsys.exit(3)",
        3,
        [R, failed("SystemExit")],
    ),
    "held-block": (
        "t = migas.track(P, V)\nt.start()\nwith t:\n    pass\nos._exit(3)",
        3,
        [R, C],
    ),
    "decorator": ("@migas.track(P, V)\ndef f():\n    pass\nf()\nf()", 0, [R, C, R, C]),
    "decorated-before": ("@migas.track(P, V)\ndef f():\n    pass\n", 0, []),
    "fork-of-its-own": (
        "migas.track(P, V)\nif os.fork() == 0:\n    migas.track(P, V)\n    sys.exit(3)\nos.wait()",
        0,
        [R, R, failed("SystemExit"), C],
    ),
    "handler": (
        HANDLER,
        1,
        [
            R,
            {
                "status": "F",
                "status_desc": "node at <redacted:path>",
                "error_type": "ValueError",
                "error_desc": "words of mine",
            },
        ],
    ),
    "broken-handler": (
        "migas.track(P, V, error_handlers={ValueError: lambda *a: 1/0})\nraise ValueError",
        1,
        [R, failed("ValueError")],
    ),
}
"""Programs, their exit status, and what is told of them."""

FOOT = """
assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)] == [signal.SIG_DFL] * 2
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler and sys.excepthook is sys.__excepthook__
"""


@pytest.fixture(params=["graphql", "rest"])
def crumbs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, list[dict[str, Any]]]]:
    """What the server was told of each program, by the last part of its project, in the order of arrival."""
    with Sink(tmp_path / "sink") as sink:
        observation = Observation(tmp_path, sink)
        endpoint = sink.url + ("/graphql" if request.param == "graphql" else "")

        def run(name: str) -> tuple[str, int]:
            text, _, _ = WHOLE[name]
            first, newline, rest = text.partition("\n")
            checked = text if text.startswith(("with", "@", "\ndef")) else first + FOOT + newline + rest
            return name, program(observation, endpoint, f"tests/{name}", checked).returncode

        with ThreadPoolExecutor(2) as pool:
            statuses = dict(pool.map(run, WHOLE))
        assert statuses == {name: status for name, (_, status, _) in WHOLE.items()}
        observation.send_everything()
        told: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in WHOLE}
        for received in sink.requests():
            assert received.accepted
            assert received.path == ("/graphql" if request.param == "graphql" else "/api/breadcrumb")
            told[received.crumb["project"].partition("/")[2]][received.key] = received.crumb
        assert "secret words" not in str(told)
        yield {name: list(each.values()) for name, each in told.items()}


def program(observation: Observation, endpoint: str, project: str, text: str) -> subprocess.CompletedProcess[str]:
    environment = observation.environment(FOOTFALL_EXIT_BUDGET_SECONDS="0")  # one delivery for all, at the end
    environment.pop("PYTHONWARNINGS")  # these programs end in ways that leave their own files open
    return subprocess.run(
        [sys.executable, "-c", HEAD.format(project=project, endpoint=endpoint) + text],
        env=environment,
        capture_output=True,
        text=True,
        timeout=GUARD_SECONDS,
        check=False,
    )


def test_every_run_is_told_as_it_ended(crumbs: dict[str, list[dict[str, Any]]]) -> None:
    """Vectors 058 to 064, 105 to 112, 119 to 122, and what they do not show; defects D8 and D9."""
    told = {name: [crumb["proc"] for crumb in each] for name, each in crumbs.items()}
    expected = {name: ends for name, (_, _, ends) in WHOLE.items()}
    # Parent and child are two sessions, whose crumbs may arrive in any order; each one's own are in order.
    own = crumbs["fork-of-its-own"]
    assert len({crumb["ctx"]["session_id"] for crumb in own}) == 2
    told["fork-of-its-own"].sort(key=lambda process: "RFC".index(process["status"]))
    assert told == expected
    assert len({crumb["ctx"]["session_id"] for each in crumbs.values() for crumb in each}) >= len(WHOLE) - 1
