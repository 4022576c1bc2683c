"""The sink's process: sockets, threads, the journal, and the control door.

One thread accepts, one thread serves each connection, so that a connection that hangs holds up nobody. The data port
can refuse (`Door`); the control port, at which a test changes the mode, is a socket of its own and never does.
The process ends by itself when the one that started it is gone, or after ``--max-seconds``: no test run leaves a sink.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import json
import os
import selectors
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from footfall.testing.sink import access, faults, insights, migas, otlp, ramen, tracker
from footfall.testing.sink.exchange import (
    AUTH_HEADERS,
    Answer,
    Asked,
    BadRequestError,
    CutOffError,
    json_answer,
    read_request,
    text_answer,
)
from footfall.testing.sink.modes import Mode, Rules, parse_mode

if TYPE_CHECKING:
    from collections.abc import Sequence

READY_FILE: Final = "ready.json"
REQUESTS_FILE: Final = "requests.jsonl"
CONTROL_PATH: Final = "/__sink__/"
_WATCH_SECONDS: Final = 0.25


class Journal:
    """``requests.jsonl``: one line for each request, in one write, before its answer."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_RDWR, 0o600)
        size = os.fstat(self._file).st_size
        if size and os.lseek(self._file, -1, os.SEEK_END) >= 0 and os.read(self._file, 1) != b"\n":
            os.write(self._file, b"\n")  # a sink killed while it wrote; the torn line stays alone
        self._lock = threading.Lock()

    def append(self, line: dict[str, Any]) -> None:
        """Write *line*; it survives the death of this process."""
        text = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            os.write(self._file, text)


class Serve(Protocol):
    """What a door does with each connection, in a thread of its own."""

    def __call__(self, connection: socket.socket, /) -> None:
        """Serve *connection* until it ends."""
        ...


class Door:
    """A listening socket on a port that stays ours while it refuses.

    A bound socket that does not listen refuses connections and still keeps its port from others, so opening is one
    call and cannot fail because somebody else took the port meanwhile.
    """

    def __init__(self, port: int, serve: Serve, *, host: str = "127.0.0.1") -> None:
        self._host = host
        self._socket = self._bound(port)
        self.port = int(self._socket.getsockname()[1])
        self.listening = False
        self._serve = serve
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()

    def open(self, selector: selectors.BaseSelector) -> None:
        """Listen."""
        if not self.listening:
            self._socket.listen(512)
            selector.register(self._socket, selectors.EVENT_READ, self.accept)
            self.listening = True

    def close(self, selector: selectors.BaseSelector) -> None:
        """Refuse, and cut the connections that are open."""
        if self.listening:
            selector.unregister(self._socket)
            self._socket.close()
            self._socket = self._bound(self.port)
            self.listening = False
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def accept(self) -> None:
        """Take one connection and give it a thread."""
        try:
            connection, _ = self._socket.accept()
        except OSError:  # the client left between the selector's word and ours
            return
        connection.setblocking(True)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:  # here, not in the thread: `close` must know every connection that was taken before it
            self._connections.add(connection)
        threading.Thread(target=self._attend, args=(connection,), daemon=True, name="sink-connection").start()

    def _attend(self, connection: socket.socket) -> None:
        try:
            self._serve(connection)
        except (OSError, CutOffError):
            pass  # the client went away, or `close` cut it
        finally:
            with self._lock:
                self._connections.discard(connection)
            connection.close()

    def _bound(self, port: int) -> socket.socket:
        bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if os.name == "posix":  # elsewhere the option would let others share the port
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((self._host, port))
        bound.setblocking(False)
        return bound


