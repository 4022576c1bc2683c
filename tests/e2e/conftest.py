"""Programs under the real ``opentelemetry-instrument``, each in a subprocess."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from footfall.testing.sink.client import Sink
from tests.process.harness import ROOT, Observation

HERE = Path(__file__).parent
TIMEOUT_SECONDS = 60

NOT_OURS = re.compile(
    r"Exception ignored in atexit callback: <function shutdown at 0x[0-9a-f]+>\n"
    r"Traceback \(most recent call last\):\n"
    r"(?: .*\n)*"
    r'  File "[^"]*/opentelemetry/instrumentation/logging/handler\.py", .*\n'
    r"(?: .*\n)*"
    r"RuntimeError: can't create new thread at interpreter shutdown\n"
)
"""What opentelemetry-instrumentation-logging leaves on stderr on the first releases of CPython 3.12, with or without
footfall: its handler starts a thread when logging shuts down (seen with 3.12.1)."""


class Host(Observation):
    """An observation of programs that OpenTelemetry instruments, with a ``FOOTFALL_CONFIG``."""

    def configure(self, project: str, *functions: str, wires: tuple[str, ...] = ("migas", "otlp")) -> Path:
        """Write a configuration that watches *functions* and sends to the sink, and return its path."""
        config = self.directory / "footfall.yaml"
        lines = [f"project: {project}", "send_to:", *(f"  - {wire}: {self.sink.url}" for wire in wires)]
        config.write_text("\n".join([*lines, "registry:", "  paths:", *(f"    - {each}" for each in functions), ""]))
        config.chmod(0o600)
        return config

    def instrumented(self, app: str, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
        """Run *app* under ``opentelemetry-instrument``; traces go to the sink unless *extra* says otherwise."""
        environment = {
            **self.environment(
                FOOTFALL_CONFIG=str(self.directory / "footfall.yaml"),
                OTEL_TRACES_EXPORTER="otlp",
                OTEL_METRICS_EXPORTER="none",
                OTEL_LOGS_EXPORTER="none",
                OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
                OTEL_EXPORTER_OTLP_ENDPOINT=self.sink.url,
                OTEL_SERVICE_NAME="app",
                PYTHONWARNINGS="ignore",
                PATH=str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"],
            ),
            **extra,
        }
        environment = {name: value for name, value in environment.items() if value}
        command = [str(Path(sys.executable).parent / "opentelemetry-instrument"), sys.executable]
        done = subprocess.run(
            [*command, str(HERE / app), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        for block in NOT_OURS.findall(done.stderr):
            assert "footfall" not in block.replace(str(ROOT), ""), block
        done.stderr = NOT_OURS.sub("", done.stderr)
        return done

    def probe(self, **extra: str) -> dict[str, Any]:
        """Run ``probe.py`` and return what it says; it must end well and without a traceback."""
        extra = {"OTEL_TRACES_EXPORTER": "none", **extra}
        done = self.instrumented("probe.py", str(self.directory / "state"), **extra)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        said: dict[str, Any] = json.loads(done.stdout)
        said["log"] = done.stderr
        return said

    def by_footfall(self, path: str) -> list[dict[str, Any]]:
        """Return the records that footfall itself sent to *path*: the host's exporter knows no idempotency keys."""
        return [record for received in self.accepted(path) if received.key for record in received.records]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with Sink(tmp_path / "sink") as sink:
        yield Host(tmp_path, sink)


def packages(folder: Path, **projects: str) -> str:
    """Install distributions that declare a project each; return a ``PYTHONPATH`` with them."""
    for name, text in projects.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "footfall.yaml").write_text(text)
        info = folder / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[footfall.projects]\n{name} = {name}\n")
    return f"{ROOT}{os.pathsep}{folder}"
