"""A server that is not there, or not a server; and a user who said no. Real processes, watched by an audit hook."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from footfall.facade.migas.pipeline import DISABLED, TIMED_OUT, UNREACHABLE
from tests.process.harness import GUARD_SECONDS, Observation

# Says of each network call and each new file in which thread it was. The hook must not import anything.
WATCH = """
import json, os, sys, threading, time
import footfall.courier.exchange, encodings.idna
seen, main, before = [], threading.get_ident(), set(sys.modules)
def watch(event, arguments):
    if event.startswith("socket.") or event in ("os.mkdir", "os.rename", "os.link", "subprocess.Popen"):
        seen.append((event, threading.get_ident() == main))
    elif event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        seen.append((event, threading.get_ident() == main))
sys.addaudithook(watch)
from footfall.facade import migas
"""

FAULTY = """
migas.setup(endpoint={endpoint!r})
returned = [migas.add_breadcrumb("nipreps/fmriprep", "24.1.0", status="R") for _ in range(20)]
with migas.track("nipreps/fmriprep", "24.1.0"):
    pass
migas.track_exit("nipreps/fmriprep", "24.1.0")
network = [event for event, in_main in seen if in_main and event.startswith("socket.")]
began = time.monotonic()
answers = [migas.check_project("nipreps/fmriprep", "24.1.0"), migas.get_usage("nipreps/fmriprep", "2024-01-01")]
print(json.dumps([returned, network, answers, time.monotonic() - began]))
"""

DIALECTS = {"graphql": "/graphql", "rest": ""}


def run(observation: Observation, text: str, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WATCH + text],
        env=observation.environment(PYTHONDONTWRITEBYTECODE="1", **extra),  # a cache would be a file of ours
        capture_output=True,
        text=True,
        timeout=GUARD_SECONDS,
        check=False,
    )


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "mode",
    [
        "refuse",
        "hang",
        "drip",
        "status:500",
        "portal",
        "badjson",
        "garbage",
        "noanswer",
        "closemid",
        "redirect:http://127.0.0.1:9/",
    ],
)
def test_a_bad_server_harms_nobody(mode: str, dialect: str, observation: Observation) -> None:
    """Crumbs touch no socket in the caller's thread; questions are answered in time; nothing is raised or printed."""
    observation.sink.set_mode(mode)
    text = FAULTY.format(endpoint=observation.sink.url + DIALECTS[dialect])
    done = run(observation, text, MIGAS_TIMEOUT="0.5", FOOTFALL_EXIT_BUDGET_SECONDS="0")
    assert (done.returncode, done.stderr) == (0, "")
    returned, network, answers, seconds = json.loads(done.stdout)
    assert returned == [{"success": True} if dialect == "graphql" else None] * 20
    assert network == []
    for answer in answers:
        assert answer.keys() == {"success", "message"}
        assert answer["success"] is False
    assert seconds < 10, "two questions of half a second each"
    if mode in {"hang", "drip"}:
        assert {answer["message"] for answer in answers} == {TIMED_OUT}
    if mode in {"refuse", "garbage", "noanswer"}:
        assert {answer["message"] for answer in answers} == {UNREACHABLE}


def test_what_a_bad_server_did_not_take_is_delivered_later(observation: Observation) -> None:
    """Defect D3: the original loses it. In order, too: the dashboard takes the last crumb of a session."""
    before = len(observation.sink.requests())
    observation.sink.set_mode("refuse")
    text = FAULTY.format(endpoint=observation.sink.url + "/graphql")
    assert run(observation, text, MIGAS_TIMEOUT="0.5").returncode == 0
    observation.sink.set_mode("ok")
    deadline = time.monotonic() + GUARD_SECONDS
    while observation.ledger()["pending"]:  # a destination that refused is left alone for a moment
        assert time.monotonic() < deadline
        observation.send()
    statuses = [
        received.crumb["proc"]["status"] for received in observation.sink.requests()[before:] if received.accepted
    ]
    assert statuses == ["R"] * 20 + ["R", "C"] + ["C"]


