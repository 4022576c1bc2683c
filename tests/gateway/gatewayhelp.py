"""A gateway in a process of its own, and what a test sends it. Other tests may import this: `Gateway.start`."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from typing_extensions import Self

from footfall.usage import Usage
from footfall.wire.otlp import OtlpWire

START_SECONDS = 30.0
HANG_SECONDS = 60.0
PROTOBUF = "application/x-protobuf"
JSON = "application/json"


@dataclass
class Answer:
    """What the gateway said."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Gateway:
    """One gateway process.

    Attributes:
        url: Its base URL.
        port: The same, for sockets.
        state: Its state directory.
        process: For signals.
    """

    url: str
    state: Path
    process: subprocess.Popen[bytes]
    log: Path
    port: int = field(init=False)

    def __post_init__(self) -> None:
        self.port = urlsplit(self.url).port or 0

    @classmethod
    def start(
        cls,
        directory: Path,
        configuration: Mapping[str, Any],
        *,
        environ: Mapping[str, str] | None = None,
        prelude: str = "",
    ) -> Gateway:
        """Start a gateway and wait until it listens.

        Args:
            directory: For its files; ``state`` below it is its state directory, which a second start finds again.
            configuration: As the file has it (JSON is YAML); ``listen: {port: 0}`` and ``state`` are filled in.
            environ: Further variables.
            prelude: Python that runs before, in the same process.
        """
        directory.mkdir(parents=True, exist_ok=True)
        state = directory / "state"
        whole = {"listen": {"port": 0}, "state": str(state), **configuration}
        path = directory / "gateway.yaml"
        path.write_text(json.dumps(whole))
        path.chmod(0o600)
        log = directory / "gateway.log"
        code = f"{prelude}\nimport sys\nfrom footfall.cli.main import main\nsys.exit(main())"
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "FOOTFALL"))}
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, "-W", "error::ResourceWarning", "-c", code, "gateway", "--config", str(path)],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                env={**clean, **(environ or {})},
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            found = re.search(r"listening on (\S+)", log.read_text())
            if found:
                return cls(found[1], state, process, log)
            time.sleep(0.01)
        process.kill()
        process.wait()
        raise AssertionError(f"no gateway: {log.read_text()}")

    def stop(self) -> int:
        """Stop it gracefully; return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(HANG_SECONDS)

    def kill(self) -> None:
        """Kill it, as the kernel does."""
        self.process.kill()
        self.process.wait(HANG_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()

    def ask(
        self, path: str, body: bytes | None = None, *, method: str = "", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=HANG_SECONDS)
        try:
            connection.request(method or ("GET" if body is None else "POST"), path, body, dict(headers or {}))
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def post(
        self, path: str, body: bytes, *, content_type: str = PROTOBUF, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Post a body."""
        return self.ask(path, body, headers={"content-type": content_type, **(headers or {})})

    def tell(self, *usages: Usage, addressed: bool = False, token: str = "") -> list[Answer]:
        """Send *usages* as the wire ``otlp`` does."""
        return [
            self.post(
                request.path,
                request.body,
                headers={**dict(request.headers), **({"authorization": f"Bearer {token}"} if token else {})},
            )
            for request in OtlpWire(addressed=addressed).translate(usages)
        ]

    def figures(self) -> dict[str, float]:
        """Return its metrics, by name and labels as Prometheus reads them."""
        lines = self.ask("/metrics").body.decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def memory_kib(self) -> int:
        """Return what it has resident now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+)", status)
        assert found is not None
        return int(found[1])

    def forget_most_memory(self) -> int:
        """Let `most_memory_kib` begin anew; return what is resident now."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")
        return self.memory_kib()

    def most_memory_kib(self) -> int:
        """Return the most that it had resident."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+)", status)
        assert found is not None
        return int(found[1])


def raw(port: int, data: bytes, *, seconds: float = 20.0) -> bytes:
    """Send *data* on a connection of its own and return all that comes until the gateway closes it."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(data)
        received = b""
        while piece := connection.recv(65536):
            received += piece
        return received


def use(number: int, **fields: Any) -> Usage:
    """Return an end with ids made of *number*."""
    from footfall.usage import Kind, Outcome

    values: dict[str, Any] = {
        "project": "demo/lib",
        "project_version": "1.2",
        "service": "lib_catalog",
        "name": "lib.core:search",
        "kind": Kind.END,
        "trace_id": f"{number + 1:032x}",
        "span_id": f"{number + 1:016x}",
        "time_ns": 1_700_000_000_000_000_000 + number,
        "duration_ns": 1000,
        "outcome": Outcome.OK,
        "resource": {"os.type": "linux", "process.runtime.version": "3.11.7"},
        "session_id": "7f9c2ba4-e88f-4ab8-9a3b-0f0f0f0f0f0f",
        "installation_id": "0d5a0b9e-0000-4000-8000-000000000000",
        **fields,
    }
    return Usage(**values)
