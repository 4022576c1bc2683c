"""What of the recorded migas behaviour only a whole process can show (SHOWN_ELSEWHERE in the vectors' test).

Runs are told through `footfall.track`; the facade with migas' own names uses the same runs.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from tests.process.harness import GUARD_SECONDS, Observation

HEAD = """
import footfall, os, signal, sys
footfall.instrument("tests/observed", version="24.1.0", send_to=[footfall.Migas({url!r})])
"""


def program(observation: Observation, text: str, **extra: str) -> subprocess.CompletedProcess[str]:
    environment = observation.environment(**extra)
    environment.pop("PYTHONWARNINGS")  # these programs end in ways that leave their own files open
    script = observation.directory / "program.py"
    script.write_text(HEAD.format(url=observation.sink.url) + text)
    return subprocess.run(
        [sys.executable, str(script)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=GUARD_SECONDS,
        check=False,
    )


def processes(observation: Observation) -> list[dict[str, Any]]:
    """Return what the crumbs say of the run, in the order of arrival."""
    observation.send_everything()
    return [crumb["proc"] for crumb in observation.crumbs()]


STARTED = {"status": "R", "status_desc": "Started"}
COMPLETED = {"status": "C", "status_desc": "Completed"}


@pytest.mark.parametrize(
    ("text", "exit_status", "end"),
    [
        ("footfall.track('tests/observed')", 0, COMPLETED),
        ("footfall.track('tests/observed'); sys.exit(0)", 0, COMPLETED),
        (
            "footfall.track('tests/observed'); sys.exit(3)",
            3,
            {"status": "F", "status_desc": "Errored", "error_type": "SystemExit"},
        ),
        (
            "footfall.track('tests/observed'); raise ValueError('secret words')",
            1,
            {"status": "F", "status_desc": "Errored", "error_type": "ValueError"},
        ),
        (
            "footfall.track('tests/observed')\ntry:\n    1/0\nexcept ZeroDivisionError:\n    pass",
            0,
            COMPLETED,
        ),
        (
            "footfall.track('tests/observed'); raise KeyboardInterrupt",
            -signal.SIGINT,
            {"status": "S", "status_desc": "Suspended"},
        ),
        (
            "with footfall.track('tests/observed'):\n    sys.exit(3)",
            3,
            {"status": "F", "status_desc": "Errored", "error_type": "SystemExit"},
        ),
        ("with footfall.track('tests/observed'):\n    sys.exit(0)", 0, COMPLETED),
    ],
)
def test_the_final_status_is_right(observation: Observation, text: str, exit_status: int, end: dict[str, Any]) -> None:
    """Vectors 058 to 062, 105 to 109, 119, 120: as recorded, and repaired where the original is wrong (defect D8)."""
    done = program(observation, text)
    assert done.returncode == exit_status
    assert processes(observation) == [STARTED, end]
    assert "secret words" not in str(observation.sink.requests())


def test_os_exit_is_reported_as_killed(observation: Observation) -> None:
    """Vector 063: the original says nothing; whoever adopts the journal finds the start without an end."""
    done = program(observation, "footfall.track('tests/observed'); os._exit(1)")
    assert done.returncode == 1
    started, killed = processes(observation)
    assert started == STARTED
    assert (killed["status"], killed["error_type"]) == ("S", "ProcessKilled")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_run_and_no_handler_was_installed(observation: Observation, number: signal.Signals) -> None:
    """Vector 121 and defect D9: the host's handlers stay the host's, and the run is still reported as stopped."""
    done = program(
        observation,
        "footfall.track('tests/observed')\n"
        f"assert signal.getsignal({int(number)}) is signal.SIG_DFL\nos.kill(os.getpid(), {int(number)})\n",
    )
    assert done.returncode == -number
    started, ended = processes(observation)
    assert started == STARTED
    assert (ended["status"], ended["error_type"]) == ("S", "ProcessKilled")


def test_a_forked_child_does_not_end_the_run_again(observation: Observation) -> None:
    """Vector 064: one run, one completion, though the child leaves through its exit handlers too."""
    done = program(observation, "footfall.track('tests/observed')\nif os.fork() == 0:\n    sys.exit(0)\nos.wait()")
    assert done.returncode == 0
    assert processes(observation) == [STARTED, COMPLETED]


def test_nested_runs_of_one_project_each_end(observation: Observation) -> None:
    """Vector 111: an inner block does not end the outer one."""
    program(
        observation,
        "with footfall.track('tests/observed'):\n    with footfall.track('tests/observed'):\n        pass\n",
    )
    statuses = [process["status"] for process in processes(observation)]
    assert sorted(statuses) == ["C", "C", "R", "R"]


def test_an_exception_that_json_cannot_hold_passes_through(observation: Observation) -> None:
    """Vector 110: the user's exception is never replaced by one of ours."""
    done = program(
        observation,
        "error = ValueError(object())\ntry:\n    with footfall.track('tests/observed'):\n        raise error\n"
        "except ValueError as caught:\n    assert caught is error\n",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert processes(observation)[1]["error_type"] == "ValueError"


def test_a_hanging_server_does_not_hold_up_the_caller(observation: Observation) -> None:
    """Vectors 039 and 101: the original waits in the caller's thread, 3 s for each call; ours returns at once."""
    observation.sink.set_mode("hang")
    began = time.monotonic()
    done = program(observation, "for _ in range(50):\n    footfall.event('crumb')\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert time.monotonic() - began < 10, "50 calls of the original would take 150 s"


def test_a_wrong_timeout_in_the_environment_does_not_raise(observation: Observation) -> None:
    """Vector 040: a setting that cannot be read is the default and a log record, not an exception in the caller."""
    done = program(observation, "footfall.event('crumb')", FOOTFALL_EXCHANGE_TIMEOUT_SECONDS="abc", MIGAS_TIMEOUT="abc")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    observation.send_everything()
    assert len(observation.crumbs()) == 1


def test_opt_out_sends_nothing(observation: Observation) -> None:
    """Vectors 044 and 103, and 045 for the empty value, which does not opt out."""
    text = "footfall.event('crumb')\nwith footfall.track('tests/observed'): pass\n"
    for value in ("1", "0", "no"):
        done = program(observation, text, MIGAS_OPTOUT=value)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert not (observation.directory / "state").exists()
    program(observation, text, MIGAS_OPTOUT="")
    assert len(processes(observation)) == 3


def test_without_setup_nothing_is_sent(observation: Observation) -> None:
    """Vector 046: a project that nobody instrumented is not tracked, and nothing is raised."""
    done = program(observation, "footfall.uninstrument()\nfootfall.event('crumb')\nfootfall.track('other/project')\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (observation.directory / "state").exists()


def test_opt_out_makes_no_identity(observation: Observation) -> None:
    """Vector 118: no identifier is made, in memory or on disk, while the user has opted out."""
    program(observation, "footfall.event('crumb')", DO_NOT_TRACK="1")
    assert not (observation.directory / "config").exists()
    assert not (observation.directory / "state").exists()