SILENT = """
for name in ("HOME", "XDG_CONFIG_HOME", "FOOTFALL_DIR", "TMPDIR"):
    assert os.environ[name].startswith({directory!r})
migas.setup(endpoint={endpoint!r}, filename={directory!r} + "/shared.json")
from footfall.facade.migas.config import Config, gen_uuid
from footfall.facade.migas.operations import add_project
import warnings; warnings.simplefilter("ignore")
returned = [
    migas.add_breadcrumb("nipreps/fmriprep", "24.1.0", status="R"),
    migas.add_breadcrumb("nipreps/fmriprep", "24.1.0", wait=True),
    migas.check_project("nipreps/fmriprep", "24.1.0"),
    migas.get_usage("nipreps/fmriprep", "2024-01-01"),
    add_project("nipreps/fmriprep", "24.1.0"),
]
with migas.track("nipreps/fmriprep", "24.1.0"):
    pass
@migas.track("nipreps/fmriprep", "24.1.0")
def work():
    return 5
assert work() == 5
migas.track("nipreps/fmriprep", "24.1.0")
migas.track_exit("nipreps/fmriprep", "24.1.0")
migas.print_config()
migas.clear_user_id()
assert gen_uuid() is None and Config.user_id is None and Config.session_id is None
assert threading.active_count() == 1
heavy = sorted({{"sqlite3", "requests", "opentelemetry.sdk"}} & (set(sys.modules) - before))
if os.fork() == 0:
    migas.add_breadcrumb("nipreps/fmriprep", "24.1.0")
    os._exit(1 if seen else 0)
assert os.wait()[1] == 0
print(json.dumps([returned, seen, heavy]))
"""


def everything_below(directory: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in directory.rglob("*")}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "no",
    [
        {"MIGAS_OPTOUT": "1"},
        {"MIGAS_OPTOUT": "0"},
        {"FOOTFALL": "off"},
        {"DO_NOT_TRACK": "1"},
        {"OTEL_SDK_DISABLED": "true"},
    ],
    ids=lambda no: "=".join(next(iter(no.items()))),
)
def test_opted_out_touches_nothing(no: dict[str, str], dialect: str, observation: Observation) -> None:
    """No file, no directory, no id, no thread, no socket, no process; and what the original returns then."""
    place = observation.directory / "home"
    place.mkdir()
    before = everything_below(observation.directory)
    requests = len(observation.sink.requests())
    text = SILENT.format(endpoint=observation.sink.url + DIALECTS[dialect], directory=str(place))
    places = {
        "HOME": str(place),
        "TMPDIR": str(place),
        "XDG_CONFIG_HOME": str(place / "c"),
        "FOOTFALL_DIR": str(place / "s"),
    }
    done = run(observation, text, **places, **no)
    assert (done.returncode, done.stderr) == (0, "")
    returned, seen, heavy = json.loads(done.stdout.splitlines()[-1])
    refused = {"success": False, "errors": [{"message": DISABLED}]}
    assert returned == [refused] * 5
    assert (seen, heavy) == ([], [])
    assert everything_below(observation.directory) == before
    assert len(observation.sink.requests()) == requests


def test_the_watch_sees_what_it_should(observation: Observation) -> None:
    """The same program without an opt-out is full of events: the test above is not blind."""
    text = FAULTY.format(endpoint=observation.sink.url) + "print(json.dumps(seen))"
    done = run(observation, text)
    events = {event for event, _ in json.loads(done.stdout.splitlines()[-1])}
    assert {"socket.connect", "open", "os.mkdir"} <= events


def test_a_no_while_the_program_runs_is_heard(observation: Observation) -> None:
    """The original asks the variable at each call, and so does the facade."""
    text = (
        f"migas.setup(endpoint={observation.sink.url!r})\nmigas.add_breadcrumb('nipreps/fmriprep', '1')\n"
        "os.environ['MIGAS_OPTOUT'] = '1'\nprint(migas.add_breadcrumb('nipreps/fmriprep', '1'))\n"
    )
    done = run(observation, text, FOOTFALL_EXIT_BUDGET_SECONDS="0")
    assert (done.returncode, done.stderr) == (0, "")
    assert DISABLED in done.stdout
