"""What stands between programs and usage servers, measured from outside: the gateway, and Collectors.

Each runs as operators run it, with the configurations of this repository; OTLP requests as the courier makes them go in
one after the other, and a server at its end counts what comes out. CPU time is what the kernel says of the process.
"""

from __future__ import annotations

import contextlib
import http.client
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.request import urlopen

import psutil

from bench.servers import Traffic, refusing
from bench.worker import ROOT, environment

__all__ = ["TOKEN", "agent", "batches", "entry", "feed", "gateway", "kept", "passed", "refusing"]

PROJECT = "bench/tiers"
REQUEST_USES = 500
"""As many uses as the courier puts into a request, about."""

WAIT_SECONDS = 120.0
SETTLE_SECONDS = 2.0
"""After which what came in is on the disk."""
CONFIGURATIONS = ROOT / "collector-config"


def batches(uses: int) -> list[tuple[str, dict[str, str], bytes]]:
    """Return path, headers and body of the OTLP requests that tell of *uses* new uses of one session."""
    from footfall.usage import Kind, Outcome, Usage
    from footfall.wire.otlp import OtlpWire

    def use() -> Usage:
        return Usage(
            project=PROJECT,
            project_version="1",
            service="tiers",
            name="bench.tiers:work",
            kind=Kind.END,
            trace_id=secrets.token_hex(16),
            span_id=secrets.token_hex(8),
            time_ns=time.time_ns(),
            duration_ns=1000,
            outcome=Outcome.OK,
            session_id="0b1f1e1c-3c61-4f0a-8f6e-6f1d1a0f3d55",
            resource=resource,
        )

    resource = {"os.type": "linux", "host.arch": "amd64", "process.runtime.name": "cpython"}
    wire, made = OtlpWire(), []
    for begin in range(0, uses, REQUEST_USES):
        for request in wire.translate([use() for _ in range(min(REQUEST_USES, uses - begin))]):
            headers = {"Content-Type": request.content_type, **dict(request.headers)}
            made.append((request.path, headers, request.body))
    return made


