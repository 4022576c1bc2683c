"""What footfall does in somebody else's process, as an audit hook sees it (reliability.md P15, suite "guest")."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from footfall.consent import choice
from footfall.testing.sink.client import Sink
from tests.process.harness import GUARD_SECONDS, Observation

NETWORK = ("socket", "ssl", "http.client", "urllib3", "requests", "sqlite3", "grpc", "asyncio")
"""What a process that sends nothing has no use for."""

IPV6_PROBE = "'::1', 0))"
"""urllib3 asks this machine once, when it is imported, whether it has IPv6; nothing leaves it."""

SWITCHES: dict[str, dict[str, str]] = {
    "FOOTFALL=off": {"FOOTFALL": "off"},
    "FOOTFALL=0": {"FOOTFALL": "0"},
    "a word nobody knows": {"FOOTFALL": "perhaps"},
    "DO_NOT_TRACK": {"FOOTFALL": "on", "DO_NOT_TRACK": "1"},
    "OTEL_SDK_DISABLED": {"FOOTFALL": "on", "OTEL_SDK_DISABLED": "true"},
    "MIGAS_OPTOUT": {"FOOTFALL": "on", "MIGAS_OPTOUT": "0"},
    "a test runner": {"FOOTFALL": "", "PYTEST_CURRENT_TEST": "x"},
    "footfall off": {"FOOTFALL": "on"},
    "footfall off tests/observed": {"FOOTFALL": "on"},
}


@pytest.fixture
def observation(tmp_path: Path) -> Observation:
    # A sink that nobody starts: nothing here may need it but the test that sends.
    return Observation(tmp_path, Sink(tmp_path / "sink"))


def observe(observation: Observation, line: str, url: str, **extra: str) -> dict[str, Any]:
    report = observation.directory / "report.json"
    done = subprocess.run(
        [sys.executable, "-m", "tests.guest.observer", line, url, str(report)],
        env=observation.environment(PYTHONDONTWRITEBYTECODE="1", **extra),
        capture_output=True,
        text=True,
        timeout=GUARD_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    found: dict[str, Any] = json.loads(report.read_text())
    report.unlink()
    return found


def of(found: dict[str, Any], *kinds: str) -> list[tuple[str, str, str]]:
    """Return the events of *kinds*: (phase, event, detail)."""
    return [(phase, event, detail) for phase, event, detail in found["events"] if event.startswith(kinds)]


def written(found: dict[str, Any]) -> set[str]:
    return {detail.partition(" ")[2] for _, _, detail in of(found, "open") if detail.startswith("write")}


@pytest.mark.parametrize("switch", SWITCHES)
def test_off_means_nothing_at_all(observation: Observation, switch: str) -> None:
    """No wrapper, thread, file, directory, socket, process, identifier, or network module; every object is the same."""
    kept: set[Path] = set()
    if switch.startswith("footfall off"):
        choice.turn_off(observation.directory / "config" / "footfall", switch.removeprefix("footfall off").strip())
        kept = set(observation.directory.rglob("*"))
    found = observe(observation, "use", "http://127.0.0.1:9", **SWITCHES[switch])
    assert all(found["untouched"].values()), (found["untouched"], found["reason"])
    assert (found["threads"], found["threads_at_exit"]) == (0, 0)
    assert written(found) == set()
    assert of(found, "socket.", "subprocess.", "os.", "_thread.", "sqlite3.", "sys.") == []
    assert set(observation.directory.rglob("*")) == kept
    new = {*found["modules"]} - {*found["before"]}
    assert not [name for name in new if name.partition(".")[0] in NETWORK]
    assert not [name for name in new if name.startswith(("opentelemetry.sdk", "wrapt"))]


def test_draining_while_off_makes_no_directory_either(observation: Observation) -> None:
    program = (
        "import footfall; footfall.instrument('tests/observed', send_to=[footfall.Migas('http://127.0.0.1:9')]);"
        "print(footfall.drain(1.0).pending)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=observation.environment(FOOTFALL="off"),
        capture_output=True,
        text=True,
        timeout=GUARD_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")
    assert list(observation.directory.iterdir()) == []


def test_on_it_writes_below_its_own_directories_only(observation: Observation) -> None:
    """Recording opens one journal and the identity; no socket, no process, one thread, nothing of the network loaded.

    Delivery and exit are left to the next process; the exit of a container would ask its destination once.
    """
    found = observe(
        observation,
        "use",
        "http://127.0.0.1:9",
        FOOTFALL_DELIVERY_INTERVAL_SECONDS="600",
        FOOTFALL_EXIT_BUDGET_SECONDS="0",
    )
    assert not any(found["untouched"][name] for name in ("function", "method", "decorated"))
    assert found["untouched"]["exit"]
    assert found["threads"] == 1
    state, config = observation.directory / "state", observation.directory / "config"
    assert all(Path(path).is_relative_to(state) or Path(path).is_relative_to(config) for path in written(found))
    assert of(found, "socket.", "subprocess.", "os.fork", "os.exec", "os.system", "os.putenv", "sqlite3.") == []
    new = {*found["modules"]} - {*found["before"]}
    assert not [
        name for name in new if name.partition(".")[0] in {"sqlite3", "urllib3", "requests", "grpc"}
    ]  # wrapt has asyncio, and that ssl
    assert not [name for name in new if name.startswith("opentelemetry.sdk")]
    files = sorted(str(path.relative_to(observation.directory)) for path in observation.directory.rglob("*"))
    names = [name.replace(Path(name).name, "*.jsonl") if name.endswith(".jsonl") else name for name in files]
    assert names == [
        "config",
        "config/footfall",
        "config/footfall/installation-1.json",
        "state",
        "state/journal",
        "state/journal/*.jsonl",
        "state/outbox",
    ]


def test_sending_reaches_its_destination_and_nothing_else(tmp_path: Path) -> None:
    """Every connection goes to the server that was named; no name is resolved; no process is started."""
    with Sink(tmp_path / "sink") as sink:
        observation = Observation(tmp_path, sink)
        found = observe(observation, "drain", sink.url)
        port = int(sink.url.rpartition(":")[2])
        connections = of(found, "socket.connect")
        assert connections
        assert all(f"('127.0.0.1', {port})" in detail for _, _, detail in connections)
        assert of(found, "subprocess.", "os.fork", "os.exec", "os.system", "os.putenv") == []
        assert {detail.rpartition("(")[2] for _, _, detail in of(found, "socket.bind")} <= {IPV6_PROBE}
        outside = {path for path in written(found) if not path.startswith(str(tmp_path))}
        assert outside == set()
        assert len(observation.crumbs()) == 6
