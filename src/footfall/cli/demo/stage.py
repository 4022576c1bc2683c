"""Where the demo plays: directories of its own, an environment of its own, programs started and ended."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import sysconfig
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from footfall.consent.switches import refusal
from footfall.errors import FootfallError

PROGRAM_SECONDS: Final = 60.0
"""A program that takes longer hangs; all of them together take some 5 s."""

REQUIRED: Final = ("networkx", "opentelemetry-distro")

OPT_OUTS: Final = ("DO_NOT_TRACK", "FOOTFALL", "OTEL_SDK_DISABLED", "MIGAS_OPTOUT")

_FOREIGN: Final = ("FOOTFALL", "OTEL_", "MIGAS_")
"""Beginnings of variables that would steer the demo; they are meant for other programs."""

REGISTRY: Final = """\
# Written by `footfall demo`. Who is told, and what is watched: functions of a package that knows nothing of it.
project: networkx/networkx
send_to:
  - {migas: "%(url)s", dialect: graphql}
  - {otlp: "%(url)s"}
registry:
  data:
    - networkx:karate_club_graph
    - networkx:les_miserables_graph
    - networkx:davis_southern_women_graph
  paths:
    - networkx:shortest_path
  centrality:
    - networkx.algorithms.centrality.betweenness:betweenness_centrality
  bipartite:
    - networkx.algorithms.bipartite.projection:projected_graph
  neighbours:
    - {function: "networkx:common_neighbors", rate: 10}
"""

PROGRAMS: Final = Path(__file__).parent / "programs"


class DemoError(FootfallError):
    """The demo could not be played; says which program failed, and what it said."""


class Stage(msgspec.Struct, frozen=True):
    """A directory and what the demo keeps in it.

    Attributes:
        directory: Mode 0700.
        environ: Of every program of the demo.
    """

    directory: Path
    environ: Mapping[str, str]

    @classmethod
    def build(cls, directory: Path, environ: Mapping[str, str]) -> Stage:
        """Return the stage in *directory*, which exists and is empty; its environment is made from *environ*."""
        kept = {
            name: value
            for name, value in environ.items()
            if not name.startswith(_FOREIGN) and name != "DO_NOT_TRACK" and not name.lower().endswith("_proxy")
        }
        ours = {
            "FOOTFALL": "on",
            "FOOTFALL_DIR": str(directory / "state"),
            "FOOTFALL_DELIVERY_INTERVAL_SECONDS": "0.2",
            "XDG_CONFIG_HOME": str(directory / "config"),
            "OTEL_TRACES_EXPORTER": "none",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
        }
        return cls(directory, {**kept, **ours})

    def write_registry(self, url: str) -> Path:
        """Write the ``footfall.yaml`` of the application, readable by this user only, and return its path."""
        path = self.directory / "footfall.yaml"
        with open(path, "x", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(REGISTRY % {"url": url})
        return path

    def application(self, url: str) -> str:
        """Run the application under ``opentelemetry-instrument``; return what it printed."""
        command = [*instrumented(), sys.executable, str(PROGRAMS / "application.py"), self._report("application")]
        return self._run(command, FOOTFALL_CONFIG=str(self.write_registry(url)))

    def library(self, url: str) -> str:
        """Run the program that uses footfall's interface; return what it printed."""
        return self._run([sys.executable, str(PROGRAMS / "library.py"), self._report("library"), url])

    def killed(self, url: str) -> int:
        """Start that program once more, and kill it inside its run; return the id that its process had."""
        command = [sys.executable, str(PROGRAMS / "library.py"), self._report("killed"), url, "--wait"]
        with (self.directory / "killed.log").open("wb") as log:
            process = subprocess.Popen(
                command, env=self.environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
            )
        guard = threading.Timer(PROGRAM_SECONDS, process.kill)
        guard.daemon = True
        guard.start()
        try:
            said = process.stdout.readline() if process.stdout is not None else b""
        finally:
            guard.cancel()
            process.kill()
            process.communicate()
        if said.strip() != b"ready":
            msg = f"the program to be killed did not get that far; it said:\n{self._text('killed.log')}"
            raise DemoError(msg)
        return process.pid

    def footfall(self, *arguments: str) -> tuple[int, str]:
        """Run the command ``footfall`` with *arguments*; return its exit status and what it printed."""
        done = self._start([sys.executable, "-m", "footfall", *arguments], self.environ)
        if done.returncode not in {0, 1}:
            msg = f"footfall {' '.join(arguments)} ended with {done.returncode}; it said:\n{done.stderr[-2000:]}"
            raise DemoError(msg)
        return done.returncode, done.stdout

    def status(self) -> dict[str, Any]:
        """Return what ``footfall status --json`` prints."""
        found: dict[str, Any] = json.loads(self.footfall("status", "--json")[1])
        return found

    def reports(self) -> dict[str, Counter[str]]:
        """Return the calls that each program says it made."""
        return {
            path.name.removesuffix(".calls"): Counter(json.loads(path.read_text(encoding="utf-8")))
            for path in sorted(self.directory.glob("*.calls"))
        }

    def _report(self, name: str) -> str:
        return str(self.directory / f"{name}.calls")

    def _run(self, command: list[str], **variables: str) -> str:
        done = self._start(command, {**self.environ, **variables})
        if done.returncode:
            msg = f"{command} ended with {done.returncode}; it said:\n{done.stderr[-2000:]}"
            raise DemoError(msg)
        return done.stdout.strip()

    def _start(self, command: list[str], environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        process = subprocess.Popen(
            command,
            env=environ,
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            output, errors = process.communicate(timeout=PROGRAM_SECONDS)
        except subprocess.TimeoutExpired:
            msg = f"{command} did not end within {PROGRAM_SECONDS:g} s"
            raise DemoError(msg) from None
        finally:
            # The session, for a program that hangs may have forked others that do.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return subprocess.CompletedProcess(command, process.returncode, output, errors)

    def _text(self, name: str) -> str:
        return (self.directory / name).read_text(encoding="utf-8", errors="replace")[-2000:]


def instrumented() -> list[str]:
    """Return the command ``opentelemetry-instrument`` of this interpreter."""
    script = Path(sysconfig.get_path("scripts")) / "opentelemetry-instrument"
    if script.exists():
        return [str(script)]
    code = "from opentelemetry.instrumentation.auto_instrumentation import run; run()"
    return [sys.executable, "-c", code]


def opted_out(environ: Mapping[str, str]) -> list[str]:
    """Return the variables in *environ* by which the user said no; the demo's own programs do not see them."""
    return [name for name in OPT_OUTS if refusal({name: environ.get(name, "")})]


def missing(required: Sequence[str] = REQUIRED) -> list[str]:
    """Return which of the *required* distributions are not installed."""
    from importlib.metadata import distributions

    installed = {str(each.metadata["Name"]).lower().replace("_", "-") for each in distributions()}
    return [name for name in required if name not in installed]
