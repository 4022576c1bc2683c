"""A catalogue for all tests, and for each test a place, a sink, and ways to run programs and notebooks."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from footfall.testing.sink.client import Sink
from tests.notebook_real import catalogue as small
from tests.process.harness import ROOT, Observation

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
TIMEOUT_SECONDS = 240
"""A cluster takes 10 s to start and stop; 40 s were seen on a machine with other work."""

ADDRESS = re.compile(r"0x[0-9a-f]{6,}")


@dataclass(frozen=True)
class Done:
    """How a program ended, and what it said."""

    status: int
    out: str
    err: str


class Lab(Observation):
    """An observation of programs that use a catalogue."""

    def __init__(self, directory: Path, sink: Sink, catalogue: str) -> None:
        super().__init__(directory, sink)
        self.catalogue = catalogue
        self.registry = str(HERE / "footfall.yaml")

    def environment(self, **extra: str) -> dict[str, str]:
        own = {
            # Real packages warn of each other; both sides of a comparison shall show it.
            "PYTHONWARNINGS": "default",
            "PATH": str(BIN) + os.pathsep + os.environ["PATH"],
            **extra,
        }
        return {name: value for name, value in super().environment(**own).items() if value}

    def configured(self) -> str:
        """Return the path of a ``FOOTFALL_CONFIG``: the registry, and the sink's tracking service."""
        config = self.directory / "footfall.yaml"
        config.write_text(f"send_to:\n  - access: {self.sink.url}/api\n{Path(self.registry).read_text()}")
        config.chmod(0o600)
        return str(config)

    def start(self, *command: str, **extra: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            env=self.environment(**extra),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def program(self, scenario: str, calls: int, *, under: tuple[str, ...] = (), **extra: str) -> subprocess.Popen[str]:
        command = [*under, sys.executable, "-m", "tests.notebook_real.program"]
        return self.start(*command, scenario, self.catalogue, str(calls), **extra)

    def uses(self, service: str) -> list[dict[str, Any]]:
        """Return the call records that the sink took for *service*, ``intake/catalog``, in order of arrival."""
        path = f"/api/{service}/"
        return [record["fields"] for received in self.accepted(path) for record in received.records]


def finish(process: subprocess.Popen[str]) -> Done:
    """Wait for *process*; if it hangs, end it and the workers it started."""
    try:
        out, err = process.communicate(timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # its session is its own
        out, err = process.communicate()
        raise AssertionError(f"{process.args} did not end:\n{out}\n{err}") from None
    return Done(process.returncode, ADDRESS.sub("0x", out), ADDRESS.sub("0x", err))


@pytest.fixture(scope="session")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of a catalogue that no test changes."""
    folder = tmp_path_factory.mktemp("catalogue")
    command = [sys.executable, "-m", "tests.notebook_real.catalogue", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=TIMEOUT_SECONDS)
    return str(folder / small.NAME)


@pytest.fixture
def lab(tmp_path: Path, catalogue: str) -> Iterator[Lab]:
    with Sink(tmp_path / "sink") as sink:
        yield Lab(tmp_path, sink, catalogue)
