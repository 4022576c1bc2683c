"""Several machines on one network home: starts their processes, lets time pass for a directory, judges at the sink."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.filesystems.host import place
from tests.process.harness import GUARD_SECONDS, Observation

DAY = 86400.0


class Cluster:
    """Machines that share ``state``, and the sink that they all send to."""

    def __init__(self, observation: Observation) -> None:
        self.observation = observation
        self.state = observation.directory / "state"

    def start(self, name: str, *words: str, **extra: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.filesystems.host", name, *words],
            env=self.observation.environment(**extra),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def drive(
        self, name: str, scenario: str, *options: str, first: int = 0, calls: int = 50, **extra: str
    ) -> subprocess.Popen[str]:
        confirm = str(self.observation.confirm)
        words = ("drive", scenario, str(first), str(calls), confirm, self.observation.sink.url)
        return self.start(name, *options, *words, **extra)

    def run(self, name: str, scenario: str, *options: str, **keywords: object) -> None:
        """Run a program on a machine to its end; it must succeed and say nothing."""
        silent(self.drive(name, scenario, *options, **keywords))  # type: ignore[arg-type]

    def send(self, name: str, *options: str, deadline_seconds: float = 20.0) -> subprocess.Popen[str]:
        return self.start(name, *options, "send", "--deadline", str(deadline_seconds))

    def sent(self, name: str, *options: str) -> str:
        """Run ``footfall send`` on a machine; return what it printed."""
        out, err = (sending := self.send(name, *options)).communicate(timeout=GUARD_SECONDS)
        assert (sending.returncode, err) == (0, ""), (out, err)
        return out

    def place(self, name: str) -> Path:
        return place(self.state, name)

    def places(self) -> list[str]:
        """The machines that have a directory now, without their boot ids."""
        from tests.filesystems.host import BOOT

        return sorted(path.name.replace(f"-{BOOT}", "") for path in (self.state / "hosts").iterdir())

    def rest(self, path: Path, seconds: float) -> None:
        """Let *path* look as if nobody had written there for *seconds*."""
        then = time.time() - seconds
        for each in (*path.rglob("*"), path):
            os.utime(each, (then, then))

    def wait_for(self, path: Path) -> None:
        limit = time.monotonic() + GUARD_SECONDS
        while not path.exists():
            assert time.monotonic() < limit, path.name
            time.sleep(0.01)


def silent(process: subprocess.Popen[str], said: str | None = None) -> None:
    """Wait for a program, which must succeed and say nothing."""
    out, err = process.communicate(said, timeout=GUARD_SECONDS)
    assert (process.returncode, out, err) == (0, "", ""), (process.returncode, out, err)
