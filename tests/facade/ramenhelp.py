"""A loopback server that answers by script and keeps what it was sent, and configurations for it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs

from footfall.facade.ramen.config import QueueReaderConfig

ACCEPTED = {"status": 202, "body": '{"code": "ACCEPTED", "details": null}'}


@dataclass
class Asked:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def plain(self) -> bytes:
        """The body before compression."""
        return zlib.decompress(self.body) if self.body[:1] == b"\x78" else self.body


@dataclass
class Recorder:
    """Answers by *script*, then with *otherwise*; a step is a vector's ``response_given``."""

    script: list[dict[str, Any]] = field(default_factory=list)
    otherwise: dict[str, Any] = field(default_factory=lambda: ACCEPTED)
    asked: list[Asked] = field(default_factory=list)

    def __enter__(self) -> Recorder:  # noqa: PYI034  nothing is derived from it
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, ValueError), connection.makefile("rb") as stream:
            while line := stream.readline():
                method, target, _ = line.decode().split(" ", 2)
                headers: dict[str, str] = {}
                while (raw := stream.readline().strip()) != b"":
                    name, _, value = raw.decode("latin-1").partition(":")
                    headers[name.lower()] = value.strip()
                body = stream.read(int(headers.get("content-length", "0")))
                path, _, query = target.partition("?")
                fields = {key: values[0] for key, values in parse_qs(query, keep_blank_values=True).items()}
                with self._lock:
                    self.asked.append(Asked(method, path, fields, headers, body))
                    step = self._step(self.asked[-1])
                if not self._answer(connection, step):
                    return

    def _step(self, asked: Asked) -> dict[str, Any]:
        return self.script.pop(0) if self.script else self.otherwise

    @staticmethod
    def _answer(connection: socket.socket, step: dict[str, Any]) -> bool:
        """Answer, and return whether the connection stays."""
        if "status" not in step:
            return False
        time.sleep(step.get("delay_seconds", 0))
        body = step.get("body", "").encode()
        length = step.get("claim_length", len(body))
        lines = [f"HTTP/1.1 {step['status']} X", f"Content-Length: {length}"]
        lines += [f"{name}: {value}" for name, value in step.get("headers", {}).items()]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        time.sleep(step.get("body_delay_seconds", 0))
        connection.sendall(body)
        return length == len(body)


def config_for(host: str, folder: Path, **fields: Any) -> QueueReaderConfig:
    """A reader's configuration for the server at *host*, whose queue lies in *folder*."""
    given = {
        "sender": "imx",
        "system_serial": 1099,
        "system_version": "3.0.0.1",
        "hostname": host,
        "auth_token": "good-token",
        "ssl": False,
        "queue_dir": str(folder / "queue"),
        "retry_delay": 0.02,
        "polling_delay": 0.02,
    }
    return QueueReaderConfig({**given, **fields})