class Server:
    """Everything of a sink but its process.

    Args:
        directory: For the journal; exists.
        port: Of the data door; 0 takes a free one.
        mode: The first one.
        registered: Projects; empty registers every ``owner/name``.
        host: Address of the data door. The control door is never anywhere but on the loopback.
    """

    def __init__(
        self, directory: Path, *, port: int, mode: Mode, registered: Sequence[str], host: str = "127.0.0.1"
    ) -> None:
        self._journal = Journal(directory / REQUESTS_FILE)
        self._state = migas.State(registered)
        self._tables = access.State()
        self._jobs = tracker.State()
        self._rules = Rules(mode)
        self._selector = selectors.DefaultSelector()
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._data = Door(port, self._serve_data, host=host)
        self._control = Door(0, self._serve_control)
        self.opened = threading.Event()
        """Set when the data door is as the first mode says; before, a client would be refused by chance."""
        self._wanted: list[tuple[Mode, threading.Event]] = [(mode, self.opened)]
        self.port, self.control_port = self._data.port, self._control.port

    def accept_forever(self) -> None:
        """Run both doors; the one thread that touches listening sockets."""
        self._control.open(self._selector)
        self._selector.register(self._wake_reader, selectors.EVENT_READ, lambda: self._wake_reader.recv(4096))
        mode, next_flap = self._wanted[0][0], 0.0
        while True:
            while self._wanted:
                mode, done = self._wanted.pop(0)
                if mode.name == "refuse":
                    self._data.close(self._selector)
                else:
                    self._data.open(self._selector)
                next_flap = time.monotonic() + (mode.numbers[0] if mode.name == "flap" else 0.0)
                done.set()
            pause: float | None = None
            if mode.name == "flap":
                pause = next_flap - time.monotonic()
                if pause <= 0:
                    (self._data.close if self._data.listening else self._data.open)(self._selector)
                    pause = mode.numbers[0 if self._data.listening else 1]
                    next_flap = time.monotonic() + pause
            for key, _ in self._selector.select(pause):
                key.data()

    def set_mode(self, mode: Mode, where: str = "") -> None:
        """Put *mode* in force; when this returns, the data door is as it says."""
        self._rules.put(mode, where)
        if where:
            return
        done = threading.Event()
        self._wanted.append((mode, done))
        self._wake_writer.send(b"\0")
        done.wait()

    def _serve_data(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            while True:
                try:
                    asked = read_request(stream, on_expect=lambda: connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n"))
                except BadRequestError as error:
                    answer = text_answer(400, str(error))
                    self._journal.append({"time_ns": time.time_ns(), "answer": 400, "accepted": False})
                    connection.sendall(answer.head(keep_alive=False) + answer.body)
                    return
                if asked is None or not self._exchange(connection, asked):
                    return

    def _exchange(self, connection: socket.socket, asked: Asked) -> bool:
        wire = _wire(asked.path)
        rule = self._rules.choose(wire=wire, path=asked.path)
        trouble = ""
        try:
            rejected = int(rule.mode.numbers[0]) if rule.mode.name == "partial" else 0
            honest = self._application(wire, asked, rule.mode, rejected)
        except Exception as error:  # noqa: BLE001  a defect of the sink has to show in the journal, not as a hung test
            honest, trouble = text_answer(500, "the sink itself failed"), f"{type(error).__name__}: {error}"
        met = faults.disturb(rule, wire, asked, honest)
        if wire == "migas" and met.answer.accepted:
            self._state.keep(met.answer.records)
        if wire == "tracker" and met.answer.accepted:
            self._jobs.keep(met.answer.records)
        line = _line(asked, wire, met)
        self._journal.append(line | {"sink_error": trouble} if trouble else line)
        return faults.Delivery(connection, met.mode, met.answer, asked.keep_alive).perform()

    def _application(self, wire: str, asked: Asked, mode: Mode, rejected: int) -> Answer:
        if wire == "migas":
            return migas.answer(asked, self._state)
        if wire == "ramen":
            return ramen.answer(asked, dropping=mode.name == "droprule", rule=mode.tail)
        if wire == "access":
            return access.answer(asked, self._tables)
        if wire == "tracker":
            return tracker.answer(asked, self._jobs)
        if wire == "insights":
            most_bytes = int(mode.numbers[0]) if mode.name == "toobig" else insights.DEFAULT.most_bytes
            return insights.answer(asked, replace(insights.DEFAULT, most_bytes=most_bytes))
        return otlp.answer(asked, rejected=rejected) if wire == "otlp" else migas.not_found()

    def _serve_control(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            asked = read_request(stream)
            if asked is None:
                return
            try:
                answer = self._obey(asked.path.removeprefix(CONTROL_PATH), json.loads(asked.body or b"{}"))
            except (ValueError, KeyError, TypeError) as error:
                answer = json_answer(400, {"error": str(error)})
            connection.sendall(answer.head(keep_alive=False) + answer.body)

    def _obey(self, order: str, given: dict[str, Any]) -> Answer:
        if order == "mode":
            self.set_mode(parse_mode(given["mode"]), given.get("where", ""))
        elif order == "project":
            given = {"latest": None, "flagged": (), "message": ""} | given
            self._state.put_project(given.pop("name"), **given)
        else:
            return json_answer(404, {"error": f"there is {CONTROL_PATH}mode and {CONTROL_PATH}project"})
        return json_answer(200, {})


def _wire(path: str) -> str:
    if path in {otlp.TRACES_PATH, otlp.LOGS_PATH}:
        return "otlp"
    if path.startswith(ramen.PREFIX):
        return "ramen"
    if path.rstrip("/") in {migas.REST_PATH, migas.GRAPHQL_PATH}:
        return "migas"
    if path in insights.UPLOAD_PATHS:
        return "insights"
    if tracker.is_path(path):
        return "tracker"
    # Last, for nearly every other path can be an endpoint; not the signals of OTLP that a sink does not take.
    return "access" if not path.startswith("/v1/") and access.endpoint_of(path) else ""


def _line(asked: Asked, wire: str, met: faults.Disturbed) -> dict[str, Any]:
    secret = sorted(name for name in asked.headers if AUTH_HEADERS.fullmatch(name))
    try:
        body, encoding = asked.body.decode(), "utf-8"
    except UnicodeDecodeError:
        body, encoding = base64.b64encode(asked.body).decode(), "base64"
    return {
        "time_ns": time.time_ns(),
        "method": asked.method,
        "path": asked.target,
        "wire": wire,
        "mode": met.mode.text,
        "answer": met.status,
        "accepted": met.answer.accepted,
        "key": asked.headers.get("idempotency-key", ""),
        "auth_headers": secret,
        "headers": {name: "***" if name in secret else value for name, value in asked.headers.items()},
        "body_sha256": hashlib.sha256(asked.body).hexdigest(),
        "body_encoding": encoding,
        "body": body,
        "records": met.answer.records,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a sink until its parent process is gone or its time is over; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m footfall.testing.sink", description="A loopback server that keeps what it receives."
    )
    parser.add_argument("--directory", type=Path, required=True, help=f"for {REQUESTS_FILE} and {READY_FILE}")
    parser.add_argument("--host", default="127.0.0.1", help="IPv4 address to listen on; 0.0.0.0 only in a container")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--mode", type=parse_mode, default="ok", help="see footfall.testing.sink.modes")
    parser.add_argument("--register", nargs="*", default=[], metavar="OWNER/NAME", help="default: every owner/name")
    parser.add_argument("--max-seconds", type=float, default=600.0, help="then it ends by itself")
    parser.add_argument("--parent", type=int, default=os.getppid(), help="process with which it ends; ours by default")
    given = parser.parse_args(arguments)
    directory: Path = given.directory
    directory.mkdir(parents=True, exist_ok=True)
    server = Server(directory, host=given.host, port=given.port, mode=given.mode, registered=given.register)
    acceptor = threading.Thread(target=server.accept_forever, daemon=True, name="sink-accept")
    acceptor.start()
    while not server.opened.wait(_WATCH_SECONDS):
        if not acceptor.is_alive():
            return 1
    ready = {"pid": os.getpid(), "port": server.port, "control_port": server.control_port}
    partial = directory / f"{READY_FILE}.partial"
    partial.write_text(json.dumps(ready), encoding="utf-8")
    partial.replace(directory / READY_FILE)
    end = time.monotonic() + given.max_seconds
    with contextlib.suppress(KeyboardInterrupt):
        while time.monotonic() < end and (os.name != "posix" or os.getppid() == given.parent):
            acceptor.join(_WATCH_SECONDS)
            if not acceptor.is_alive():  # its traceback is on stderr; better no sink than a deaf one
                return 1
    return 0
