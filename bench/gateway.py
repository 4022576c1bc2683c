"""The gateway: spans for each second of its CPU, against the Collector's own; and memory with slow senders.

Both receive the same OTLP/HTTP bodies, 512 spans each, over the same connections, in turn. The gateway decodes, scrubs,
translates, and syncs before it answers; a stock Collector has the pipeline ``otlp -> debug``, which decodes and throws
away. The ratio says what keeping costs. Time is the CPU's that each process took, so that the sender does not count.

``FOOTFALL_OTELCOL`` names the Collector's binary; without it, its lines say that it is missing.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.measure import Figure, compare, gain, interleave, per_second, percentile

OTELCOL = "FOOTFALL_OTELCOL"
SPANS = 512
BATCHES = 16
CONNECTIONS = 4
ROUNDS = 8
SLOW_SENDERS = 1000
START_SECONDS = 30.0
DEAD = "http://127.0.0.1:9"
"""Where the gateway's destinations are: keeping is measured here, delivery in `bench.courier`."""

COLLECTOR = """\
receivers: {{otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{port}"}}}}}}}}
exporters: {{debug: {{verbosity: basic}}}}
service:
  telemetry: {{metrics: {{level: none}}, logs: {{level: error}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [debug]}}}}
"""


class Receiver:
    """A process that receives OTLP.

    Attributes:
        port: On loopback.
        pid: Of the process.
    """

    def __init__(self, port: int, pid: int) -> None:
        self.port = port
        self.pid = pid

    def cpu_seconds(self) -> float:
        """Return what it took of the CPU so far, user and system."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_bytes(self) -> int:
        """Return what it has resident."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) * 1024

    def receive(self) -> float:
        """Send it one round of spans; return nanoseconds of its CPU for each."""
        bodies = [_body() for _ in range(BATCHES)]
        before = self.cpu_seconds()
        _send(self.port, bodies)
        return (self.cpu_seconds() - before) * 1e9 / (BATCHES * SPANS)

    def elapsed(self) -> float:
        """Send it one round of spans; return nanoseconds that it took for each, as a sender sees it."""
        bodies = [_body() for _ in range(BATCHES)]
        begin = time.perf_counter_ns()
        _send(self.port, bodies)
        return (time.perf_counter_ns() - begin) / (BATCHES * SPANS)


def figures(directory: Path) -> Iterator[Figure]:
    """Keeping for a server of single records and for one of batches, the Collector beside it; then slow senders."""
    destinations: dict[str, dict[str, Any]] = {"migas": {"migas": DEAD}, "otlp": {"otlp": DEAD}}
    with contextlib.ExitStack() as running:
        gateways = {
            name: running.enter_context(gateway(directory / name, [destination]))
            for name, destination in destinations.items()
        }
        binary = os.environ.get(OTELCOL, "")
        collector = running.enter_context(_collector(directory / "collector", binary)) if binary else None
        sides: list[Callable[[], float]] = [each.receive for each in gateways.values()]
        if collector is not None:
            sides.append(collector.receive)
        taken = interleave(ROUNDS, *sides)
        for (name, _), costs in zip(gateways.items(), taken, strict=False):
            cost = percentile(costs, 10)
            yield Figure(
                f"gateway to {name}, spans/s of a core", 1e9 / cost, None, unit="/s", detail=f"{cost / 1e3:.3g} us"
            )
            title = f"gateway to {name} / otelcol otlp -> debug"
            if collector is None:
                yield Figure(title, 0.0, None, detail=f"missing: set {OTELCOL} to the binary of a Collector")
            else:
                yield gain(title, compare(costs, taken[-1]), None, show=per_second)
        (spent,) = interleave(ROUNDS, gateways["migas"].elapsed)
        yield Figure("gateway to migas, spans/s, 4 senders", 1e9 / percentile(spent, 10), None, unit="/s")
        yield from _slow(gateways["migas"])


