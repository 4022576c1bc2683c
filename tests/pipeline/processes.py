"""Processes of a pipeline that are killed and started again: each keeps its ports and its directory."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tests.pipeline.tools import CONFIGURATIONS

if TYPE_CHECKING:
    from typing_extensions import Self

STATE = "footfall-gateway"
"""Directory of a gateway's outbox, in that of its log."""

START_SECONDS = 60.0
STOP_SECONDS = 20.0
_POLL_SECONDS = 0.02


def _ports() -> Iterator[int]:
    """Ports that nobody has, each once; below those that the kernel gives to outgoing connections.

    Such a connection could take the port of one of ours while it is down.
    """
    for port in range(20_000 + os.getpid() % 5_000, 32_000):
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
        yield port


_FREE_PORTS = _ports()


def free_port() -> int:
    """Return a port that was free a moment ago, and is given to nobody else here."""
    return next(_FREE_PORTS)


class Restartable:
    """A process that can be killed and come back; a context manager that ends it.

    Args:
        name: For messages and its log.
        directory: For its log; the process runs in it.
        command: What to run.
        environment: All of its environment.
    """

    def __init__(self, name: str, directory: Path, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.name = name
        self.directory = directory
        self.command = list(command)
        self.environment = dict(environment)
        self.kills = 0
        self.log = directory / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def is_ready(self) -> bool:
        """Whether the process does its work."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it, and return when it is ready."""
        assert self._process is None, f"{self.name} runs already"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command, cwd=self.directory, env=self.environment, stdout=log, stderr=log
            )
        limit = time.monotonic() + START_SECONDS
        while not self.is_ready():
            status = self._process.poll()
            assert status is None, f"{self.name} ended with {status}:\n{self.said()}"
            assert time.monotonic() < limit, f"{self.name} is not ready after {START_SECONDS} s:\n{self.said()}"
            time.sleep(_POLL_SECONDS)

    def kill(self) -> None:
        """End it without a word to it."""
        self._end(signal.SIGKILL)
        self.kills += 1

    def stop(self) -> None:
        """Ask it to end, and kill it when it does not."""
        self._end(signal.SIGTERM)

    def restart(self) -> None:
        """Kill it and start it again."""
        self.kill()
        self.start()

    def said(self) -> str:
        """Return the end of its log."""
        return self.log.read_text(errors="replace")[-4000:]

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Collector(Restartable):
    """A Collector with configurations of ours, as an operator would start it: by files and variables alone.

    Args:
        binary: The Collector.
        name: Of this one.
        directory: For its queue and its log.
        configurations: Names of files of ``collector-config``, the later ones laid over the earlier.
        variables: ``COLLECTOR_...``, those of its neighbours.
    """

    def __init__(
        self, binary: Path, name: str, directory: Path, configurations: Sequence[str], variables: Mapping[str, str]
    ) -> None:
        self.grpc_port, self.http_port, self._health_port, zpages, metrics = (free_port() for _ in range(5))
        ours = {
            "PATH": os.environ["PATH"],
            "COLLECTOR_GRPC": f"127.0.0.1:{self.grpc_port}",
            "COLLECTOR_HTTP": f"127.0.0.1:{self.http_port}",
            "COLLECTOR_HEALTH": f"127.0.0.1:{self._health_port}",
            "COLLECTOR_ZPAGES": f"127.0.0.1:{zpages}",
            "COLLECTOR_METRICS_PORT": str(metrics),
            "COLLECTOR_STORAGE": str(directory / f"{name}-storage"),
            # Outages here are of seconds.
            "COLLECTOR_RETRY_FIRST": "100ms",
            "COLLECTOR_RETRY_MOST": "1s",
            "COLLECTOR_BATCH_WAIT": "200ms",
        }
        super().__init__(name, directory, command(binary, configurations), {**ours, **variables})

    def is_ready(self) -> bool:
        """Whether its health check says so."""
        return answers(self._health_port, "/")

    def refusals(self) -> list[str]:
        """Return the lines of its log that tell of data given up.

        "Rejecting data" is another thing: an exporter without a queue, as those below `load_balancing`, hands it back.
        """
        return [line for line in self.log.read_text(errors="replace").splitlines() if "Dropping data" in line]


class Gateway(Restartable):
    """``footfall gateway``, with an outbox that it keeps.

    Args:
        directory: For its configuration, its outbox and its log.
        projects: Name to destinations, as in its file.
        environment: Where it runs; credentials that destinations refer to among it.
    """

    def __init__(self, directory: Path, projects: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        self.port = free_port()
        file = directory / "footfall-gateway.yaml"
        state = str(directory / STATE)
        file.write_text(json.dumps({"listen": {"port": self.port}, "state": state, "projects": projects}))
        file.chmod(0o600)
        serve = [sys.executable, "-m", "footfall", "gateway", "--config", str(file)]
        super().__init__("footfall-gateway", directory, serve, environment)

    @property
    def url(self) -> str:
        """Where it takes OTLP over HTTP."""
        return f"http://127.0.0.1:{self.port}"

    def is_ready(self) -> bool:
        """Whether it takes connections."""
        return listens(self.port)


def command(binary: Path, configurations: Sequence[str], verb: Sequence[str] = ()) -> list[str]:
    """Return how *binary* is started with files of ours."""
    files = [f"--config={CONFIGURATIONS / name}" for name in configurations]
    return [str(binary), *verb, *files]


def answers(port: int, path: str) -> bool:
    """Whether 200 is answered there."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    with socket.socket() as tried:
        tried.settimeout(2)
        return tried.connect_ex(("127.0.0.1", port)) == 0
