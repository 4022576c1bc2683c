"""Credentials that only a process holds: it delivers, and whoever else finds its requests keeps them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from footfall.testing.sink import Sink

GUARD_SECONDS = 60
CANARY = "canary-5e1d"
CHILD = Path(__file__).with_name("credentials_child.py")


@pytest.fixture
def sink(tmp_path):
    """A server that notes who came with credentials."""
    with Sink(tmp_path / "sink") as it:
        yield it


@pytest.fixture
def run(tmp_path):
    """Run a program on one state directory; return its words on stdout."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FOOTFALL", "OTEL", "PYTEST"))}
    environ = {**kept, "FOOTFALL": "on", "FOOTFALL_DIR": str(tmp_path / "state"), "HOME": str(tmp_path)}

    def run(*arguments, status=0):
        done = subprocess.run(
            check=False,
            args=[sys.executable, *arguments],
            env=environ,
            capture_output=True,
            text=True,
            timeout=GUARD_SECONDS,
        )
        assert done.returncode == status, done.stderr
        assert CANARY not in done.stderr
        return done.stdout.split(), done.stderr

    return run


OPEN, GUARDED = ("migas", []), ("otlp", ["authorization"])


def arrived(sink):
    """Return format and credentials of each accepted request; the server that wants some speaks OTLP."""
    return sorted((received.wire, received.auth_headers) for received in sink.requests() if received.accepted)


def test_a_stranger_keeps_the_requests_and_the_holder_delivers_them(sink, run, tmp_path):
    """Nothing is dropped, the other server is not delayed, nothing of the secret is on disk, and one line says why."""
    (pending, reference), _ = run(CHILD, sink.url, "first", "held")
    assert pending == "0"
    assert re.fullmatch("memory:[0-9a-f]{32}", reference)
    assert arrived(sink) == [OPEN, GUARDED]

    (pending, _), said = run(CHILD, sink.url, "second", reference)
    assert pending == "1"
    assert said.count("held by the program that recorded") == 1
    run("-m", "footfall", "send", "--deadline", "3", status=1)  # something waits
    assert arrived(sink) == [OPEN, OPEN, GUARDED]

    (pending, again), _ = run(CHILD, sink.url, "third", "held")
    assert (pending, again) == ("0", reference)
    assert arrived(sink) == [OPEN] * 3 + [GUARDED] * 3
    files = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if CANARY.encode() in path.read_bytes()]
