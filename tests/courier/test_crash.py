"""The hook that kills at a named point."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from footfall.crash import POINTS, arm


def test_dies_at_the_wished_passage():
    """`name:count` counts passages of that name alone."""
    deaths: list[int] = []
    crash_at = arm("after_send:3", lambda: deaths.append(1))
    for reached in ("after_send", "before_send", "after_send", "after_lease"):
        crash_at(reached)
    assert not deaths
    crash_at("after_send")
    assert deaths == [1]


@pytest.mark.parametrize("wish", ["", "nowhere", "after_send:x", ":", "after_send:-1"])
def test_nonsense_kills_nobody(wish):
    """Unset or unknown: nothing happens, ever."""

    def kill():
        raise AssertionError(wish)

    crash_at = arm(wish, kill)
    for name in POINTS:
        crash_at(name)


def test_is_a_real_kill():
    """The process ends by SIGKILL, without atexit."""
    code = (
        "import atexit; atexit.register(print, 'late')\n"
        "from footfall.crash import crash_at\n"
        "crash_at('after_send'); print('alive')"
    )
    environ = {**os.environ, "FOOTFALL_CRASH_AT": "after_send"}
    ended = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, timeout=60, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert ended.stdout == b""