def _slow(receiver: Receiver) -> Iterator[Figure]:
    """Senders that begin a body of 4 MB and go on for as long as they are let."""
    before = receiver.memory_bytes()
    head = (
        "POST /v1/traces HTTP/1.1\r\nhost: bench\r\ncontent-type: application/x-protobuf\r\n"
        "content-length: 4000000\r\n\r\n"
    ).encode("ascii")
    with contextlib.ExitStack() as opened:
        connections = [
            opened.enter_context(socket.create_connection(("127.0.0.1", receiver.port), timeout=START_SECONDS))
            for _ in range(SLOW_SENDERS)
        ]
        for connection in connections:
            connection.sendall(head + bytes(1000))
        cost = receiver.receive()
        grown = (receiver.memory_bytes() - before) / 2**20
        detail = f"and {1e9 / cost:,.0f} spans/s of a core meanwhile"
        yield Figure(f"memory for {SLOW_SENDERS} slow senders", grown, 64, unit=" MiB", detail=detail)


@contextlib.contextmanager
def gateway(directory: Path, send_to: Sequence[dict[str, Any]]) -> Iterator[Receiver]:
    """Run a gateway that keeps for *send_to*."""
    directory.mkdir(mode=0o700)
    path = directory / "gateway.yaml"
    configuration = {
        "listen": {"port": 0},
        "state": str(directory / "state"),
        "projects": {"bench/gateway": list(send_to)},
        "limits": {"outbox_bytes": 2**32, "body_seconds": 60},
    }
    path.write_text(json.dumps(configuration), encoding="utf-8")
    path.chmod(0o600)
    log = directory / "log"
    command = [sys.executable, "-m", "footfall", "gateway", "--config", str(path)]
    with _running(command, log) as process:
        found = _wait(lambda: re.search(r"listening on \S+:(\d+)", log.read_text(encoding="utf-8")), process, log)
        yield Receiver(int(found[1]), process.pid)


@contextlib.contextmanager
def _collector(directory: Path, binary: str) -> Iterator[Receiver]:
    directory.mkdir(mode=0o700)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    path = directory / "collector.yaml"
    path.write_text(COLLECTOR.format(port=port), encoding="utf-8")
    log = directory / "log"

    def answers() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        return False

    with _running([binary, f"--config={path}"], log) as process:
        _wait(answers, process, log)
        yield Receiver(port, process.pid)


@contextlib.contextmanager
def _running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _wait(found: Callable[[], Any], process: subprocess.Popen[bytes], log: Path) -> Any:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if answer := found():
            return answer
        time.sleep(0.02)
    msg = f"{process.args!r} does not receive: {log.read_text(encoding='utf-8')[-2000:]}"
    raise AssertionError(msg)


def _body() -> bytes:
    """Return a batch of spans as the wire ``otlp`` sends it, with ids of its own, packed."""
    from footfall.usage import Kind, Outcome, Usage
    from footfall.wire.otlp import OtlpWire

    resource = {"os.type": "linux", "process.runtime.version": "3.11.7", "host.arch": "amd64"}
    usages = [
        Usage(
            project="bench/gateway",
            project_version="1.0",
            service="catalog",
            name="bench.core:search",
            kind=Kind.END,
            trace_id=secrets.token_hex(16),
            span_id=secrets.token_hex(8),
            time_ns=time.time_ns(),
            duration_ns=1_000_000,
            outcome=Outcome.OK,
            arguments={"method": "fast", "size": 3},
            extra={"site": "a"},
            resource=resource,
            session_id="7f9c2ba4-e88f-4ab8-9a3b-0f0f0f0f0f0f",
            installation_id="0d5a0b9e-0000-4000-8000-000000000000",
        )
        for _ in range(SPANS)
    ]
    (request,) = OtlpWire().translate(usages)
    return request.body


def _send(port: int, bodies: Sequence[bytes]) -> None:
    """Send *bodies* over `CONNECTIONS` connections at once; each must be answered 200."""
    refused: list[int] = []

    def send(own: Sequence[bytes]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_SECONDS)
        headers = {"content-type": "application/x-protobuf", "content-encoding": "gzip"}
        for body in own:
            connection.request("POST", "/v1/traces", body, headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                refused.append(answer.status)
        connection.close()

    threads = [threading.Thread(target=send, args=(bodies[number::CONNECTIONS],)) for number in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if refused:
        msg = f"{len(refused)} of {len(bodies)} bodies were refused: {sorted(set(refused))}"
        raise AssertionError(msg)