def feed(port: int, requests: Sequence[tuple[str, dict[str, str], bytes]], token: str = "") -> None:
    """Send *requests*, each until it is taken; what is refused for now is sent again."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_SECONDS)
    limit = time.monotonic() + WAIT_SECONDS
    with contextlib.closing(connection):
        for path, headers, body in requests:
            status = 0
            while status != 200:
                known = {"Authorization": f"Bearer {token}"} if token else {}
                connection.request("POST", path, body, headers | known)
                answer = connection.getresponse()
                said, status = answer.read(), answer.status
                if status not in {200, 429, 503} or time.monotonic() > limit:
                    msg = f"the relay answered {status}: {said[:200]!r}"
                    raise AssertionError(msg)


@contextlib.contextmanager
def running(
    command: Sequence[str], directory: Path, ready: str, environ: Mapping[str, str]
) -> Iterator[psutil.Process]:
    """Run *command* until the block ends; give the process once *ready*, a URL, answers."""
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(command, env=environment(directory, environ), stdout=log, stderr=log)
        try:
            limit = time.monotonic() + WAIT_SECONDS
            while not _answers(ready):
                if process.poll() is not None or time.monotonic() > limit:
                    raise RuntimeError((directory / "log").read_text(errors="replace")[-2000:])
                time.sleep(0.05)
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def gateway(directory: Path, server: str, wire: str) -> Iterator[tuple[int, list[psutil.Process]]]:
    """Run ``footfall gateway`` in front of *server*; give its port and process."""
    directory.mkdir(mode=0o700, parents=True)
    port, file = free_port(), directory / "gateway.yaml"
    file.write_text(
        f"listen: {{port: {port}}}\nstate: {directory / 'kept'}\nprojects: {{bench/*: [{{{wire}: 'http://{server}'}}]}}\n"
    )
    file.chmod(0o600)
    command = [sys.executable, "-m", "footfall", "gateway", "--config", str(file)]
    with running(command, directory, f"http://127.0.0.1:{port}/readyz", {}) as process:
        yield port, [process]


@contextlib.contextmanager
def agent(directory: Path, server: str, otelcol: Path) -> Iterator[tuple[int, list[psutil.Process]]]:
    """Run a Collector as agent.yaml has it in front of *server*; give its port and process."""
    variables = {"COLLECTOR_HTTP": f"127.0.0.1:{free_port()}", "COLLECTOR_GATEWAY": f"http://{server}"}
    with _collector(directory, otelcol, "agent.yaml", variables) as process:
        yield _port(variables["COLLECTOR_HTTP"]), [process]


@contextlib.contextmanager
def entry(directory: Path, server: str, otelcol: Path) -> Iterator[tuple[int, list[psutil.Process]]]:
    """Run the two Collectors of gateway.yaml and translator.yaml in front of *server*; give port and processes."""
    inner = {"COLLECTOR_GRPC": f"127.0.0.1:{free_port()}", "COLLECTOR_FOOTFALL": f"http://{server}"}
    outer = {
        "COLLECTOR_HTTP": f"127.0.0.1:{free_port()}",
        "COLLECTOR_TRANSLATORS": "localhost",
        "COLLECTOR_TRANSLATORS_PORT": inner["COLLECTOR_GRPC"].rpartition(":")[2],
    }
    with (
        _collector(directory / "translator", otelcol, "translator.yaml", inner) as second,
        _collector(directory / "entry", otelcol, "gateway.yaml", outer) as first,
    ):
        yield _port(outer["COLLECTOR_HTTP"]), [first, second]


TOKEN = "bench"


@contextlib.contextmanager
def _collector(directory: Path, otelcol: Path, name: str, variables: dict[str, str]) -> Iterator[psutil.Process]:
    directory.mkdir(mode=0o700, parents=True)
    token = directory / "token"
    token.write_text(TOKEN + "\n")
    health = f"127.0.0.1:{free_port()}"
    environ = {
        "COLLECTOR_HEALTH": health,
        "COLLECTOR_ZPAGES": f"127.0.0.1:{free_port()}",
        "COLLECTOR_METRICS_PORT": str(free_port()),
        "COLLECTOR_STORAGE": str(directory / "kept"),
        "COLLECTOR_TOKEN_FILE": str(token),
        "COLLECTOR_TOKENS_FILE": str(token),
        "COLLECTOR_BATCH_WAIT": "200ms",
        **({} if "COLLECTOR_GRPC" in variables else {"COLLECTOR_GRPC": f"127.0.0.1:{free_port()}"}),
        **variables,
    }
    (directory / "kept").mkdir()
    command = [str(otelcol), "--config", str(CONFIGURATIONS / name)]
    with running(command, directory, f"http://{health}/", environ) as process:
        yield process


def passed(port: int, processes: Sequence[psutil.Process], traffic: Traffic, uses: int, each: bool) -> list[float]:
    """Send *uses* uses through; CPU seconds of each process, then bytes and requests that came out.

    Args:
        port: Of the first process.
        processes: To be measured.
        traffic: Of the server at the end.
        uses: To send.
        each: Whether the server gets a request a use; else it gets as many as come within a pause.
    """
    requests, sent, received = batches(uses), traffic.requests, traffic.received + traffic.sent
    before = [_cpu_seconds(process) for process in processes]
    feed(port, requests, TOKEN)
    limit, known = time.monotonic() + WAIT_SECONDS, -1
    while traffic.requests - sent < (uses if each else 1) or (not each and known != traffic.requests):
        known = traffic.requests
        if time.monotonic() > limit:
            msg = f"{traffic.requests - sent} requests came out of a relay in {WAIT_SECONDS:.0f} s"
            raise AssertionError(msg)
        time.sleep(0.05 if each else 1.5)
    took = [_cpu_seconds(process) - begin for process, begin in zip(processes, before, strict=True)]
    return [*took, float(traffic.received + traffic.sent - received), float(traffic.requests - sent)]


def kept(directory: Path) -> int:
    """Return the bytes on disk below *directory*, as allocated."""
    return sum(path.stat().st_blocks * 512 for path in directory.rglob("*") if path.is_file())


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])
